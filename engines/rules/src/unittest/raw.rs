//! The file as written.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::time::parse_duration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A duration as text; `0` needs no unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Period(pub(super) Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// Seconds since 1970, or RFC 3339.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(seconds) = text.parse::<f64>().ok().filter(|s| s.is_finite()) {
            return Ok(Self(Timestamp::from_secs_f64(seconds)));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(Self(Timestamp::from_millis(at.as_millisecond()))),
            Err(_) => Err(D::Error::custom(format!(
                "{text:?} is no time: write seconds since 1970, or 2024-01-01T00:00:00Z"
            ))),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) rule_files: Vec<String>,
    pub(super) evaluation_interval: Option<Period>,
    pub(super) group_eval_order: Vec<String>,
    pub(super) tests: Option<Vec<Tests>>,
    pub(super) fuzzy_compare: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tests {
    pub(super) name: Option<String>,
    pub(super) interval: Option<Period>,
    pub(super) start_timestamp: Option<Start>,
    pub(super) input_series: Option<Vec<InputSeries>>,
    pub(super) alert_rule_test: Option<Vec<AlertTest>>,
    pub(super) promql_expr_test: Option<Vec<ExprTest>>,
    pub(super) external_labels: Option<BTreeMap<String, String>>,
    pub(super) external_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct InputSeries {
    pub(super) series: String,
    pub(super) values: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AlertTest {
    pub(super) eval_time: Period,
    pub(super) alertname: String,
    pub(super) exp_alerts: Option<Vec<ExpectedAlert>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExpectedAlert {
    pub(super) exp_labels: Option<BTreeMap<String, String>>,
    pub(super) exp_annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExprTest {
    pub(super) expr: String,
    pub(super) eval_time: Period,
    pub(super) exp_samples: Option<Vec<ExpectedSample>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExpectedSample {
    pub(super) labels: String,
    pub(super) value: f64,
    pub(super) histogram: String,
}

/// A name that is there twice.
pub(super) fn repeated(names: &[String]) -> Option<&str> {
    let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
    twice.map(|(_, name)| name.as_str())
}

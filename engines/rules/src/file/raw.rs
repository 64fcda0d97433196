//! The file as written.

use std::collections::BTreeMap;

use quarterdeck_yaml::Spanned;
use serde::Deserialize;

/// A setting with its place.
pub(super) type Placed<T> = Option<Spanned<T>>;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) groups: Option<Vec<Spanned<Group>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: Placed<String>,
    pub(super) interval: Placed<String>,
    pub(super) query_offset: Placed<String>,
    pub(super) limit: Option<i64>,
    pub(super) labels: Option<BTreeMap<String, Spanned<String>>>,
    pub(super) rules: Option<Vec<Spanned<Rule>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) record: Placed<String>,
    pub(super) alert: Placed<String>,
    pub(super) expr: Placed<String>,
    #[serde(rename = "for")]
    pub(super) hold: Placed<String>,
    pub(super) keep_firing_for: Placed<String>,
    pub(super) labels: Option<BTreeMap<String, Spanned<String>>>,
    pub(super) annotations: Option<BTreeMap<String, Spanned<String>>>,
}

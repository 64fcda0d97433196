//! What hides alerts: silences for a time, recurring, until resolved, and maintenance of a service.

mod cron;

use std::fmt;
use std::sync::Arc;

use quarterdeck_alertmanager::interval::{
    day_range, month_range, time_range, weekday_range, year_range, zone,
};
use quarterdeck_alertmanager::{MatchOp, Matcher, Matchers, TimeInterval};
use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

pub use cron::{Cron, CronError};

/// Names a silence.
pub type SilenceId = Uuid;

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It hides what it matches; a recurring one does so while its schedule says.
    Active,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// One word, as Alertmanager's API has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

/// Part of a recurring silence's times, written as in a `time_interval` of alertmanager.yml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Span {
    /// Parts of the day: start and end, `22:00` to `24:00`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<(String, String)>,
    /// Days of the week: `saturday`, `monday:friday`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<String>,
    /// Days of the month: `1:5`, `-1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<String>,
    /// Months: `january`, `3:5`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<String>,
    /// Years: `2026:2028`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub years: Vec<String>,
    /// IANA zone in which all of that is meant; UTC when it is not given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
}

impl Span {
    fn compile(&self) -> Result<TimeInterval, SilenceError> {
        let bad =
            |e: quarterdeck_alertmanager::interval::IntervalError| SilenceError::Schedule(e.to_string());
        let list = |texts: &[String], read: fn(&str) -> Result<_, _>| {
            let ranges: Result<Vec<_>, _> = texts.iter().map(|text| read(text)).collect();
            ranges.map(|ranges| (!ranges.is_empty()).then_some(ranges)).map_err(bad)
        };
        let times: Result<Vec<_>, _> =
            self.times.iter().map(|(start, end)| time_range(start, end).map_err(bad)).collect();
        Ok(TimeInterval {
            times: Some(times?).filter(|times| !times.is_empty()),
            weekdays: list(&self.weekdays, weekday_range)?,
            days_of_month: list(&self.days_of_month, day_range)?,
            months: list(&self.months, month_range)?,
            years: list(&self.years, year_range)?,
            location: if self.location.is_empty() { None } else { Some(zone(&self.location).map_err(bad)?) },
        })
    }
}

/// When a recurring silence hides what it matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// While a moment lies in one of the spans.
    Spans(Vec<Span>),
    /// For some minutes from each time that a cron expression names.
    Cron {
        /// Minute, hour, day of month, month, day of week.
        expression: String,
        /// How long it lasts each time, in minutes: 1 to 2,880.
        minutes: u32,
        /// IANA zone of the expression; UTC when it is empty.
        #[serde(default)]
        zone: String,
    },
}

/// A schedule made ready to be asked.
#[derive(Clone, Debug)]
pub(crate) enum Compiled {
    Spans(Vec<TimeInterval>),
    Cron(Cron),
}

impl Compiled {
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        match self {
            Self::Spans(spans) => spans.iter().any(|span| span.contains(at)),
            Self::Cron(cron) => cron.contains(at),
        }
    }
}

impl Schedule {
    /// Makes the schedule ready to be asked.
    ///
    /// # Errors
    /// When it says nothing or something that is not a time.
    pub(crate) fn compile(&self) -> Result<Compiled, SilenceError> {
        match self {
            Self::Spans(spans) if spans.is_empty() => {
                Err(SilenceError::Schedule("a recurring silence needs at least one span of time".to_owned()))
            }
            Self::Spans(spans) => {
                spans.iter().map(Span::compile).collect::<Result<_, _>>().map(Compiled::Spans)
            }
            Self::Cron { expression, minutes, zone: name } => {
                let zone = zone(name).map_err(|e| SilenceError::Schedule(e.to_string()))?;
                Cron::new(expression, *minutes, zone)
                    .map(Compiled::Cron)
                    .map_err(|e| SilenceError::Schedule(e.to_string()))
            }
        }
    }
}

/// What makes a silence hide and end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceKind {
    /// It hides from its start to its end: Alertmanager's silence.
    #[default]
    Plain,
    /// It also ends as soon as every alert that it hides is resolved.
    UntilResolved,
    /// Between its start and end it hides only while its schedule says.
    Recurring(Schedule),
    /// Work on these services is under way: hides what carries one of them in its service label.
    Maintenance(Vec<Arc<str>>),
}

/// Why a silence cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is none of that name.
    #[error("there is no silence {0}")]
    Unknown(SilenceId),
    /// It is over already.
    #[error("silence {0} is already expired")]
    Expired(SilenceId),
    /// It has no matchers.
    #[error("a silence needs at least one matcher")]
    NoMatchers,
    /// Every matcher matches the empty string.
    #[error("at least one matcher must not match the empty string, or the silence would hide everything")]
    MatchesEmpty,
    /// A matcher has no label name.
    #[error("a matcher needs a label name")]
    NoName,
    /// It ends before it starts.
    #[error("a silence must start before it ends: it starts at {starts_at} and ends at {ends_at}")]
    EndsFirst {
        /// Its start.
        starts_at: Timestamp,
        /// Its end.
        ends_at: Timestamp,
    },
    /// It would be over already.
    #[error("a silence cannot end in the past: it ends at {0}")]
    EndsInPast(Timestamp),
    /// Its schedule cannot be read.
    #[error("{0}")]
    Schedule(String),
    /// A maintenance names no service.
    #[error("a maintenance window needs at least one service")]
    NoService,
    /// A comment, name or matcher is too long.
    #[error("a silence of {0} bytes is longer than the {1} that are kept")]
    TooLong(usize, usize),
    /// There are as many as are allowed.
    #[error("there are {0} silences already; expire some, or raise the limit")]
    TooMany(usize),
}

/// A silence as an operator or client asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceDraft {
    /// The silence to change; `None` makes a new one.
    pub id: Option<SilenceId>,
    /// What makes it hide and end.
    pub kind: SilenceKind,
    /// What it hides. A maintenance adds its services to these, and may have none.
    pub matchers: Matchers,
    /// From when; what lies in the past means now.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: Arc<str>,
    /// Why.
    pub comment: Arc<str>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its name.
    pub id: SilenceId,
    /// What makes it hide and end.
    #[serde(default)]
    pub kind: SilenceKind,
    /// What it hides.
    #[serde(serialize_with = "write_matchers", deserialize_with = "read_matchers")]
    pub matchers: Matchers,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when; not included.
    pub ends_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: Arc<str>,
    /// Why.
    pub comment: Arc<str>,
}

impl Silence {
    /// Where it stands at a moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at && self.starts_at < self.ends_at {
            SilenceState::Pending
        } else if now < self.ends_at {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }
}

#[derive(Serialize, Deserialize)]
struct MatcherRecord {
    name: String,
    op: String,
    value: String,
}

fn write_matchers<S: Serializer>(matchers: &Matchers, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(matchers.iter().map(|m| MatcherRecord {
        name: m.name.clone(),
        op: m.op.as_str().to_owned(),
        value: m.value.clone(),
    }))
}

fn read_matchers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Matchers, D::Error> {
    Vec::<MatcherRecord>::deserialize(deserializer)?
        .into_iter()
        .map(|m| {
            let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]
                .into_iter()
                .find(|op| op.as_str() == m.op)
                .ok_or_else(|| D::Error::custom(format_args!("{:?} is not =, !=, =~ or !~", m.op)))?;
            Matcher::new(op, m.name, m.value).map_err(D::Error::custom)
        })
        .collect()
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.matchers)
    }
}

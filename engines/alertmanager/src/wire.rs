//! The JSON of Alertmanager's API v2, as its OpenAPI description has it: what clients send, what they are answered.

use std::collections::BTreeMap;

use quarterdeck_kernel::{Labels, MatchOp, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::matcher::{Matcher, MatcherError, Matchers};

/// Labels or annotations as sent: names and values in any state, not checked yet.
pub type LabelSet = BTreeMap<String, String>;

/// A moment as the API writes it: RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = parse_time(&text).map_err(D::Error::custom)?;
        at.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no moment: it stands for none")))
    }
}

/// Why a text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: write it as in 2006-01-02T15:04:05Z (RFC 3339)")]
pub struct TimeError(String);

/// Reads RFC 3339, to the millisecond; without an offset it is taken as UTC. The year 1 and earlier stand for "not
/// set" (Go's zero time, which amtool sends), and so does an empty text.
///
/// # Errors
/// When the text is no date with a time.
pub fn parse_time(text: &str) -> Result<Option<Timestamp>, TimeError> {
    if text.is_empty() {
        return Ok(None);
    }
    // A bound before parsing: no time is longer, and the message repeats it.
    let refuse = || TimeError(text.chars().take(64).collect());
    if text.len() > 64 || !text.as_bytes().get(..4).is_some_and(|year| year.iter().all(u8::is_ascii_digit)) {
        return Err(refuse());
    }
    let moment = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment,
        Err(_) => {
            let civil: jiff::civil::DateTime = text
                .contains(['T', 't', ' '])
                .then(|| text.parse())
                .and_then(Result::ok)
                .ok_or_else(refuse)?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refuse())?.timestamp()
        }
    };
    if moment.to_zoned(jiff::tz::TimeZone::UTC).year() <= 1 {
        return Ok(None);
    }
    Ok(Some(Timestamp::from_millis(
        moment.as_nanosecond().div_euclid(1_000_000).try_into().unwrap_or(i64::MAX),
    )))
}

/// Reads an optional moment: missing, null, empty and the year 1 are all "not set".
fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map_or(Ok(None), |text| parse_time(&text).map_err(D::Error::custom))
}

/// Writes an optional moment; only for fields that are left out when there is none.
fn write_time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(Time).serialize(serializer)
}

/// Reads a map that may be null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An alert as clients post it; fields that are not known are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostableAlert {
    /// What identifies it.
    pub labels: LabelSet,
    /// What describes it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: LabelSet,
    /// Since when; now, if it does not say.
    #[serde(
        default,
        deserialize_with = "optional_time",
        serialize_with = "write_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub starts_at: Option<Timestamp>,
    /// Until when; when it does not say, `resolve_timeout` after it was last posted.
    #[serde(
        default,
        deserialize_with = "optional_time",
        serialize_with = "write_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends_at: Option<Timestamp>,
    /// Where it comes from.
    #[serde(
        default,
        rename = "generatorURL",
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub generator_url: String,
}

/// Why an alert of a batch is refused; the others are taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// No label is left after those with empty values are dropped.
    #[error("at least one label pair required")]
    NoLabels,
    /// A label or annotation without a name.
    #[error("invalid {what} set: invalid name \"\"")]
    Name {
        /// `label` or `annotation`.
        what: &'static str,
    },
    /// It ends before it starts.
    #[error("start time must be before end time")]
    Times,
}

impl PostableAlert {
    /// The checks that Alertmanager makes of each alert once times are filled in: some label is left, names are not
    /// empty, it does not end before it starts. Gives the labels without empty values.
    ///
    /// # Errors
    /// What is wrong with the alert.
    pub fn check(&self, starts_at: Timestamp, ends_at: Option<Timestamp>) -> Result<Labels, AlertError> {
        if ends_at.is_some_and(|ends_at| ends_at < starts_at) {
            return Err(AlertError::Times);
        }
        for (what, set) in [("label", &self.labels), ("annotation", &self.annotations)] {
            if set.contains_key("") {
                return Err(AlertError::Name { what });
            }
        }
        let labels = Labels::from_pairs(self.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        if labels.is_empty() { Err(AlertError::NoLabels) } else { Ok(labels) }
    }
}

/// An alert as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GettableAlert {
    /// What describes it.
    pub annotations: Labels,
    /// Until when.
    pub ends_at: Time,
    /// 16 hexadecimal digits.
    pub fingerprint: String,
    /// Whom its routes tell.
    pub receivers: Vec<ReceiverReference>,
    /// Since when.
    pub starts_at: Time,
    /// Whether it is suppressed, and by what.
    pub status: AlertStatus,
    /// When it was last posted.
    pub updated_at: Time,
    /// Where it comes from.
    #[serde(default, rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
    /// What identifies it.
    pub labels: Labels,
}

/// A receiver by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReceiverReference {
    /// Its name.
    pub name: String,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Not looked at yet.
    Unprocessed,
    /// Nothing suppresses it.
    Active,
    /// Silenced, inhibited or muted.
    Suppressed,
}

/// Where an alert stands, and by what it is suppressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertStatus {
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<String>,
    /// Names of the time intervals that mute it.
    #[serde(default)]
    pub muted_by: Vec<String>,
    /// Ids of the silences that match it.
    pub silenced_by: Vec<String>,
    /// Where it stands.
    pub state: AlertState,
}

/// A group of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertGroup {
    /// Its alerts.
    pub alerts: Vec<GettableAlert>,
    /// What they have in common by the route's `group_by`.
    pub labels: Labels,
    /// Whom its route tells.
    pub receiver: ReceiverReference,
    /// The route's labels.
    #[serde(default)]
    pub route_labels: BTreeMap<String, String>,
}

/// A matcher as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireMatcher {
    /// Whether it is `=` or `=~`; clients from before 0.22 do not say, and mean yes.
    #[serde(default = "yes", deserialize_with = "yes_unless_said")]
    pub is_equal: bool,
    /// Whether it is `=~` or `!~`.
    pub is_regex: bool,
    /// Label name.
    pub name: String,
    /// Value or pattern.
    pub value: String,
}

const fn yes() -> bool {
    true
}

fn yes_unless_said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(deserializer).map(|said| said.unwrap_or(true))
}

impl From<&Matcher> for WireMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            is_equal: matcher.is_equal(),
            is_regex: matcher.is_regex(),
            name: matcher.name.clone(),
            value: matcher.value.clone(),
        }
    }
}

impl TryFrom<&WireMatcher> for Matcher {
    type Error = MatcherError;

    fn try_from(wire: &WireMatcher) -> Result<Self, Self::Error> {
        let op = match (wire.is_equal, wire.is_regex) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (false, true) => MatchOp::NotRegex,
        };
        Self::new(op, wire.name.as_str(), wire.value.as_str())
    }
}

/// A silence as clients post it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostableSilence {
    /// Which silence to change; none to make one.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What it hides: alerts that fulfil all of them.
    pub matchers: Vec<WireMatcher>,
    /// From when.
    #[serde(deserialize_with = "optional_time", serialize_with = "write_time")]
    pub starts_at: Option<Timestamp>,
    /// Until when.
    #[serde(deserialize_with = "optional_time", serialize_with = "write_time")]
    pub ends_at: Option<Timestamp>,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// More about it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: LabelSet,
}

/// Why a silence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// No matcher.
    #[error("at least one matcher required")]
    NoMatchers,
    /// A matcher cannot be used.
    #[error("invalid label matcher {index}: {why}")]
    Matcher {
        /// Which, from 0.
        index: usize,
        /// What is wrong.
        why: String,
    },
    /// Every alert would be hidden, or those without any of the labels.
    #[error("at least one matcher must not match the empty string")]
    MatchesEmpty,
    /// No start.
    #[error("invalid zero start timestamp")]
    NoStart,
    /// No end.
    #[error("invalid zero end timestamp")]
    NoEnd,
    /// It ends before it starts.
    #[error("failed to create silence: start time must be before end time")]
    Times,
    /// It ended already.
    #[error("failed to create silence: end time can't be in the past")]
    Past,
}

impl PostableSilence {
    /// The checks that Alertmanager makes of a posted silence. Gives its matchers and its times.
    ///
    /// # Errors
    /// What is wrong with the silence.
    pub fn check(&self, now: Timestamp) -> Result<(Matchers, Timestamp, Timestamp), SilenceError> {
        let starts_at = self.starts_at.ok_or(SilenceError::NoStart)?;
        let ends_at = self.ends_at.ok_or(SilenceError::NoEnd)?;
        if ends_at <= starts_at {
            return Err(SilenceError::Times);
        }
        if ends_at < now {
            return Err(SilenceError::Past);
        }
        let matchers = check_matchers(&self.matchers)?;
        Ok((matchers, starts_at, ends_at))
    }
}

fn check_matchers(wire: &[WireMatcher]) -> Result<Matchers, SilenceError> {
    if wire.is_empty() {
        return Err(SilenceError::NoMatchers);
    }
    let read = wire.iter().enumerate().map(|(index, wire)| {
        let fail = |why: String| SilenceError::Matcher { index, why };
        if wire.name.is_empty() {
            return Err(fail("invalid label name \"\"".to_owned()));
        }
        Matcher::try_from(wire).map_err(|e| fail(e.to_string()))
    });
    let matchers: Matchers = read.collect::<Result<_, _>>()?;
    if matchers.iter().all(|matcher| matcher.matches_value("")) {
        return Err(SilenceError::MatchesEmpty);
    }
    Ok(matchers)
}

/// The state of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It has ended.
    Expired,
    /// It hides alerts now.
    Active,
    /// It has not begun.
    Pending,
}

impl SilenceState {
    /// The state at a moment.
    #[must_use]
    pub fn at(starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Self {
        if now < starts_at {
            Self::Pending
        } else if now < ends_at {
            Self::Active
        } else {
            Self::Expired
        }
    }
}

/// The state of a silence, in an object of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceStatus {
    /// The state.
    pub state: SilenceState,
}

/// A silence as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GettableSilence {
    /// Its id.
    pub id: String,
    /// Its state now.
    pub status: SilenceStatus,
    /// When it was last changed.
    pub updated_at: Time,
    /// More about it.
    #[serde(default)]
    pub annotations: LabelSet,
    /// Why.
    pub comment: String,
    /// Who.
    pub created_by: String,
    /// Until when.
    pub ends_at: Time,
    /// What it hides.
    pub matchers: Vec<WireMatcher>,
    /// From when.
    pub starts_at: Time,
}

/// Answer to a posted silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedSilence {
    /// Its id.
    #[serde(rename = "silenceID")]
    pub silence_id: String,
}

/// Answer to `GET status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The cluster.
    pub cluster: ClusterStatus,
    /// The configuration that is in force.
    pub config: ConfigStatus,
    /// Since when this process runs.
    pub uptime: Time,
    /// What runs.
    pub version_info: VersionInfo,
}

/// The configuration that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// As YAML, secrets hidden.
    pub original: String,
}

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// This member's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The other members.
    #[serde(default)]
    pub peers: Vec<PeerStatus>,
    /// Whether it is ready.
    pub status: ClusterState,
}

/// Whether a cluster is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    /// It is.
    Ready,
    /// Not yet.
    Settling,
    /// There is none.
    Disabled,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// Version.
    pub version: String,
    /// Revision.
    pub revision: String,
    /// Branch.
    pub branch: String,
    /// Who built it.
    pub build_user: String,
    /// When it was built.
    pub build_date: String,
    /// With what it was built.
    pub go_version: String,
}

#[cfg(test)]
mod tests;

//! `[oncall]`: persons, schedules, escalation policies, and which alerts follow which policy.

pub mod clock;
pub mod validate;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use quarterdeck_kernel::time::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use clock::{TimeOfDay, Weekday};

use crate::rotation::Unit;
use crate::target::Target;

/// The section `[oncall]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OncallConfig {
    /// Who can be paged, by the name that schedules and policies use.
    pub persons: BTreeMap<String, PersonConfig>,
    /// Who is on call when, by name.
    pub schedules: BTreeMap<String, ScheduleConfig>,
    /// Who is told in which order, by name.
    pub policies: BTreeMap<String, PolicyConfig>,
    /// Which alerts follow which policy: the first route that matches counts. An alert that no route matches is not
    /// escalated.
    pub routes: Vec<RouteConfig>,
    /// How far ahead schedules are shown.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub ahead: Duration,
    /// Escalations under way at most; further alerts are counted and told, not escalated.
    pub max_escalations: usize,
}

impl Default for OncallConfig {
    fn default() -> Self {
        Self {
            persons: BTreeMap::new(),
            schedules: BTreeMap::new(),
            policies: BTreeMap::new(),
            routes: Vec::new(),
            ahead: Duration::from_secs(14 * 86_400),
            max_escalations: 10_000,
        }
    }
}

/// One person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonConfig {
    /// Full name, as shown to people; the person's key when not given.
    pub name: Option<String>,
    /// Channels that reach the person, all of which are used: names of receivers.
    pub channels: Vec<String>,
    /// User names under which the person works with the console; the person's key is one without being named.
    pub users: Vec<String>,
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// What it is for, in one line.
    pub description: String,
    /// IANA time zone of its hand-overs and restrictions, such as `Europe/Berlin`.
    pub time_zone: String,
    /// Its layers; where several have somebody, the last one counts.
    pub layers: Vec<LayerConfig>,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { description: String::new(), time_zone: "UTC".to_owned(), layers: Vec::new() }
    }
}

/// One layer of a schedule: persons who take turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerConfig {
    /// Name shown to people.
    pub name: String,
    /// Unit of a turn.
    pub rotation: Unit,
    /// Units per turn.
    pub length: u32,
    /// A day on which the first participant takes over. Turns are counted from it in both directions; for a weekly
    /// rotation its weekday is the weekday of every hand-over, for a monthly one its day (or the month's last).
    #[schemars(with = "String")]
    pub start: Date,
    /// Time of day of hand-overs, such as `09:00`.
    #[schemars(with = "String")]
    pub handoff: TimeOfDay,
    /// Who takes turns, in order.
    pub participants: Vec<String>,
    /// The layer counts only within these windows; without any it always counts.
    pub restrictions: Vec<RestrictionConfig>,
    /// The layer counts from this local time on, such as `2026-01-05T09:00`.
    #[schemars(with = "Option<String>")]
    pub from: Option<DateTime>,
    /// The layer counts until this local time.
    #[schemars(with = "Option<String>")]
    pub until: Option<DateTime>,
}

/// A Monday: weekly rotations without a start change on Mondays.
const DEFAULT_START: Date = Date::constant(2024, 1, 1);

impl Default for LayerConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            rotation: Unit::Weekly,
            length: 1,
            start: DEFAULT_START,
            handoff: TimeOfDay::from_minutes(9 * 60),
            participants: Vec::new(),
            restrictions: Vec::new(),
            from: None,
            until: None,
        }
    }
}

/// A weekly recurring window. One that ends at or before its begin ends on the next day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RestrictionConfig {
    /// Days on which it begins.
    pub days: Vec<Weekday>,
    /// Begin, such as `09:00`.
    #[schemars(with = "String")]
    pub from: TimeOfDay,
    /// End, exclusive, such as `17:00` or `24:00`.
    #[schemars(with = "String")]
    pub to: TimeOfDay,
}

impl Default for RestrictionConfig {
    fn default() -> Self {
        Self { days: Weekday::ALL.to_vec(), from: TimeOfDay::MIDNIGHT, to: TimeOfDay::END_OF_DAY }
    }
}

/// One escalation policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// What it is for, in one line.
    pub description: String,
    /// How long an alert must be open before the first step.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub delay: Duration,
    /// The steps, in order.
    pub steps: Vec<StepConfig>,
    /// How often the steps are gone through again when nobody has acknowledged.
    pub repeat: u32,
    /// How long an acknowledgement holds when the operator says nothing else; after it the step that was reached pages
    /// again. Without it an acknowledgement holds until the alert is resolved.
    #[serde(with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub acknowledge_for: Option<Duration>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            description: String::new(),
            delay: Duration::ZERO,
            steps: Vec::new(),
            repeat: 0,
            acknowledge_for: None,
        }
    }
}

/// One step of an escalation policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepConfig {
    /// Who is told: `person:NAME`, `schedule:NAME` (whoever is on call then), `channel:NAME` (a receiver).
    #[schemars(with = "Vec<String>")]
    pub notify: Vec<Target>,
    /// How long they have before the next step.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub wait: Duration,
}

impl Default for StepConfig {
    fn default() -> Self {
        Self { notify: Vec::new(), wait: Duration::from_secs(300) }
    }
}

/// Alerts whose labels fulfil all matchers follow the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// Conditions on labels, such as `severity="critical"` or `service=~"orders|risk"`; a label that is missing is empty.
    pub matchers: Vec<String>,
    /// The policy; without one these alerts are not escalated.
    pub policy: Option<String>,
}

/// A duration as the configuration writes it.
fn text_of(duration: Duration) -> String {
    quarterdeck_kernel::time::format_duration(duration)
}

/// Serde adapter for durations that may be absent.
mod optional_duration {
    use std::time::Duration;

    use quarterdeck_kernel::time::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_some(&format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|t| parse_duration(&t).map_err(D::Error::custom)).transpose()
    }
}

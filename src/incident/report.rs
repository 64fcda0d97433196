//! What an incident's files tell, as data.

use std::time::Duration;

use quarterdeck_kernel::{Entry, Labels, Timestamp};

/// The longest text of anything from outside, in characters.
const LONGEST: usize = 2000;

/// An incident.
#[derive(Clone, Debug, Default)]
pub(super) struct Incident {
    /// Of the directory.
    pub name: String,
    /// One line.
    pub title: String,
    /// When it was written down.
    pub at: Timestamp,
    /// The console's environment and version.
    pub environment: String,
    /// The program's version.
    pub version: String,
    /// The alert asked for first, then those told with it, worst first.
    pub alerts: Vec<AlertFacts>,
    /// Alerts of the group that are not told one by one.
    pub more_alerts: usize,
    /// Labels of the group, if there is one.
    pub group: Option<Labels>,
    /// Everybody who was paged, in order of time.
    pub pages: Vec<PageFacts>,
    /// Notifications, in order of time.
    pub notifications: Vec<NotificationFacts>,
    /// Notifications that are not told.
    pub more_notifications: usize,
    /// What changed before, most likely cause first.
    pub suspects: Vec<SuspectFacts>,
    /// Entries that were weighed for that.
    pub considered: usize,
    /// Whether there were more, older ones, that were not.
    pub changes_left_out: bool,
    /// Entries of the timeline around it, oldest first.
    pub timeline: Vec<Entry>,
    /// Whether there are more of them.
    pub more_timeline: bool,
    /// Charts of the alerts' queries.
    pub charts: Vec<ChartFacts>,
}

/// Somebody did something, or something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// Who or what, where there is more to say.
    pub by: Option<String>,
    /// Their words.
    pub note: Option<String>,
}

/// One alert.
#[derive(Clone, Debug, Default)]
pub(super) struct AlertFacts {
    /// Names it.
    pub fingerprint: String,
    /// Its name.
    pub name: String,
    /// How bad.
    pub severity: &'static str,
    /// The service that it touches.
    pub service: Option<String>,
    /// Where it stands now.
    pub state: &'static str,
    /// What it says of itself.
    pub summary: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Where its source explains it.
    pub link: String,
    /// Its query, where that is known.
    pub query: Option<String>,
    /// When its condition first held.
    pub began: Timestamp,
    /// When it fired.
    pub fired: Timestamp,
    /// When the first notification or page of it was delivered.
    pub told: Option<Timestamp>,
    /// Who took it first, and when.
    pub acknowledged: Option<Event>,
    /// How it ended.
    pub resolved: Option<Event>,
    /// Who has it.
    pub owner: Option<String>,
    /// Everything that happened to it.
    pub history: Vec<Event>,
}

/// Somebody was paged.
#[derive(Clone, Debug)]
pub(super) struct PageFacts {
    /// When.
    pub at: Timestamp,
    /// The policy and its step.
    pub step: String,
    /// Who.
    pub person: Option<String>,
    /// By what.
    pub channel: String,
    /// Why they.
    pub because: String,
    /// What came of it.
    pub outcome: String,
    /// When that was known.
    pub outcome_at: Option<Timestamp>,
}

/// A notification.
#[derive(Clone, Debug)]
pub(super) struct NotificationFacts {
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub to: String,
    /// Why.
    pub reason: &'static str,
    /// What came of it.
    pub outcome: String,
    /// After how many tries.
    pub tries: u32,
}

/// A change that may be the cause.
#[derive(Clone, Debug)]
pub(super) struct SuspectFacts {
    /// How likely, from 0 to 1.
    pub likely: f64,
    /// How long before.
    pub before: Duration,
    /// Why.
    pub why: String,
    /// Whether it can be undone.
    pub undo: bool,
    /// The change.
    pub entry: Entry,
}

/// A chart.
#[derive(Clone, Debug, Default)]
pub(super) struct ChartFacts {
    /// Of the file.
    pub file: String,
    /// The alert that it is of.
    pub alert: String,
    /// What is drawn.
    pub series: String,
    /// What it is compared with.
    pub threshold: Option<(&'static str, f64)>,
    /// The time drawn.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The picture; none when it could not be drawn.
    pub png: Option<Vec<u8>>,
    /// Why there is none.
    pub why_not: Option<String>,
}

impl Incident {
    /// The alert that was asked for.
    pub(super) fn leading(&self) -> Option<&AlertFacts> {
        self.alerts.first()
    }
}

/// A text from outside at a length that people read.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A length of time for people: `2 m 05 s`.
pub(super) fn lasting(from: Timestamp, to: Timestamp) -> String {
    quarterdeck_services::words::ago(to.since(from))
}

/// A time for people, in UTC.
pub(super) fn when(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock}"),
        _ => text,
    }
}

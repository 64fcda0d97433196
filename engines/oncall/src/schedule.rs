//! Who is on call when: layers of rotations, overrides on top, answered for any instant.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{LayerConfig, ScheduleConfig};
use crate::restriction::{Window, within};
use crate::rotation::{Rotation, Turn};
use crate::{words, zone};

/// Longest range that [`Schedule::shifts`] answers for.
pub const MAX_RANGE: Duration = Duration::from_secs(2 * 366 * 86_400);
/// How far ahead the next hand-over is looked for.
pub const HORIZON: Duration = Duration::from_secs(400 * 86_400);

/// A change of a schedule for a while, made by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Names it.
    pub id: String,
    /// The schedule.
    pub schedule: String,
    /// Who is on call instead.
    pub person: String,
    /// It counts only while this person would be on call; without, for its whole time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends, exclusive.
    pub until: Timestamp,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who made it.
    pub by: String,
    /// When it was made; of several that hold at a time the one made last counts.
    pub made: Timestamp,
}

/// Where a shift comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A layer, by its place in the schedule.
    Layer {
        /// Place, from 0.
        layer: usize,
        /// The turn at the shift's begin.
        turn: Turn,
    },
    /// An override.
    Override {
        /// [`Override::id`].
        id: String,
    },
    /// Nobody is on call.
    Gap,
}

impl Source {
    /// Whether two are of the same layer or override, whatever the turn.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Layer { layer: a, .. }, Self::Layer { layer: b, .. }) => a == b,
            (Self::Override { id: a }, Self::Override { id: b }) => a == b,
            (Self::Gap, Self::Gap) => true,
            _ => false,
        }
    }
}

/// A stretch of time in which nothing about who is on call changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Who; none when nobody is on call.
    pub person: Option<Arc<str>>,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends, exclusive.
    pub until: Timestamp,
    /// Where it comes from.
    pub source: Source,
}

/// Who is on call at an instant, who is next, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoIsOnCall {
    /// The shift that the instant is in; its person is none when nobody is on call.
    pub now: Shift,
    /// Whether [`Self::now`] ends at all within [`HORIZON`].
    pub ends: bool,
    /// The next shift of somebody else.
    pub next: Option<Shift>,
    /// In words: "alice until Mon 30 Nov 09:00 CET: turn 1 of 3 in layer weeks (weekly), then bob".
    pub why: String,
}

/// One layer, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name, for people.
    pub name: String,
    /// Its hand-overs.
    pub rotation: Rotation,
    /// Who takes turns; never empty.
    pub participants: Vec<Arc<str>>,
    windows: Vec<Window>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Layer {
    fn new(config: &LayerConfig, index: usize, zone: &TimeZone) -> Self {
        let minutes = config.handoff.minutes();
        let (hour, minute) = (i8::try_from(minutes / 60 % 24), i8::try_from(minutes % 60));
        let anchor = config.start.at(hour.unwrap_or(0), minute.unwrap_or(0), 0, 0);
        Self {
            name: if config.name.is_empty() { (index + 1).to_string() } else { config.name.clone() },
            rotation: Rotation::new(config.rotation, config.length, anchor, zone.clone()),
            participants: config.participants.iter().map(|p| Arc::from(p.as_str())).collect(),
            windows: config.restrictions.iter().map(Window::new).collect(),
            from: config.from.map(|local| zone::instant(zone, local)),
            until: config.until.map(|local| zone::instant(zone, local)),
        }
    }

    /// Whose turn it is by place in [`Self::participants`].
    #[must_use]
    pub fn place(&self, turn: &Turn) -> usize {
        let count = i64::try_from(self.participants.len()).unwrap_or(1).max(1);
        usize::try_from(turn.number.rem_euclid(count)).unwrap_or(0)
    }

    /// The turn if the layer counts at an instant, and the instant up to which that stays (none: for ever).
    fn at(&self, zone: &TimeZone, at: Timestamp) -> (Option<Turn>, Option<Timestamp>) {
        if let Some(from) = self.from.filter(|from| at < *from) {
            return (None, Some(from));
        }
        if self.until.is_some_and(|until| at >= until) || self.participants.is_empty() {
            return (None, None);
        }
        let (inside, edge) =
            if self.windows.is_empty() { (true, None) } else { within(&self.windows, zone, at) };
        // Whoever shares turns with nobody is not handed over to.
        let turn = inside.then(|| self.rotation.turn(at));
        let handoff = turn.filter(|_| self.participants.len() > 1).map(|t| t.until);
        (turn, earliest([edge, handoff, self.until]))
    }
}

/// The earliest of several instants, if there is any.
fn earliest(instants: impl IntoIterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    instants.into_iter().flatten().min()
}

/// A schedule, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: String,
    /// Its time zone.
    pub zone: TimeZone,
    /// Its layers; the last one that has somebody counts.
    pub layers: Vec<Layer>,
}

/// What holds at an instant, and how long it surely stays so.
struct Segment {
    person: Option<Arc<str>>,
    source: Source,
    until: Option<Timestamp>,
}

impl Schedule {
    /// Compiles a schedule; a time zone that is not known is UTC ([`crate::config::validate`] refuses it first).
    #[must_use]
    pub fn new(name: &str, config: &ScheduleConfig) -> Self {
        let zone = TimeZone::get(&config.time_zone).unwrap_or(TimeZone::UTC);
        let layers = config.layers.iter().enumerate().map(|(i, layer)| Layer::new(layer, i, &zone)).collect();
        Self { name: Arc::from(name), description: config.description.clone(), zone, layers }
    }

    /// This schedule's overrides that touch a range, in the order in which they were made.
    fn own<'a>(&self, overrides: &'a [Override], from: Timestamp, to: Timestamp) -> Vec<&'a Override> {
        let touches = |o: &&Override| *o.schedule == *self.name && from < o.until && o.from <= to;
        let mut own: Vec<&Override> = overrides.iter().filter(touches).collect();
        own.sort_by(|a, b| (a.made, &a.id).cmp(&(b.made, &b.id)));
        own
    }

    fn segment(&self, at: Timestamp, own: &[&Override]) -> Segment {
        let (mut person, mut source, mut until) = (None, Source::Gap, None);
        for (index, layer) in self.layers.iter().enumerate() {
            let (turn, stays) = layer.at(&self.zone, at);
            until = earliest([until, stays]);
            if let Some(turn) = turn {
                person = layer.participants.get(layer.place(&turn)).cloned();
                source = Source::Layer { layer: index, turn };
            }
        }
        for change in own {
            if at < change.from {
                until = earliest([until, Some(change.from)]);
            } else if at < change.until {
                until = earliest([until, Some(change.until)]);
                let applies = match &change.replaces {
                    Some(replaced) => person.as_deref() == Some(replaced),
                    None => true,
                };
                if applies {
                    person = Some(Arc::from(change.person.as_str()));
                    source = Source::Override { id: change.id.clone() };
                }
            }
        }
        Segment { person, source, until }
    }

    /// Who is on call at an instant; of `overrides` those of this schedule count.
    #[must_use]
    pub fn person_at(&self, at: Timestamp, overrides: &[Override]) -> Option<Arc<str>> {
        let at = zone::clamped(at);
        self.segment(at, &self.own(overrides, at, at)).person
    }

    /// The shifts of a range, gaps included: they follow each other without gap or overlap from `from` to `to`. The
    /// range is cut to [`MAX_RANGE`]; an empty one has none.
    #[must_use]
    pub fn shifts(&self, from: Timestamp, to: Timestamp, overrides: &[Override]) -> Vec<Shift> {
        let from = zone::clamped(from);
        let to = zone::clamped(to).min(from + MAX_RANGE);
        let own = self.own(overrides, from, to);
        let mut shifts: Vec<Shift> = Vec::new();
        let mut at = from;
        while at < to {
            let segment = self.segment(at, &own);
            let until = segment.until.map_or(to, |u| u.min(to));
            match shifts.last_mut() {
                Some(last) if last.person == segment.person && last.source.same(&segment.source) => {
                    last.until = until;
                }
                _ => {
                    let (person, source) = (segment.person, segment.source);
                    shifts.push(Shift { person, from: at, until, source });
                }
            }
            at = until;
        }
        shifts
    }

    /// Who is on call at an instant, who is next, and why.
    #[must_use]
    pub fn who(&self, at: Timestamp, overrides: &[Override]) -> WhoIsOnCall {
        let at = zone::clamped(at);
        let mut now = self.shift_at(at, overrides);
        let (mut next, mut ends, mut cursor) = (None, false, now.until);
        let horizon = at + HORIZON;
        let own = self.own(overrides, at, horizon);
        while cursor < horizon {
            let segment = self.segment(cursor, &own);
            let until = segment.until.map_or(horizon, |u| u.min(horizon));
            if !ends && segment.person == now.person {
                now.until = until;
            } else {
                ends = true;
                if segment.person.is_some() && segment.person != now.person {
                    let whole = self.shifts(cursor, horizon.min(cursor + LOOK), overrides);
                    next = whole.into_iter().next();
                    break;
                }
            }
            cursor = until;
        }
        let why = words::why(self, &now, ends, next.as_ref(), overrides);
        WhoIsOnCall { now, ends, next, why }
    }

    /// The shift around an instant: from where its turn or override began.
    fn shift_at(&self, at: Timestamp, overrides: &[Override]) -> Shift {
        let segment = self.segment(at, &self.own(overrides, at, at + HORIZON));
        let back = match &segment.source {
            Source::Layer { turn, .. } => turn.from.max(at - LOOK),
            Source::Override { id } => {
                overrides.iter().find(|o| o.id == *id).map_or(at, |o| o.from).max(at - LOOK)
            }
            Source::Gap => at - GAP_LOOK,
        };
        let end = segment.until.unwrap_or_else(|| at + HORIZON).max(at.plus_millis(1));
        let around = self.shifts(back, end, overrides).into_iter().find(|s| s.from <= at && at < s.until);
        around.unwrap_or(Shift { person: segment.person, from: at, until: end, source: segment.source })
    }
}

/// How far a shift's begin and the end of the next one are looked for.
const LOOK: Duration = Duration::from_secs(70 * 86_400);
/// How far a gap's begin is looked for.
const GAP_LOOK: Duration = Duration::from_secs(8 * 86_400);

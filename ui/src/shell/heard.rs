//! The bell: each critical alarm is heard once, when it begins.

use std::collections::{HashMap, HashSet};

use quarterdeck_kernel::{Severity, SubjectKind, Timestamp};

use super::Shell;
use crate::host::HostEffect;
use crate::pane::{Alarm, World};

/// Alarms that are remembered at most beside those that still last.
const REMEMBERED: usize = 4096;
/// The shortest time between two bells, in milliseconds.
const BREATH: i64 = 1000;
/// A service that breaks down and its alert are one trouble when they begin so close together, in milliseconds.
const ONE_TROUBLE: i64 = 600_000;

/// What has been heard.
#[derive(Debug)]
pub(super) struct Heard {
    /// When this screen began: what is older was there before it, and is no news.
    began: Timestamp,
    known: HashSet<String>,
    /// Alerts that began then or earlier have been there among too many to be told one by one.
    floor: Option<Timestamp>,
    rung: Option<Timestamp>,
    /// What the last alarm of each service was about, and when that began.
    of_service: HashMap<String, (Option<SubjectKind>, Timestamp)>,
}

impl Heard {
    pub(super) fn new(began: Timestamp) -> Self {
        Self { began, known: HashSet::new(), floor: None, rung: None, of_service: HashMap::new() }
    }

    /// Those of the alarms that have not been heard. `reach` is where the list of alerts was cut off, if it was.
    fn fresh<'a>(&mut self, alarms: &'a [Alarm], reach: Option<Timestamp>) -> Vec<&'a Alarm> {
        let mut fresh = Vec::new();
        for alarm in alarms {
            if self.known.contains(&alarm.id) {
                continue;
            }
            self.known.insert(alarm.id.clone());
            let own = alarm.subject.as_ref().is_some_and(|subject| subject.kind == SubjectKind::Alert);
            let was_there = own && self.floor.is_some_and(|floor| alarm.since <= floor);
            if alarm.since >= self.began && !was_there {
                fresh.push(alarm);
            }
        }
        self.floor = self.floor.max(reach);
        if self.known.len() > alarms.len() + REMEMBERED {
            let lasting: HashSet<&str> = alarms.iter().map(|a| a.id.as_str()).collect();
            self.known.retain(|id| lasting.contains(id.as_str()));
        }
        fresh
    }

    /// Whether an alarm tells of a trouble that another has rung for: the service's own for its alert, or the reverse. A
    /// second alert of a service is a new trouble.
    fn companion(&mut self, alarm: &Alarm) -> bool {
        let Some(service) = &alarm.service else { return false };
        let kind = alarm.subject.as_ref().map(|subject| subject.kind);
        let own = Some(SubjectKind::Service);
        let before = self.of_service.insert(service.clone(), (kind, alarm.since));
        if self.of_service.len() > REMEMBERED {
            self.of_service.retain(|_, (_, at)| alarm.since.as_millis() - at.as_millis() < ONE_TROUBLE);
        }
        before.is_some_and(|(other, at)| {
            (other == own) != (kind == own) && (alarm.since.as_millis() - at.as_millis()).abs() < ONE_TROUBLE
        })
    }

    /// Whether the bell may ring again.
    fn ring(&mut self, now: Timestamp) -> bool {
        let since = self.rung.map_or(i64::MAX, |rung| (now.as_millis() - rung.as_millis()).abs());
        if since >= BREATH {
            self.rung = Some(now);
        }
        since >= BREATH
    }
}

impl<W: World> Shell<W> {
    /// Rings for what has begun, and says what it is; many at once in one sentence.
    pub(super) fn hear(&mut self) {
        let alarms = std::sync::Arc::clone(&self.status.alarms);
        let fresh = self.heard.fresh(&alarms, self.status.alarms_reach);
        let text = match fresh.as_slice() {
            [] => return,
            [one] => one.text.clone(),
            [first, others @ ..] => format!("{} (and {} more)", first.text, others.len()),
        };
        self.tell(Severity::Critical, &text);
        let known = fresh.iter().filter(|alarm| self.heard.companion(alarm)).count();
        if known < fresh.len() {
            self.ring();
        }
    }

    /// Rings the terminal's bell, unless it has just rung.
    pub(super) fn ring(&mut self) {
        // A screen that was not told the time yet goes by its world's.
        if self.heard.ring(self.now.max(self.world.now())) {
            self.out.push(HostEffect::Bell);
        }
    }
}

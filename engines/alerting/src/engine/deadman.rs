//! Dead-man's switches: an alert that must keep arriving, and the alert that is raised when it does not.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Labels, Timestamp};

use super::timers::Timer;
use super::{DeadManSwitch, Engine};
use crate::model::{Beat, PostedAlert, Record};

/// How long a raised alert lasts unless its switch is heard of: for ever, by any measure of an operator.
const RAISED: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Engine {
    /// Sets switches to work: each counts as heard of now.
    pub(super) fn start_switches(&mut self, now: Timestamp) {
        self.beats = vec![now; self.options.switches.len()];
        self.schedule_switches();
    }

    /// Sets the timers of all switches.
    pub(super) fn schedule_switches(&mut self) {
        for place in 0..self.beats.len() {
            let at = self.beats[place] + self.options.switches[place].within;
            self.schedule(at, Timer::Switch(u32::try_from(place).unwrap_or(u32::MAX)));
        }
    }

    /// Tells the switches that an alert came in.
    pub(super) fn heard(&mut self, labels: &Labels, firing: bool, now: Timestamp) {
        if self.options.switches.is_empty() || !firing {
            return;
        }
        for place in 0..self.options.switches.len() {
            let switch = &self.options.switches[place];
            if !switch.matchers.matches(labels) {
                continue;
            }
            let (name, silent) = (Arc::clone(&switch.name), self.beats[place] + switch.within <= now);
            self.beats[place] = now;
            self.record(Record::Beat(Beat { switch: name, at: now }));
            if silent {
                self.raise(place, false, now);
                // Its timer ran when it fell silent; while it is heard of, it goes on from beat to beat.
                let at = now + self.options.switches[place].within;
                self.schedule(at, Timer::Switch(u32::try_from(place).unwrap_or(u32::MAX)));
            }
        }
    }

    pub(super) fn check_switch(&mut self, place: usize, now: Timestamp) {
        let (Some(beat), Some(switch)) = (self.beats.get(place), self.options.switches.get(place)) else {
            return;
        };
        let due = *beat + switch.within;
        if due > now {
            self.schedule(due, Timer::Switch(u32::try_from(place).unwrap_or(u32::MAX)));
        } else {
            self.raise(place, true, now);
        }
    }

    fn raise(&mut self, place: usize, fires: bool, now: Timestamp) {
        let switch = &self.options.switches[place];
        let posted = raised(switch, self.beats[place], fires, now);
        // Its labels come from the configuration and are bounded like every alert's: a refusal means that the options
        // are impossible, and there is nobody to tell but the log of the one who checks them.
        let _ = self.post_one(posted, now);
    }
}

/// The alert that a switch raises, or its end.
fn raised(switch: &DeadManSwitch, beat: Timestamp, fires: bool, now: Timestamp) -> PostedAlert {
    let mut labels: Vec<(Arc<str>, Arc<str>)> = vec![
        ("alertname".into(), "DeadMansSwitch".into()),
        ("severity".into(), "critical".into()),
        ("switch".into(), Arc::clone(&switch.name)),
    ];
    for (name, value) in &switch.labels {
        labels.retain(|(known, _)| known != name);
        labels.push((Arc::clone(name), Arc::clone(value)));
    }
    let within = quarterdeck_kernel::time::format_duration(switch.within);
    let summary = format!("No alert matching {} for {within}", switch.matchers);
    let mut annotations: Vec<(Arc<str>, Arc<str>)> = vec![("summary".into(), summary.into())];
    if fires {
        annotations.push(("description".into(), format!("Last heard of at {beat}").into()));
    }
    PostedAlert {
        labels,
        annotations,
        starts_at: fires.then_some(now),
        ends_at: Some(if fires { now + RAISED } else { now }),
        generator_url: None,
    }
}

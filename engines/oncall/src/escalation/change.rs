//! Overrides of schedules, made and ended by operators.

use quarterdeck_kernel::{Actor, Severity, Timestamp};

use super::decide::{Answer, cut};
use super::{Effect, Escalations, Fact, MAX_OVERRIDES, Record, Refusal};
use crate::schedule::Override;
use crate::target::Target;
use crate::words;

impl Escalations {
    pub(super) fn make_override(&mut self, mut change: Override, now: Timestamp) -> Answer {
        self.known(&Target::Schedule(change.schedule.clone()))?;
        self.known(&Target::Person(change.person.clone()))?;
        if let Some(replaced) = &change.replaces {
            self.known(&Target::Person(replaced.clone()))?;
        }
        if change.id.is_empty() || change.id.len() > 200 {
            return Err(Refusal::Name { length: change.id.len(), allowed: 200 });
        }
        if self.overrides.iter().any(|o| o.id == change.id) {
            return Err(Refusal::Exists { id: change.id });
        }
        // Who was on call is history.
        change.from = change.from.max(now);
        change.made = now;
        change.reason = change.reason.map(|r| cut(&r));
        if change.until <= change.from {
            let what = format!("it ends at {}, before it begins", change.until);
            return Err(Refusal::Time { what, advice: "write an end that is still to come" });
        }
        let kept = now - super::record::KEEP_OVERRIDES;
        if self.overrides.iter().filter(|o| o.until > kept).count() >= MAX_OVERRIDES {
            return Err(Refusal::Full { what: format!("there are {MAX_OVERRIDES} overrides") });
        }
        let by = Actor { user: change.by.clone(), ..Actor::default() };
        let summary = self.override_words(&change, now);
        let reason = change.reason.clone();
        let mut effects = Vec::new();
        self.commit(Record::OverrideMade(change), &mut effects);
        effects.push(Effect::Told(Fact {
            at: now,
            key: None,
            service: None,
            severity: Severity::Info,
            summary,
            by,
            reason,
        }));
        Ok(effects)
    }

    fn override_words(&self, change: &Override, now: Timestamp) -> String {
        let zone = self.roster.schedules().get(&change.schedule).map(|s| s.zone.clone());
        let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
        let instead = change.replaces.as_ref().map(|p| format!(" instead of {p}")).unwrap_or_default();
        let from = if change.from > now {
            format!("from {} ", words::time(&zone, change.from))
        } else {
            String::new()
        };
        let until = words::time(&zone, change.until);
        format!("{}: {} is on call{instead} {from}until {until}", change.schedule, change.person)
    }

    pub(super) fn end_override(&mut self, id: &str, by: Actor, now: Timestamp) -> Answer {
        let Some(change) = self.overrides.iter().find(|o| o.id == id && o.until > now).cloned() else {
            return Err(Refusal::Time {
                what: format!("no override {:?} holds or is to come", cut(id)),
                advice: "it may be over already",
            });
        };
        let mut effects = Vec::new();
        self.commit(Record::OverrideEnded { id: id.to_owned(), at: now, by: by.clone() }, &mut effects);
        effects.push(Effect::Told(Fact {
            at: now,
            key: None,
            service: None,
            severity: Severity::Info,
            summary: format!("{}: override by {} with {} ended", change.schedule, change.by, change.person),
            by,
            reason: None,
        }));
        Ok(effects)
    }
}

//! Silences: made, changed, ended; and what they hide.

use std::sync::Arc;

use quarterdeck_alertmanager::{MatchOp, Matcher, Matchers};
use quarterdeck_kernel::{Labels, Timestamp};

use super::index::MatchIndex;
use super::timers::Timer;
use super::{Effects, Engine, Few};
use crate::model::{
    Compiled, FactKind, Record, Silence, SilenceDraft, SilenceError, SilenceId, SilenceKind, SilenceState,
};

/// How many bytes a silence's matchers and texts may have together.
const MAX_BYTES: usize = 64 << 10;

/// A minute: how often a recurring silence can begin or end.
const MINUTE: i64 = 60_000;

/// A silence at work.
#[derive(Debug)]
pub(super) struct Hiding {
    pub(super) silence: Arc<Silence>,
    schedule: Option<Compiled>,
    /// Whether it hides now, as of the last time silences were looked at.
    pub(super) hides: bool,
}

impl Hiding {
    pub(super) fn new(silence: Arc<Silence>) -> Result<Self, SilenceError> {
        let schedule = match &silence.kind {
            SilenceKind::Recurring(schedule) => Some(schedule.compile()?),
            SilenceKind::Plain | SilenceKind::UntilResolved | SilenceKind::Maintenance(_) => None,
        };
        Ok(Self { silence, schedule, hides: false })
    }

    fn should_hide(&self, now: Timestamp) -> bool {
        self.silence.state(now) == SilenceState::Active
            && self.schedule.as_ref().is_none_or(|schedule| schedule.contains(now))
    }

    /// When it may begin or cease to hide next.
    fn next_turn(&self, now: Timestamp) -> Option<Timestamp> {
        match self.silence.state(now) {
            SilenceState::Pending => Some(self.silence.starts_at),
            SilenceState::Active if self.schedule.is_some() => {
                let minute = Timestamp::from_millis((now.as_millis().div_euclid(MINUTE) + 1) * MINUTE);
                Some(minute.min(self.silence.ends_at))
            }
            SilenceState::Active => Some(self.silence.ends_at),
            SilenceState::Expired => None,
        }
    }
}

impl Engine {
    /// Makes a silence, or changes one: in place if it keeps its matchers and kind and its times are lawful (an active
    /// one keeps its start, none ends in the past), else the old one is expired and a new one made. Gives the name
    /// of the one that is in force then.
    ///
    /// # Errors
    /// When the draft is not a silence, or names one that there is not.
    pub fn set_silence(
        &mut self,
        draft: SilenceDraft,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<SilenceId, SilenceError> {
        self.begin(now);
        let made = self.set_silence_inner(draft, now);
        self.finish(now, effects);
        made
    }

    fn set_silence_inner(&mut self, draft: SilenceDraft, now: Timestamp) -> Result<SilenceId, SilenceError> {
        let matchers = self.check_draft(&draft, now)?;
        let previous = match draft.id {
            Some(id) => {
                let slot = self.silence_ids.get(&id).copied().ok_or(SilenceError::Unknown(id))?;
                self.silences.get(&slot).map(|hiding| (slot, Arc::clone(&hiding.silence)))
            }
            None => None,
        };
        let mut silence = Silence {
            id: draft.id.unwrap_or_default(),
            kind: draft.kind,
            matchers,
            starts_at: draft.starts_at,
            ends_at: draft.ends_at,
            updated_at: now,
            created_by: draft.created_by,
            comment: draft.comment,
        };
        if let Some((slot, previous)) = &previous
            && may_change(previous, &silence, now)
        {
            let silence = Arc::new(silence);
            let mut hiding = Hiding::new(Arc::clone(&silence))?;
            hiding.hides = self.silences.get(slot).is_some_and(|old| old.hides);
            self.silences.insert(*slot, hiding);
            self.listed = None;
            self.silence_changed(&silence, now);
            return Ok(silence.id);
        }
        let live = self.silences.values().filter(|h| h.silence.state(now) != SilenceState::Expired).count();
        let replaces = previous.as_ref().is_some_and(|(_, p)| p.state(now) != SilenceState::Expired);
        if live - usize::from(replaces) >= self.options.max_silences {
            return Err(SilenceError::TooMany(live));
        }
        silence.starts_at = silence.starts_at.max(now);
        silence.id = self.ids.next_id();
        let hiding = Hiding::new(Arc::new(silence))?;
        if let Some((slot, _)) = previous.filter(|_| replaces) {
            let by = Arc::clone(&hiding.silence.created_by);
            self.expire_slot(slot, &by, now);
        }
        let silence = Arc::clone(&hiding.silence);
        self.add_silence(hiding);
        self.silence_changed(&silence, now);
        Ok(silence.id)
    }

    fn check_draft(&self, draft: &SilenceDraft, now: Timestamp) -> Result<Matchers, SilenceError> {
        let mut list = draft.matchers.as_slice().to_vec();
        if let SilenceKind::Maintenance(services) = &draft.kind {
            let label = &self.options.service_label;
            if services.is_empty() || services.iter().any(|s| s.is_empty()) {
                return Err(SilenceError::NoService);
            }
            // A changed maintenance brings the matcher of its services along.
            list.retain(|m| *m.name != **label);
            let matcher = match services.as_slice() {
                [one] => Matcher::equal(&**label, &**one),
                many => {
                    let pattern: Vec<String> = many.iter().map(|s| regex::escape(s)).collect();
                    Matcher::new(MatchOp::Regex, &**label, pattern.join("|"))
                        .map_err(|e| SilenceError::Schedule(e.to_string()))?
                }
            };
            list.push(matcher);
        }
        if list.is_empty() {
            return Err(SilenceError::NoMatchers);
        }
        if list.iter().any(|m| m.name.is_empty()) {
            return Err(SilenceError::NoName);
        }
        if list.iter().all(|m| m.matches_value("")) {
            return Err(SilenceError::MatchesEmpty);
        }
        let bytes = list.iter().map(|m| m.name.len() + m.value.len()).sum::<usize>()
            + draft.comment.len()
            + draft.created_by.len();
        if bytes > MAX_BYTES {
            return Err(SilenceError::TooLong(bytes, MAX_BYTES));
        }
        if draft.ends_at <= draft.starts_at {
            return Err(SilenceError::EndsFirst { starts_at: draft.starts_at, ends_at: draft.ends_at });
        }
        if draft.ends_at <= now {
            return Err(SilenceError::EndsInPast(draft.ends_at));
        }
        Ok(Matchers::new(list))
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// When there is none of that name, or it is over.
    pub fn expire_silence(
        &mut self,
        id: SilenceId,
        by: &Arc<str>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), SilenceError> {
        self.begin(now);
        let slot = self.silence_ids.get(&id).copied();
        let done = match slot.and_then(|slot| self.silences.get(&slot).map(|h| (slot, h.silence.state(now))))
        {
            None => Err(SilenceError::Unknown(id)),
            Some((_, SilenceState::Expired)) => Err(SilenceError::Expired(id)),
            Some((slot, _)) => {
                self.expire_slot(slot, by, now);
                Ok(())
            }
        };
        self.finish(now, effects);
        done
    }

    /// The silence of that name.
    #[must_use]
    pub fn silence(&self, id: SilenceId) -> Option<&Arc<Silence>> {
        self.silence_ids.get(&id).and_then(|slot| self.silences.get(slot)).map(|hiding| &hiding.silence)
    }

    /// The open alerts that matchers would hide now: a preview before a silence is made.
    #[must_use]
    pub fn preview(&self, matchers: &Matchers) -> Vec<Arc<crate::model::Alert>> {
        let open = self.alerts.iter().filter(|(_, alert)| alert.state.is_open());
        open.filter(|(_, alert)| matchers.matches(&alert.labels))
            .map(|(_, alert)| Arc::clone(alert))
            .collect()
    }

    fn expire_slot(&mut self, slot: u32, by: &Arc<str>, now: Timestamp) {
        let Some(hiding) = self.silences.get_mut(&slot) else { return };
        self.listed = None;
        let silence = Arc::make_mut(&mut hiding.silence);
        // One that has not begun never was.
        silence.starts_at = silence.starts_at.min(now);
        silence.ends_at = now;
        silence.updated_at = now;
        let silence = Arc::clone(&hiding.silence);
        self.record(Record::Silence(Arc::clone(&silence)));
        self.fact(now, FactKind::SilenceExpired { silence, by: Arc::clone(by) });
        self.turn_silences(now);
    }

    fn silence_changed(&mut self, silence: &Arc<Silence>, now: Timestamp) {
        self.record(Record::Silence(Arc::clone(silence)));
        self.fact(now, FactKind::SilenceSet { silence: Arc::clone(silence) });
        self.turn_silences(now);
    }

    /// Gives a silence its slot and finds what it matches.
    pub(super) fn add_silence(&mut self, hiding: Hiding) -> u32 {
        let slot = self.next_silence;
        self.next_silence += 1;
        for alert in self.alerts.slots() {
            let matches = |a: &Arc<crate::model::Alert>| hiding.silence.matchers.matches(&a.labels);
            if self.alerts.get(alert).is_some_and(matches) {
                self.privates[alert as usize].silences.push(slot);
            }
        }
        self.silence_ids.insert(hiding.silence.id, slot);
        self.silences.insert(slot, hiding);
        self.listed = None;
        self.index_silences();
        slot
    }

    fn index_silences(&mut self) {
        self.silence_index =
            MatchIndex::new(self.silences.iter().map(|(slot, hiding)| (*slot, &hiding.silence.matchers)));
    }

    /// The silences that match a label set, hiding or not.
    pub(super) fn matching_silences(&self, labels: &Labels) -> Few {
        if self.silences.is_empty() {
            return Few::default();
        }
        let mut found = Vec::new();
        self.silence_index.candidates(labels, &mut found);
        found.retain(|slot| self.silences.get(slot).is_some_and(|h| h.silence.matchers.matches(labels)));
        found.into_iter().collect()
    }

    /// Looks which silences hide now, and when to look again.
    pub(super) fn turn_silences(&mut self, now: Timestamp) {
        let mut next: Option<Timestamp> = None;
        for (slot, hiding) in &mut self.silences {
            let hides = hiding.should_hide(now);
            if std::mem::replace(&mut hiding.hides, hides) != hides {
                self.turned.insert(*slot);
                self.dirty.any = true;
            }
            if let Some(turn) = hiding.next_turn(now) {
                next = Some(next.map_or(turn, |n| n.min(turn)));
            }
        }
        // A timer that is set for this moment or an earlier one has just run.
        let set = self.silence_timer.filter(|set| *set > now);
        self.silence_timer = set;
        if let Some(next) = next
            && set.is_none_or(|set| next < set)
        {
            self.silence_timer = Some(next);
            self.schedule(next, Timer::Silences);
        }
    }

    /// Ends silences-until-resolved whose last alert is resolved.
    pub(super) fn end_done_silences(&mut self, now: Timestamp) {
        let candidates: Vec<u32> = std::mem::take(&mut self.maybe_done)
            .into_iter()
            .filter(|slot| {
                self.silences.get(slot).is_some_and(|h| {
                    h.silence.kind == SilenceKind::UntilResolved
                        && h.silence.state(now) == SilenceState::Active
                })
            })
            .collect();
        for slot in candidates {
            let open = self.alerts.iter().any(|(a, alert)| {
                alert.state.is_open() && self.privates[a as usize].silences.contains(&slot)
            });
            if !open {
                self.expire_slot(slot, &"everything it hid is resolved".into(), now);
            }
        }
    }

    /// Forgets silences that have been over for long enough.
    pub(super) fn forget_silences(&mut self, now: Timestamp) {
        let retention = self.options.silence_retention;
        let gone: Vec<(u32, SilenceId)> = self
            .silences
            .iter()
            .filter(|(_, h)| {
                h.silence.state(now) == SilenceState::Expired && now.since(h.silence.ends_at) >= retention
            })
            .map(|(slot, h)| (*slot, h.silence.id))
            .collect();
        if gone.is_empty() {
            return;
        }
        self.listed = None;
        for (slot, id) in &gone {
            self.silences.remove(slot);
            self.silence_ids.remove(id);
            self.record(Record::SilenceGone(*id));
        }
        for alert in self.alerts.slots() {
            self.privates[alert as usize].silences.retain(|s| gone.iter().all(|(slot, _)| *slot != s));
        }
        self.index_silences();
    }

    /// Silences, those in force first, newest first. Sorted anew only when one has changed, begun or ended.
    pub(super) fn list_silences(&mut self, now: Timestamp) -> Arc<[Arc<Silence>]> {
        if let Some((listed, holds)) = &self.listed
            && holds.contains(&now)
        {
            return Arc::clone(listed);
        }
        let bounds = self.silences.values().flat_map(|h| [h.silence.starts_at, h.silence.ends_at]);
        let next = bounds.filter(|at| *at > now).min().unwrap_or(Timestamp::MAX);
        let mut list: Vec<Arc<Silence>> =
            self.silences.values().rev().map(|h| Arc::clone(&h.silence)).collect();
        list.sort_by_key(|s| match s.state(now) {
            SilenceState::Active => 0,
            SilenceState::Pending => 1,
            SilenceState::Expired => 2,
        });
        let list: Arc<[Arc<Silence>]> = list.into();
        self.listed = Some((Arc::clone(&list), now..next));
        list
    }
}

/// Whether a silence may be changed in place.
fn may_change(old: &Silence, new: &Silence, now: Timestamp) -> bool {
    if old.matchers != new.matchers || old.kind != new.kind {
        return false;
    }
    match old.state(now) {
        // What Alertmanager's clients send back has whole seconds at best.
        SilenceState::Active => {
            new.starts_at.as_millis().div_euclid(1000) == old.starts_at.as_millis().div_euclid(1000)
                && new.ends_at >= now
        }
        SilenceState::Pending => new.starts_at >= now,
        SilenceState::Expired => false,
    }
}

//! Whether what an entry of the timeline changed is still as the entry left it: only then can it be undone.

use std::collections::{BTreeSet, HashMap};

use quarterdeck_kernel::{Entry, EntryId, Invocation, Phase, Subject};

/// A thing that can be changed and changed back: the action that does it, what it acts on, and the arguments that say which
/// thing is meant, without those that say what it becomes.
type Thing<'a> = (&'a str, Option<&'a Subject>, Vec<(&'a str, &'a str)>);

/// How things stand by what the timeline tells: the newest entry about a thing says what it was left at.
#[derive(Debug, Default)]
pub(crate) struct Present<'a> {
    /// By action, the arguments that some change has changed: they say what a thing becomes.
    values: HashMap<&'a str, BTreeSet<&'a str>>,
    newest: HashMap<Thing<'a>, &'a Entry>,
}

impl<'a> Present<'a> {
    /// From entries, newest first.
    pub(crate) fn of(entries: impl Iterator<Item = &'a Entry> + Clone) -> Self {
        let changes = entries.filter_map(|entry| Some((entry, entry.undo.as_ref()?)));
        let changes = changes.filter(|(entry, _)| entry.phase == Phase::Done);
        let mut present = Self::default();
        for (entry, undo) in changes.clone() {
            let names = present.values.entry(undo.action.as_str()).or_default();
            let Some(done) = entry.invocation.as_ref().filter(|done| done.action == undo.action) else {
                continue;
            };
            let changed = undo.args.iter().filter(|(name, value)| done.args.get(*name) != Some(*value));
            names.extend(changed.map(|(name, _)| name.as_str()));
        }
        for (entry, undo) in changes {
            let thing = present.thing(undo);
            present.newest.entry(thing).or_insert(entry);
        }
        present
    }

    fn thing(&self, undo: &'a Invocation) -> Thing<'a> {
        let values = self.values.get(undo.action.as_str());
        let which = undo.args.iter().filter(|(name, _)| values.is_none_or(|v| !v.contains(name.as_str())));
        let which = which.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (&undo.action, undo.subject.as_ref(), which)
    }

    /// The entry that changed since what `entry` changed, and left it at something else: none while it can be undone.
    pub(crate) fn moved_by(&self, entry: &'a Entry) -> Option<&'a Entry> {
        let undo = entry.undo.as_ref()?;
        let newest = *self.newest.get(&self.thing(undo))?;
        let left = newest.undo.as_ref().and_then(|undo| undo.expects.as_ref());
        (newest.id != entry.id && left.zip(undo.expects.as_ref()).is_some_and(|(now, then)| now != then))
            .then_some(newest)
    }
}

/// The entry that stands in the way of undoing the entry of an id.
pub(crate) fn in_the_way<'a>(entries: &'a [std::sync::Arc<Entry>], id: &EntryId) -> Option<&'a Entry> {
    let entry = entries.iter().find(|e| e.id == *id)?;
    Present::of(entries.iter().map(|e| &**e)).moved_by(entry)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quarterdeck_kernel::{Actor, ChangeKind, Severity, Timestamp};

    use super::*;

    /// A change of a limit, as the dispatcher writes it down.
    fn change(seq: u64, limit: &str, from: &str, to: &str) -> Arc<Entry> {
        let invocation = |value: &str| {
            Invocation::new("services.limit", Actor::default())
                .on(Subject::service("orders"))
                .arg("limit", limit)
                .arg("value", value)
        };
        let mut undo = invocation(from);
        undo.expects = Some(to.to_owned());
        Arc::new(Entry {
            id: EntryId { writer: "deck".to_owned(), seq },
            at: Timestamp::from_millis(seq as i64),
            kind: ChangeKind::Configuration,
            phase: Phase::Done,
            severity: Severity::Info,
            subject: Some(Subject::service("orders")),
            service: Some("orders".to_owned()),
            actor: Actor::default(),
            summary: String::new(),
            reason: None,
            invocation: Some(invocation(to)),
            outcome_of: None,
            undo: Some(undo),
            undone_by: None,
        })
    }

    fn moved(entries: &[Arc<Entry>]) -> Vec<Option<u64>> {
        let present = Present::of(entries.iter().map(|e| &**e));
        entries.iter().map(|e| present.moved_by(e).map(|by| by.id.seq)).collect()
    }

    #[test]
    fn only_the_newest_change_of_a_thing_can_be_undone() {
        let entries = [
            change(4, "errors", "default", "1"),
            change(3, "latency", "50ms", "60ms"),
            change(2, "latency", "default", "50ms"),
        ];
        assert_eq!(moved(&entries), [None, None, Some(3)]);
        assert_eq!(in_the_way(&entries, &entries[2].id).map(|e| e.id.seq), Some(3));
        assert_eq!(in_the_way(&entries, &entries[0].id).map(|e| e.id.seq), None);
    }

    #[test]
    fn what_was_put_back_can_be_undone_again() {
        let entries = [
            change(4, "latency", "60ms", "50ms"),
            change(3, "latency", "50ms", "60ms"),
            change(2, "latency", "default", "50ms"),
        ];
        assert_eq!(moved(&entries), [None, Some(4), None]);
    }

    #[test]
    fn a_change_that_changed_nothing_is_still_about_its_thing() {
        let entries = [
            change(4, "latency", "60ms", "60ms"),
            change(3, "latency", "50ms", "60ms"),
            change(2, "latency", "default", "50ms"),
        ];
        assert_eq!(moved(&entries), [None, None, Some(4)]);
    }
}

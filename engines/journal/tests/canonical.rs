//! The bytes that are hashed: the same for the same entry, others for another.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use proptest::prelude::*;
use quarterdeck_journal::timeline::{Digest, canonical_bytes};
use quarterdeck_kernel::{
    Actor, ChangeKind, Entry, EntryId, Invocation, Phase, Severity, Subject, SubjectKind, Timestamp,
};
use uuid::Uuid;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z]{1,6}",
        any::<String>(),
        Just("\u{0}\"\\\u{2028}é\u{1f600}".to_owned())
    ]
}

fn invocation() -> impl Strategy<Value = Invocation> {
    let args = proptest::collection::btree_map(text(), text(), 0..3);
    (any::<u128>(), text(), args, text(), proptest::option::of(text()), any::<bool>()).prop_map(
        |(id, action, args, user, expects, undoes)| Invocation {
            id: Uuid::from_u128(id),
            args,
            expects,
            undoes: undoes.then(|| EntryId { writer: "w".into(), seq: 3 }),
            subject: Some(Subject::new(SubjectKind::Series, "up{a=\"b\"}")),
            ..Invocation::new(action, Actor { user, ..Actor::default() })
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let head = (text(), any::<u64>(), any::<i64>(), 0..ChangeKind::ALL.len(), 0..3usize);
    let tail = (
        text(),
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of(invocation()),
        proptest::option::of(invocation()),
    );
    (head, tail).prop_map(
        |((writer, seq, at, kind, severity), (summary, service, reason, invocation, undo))| Entry {
            id: EntryId { writer, seq },
            at: Timestamp::from_millis(at),
            kind: ChangeKind::ALL[kind],
            phase: [Phase::Intent, Phase::Done, Phase::Failed][seq as usize % 3],
            severity: [Severity::Info, Severity::Warning, Severity::Critical][severity],
            subject: service.as_ref().map(|_| Subject::service("orders")),
            service,
            actor: Actor::system("test"),
            summary,
            reason,
            invocation,
            outcome_of: undo.as_ref().map(|_| EntryId { writer: "w".into(), seq: 1 }),
            undo,
            undone_by: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_entry_reads_back_and_encodes_to_the_same_bytes(entry in entry()) {
        let bytes = canonical_bytes(&entry);
        let read: Entry = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&read, &entry);
        prop_assert_eq!(canonical_bytes(&read), bytes.clone());
        let marked = Entry { undone_by: Some(entry.id.clone()), ..entry };
        prop_assert_eq!(canonical_bytes(&marked), bytes, "who undid it is not part of what was written");
    }

    #[test]
    fn the_order_of_fields_does_not_matter(entry in entry()) {
        fn reversed(value: serde_json::Value) -> serde_json::Value {
            match value {
                serde_json::Value::Object(map) => {
                    map.into_iter().rev().map(|(k, v)| (k, reversed(v))).collect::<serde_json::Map<_, _>>().into()
                }
                other => other,
            }
        }
        let shuffled = reversed(serde_json::to_value(&entry).unwrap());
        let read: Entry = serde_json::from_value(shuffled).unwrap();
        prop_assert_eq!(canonical_bytes(&read), canonical_bytes(&entry));
    }

    #[test]
    fn different_entries_have_different_bytes(a in entry(), b in entry()) {
        prop_assert_eq!(a == b, canonical_bytes(&a) == canonical_bytes(&b));
    }

    #[test]
    fn a_hash_depends_on_all_before_it(a in proptest::collection::vec(any::<u8>(), 0..40), flip in any::<prop::sample::Index>()) {
        let first = Digest::GENESIS.then(&a);
        prop_assert_ne!(first.then(&a), first);
        prop_assert_eq!(Digest::from_hex(&first.to_string()), Some(first));
        if !a.is_empty() {
            let mut b = a.clone();
            b[flip.index(a.len())] ^= 1;
            prop_assert_ne!(Digest::GENESIS.then(&b), first);
            prop_assert_ne!(Digest::GENESIS.then(&b).then(b"x"), first.then(b"x"));
        }
        let mut earlier = first;
        earlier.0[flip.index(32)] ^= 1;
        prop_assert_ne!(earlier.then(&a), first.then(&a));
    }
}

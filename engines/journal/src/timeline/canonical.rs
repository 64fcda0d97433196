//! The bytes that are hashed, and the hash.

use std::fmt;

use quarterdeck_kernel::Entry;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What the first entry of a chain follows.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of an entry with these canonical bytes, after one with hash `self`. The first part has a fixed
    /// length, so no two pairs of hash and bytes feed the same input.
    #[must_use]
    pub fn then(self, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"quarterdeck timeline 1\0");
        hasher.update(self.0);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An entry as bytes, the same for equal entries wherever and whenever they are made: JSON with keys sorted, no
/// blanks, nothing absent spelled out. `undone_by` is left out: it is not part of what was written.
#[must_use]
pub fn canonical_bytes(entry: &Entry) -> Vec<u8> {
    // Spelled out, in the order of their names: most of what a console writes, and made a tree of first it took four times as
    // long. What a field of several parts holds is sorted by [`write`].
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    named("actor", &mut out);
    out.push(b'{');
    field("host", Some(&entry.actor.host), &mut out);
    field("terminal", Some(&entry.actor.terminal), &mut out);
    field("user", Some(&entry.actor.user), &mut out);
    field("via", Some(&entry.actor.via), &mut out);
    out.push(b'}');
    field("at", Some(&entry.at), &mut out);
    named("id", &mut out);
    out.push(b'{');
    field("seq", Some(&entry.id.seq), &mut out);
    field("writer", Some(&entry.id.writer), &mut out);
    out.push(b'}');
    part("invocation", entry.invocation.as_ref(), &mut out);
    field("kind", Some(&entry.kind), &mut out);
    part("outcome_of", entry.outcome_of.as_ref(), &mut out);
    field("phase", Some(&entry.phase), &mut out);
    field("reason", entry.reason.as_ref(), &mut out);
    field("service", entry.service.as_ref(), &mut out);
    field("severity", Some(&entry.severity), &mut out);
    field("subject", entry.subject.as_ref(), &mut out);
    field("summary", Some(&entry.summary), &mut out);
    part("undo", entry.undo.as_ref(), &mut out);
    out.push(b'}');
    out
}

/// A field that is one text or number.
fn field<T: Serialize>(name: &str, value: Option<&T>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        named(name, out);
        // Writing into memory does not fail, and neither do texts and numbers.
        let _ = serde_json::to_writer(out, value);
    }
}

/// A field of several parts.
fn part<T: Serialize>(name: &str, value: Option<&T>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        named(name, out);
        write(&serde_json::to_value(value).unwrap_or_default(), out);
    }
}

/// The name of a field of ours, which needs no escapes.
fn named(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, v)| !v.is_null()).collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            out.push(b'{');
            for (i, (name, value)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(&Value::String(name.clone()), out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_kernel::{
        Actor, ChangeKind, EntryId, Invocation, Phase, Severity, Subject, SubjectKind, Timestamp,
    };

    use super::*;

    /// As it was first written, and as every other reader of a chain computes it: through a tree.
    fn through_a_tree(entry: &Entry) -> Vec<u8> {
        let mut value = serde_json::to_value(entry).unwrap();
        value.as_object_mut().unwrap().remove("undone_by");
        let mut out = Vec::new();
        write(&value, &mut out);
        out
    }

    #[test]
    fn the_fields_are_those_of_the_entry_in_the_order_of_their_names() {
        let by = Actor { user: "an\"n".to_owned(), host: "h\u{7f}".to_owned(), ..Actor::default() };
        let invocation = Invocation {
            args: [("b".to_owned(), "\n".to_owned()), ("a".to_owned(), String::new())].into(),
            subject: Some(Subject::service("orders")),
            reason: Some("why".to_owned()),
            ..Invocation::new("deploy.start", by.clone())
        };
        let whole = Entry {
            id: EntryId { writer: "w".to_owned(), seq: u64::MAX },
            at: Timestamp::from_millis(-5),
            kind: ChangeKind::Acknowledgement,
            phase: Phase::Interrupted,
            severity: Severity::Critical,
            subject: Some(Subject::new(SubjectKind::Series, "up{a=\"\u{0}\u{2028}\"}")),
            service: Some("é".to_owned()),
            actor: by,
            summary: "a \\ \u{1} b".to_owned(),
            reason: Some(String::new()),
            invocation: Some(invocation.clone()),
            outcome_of: Some(EntryId { writer: "v".to_owned(), seq: 0 }),
            undo: Some(invocation),
            undone_by: Some(EntryId { writer: "u".to_owned(), seq: 1 }),
        };
        let plain = Entry {
            subject: None,
            service: None,
            reason: None,
            invocation: None,
            outcome_of: None,
            undo: None,
            undone_by: None,
            ..whole.clone()
        };
        for entry in [whole, plain] {
            assert_eq!(
                String::from_utf8(canonical_bytes(&entry)).unwrap(),
                String::from_utf8(through_a_tree(&entry)).unwrap()
            );
        }
    }
}

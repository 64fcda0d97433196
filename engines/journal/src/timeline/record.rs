//! An entry as a row: its canonical bytes and hash, and the columns that queries filter by, all derived from them.

use quarterdeck_kernel::{Entry, EntryId, Phase};

use super::canonical::{Digest, canonical_bytes};
use super::error::TimelineError;
use super::prune;
use crate::store::{Dialect, Row, Statement, StoreError, Value, pieces};
use crate::values;

/// The longest entry kept, in bytes of its canonical form.
const BODY_BYTES: usize = 64 << 10;

/// Columns that [`Record::read`] needs.
pub(super) const COLUMNS: &str = "writer, seq, body, hash";

/// Columns that follow from the body; see [`derived`].
const DERIVED: [&str; 9] =
    ["at", "kind", "phase", "service", "subject", "search", "invocation", "undoes", "outcome_of"];

/// A row of the timeline.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: EntryId,
    pub(super) body: Vec<u8>,
    pub(super) hash: Digest,
}

impl Record {
    /// The record of an entry that follows one with hash `previous`.
    pub(super) fn new(entry: &Entry, previous: Digest) -> Result<Self, TimelineError> {
        let body = canonical_bytes(entry);
        if body.len() > BODY_BYTES {
            return Err(TimelineError::TooLong { bytes: body.len(), limit: BODY_BYTES });
        }
        Ok(Self { id: entry.id.clone(), hash: previous.then(&body), body })
    }

    /// From a row with [`COLUMNS`]. A hash of the wrong length becomes one that matches nothing.
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let seq = u64::try_from(row.int("seq")?).unwrap_or_default();
        let hash = row.blob("hash")?.try_into().map_or(Digest([0xff; 32]), Digest);
        Ok(Self { id: EntryId { writer: row.text("writer")?, seq }, body: row.blob("body")?, hash })
    }

    /// The entry, from its bytes.
    pub(super) fn entry(&self) -> Result<Entry, TimelineError> {
        let unreadable = |why: String| TimelineError::Unreadable { entry: self.id.clone(), why };
        let entry: Entry = serde_json::from_slice(&self.body).map_err(|e| unreadable(e.to_string()))?;
        if entry.id == self.id { Ok(entry) } else { Err(unreadable(format!("it says it is {}", entry.id))) }
    }

    /// The values of its row.
    fn values(self, entry: &Entry) -> impl Iterator<Item = Value> {
        values![self.body, self.hash.0.as_slice(), &entry.id.writer, entry.id.seq]
            .into_iter()
            .chain(derived(entry))
            .chain([prune::checkpoint(entry).map(|c| c.to).into()])
    }
}

/// Rows of one statement at most: each statement is a round trip to the database.
const TOGETHER: usize = 32;

/// Columns of a row that is written.
const WRITTEN: usize = 14;

/// The statements that write entries after one with hash `last`, which moves along.
pub(super) fn insert<'a>(
    entries: &'a [Entry],
    last: &'a mut Digest,
    dialect: Dialect,
) -> impl Iterator<Item = Result<Statement, TimelineError>> {
    pieces(entries, TOGETHER).map(move |entries| {
        let mut values = Vec::with_capacity(entries.len() * WRITTEN);
        for entry in entries {
            let record = Record::new(entry, *last)?;
            *last = record.hash;
            values.extend(record.values(entry));
        }
        let rows = dialect.rows(entries.len(), WRITTEN);
        let sql = "INSERT INTO timeline_entries (body, hash, writer, seq, at, kind, phase, service, subject, search,
             invocation, undoes, outcome_of, checkpoint) VALUES ";
        Ok(Statement::new(format!("{sql}{rows}"), values))
    })
}

/// The values of [`DERIVED`].
fn derived(entry: &Entry) -> [Value; 9] {
    let undoes = entry.invocation.as_ref().filter(|_| entry.phase == Phase::Done);
    values![
        entry.at,
        entry.kind.as_str(),
        entry.phase.as_str(),
        entry.service.as_deref(),
        entry.subject.as_ref(),
        searched(entry),
        entry.invocation.as_ref().map(|i| i.id),
        undoes.and_then(|i| i.undoes.as_ref()),
        entry.outcome_of.as_ref().map(|id| id.seq),
    ]
}

/// What the text filter looks through, in lower case.
pub(super) fn searched(entry: &Entry) -> String {
    let mut text = entry.summary.clone();
    let more = [
        Some(entry.actor.user.clone()),
        entry.service.clone(),
        entry.subject.as_ref().map(ToString::to_string),
        entry.reason.clone(),
        entry.invocation.as_ref().map(|i| i.action.clone()),
    ];
    for part in more.into_iter().flatten() {
        text.push('\n');
        text.push_str(&part);
    }
    text.to_lowercase()
}

/// The first column of a row that does not say what the entry says.
pub(super) fn disagreeing(entry: &Entry, row: &Row) -> Option<&'static str> {
    let expected = derived(entry);
    let checkpoint = Value::from(prune::checkpoint(entry).map(|c| c.to));
    DERIVED.iter().copied().zip(&expected).chain([("checkpoint", &checkpoint)]).find_map(|(column, value)| {
        let same = match value {
            Value::Int(v) => row.int_opt(column).is_ok_and(|found| found == *v),
            Value::Text(v) => row.text_opt(column).is_ok_and(|found| found == *v),
            Value::Real(_) | Value::Blob(_) => true,
        };
        (!same).then_some(column)
    })
}

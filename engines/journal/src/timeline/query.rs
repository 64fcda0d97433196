//! Reading the timeline.

use quarterdeck_kernel::{ChangeKind, Entry, EntryId, Subject, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::TimelineError;
use super::handle::Timeline;
use super::record::{COLUMNS, Record, searched};
use super::undone::Undos;
use crate::store::{AssertSqlSafe, Db, Row, Value};
use crate::values;

/// The longest page.
const PAGE: usize = 1000;

/// Which entries to show; what is empty or absent lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// One of these kinds.
    pub kinds: Vec<ChangeKind>,
    /// Touching this service.
    pub service: Option<String>,
    /// About this subject.
    pub subject: Option<Subject>,
    /// With this text, whatever its case, in summary, reason, actor, service, subject or action.
    pub text: String,
    /// Not earlier than this.
    pub from: Option<Timestamp>,
    /// Earlier than this.
    pub to: Option<Timestamp>,
}

/// A place in the order of entries, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the entry there happened.
    pub at: Timestamp,
    /// The entry there.
    pub id: EntryId,
}

/// Some entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The entries, with `undone_by` filled in.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<Cursor>,
}

impl Filter {
    /// Whether an entry passes: the same as the query does, for entries that are in memory.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && (self.service.is_none() || self.service == entry.service)
            && (self.subject.is_none() || self.subject == entry.subject)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
            && (self.text.is_empty() || searched(entry).contains(&self.text.to_lowercase()))
    }

    fn sql(&self, before: Option<&Cursor>, limit: usize) -> (String, Vec<Value>) {
        let mut clauses = vec!["1 = 1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut place = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        if !self.kinds.is_empty() {
            let kinds: Vec<String> = self.kinds.iter().map(|k| place(k.as_str().into())).collect();
            clauses.push(format!("kind IN ({})", kinds.join(", ")));
        }
        if let Some(service) = &self.service {
            clauses.push(format!("service = {}", place(service.into())));
        }
        if let Some(subject) = &self.subject {
            clauses.push(format!("subject = {}", place(subject.into())));
        }
        if let Some(from) = self.from {
            clauses.push(format!("at >= {}", place(from.into())));
        }
        if let Some(to) = self.to {
            clauses.push(format!("at < {}", place(to.into())));
        }
        if !self.text.is_empty() {
            let mut pattern = String::from("%");
            for c in self.text.to_lowercase().chars() {
                if matches!(c, '%' | '_' | '!') {
                    pattern.push('!');
                }
                pattern.push(c);
            }
            pattern.push('%');
            clauses.push(format!("search LIKE {} ESCAPE '!'", place(pattern.into())));
        }
        if let Some(Cursor { at, id }) = before {
            let (at, writer) = (place((*at).into()), place((&id.writer).into()));
            clauses.push(format!("(at, writer, seq) < ({at}, {writer}, {})", place(id.seq.into())));
        }
        let limit = place(limit.into());
        let sql = format!(
            "SELECT {COLUMNS} FROM timeline_entries WHERE {} ORDER BY at DESC, writer DESC, seq DESC LIMIT {limit}",
            clauses.join(" AND ")
        );
        (sql, values)
    }
}

impl Timeline {
    /// At most `limit` (and at most 1,000) entries that pass the filter, newest first, after `before` in that order.
    ///
    /// # Errors
    /// When the store fails or an entry cannot be read back.
    pub async fn page(
        &self,
        filter: &Filter,
        before: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, TimelineError> {
        let limit = limit.clamp(1, PAGE);
        let mut entries = select(&self.shared.db, filter, before, limit + 1).await?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|e| Cursor { at: e.at, id: e.id.clone() });
        fill_undone(&self.shared.db, &mut entries).await?;
        Ok(Page { entries, next })
    }

    /// One entry, with `undone_by` filled in.
    ///
    /// # Errors
    /// When the store fails or the entry cannot be read back.
    pub async fn entry(&self, id: &EntryId) -> Result<Option<Entry>, TimelineError> {
        let sql = "SELECT writer, seq, body, hash FROM timeline_entries WHERE writer = $1 AND seq = $2";
        let mut found = entries(&self.shared.db.rows(sql, &values![&id.writer, id.seq]).await?)?;
        fill_undone(&self.shared.db, &mut found).await?;
        Ok(found.pop())
    }

    /// Every entry that an invocation made, oldest first.
    ///
    /// # Errors
    /// When the store fails or an entry cannot be read back.
    pub async fn of_invocation(&self, id: Uuid) -> Result<Vec<Entry>, TimelineError> {
        let sql =
            "SELECT writer, seq, body, hash FROM timeline_entries WHERE invocation = $1 ORDER BY writer, seq";
        entries(&self.shared.db.rows(sql, &values![id]).await?)
    }

    /// Intents of this console's chain that have neither succeeded nor failed, oldest first.
    ///
    /// # Errors
    /// When the store fails or an entry cannot be read back.
    pub async fn open_intents(&self) -> Result<Vec<Entry>, TimelineError> {
        let writer = self.shared.ring.lock().writer.clone();
        let sql = "SELECT writer, seq, body, hash FROM timeline_entries i WHERE writer = $1 AND phase = 'intent'
             AND NOT EXISTS (SELECT 1 FROM timeline_entries o WHERE o.writer = i.writer AND o.outcome_of = i.seq
             AND o.phase IN ('done', 'failed')) ORDER BY seq";
        entries(&self.shared.db.rows(sql, &values![writer]).await?)
    }
}

/// The newest entries that pass, newest first, `undone_by` not filled in.
pub(super) async fn select(
    db: &Db,
    filter: &Filter,
    before: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Entry>, TimelineError> {
    let (sql, values) = filter.sql(before, limit);
    // Only place holders and column names of this module are in the text.
    entries(&db.rows(AssertSqlSafe(sql), &values).await?)
}

/// A chain's entries after `seq`, oldest first.
pub(super) async fn since(db: &Db, writer: &str, seq: u64) -> Result<Vec<Entry>, TimelineError> {
    let sql =
        "SELECT writer, seq, body, hash FROM timeline_entries WHERE writer = $1 AND seq > $2 ORDER BY seq
         LIMIT 1000";
    entries(&db.rows(sql, &values![writer, seq]).await?)
}

/// What others than `writer` wrote since `from`, oldest first.
pub(super) async fn of_others(db: &Db, writer: &str, from: Timestamp) -> Result<Vec<Entry>, TimelineError> {
    let sql = "SELECT writer, seq, body, hash FROM timeline_entries WHERE at >= $1 AND writer <> $2
         ORDER BY at DESC, writer DESC, seq DESC LIMIT 500";
    let mut found = entries(&db.rows(sql, &values![from, writer]).await?)?;
    found.reverse();
    Ok(found)
}

async fn fill_undone(db: &Db, entries: &mut [Entry]) -> Result<(), TimelineError> {
    let undos = Undos::load(db, entries.iter().map(|e| e.id.clone())).await?;
    for entry in entries {
        entry.undone_by = undos.undone_by(&entry.id);
    }
    Ok(())
}

fn entries(rows: &[Row]) -> Result<Vec<Entry>, TimelineError> {
    rows.iter().map(|row| Record::read(row)?.entry()).collect()
}

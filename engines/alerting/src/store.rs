//! Durable state: the newest state of each thing under its kind and key, and what other consoles ask of the one that
//! notifies.
//!
//! Records are written in the transaction of the timeline entries that tell of them, before anything is sent or answered.
//! On a shared store (PostgreSQL) that transaction also holds the lease's row, so that a console which lost the lease
//! writes nothing any more.

mod inbox;
pub mod past;
mod places;

use std::collections::{BTreeMap, HashMap};

use quarterdeck_journal::store::{
    AssertSqlSafe, Db, Dialect, Migrations, Statement, Step, StoreError, Tx, Value, pieces, sizes,
};
use quarterdeck_journal::values;

use crate::model::{Record, RecordKind};

pub use inbox::{Asked, Inbox};
pub use places::{CLOCK, Places};
pub use quarterdeck_journal::lease::{Held, Lease, LeaseError, TERM};

/// The engine's tables.
pub const MIGRATIONS: Migrations = Migrations {
    engine: "alerting",
    steps: &[
        Step::both(
            "records of alerts, groups, silences, notifications and escalations",
            "CREATE TABLE alerting_records (
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                body TEXT NOT NULL,
                PRIMARY KEY (kind, name)
            )",
        ),
        Step::both(
            "the lease of the console that notifies",
            "CREATE TABLE alerting_lease (
                name TEXT NOT NULL PRIMARY KEY,
                holder TEXT NOT NULL,
                address TEXT NOT NULL,
                fence BIGINT NOT NULL,
                until_ms BIGINT NOT NULL
            )",
        ),
        Step::each(
            "what other consoles ask of the one that notifies",
            "CREATE TABLE alerting_inbox (
                place INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE,
                asked_at BIGINT NOT NULL,
                request TEXT NOT NULL,
                answer TEXT
            )",
            "CREATE TABLE alerting_inbox (
                place BIGSERIAL PRIMARY KEY,
                id TEXT NOT NULL UNIQUE,
                asked_at BIGINT NOT NULL,
                request TEXT NOT NULL,
                answer TEXT
            )",
        ),
        Step::each(
            "alerts that are over",
            "CREATE TABLE alerting_past (
                place INTEGER PRIMARY KEY AUTOINCREMENT,
                began_ms BIGINT NOT NULL,
                over_ms BIGINT NOT NULL,
                body TEXT NOT NULL
            )",
            "CREATE TABLE alerting_past (
                place BIGSERIAL PRIMARY KEY,
                began_ms BIGINT NOT NULL,
                over_ms BIGINT NOT NULL,
                body TEXT NOT NULL
            )",
        ),
        Step::both(
            "alerts that are over, by when",
            "CREATE INDEX alerting_past_over ON alerting_past (over_ms)",
        ),
        // By kind and name, a hundred new alerts are a hundred pages of an index; in the order in which they come, one after the other.
        Step::each(
            "records in the order in which they came",
            "CREATE TABLE alerting_rows (
                place INTEGER PRIMARY KEY,
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                body TEXT NOT NULL
            );
            INSERT INTO alerting_rows (place, kind, name, body)
                SELECT CASE kind WHEN 'clock' THEN 0 ELSE row_number() OVER (ORDER BY kind, name) END, kind, name, body
                FROM alerting_records;
            DROP TABLE alerting_records;
            ALTER TABLE alerting_rows RENAME TO alerting_records",
            "CREATE TABLE alerting_rows (
                place BIGINT PRIMARY KEY,
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                body TEXT NOT NULL
            );
            INSERT INTO alerting_rows (place, kind, name, body)
                SELECT CASE kind WHEN 'clock' THEN 0 ELSE row_number() OVER (ORDER BY kind, name) END, kind, name, body
                FROM alerting_records;
            DROP TABLE alerting_records;
            ALTER TABLE alerting_rows RENAME TO alerting_records",
        ),
        Step::both("the lease is kept beside those of others", "DROP TABLE alerting_lease"),
    ],
};

/// What the lease of the console that notifies is called.
pub const LEASE: &str = "alerting";

/// The kind under which escalations are kept.
pub const ESCALATION: &str = "escalation";
/// The kind under which overrides of schedules are kept.
pub const OVERRIDE: &str = "override";

/// Rows per statement at most.
const TOGETHER: usize = 64;

/// Bytes that room is made for before rows are written out: an alert of ten labels.
const FORESEEN: usize = 1024;

/// One row to be written or, without a body, removed.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// What kind of thing.
    pub kind: &'static str,
    /// Which one.
    pub name: String,
    /// Its newest state; `None` removes it.
    pub body: Option<Body>,
}

/// What a row holds. It becomes JSON when it is written, a few rows at a time: ten thousand alerts that come at once would
/// otherwise stand in memory twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A record of the engine.
    Record(Record),
    /// JSON already.
    Json(String),
}

impl Body {
    /// The JSON, written where the one before it was written, so that it is as large as it has to be.
    fn json(&self, place: &mut Vec<u8>) -> Result<String, serde_json::Error> {
        match self {
            Self::Record(record) => {
                place.clear();
                serde_json::to_writer(&mut *place, record)?;
                std::str::from_utf8(place).map(str::to_owned).map_err(serde::ser::Error::custom)
            }
            Self::Json(text) => Ok(text.clone()),
        }
    }
}

impl RowChange {
    /// What a record of the engine does to the store.
    #[must_use]
    pub fn of(record: Record) -> Self {
        let (kind, name) = (record.kind().as_str(), record.key());
        let body = if record.is_removal() { None } else { Some(Body::Record(record)) };
        Self { kind, name, body }
    }
}

/// Rows not written yet: of each kind and name the newest, and the place that it is written at.
#[derive(Clone, Debug, Default)]
pub struct Unwritten {
    places: Places,
    rows: Rows,
}

/// Rows by their places. Apart from all places, so that they can be lent to a transaction at no cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows(BTreeMap<i64, Row>);

#[derive(Clone, Debug)]
struct Row {
    kind: &'static str,
    name: String,
    body: Option<Body>,
}

impl Unwritten {
    /// None yet, beside the rows that are in the store.
    #[must_use]
    pub fn beside(places: Places) -> Self {
        Self { places, rows: Rows::default() }
    }

    /// Takes a change in; it replaces an older one of the same thing.
    pub fn push(&mut self, change: RowChange) {
        let RowChange { kind, name, body } = change;
        let place = match &body {
            Some(_) => self.places.give(kind, &name),
            None => match self.places.of(kind, &name) {
                Some(place) => place,
                // It is not in the store and is not to be.
                None => return,
            },
        };
        self.rows.0.insert(place, Row { kind, name, body });
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.0.is_empty()
    }

    /// The transaction that they were written in holds: nothing waits any more. What was written is for the caller to drop
    /// when there is time.
    pub(crate) fn take_written(&mut self) -> Rows {
        for row in self.rows.0.values().filter(|row| row.body.is_none()) {
            self.places.forget(row.kind, &row.name);
        }
        std::mem::take(&mut self.rows)
    }

    /// Writes them in a transaction: first what goes, then what stays, as with entries of the timeline, where those come last.
    ///
    /// # Errors
    /// What the database says.
    pub async fn write(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.rows.remove(tx).await?;
        tx.run_all(self.rows.kept(tx.dialect())).await
    }

    /// The rows, to be given back with [`Unwritten::give_back`].
    pub(crate) fn lend(&mut self) -> Rows {
        std::mem::take(&mut self.rows)
    }

    /// Takes them back.
    pub(crate) fn give_back(&mut self, rows: Rows) {
        self.rows = rows;
    }
}

impl Rows {
    /// The statements that write those that are to be in the store.
    pub(crate) fn kept(&self, dialect: Dialect) -> impl Iterator<Item = Result<Statement, StoreError>> {
        let mut kept = self.0.iter().filter_map(|(place, row)| Some((place, row, row.body.as_ref()?)));
        let mut json = Vec::with_capacity(FORESEEN);
        sizes(kept.clone().count(), TOGETHER).map(move |size| {
            let mut values: Vec<Value> = Vec::with_capacity(size * 4);
            for (place, Row { kind, name, .. }, body) in kept.by_ref().take(size) {
                let body =
                    body.json(&mut json).map_err(|e| StoreError::Database(format!("{kind} {name}: {e}")))?;
                values.extend(values![*place, *kind, name.as_str(), body]);
            }
            let rows = dialect.rows(size, 4);
            let sql = format!(
                "INSERT INTO alerting_records (place, kind, name, body) VALUES {rows}
                 ON CONFLICT (place) DO UPDATE SET body = excluded.body"
            );
            Ok(Statement::new(sql, values))
        })
    }

    /// Removes those that are not to be in the store.
    pub(crate) async fn remove(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let gone: Vec<_> = self.0.iter().filter(|(_, row)| row.body.is_none()).collect();
        for rows in pieces(&gone, TOGETHER) {
            let alert = RecordKind::Alert.as_str();
            let alerts = rows.iter().filter(|(_, row)| row.kind == alert).map(|(place, _)| **place);
            past::bury(tx, &alerts.collect::<Vec<_>>()).await?;
            let marks: Vec<String> = (1..=rows.len()).map(|n| format!("${n}")).collect();
            let sql = format!("DELETE FROM alerting_records WHERE place IN ({})", marks.join(", "));
            let parameters: Vec<Value> = rows.iter().flat_map(|(place, _)| values![**place]).collect();
            tx.execute(AssertSqlSafe(sql), &parameters).await?;
        }
        Ok(())
    }
}

/// Everything that was written, read back.
#[derive(Debug, Default)]
pub struct Stored {
    /// The engine's records.
    pub records: Vec<Record>,
    /// Escalations and overrides.
    pub escalations: Vec<quarterdeck_oncall::escalation::Record>,
    /// Rows that could not be read: kind, name and why. They are left in the store and shown.
    pub unreadable: Vec<(String, String, String)>,
    /// Where each stands.
    pub places: Places,
}

/// Reads everything back, by kind and name.
///
/// # Errors
/// What the database says.
pub async fn load(db: &Db) -> Result<Stored, StoreError> {
    let rows = db.rows("SELECT place, kind, name, body FROM alerting_records ORDER BY place", &[]).await?;
    let mut stored = Stored::default();
    let mut newest = HashMap::with_capacity(rows.len());
    for row in rows {
        let (kind, name) = (row.text("kind")?, row.text("name")?);
        stored.places.found(&kind, &name, row.int("place")?);
        newest.insert((kind, name), row.text("body")?);
    }
    let mut newest: Vec<_> = newest.into_iter().collect();
    newest.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for ((kind, name), body) in newest {
        let read = match kind.as_str() {
            ESCALATION | OVERRIDE => serde_json::from_str(&body).map(|r| stored.escalations.push(r)),
            _ => serde_json::from_str(&body).map(|r| stored.records.push(r)),
        };
        if let Err(why) = read {
            stored.unreadable.push((kind, name, why.to_string()));
        }
    }
    Ok(stored)
}

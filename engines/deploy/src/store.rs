//! What must outlive the process: what is known of each service, rollouts, and the ledger of ended ones.
//!
//! Rows are written in the transaction of the timeline entries that tell of them, before anything they stand for is done.

use std::collections::BTreeMap;

use quarterdeck_journal::store::{Db, Migrations, Step, StoreError, Tx};
use quarterdeck_journal::values;
use quarterdeck_kernel::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{LedgerEntry, Rollout};

/// Ended rollouts that are kept whole, over all services; the oldest go first. Their [`LedgerEntry`] stays.
pub const ROLLOUTS: i64 = 1_000;
/// Entries of the ledger that are kept; the oldest go first.
pub const LEDGER: i64 = 100_000;
/// Ended rollouts that are read back to be shown.
pub const SHOWN: i64 = 200;

/// What the lease of the console that does the rollouts is called.
pub const LEASE: &str = "deploy";

/// The engine's tables.
pub const MIGRATIONS: Migrations = Migrations {
    engine: "deploy",
    steps: &[Step::each(
        "services, rollouts and their ledger",
        "CREATE TABLE deploy_services (service TEXT PRIMARY KEY, body TEXT NOT NULL);
         CREATE TABLE deploy_rollouts (
            place INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            ended_ms BIGINT NOT NULL,
            body TEXT NOT NULL
         );
         CREATE TABLE deploy_ledger (
            place INTEGER PRIMARY KEY AUTOINCREMENT,
            rollout TEXT NOT NULL UNIQUE,
            ended_ms BIGINT NOT NULL,
            body TEXT NOT NULL
         )",
        "CREATE TABLE deploy_services (service TEXT PRIMARY KEY, body TEXT NOT NULL);
         CREATE TABLE deploy_rollouts (
            place BIGSERIAL PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            ended_ms BIGINT NOT NULL,
            body TEXT NOT NULL
         );
         CREATE TABLE deploy_ledger (
            place BIGSERIAL PRIMARY KEY,
            rollout TEXT NOT NULL UNIQUE,
            ended_ms BIGINT NOT NULL,
            body TEXT NOT NULL
         )",
    )],
};

/// What is to be written at once.
#[derive(Clone, Debug, Default)]
pub struct Unwritten {
    /// Services by name, each with its state as JSON, a rollout under way being part of it; None: it is no longer known.
    pub services: BTreeMap<String, Option<String>>,
    /// Rollouts that ended, and what is kept of each for good.
    pub ended: Vec<(Rollout, LedgerEntry)>,
}

impl Unwritten {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.ended.is_empty()
    }

    /// Writes everything in a transaction.
    ///
    /// # Errors
    /// What the database says.
    pub async fn write(&self, tx: &mut Tx) -> Result<(), StoreError> {
        for (service, body) in &self.services {
            let Some(body) = body else {
                tx.execute("DELETE FROM deploy_services WHERE service = $1", &values![service.as_str()])
                    .await?;
                continue;
            };
            tx.execute(
                "INSERT INTO deploy_services (service, body) VALUES ($1, $2) \
                 ON CONFLICT (service) DO UPDATE SET body = excluded.body",
                &values![service.as_str(), body.as_str()],
            )
            .await?;
        }
        for (rollout, entry) in &self.ended {
            tx.execute(
                "INSERT INTO deploy_rollouts (id, ended_ms, body) VALUES ($1, $2, $3) \
                 ON CONFLICT (id) DO UPDATE SET ended_ms = excluded.ended_ms, body = excluded.body",
                &values![rollout.id.as_str(), entry.ended, json(rollout)?],
            )
            .await?;
            tx.execute(
                "INSERT INTO deploy_ledger (rollout, ended_ms, body) VALUES ($1, $2, $3) \
                 ON CONFLICT (rollout) DO UPDATE SET ended_ms = excluded.ended_ms, body = excluded.body",
                &values![entry.id.as_str(), entry.ended, json(entry)?],
            )
            .await?;
        }
        if !self.ended.is_empty() {
            tx.execute(
                "DELETE FROM deploy_rollouts WHERE place <= (SELECT MAX(place) FROM deploy_rollouts) - $1",
                &values![ROLLOUTS],
            )
            .await?;
            tx.execute(
                "DELETE FROM deploy_ledger WHERE place <= (SELECT MAX(place) FROM deploy_ledger) - $1",
                &values![LEDGER],
            )
            .await?;
        }
        Ok(())
    }
}

/// Everything that was written, read back.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Services: name and state as JSON.
    pub services: Vec<(String, String)>,
    /// Ended rollouts, newest first, at most [`SHOWN`].
    pub history: Vec<Rollout>,
    /// The ledger, oldest first.
    pub ledger: Vec<LedgerEntry>,
    /// Rows that could not be read: what they are and why. They are left in the store and shown.
    pub unreadable: Vec<(String, String)>,
}

/// The state of each service, by name, as JSON.
///
/// # Errors
/// What the database says.
pub async fn services(db: &Db) -> Result<Vec<(String, String)>, StoreError> {
    let rows = db.rows("SELECT service, body FROM deploy_services ORDER BY service", &[]).await?;
    rows.iter().map(|row| Ok((row.text("service")?, row.text("body")?))).collect()
}

/// The id of the rollout that ended last.
///
/// # Errors
/// What the database says.
pub async fn newest(db: &Db) -> Result<Option<String>, StoreError> {
    let row = db.row("SELECT id FROM deploy_rollouts ORDER BY place DESC LIMIT 1", &[]).await?;
    row.map(|row| row.text("id")).transpose()
}

/// Reads everything back; of the ledger what ended after `since`.
///
/// # Errors
/// What the database says.
pub async fn load(db: &Db, since: Timestamp) -> Result<Stored, StoreError> {
    let mut stored = Stored { services: services(db).await?, ..Stored::default() };
    let ended = "SELECT id, body FROM deploy_rollouts ORDER BY place DESC LIMIT $1";
    for row in db.rows(ended, &values![SHOWN]).await? {
        let read = read(&row.text("id")?, &row.text("body")?, &mut stored.unreadable);
        stored.history.extend(read);
    }
    let ledger = "SELECT rollout, body FROM deploy_ledger WHERE ended_ms > $1 ORDER BY place";
    for row in db.rows(ledger, &values![since]).await? {
        let read = read(&row.text("rollout")?, &row.text("body")?, &mut stored.unreadable);
        stored.ledger.extend(read);
    }
    Ok(stored)
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Database(e.to_string()))
}

fn read<T: DeserializeOwned>(id: &str, body: &str, unreadable: &mut Vec<(String, String)>) -> Option<T> {
    match serde_json::from_str(body) {
        Ok(read) => Some(read),
        Err(why) => {
            unreadable.push((id.to_owned(), why.to_string()));
            None
        }
    }
}

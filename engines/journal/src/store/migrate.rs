//! Table definitions and their versions, one numbered set per engine.

use quarterdeck_kernel::Timestamp;

use super::{Db, StoreError};
use crate::values;

/// One engine's table definitions: applied in order, each once, never changed after release.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// Whose tables: the engine's name.
    pub engine: &'static str,
    /// Version n is the n-th step.
    pub steps: &'static [Step],
}

/// One step from a version to the next.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it does, in a few words.
    pub name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Step {
    /// A step whose statements suit both databases.
    #[must_use]
    pub const fn both(name: &'static str, sql: &'static str) -> Self {
        Self { name, sqlite: sql, postgres: sql }
    }

    /// A step whose statements differ.
    #[must_use]
    pub const fn each(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self { name, sqlite, postgres }
    }
}

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_versions (
    engine TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (engine, version)
)";

/// Serialises consoles that start at once on one server. Any constant will do; this one is the program's initials.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(20849)";

impl Db {
    /// Brings the tables of each engine to the version this program knows; `now` is noted beside each new version.
    /// All or nothing: a refused step leaves the store as it was.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when the store is ahead of this program, [`StoreError::Migration`] when the database
    /// refuses a step.
    pub async fn migrate(&self, sets: &[Migrations], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let postgres = matches!(self, Self::Postgres(_));
        if postgres {
            tx.script(POSTGRES_LOCK).await?;
        }
        tx.script(REGISTER).await?;
        for set in sets {
            let row = tx
                .row(
                    "SELECT coalesce(max(version), 0) AS version FROM schema_versions WHERE engine = $1",
                    &values![set.engine],
                )
                .await?;
            let found = row.map_or(Ok(0), |row| row.int("version"))?;
            let known = i64::try_from(set.steps.len()).unwrap_or(i64::MAX);
            if found > known {
                return Err(StoreError::Newer { engine: set.engine.to_owned(), found, known });
            }
            for (version, step) in (1i64..).zip(set.steps).filter(|(version, _)| *version > found) {
                let sql = if postgres { step.postgres } else { step.sqlite };
                tx.script(sql).await.map_err(|e| match e {
                    StoreError::Database(why) | StoreError::Constraint(why) => StoreError::Migration {
                        engine: set.engine.to_owned(),
                        version,
                        name: step.name.to_owned(),
                        why,
                    },
                    other => other,
                })?;
                tx.execute(
                    "INSERT INTO schema_versions (engine, version, name, applied_at) VALUES ($1, $2, $3, $4)",
                    &values![set.engine, version, step.name, now],
                )
                .await?;
            }
        }
        tx.commit().await
    }
}

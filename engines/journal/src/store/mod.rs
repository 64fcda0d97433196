//! The store: one small interface over SQLite and PostgreSQL.
//!
//! Queries are written once, in the subset that both databases understand: `$n` parameters, `BIGINT` milliseconds
//! and counts, `TEXT` ids, `ON CONFLICT`, `RETURNING`. Only table definitions may differ (see [`Step::each`]).
//! `sum()` and `avg()` must be cast (`CAST(sum(x) AS BIGINT)`), since PostgreSQL widens them.
//!
//! # What is promised
//! A [`Tx`] whose [`Tx::commit`] returned `Ok` survives `kill -9` and, on storage that honours flushes, a power cut:
//! SQLite runs with a write-ahead log and `synchronous = FULL`, so each commit has been synced before it returns;
//! on PostgreSQL a session with `synchronous_commit = off` is switched to `on`. A transaction that was not
//! committed leaves nothing behind.

mod error;
mod location;
mod migrate;
mod open;
mod quarantine;
mod row;
mod several;
mod tx;
mod value;

pub use error::StoreError;
pub use location::Location;
pub use migrate::{Migrations, Step};
pub use open::{Db, Opened, SqliteDb};
pub use quarantine::Quarantined;
pub use row::Row;
pub use several::{Dialect, Statement, pieces, sizes};
pub use sqlx::{AssertSqlSafe, SqlSafeStr};
pub use tx::{Answer, Tx};
pub use value::Value;

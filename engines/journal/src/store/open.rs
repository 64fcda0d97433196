//! Opening the store.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::quarantine::{self, Quarantined};
use super::{Location, Migrations, StoreError};

/// How long a statement waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of the write-ahead log after which it is folded into the file: 16 MB, so that what many writes touch is copied once.
const CHECKPOINT_PAGES: &str = "4000";
/// How long to wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long closing waits for transactions that are still open.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Files up to this many bytes are checked page by page when opened; larger ones would delay the start.
const CHECKED_BYTES: u64 = 32 << 20;

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Db {
    /// A file of this machine.
    Sqlite(SqliteDb),
    /// A server.
    Postgres(PgPool),
}

/// A SQLite file: one connection that writes, a few that read.
#[derive(Clone, Debug)]
pub struct SqliteDb {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    path: Arc<Path>,
}

/// An open store, and what had to be put aside to open it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub db: Db,
    /// The damaged store that was there before; tell the operator.
    pub quarantined: Option<Quarantined>,
}

impl Db {
    /// Opens the store and brings its tables up to date. A SQLite file that is damaged is put aside under a name
    /// with `now` in it and a fresh one is started.
    ///
    /// # Errors
    /// When it cannot be reached, written or migrated, or was written by a newer version.
    pub async fn open(
        location: &Location,
        migrations: &[Migrations],
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        match location {
            Location::Sqlite(path) => match Self::sqlite(path, migrations, now).await {
                Err(StoreError::Corrupt(why)) => {
                    let quarantined = quarantine::put_aside(path, &why, now)?;
                    tracing::error!(path = %path.display(), kept_at = %quarantined.kept_at.display(), why, "store is damaged: put aside, starting a fresh one");
                    let db = Self::sqlite(path, migrations, now).await?;
                    Ok(Opened { db, quarantined: Some(quarantined) })
                }
                opened => Ok(Opened { db: opened?, quarantined: None }),
            },
            Location::Postgres(url) => {
                let fail = |why: String| StoreError::Open { at: location.to_string(), why };
                let options = PgConnectOptions::from_str(url.expose())
                    // The parser's words may repeat the URL, and with it the password.
                    .map_err(|_| {
                        fail("it is not a URL such as postgres://user@host:5432/database".to_owned())
                    })?
                    .application_name("quarterdeck")
                    .disable_statement_logging();
                // The pool would go on trying to reach a server that is not there; one attempt says it at once.
                let attempt =
                    tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options)).await;
                let reached = attempt.map_err(|_| fail("it does not answer".to_owned()))?;
                reached.map_err(|e| fail(e.to_string()))?.close().await?;
                let pool = PgPoolOptions::new()
                    .max_connections(8)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .after_connect(|connection, _| {
                        Box::pin(async move {
                            sqlx::query(
                                "SELECT set_config('synchronous_commit', 'on', false)
                                 WHERE current_setting('synchronous_commit') = 'off'",
                            )
                            .execute(connection)
                            .await
                            .map(|_| ())
                        })
                    })
                    .connect_with(options)
                    .await
                    .map_err(|e| fail(e.to_string()))?;
                let db = Self::Postgres(pool);
                db.migrate(migrations, now).await?;
                Ok(Opened { db, quarantined: None })
            }
        }
    }

    async fn sqlite(path: &Path, migrations: &[Migrations], now: Timestamp) -> Result<Self, StoreError> {
        let existing = std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // A statement of several rows could be taken back by itself: its journal needs no file.
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .disable_statement_logging();
        let open = |e: sqlx::Error| match StoreError::from(e) {
            StoreError::Database(why) | StoreError::Lost(why) => {
                StoreError::Open { at: path.display().to_string(), why }
            }
            other => other,
        };
        // The one writer stays for as long as the store is open: closing it would fold the log into the file.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A file does not go away as a server does; one whose state is in doubt is closed by who had it.
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await
            .map_err(open)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .idle_timeout(Duration::from_secs(60))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true).create_if_missing(false));
        let db = Self::Sqlite(SqliteDb { writer, readers, path: path.into() });
        let ready = async {
            if existing > 0 && existing <= CHECKED_BYTES {
                db.quick_check().await?;
            }
            db.migrate(migrations, now).await
        };
        if let Err(error) = ready.await {
            db.close().await;
            return Err(error);
        }
        Ok(db)
    }

    /// Opens an existing SQLite file for reading alone, as beside a console that is running: nothing is migrated,
    /// and [`Db::begin`] can write nothing. For a server this is [`Db::open`] without migrations.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub async fn open_read_only(location: &Location, now: Timestamp) -> Result<Self, StoreError> {
        let Location::Sqlite(path) = location else {
            return Ok(Self::open(location, &[], now).await?.db);
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|e| StoreError::Open {
                at: location.to_string(),
                why: StoreError::from(e).to_string(),
            })?;
        Ok(Self::Sqlite(SqliteDb { writer: readers.clone(), readers, path: path.as_path().into() }))
    }

    /// Checks the structure of a SQLite file; a server checks its own.
    async fn quick_check(&self) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self else { return Ok(()) };
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&db.writer).await?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
    }

    /// The file, if the store is one.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(db) => Some(db.path.to_path_buf()),
            Self::Postgres(_) => None,
        }
    }

    /// Waits for what is under way (for at most five seconds), then closes every connection. Nothing can be read or
    /// written afterwards; what was committed is on disk either way.
    pub async fn close(&self) {
        let close = async {
            match self {
                Self::Sqlite(db) => {
                    db.readers.close().await;
                    db.writer.close().await;
                }
                Self::Postgres(pool) => pool.close().await,
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!("the store was closed while a transaction was still open");
        }
    }
}

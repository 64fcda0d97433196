//! What can go wrong in the store.

use quarterdeck_kernel::Reason;

/// Why the store did not do what it was asked. Messages never hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be opened or reached.
    #[error("cannot open the store {at}: {why}")]
    Open {
        /// Path or URL without its password.
        at: String,
        /// The system's words.
        why: String,
    },
    /// The store was written by a newer version of this program.
    #[error(
        "the store was written by a newer version: tables of {engine:?} are at version {found}, this program knows {known}; use the newer program or another data directory"
    )]
    Newer {
        /// Whose tables.
        engine: String,
        /// Version in the store.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// A migration was refused by the database.
    #[error("cannot bring the tables of {engine:?} to version {version} ({name}): {why}")]
    Migration {
        /// Whose tables.
        engine: String,
        /// The version that was tried.
        version: i64,
        /// The step's name.
        name: String,
        /// The database's words.
        why: String,
    },
    /// The database file is damaged.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The disk is full.
    #[error("the disk that holds the store is full: free some space; nothing was changed")]
    Full,
    /// The store cannot be written.
    #[error("the store cannot be written: {0}; check the permissions of the data directory")]
    ReadOnly(String),
    /// Someone else held it for too long.
    #[error("the store is busy: {0}; try again")]
    Busy(String),
    /// The connection is gone; it is not known whether a commit under way was done.
    #[error("the connection to the store was lost: {0}")]
    Lost(String),
    /// A row breaks a rule of its table: a duplicate key, a missing reference.
    #[error("the store refused a row: {0}")]
    Constraint(String),
    /// What came back is not what was expected there.
    #[error("column {column:?} cannot be read: {why}")]
    Column {
        /// Its name.
        column: String,
        /// The database's words.
        why: String,
    },
    /// Anything else the database says.
    #[error("the store failed: {0}")]
    Database(String),
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(e) => {
                let code = e.code().unwrap_or_default().into_owned();
                if e.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                    sqlite(&code, e.message())
                } else {
                    postgres(&code, e.message())
                }
            }
            sqlx::Error::Io(e) => Self::Lost(e.to_string()),
            sqlx::Error::PoolTimedOut => Self::Busy("no connection became free".to_owned()),
            sqlx::Error::PoolClosed => Self::Lost("the store is closed".to_owned()),
            sqlx::Error::WorkerCrashed => Self::Lost("its worker ended".to_owned()),
            sqlx::Error::Protocol(why) => Self::Lost(why),
            other => Self::Database(other.to_string()),
        }
    }
}

/// By SQLite's result code; the low byte is the class, the rest is detail.
fn sqlite(code: &str, message: &str) -> StoreError {
    let message = message.to_owned();
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        5 | 6 => StoreError::Busy(message),
        8 => StoreError::ReadOnly(message),
        11 | 26 => StoreError::Corrupt(message),
        13 => StoreError::Full,
        19 => StoreError::Constraint(message),
        _ => StoreError::Database(message),
    }
}

/// By SQLSTATE.
fn postgres(code: &str, message: &str) -> StoreError {
    let message = message.to_owned();
    match code {
        "53100" => StoreError::Full,
        "25006" => StoreError::ReadOnly(message),
        "40001" | "40P01" | "55P03" | "53300" => StoreError::Busy(message),
        "XX001" | "XX002" => StoreError::Corrupt(message),
        "57P01" | "57P02" | "57P03" => StoreError::Lost(message),
        _ if code.starts_with("23") => StoreError::Constraint(message),
        _ if code.starts_with("08") => StoreError::Lost(message),
        _ => StoreError::Database(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_mean_the_same() {
        assert_eq!(sqlite("13", "database or disk is full"), StoreError::Full);
        assert_eq!(postgres("53100", "could not extend file"), StoreError::Full);
        assert!(matches!(sqlite("1555", "UNIQUE"), StoreError::Constraint(_)));
        assert!(matches!(postgres("23505", "duplicate key"), StoreError::Constraint(_)));
        assert!(matches!(sqlite("26", "file is not a database"), StoreError::Corrupt(_)));
        assert!(matches!(sqlite("1032", "readonly"), StoreError::ReadOnly(_)));
        assert!(matches!(postgres("57P01", "terminating"), StoreError::Lost(_)));
    }
}

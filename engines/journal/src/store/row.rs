//! What comes back.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use super::StoreError;

/// One row of an answer; columns are read by name.
#[derive(Debug)]
pub struct Row(pub(super) Inner);

#[derive(Debug)]
pub(super) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn get<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let found = match &self.0 {
            Inner::Sqlite(row) => row.try_get(column),
            Inner::Postgres(row) => row.try_get(column),
        };
        found.map_err(|e| StoreError::Column { column: column.to_owned(), why: e.to_string() })
    }

    /// A `BIGINT` that is not null.
    ///
    /// # Errors
    /// When the column is missing, null or of another type; so for all of these.
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.get(column)
    }

    /// A `BIGINT` or null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn int_opt(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A truth kept as 0 or 1.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    /// A `DOUBLE PRECISION` that is not null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn real(&self, column: &str) -> Result<f64, StoreError> {
        self.get(column)
    }

    /// A `DOUBLE PRECISION` or null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn real_opt(&self, column: &str) -> Result<Option<f64>, StoreError> {
        self.get(column)
    }

    /// A `TEXT` that is not null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column)
    }

    /// A `TEXT` or null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// Bytes that are not null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn blob(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    /// Bytes or null.
    ///
    /// # Errors
    /// See [`Row::int`].
    pub fn blob_opt(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }
}

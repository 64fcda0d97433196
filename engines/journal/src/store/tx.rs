//! Transactions and plain reads.
//!
//! What the database does is behind boxed futures: as an `async fn` it would be compiled again, with all of the driver's
//! generic code, in every crate that stores something.

use std::borrow::Cow;
use std::pin::Pin;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{Arguments, Decode, Encode, Postgres, SqlSafeStr, SqlStr, Sqlite, Transaction, Type};

use super::row::Inner as RowInner;
use super::{Db, Dialect, Row, StoreError, Value};

/// What the store will answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A transaction that may write. Dropped without [`Tx::commit`], it leaves nothing behind.
///
/// On SQLite there is one writer at a time: a transaction holds it from [`Db::begin`] to its end, so keep it short
/// and never wait for anything but the store while one is open.
#[derive(Debug)]
pub struct Tx(Inner);

#[derive(Debug)]
enum Inner {
    Sqlite(Writer),
    Postgres(Transaction<'static, Postgres>),
}

/// The one connection that writes, inside a transaction. SQLite ends a transaction by itself on some errors (a full
/// disk, an I/O error), which sqlx's own count of open transactions does not see: so this keeps no count, and
/// closes a connection whose state is in doubt instead of giving it back.
#[derive(Debug)]
struct Writer {
    connection: PoolConnection<Sqlite>,
    open: bool,
}

impl Writer {
    async fn begin(pool: &SqlitePool) -> Result<Self, StoreError> {
        // In doubt from here on, since the caller may be dropped in the middle of the statement.
        let mut writer = Self { connection: pool.acquire().await?, open: true };
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *writer.connection).await?;
        Ok(writer)
    }

    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(statement).execute(&mut *self.connection).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}

impl Tx {
    /// Runs a statement and answers how many rows it touched.
    ///
    /// # Errors
    /// What the database says; see [`StoreError`].
    pub fn execute<'a>(&'a mut self, sql: impl SqlSafeStr, values: &'a [Value]) -> Answer<'a, u64> {
        self.run(sql.into_sql_str(), Cow::Borrowed(values))
    }

    pub(super) fn run<'a>(&'a mut self, sql: SqlStr, values: Cow<'a, [Value]>) -> Answer<'a, u64> {
        Box::pin(async move {
            Ok(match &mut self.0 {
                Inner::Sqlite(tx) => sqlx::query_with(sql, sqlite_arguments(values)?)
                    .execute(&mut *tx.connection)
                    .await?
                    .rows_affected(),
                Inner::Postgres(tx) => sqlx::query_with(sql, postgres_arguments(values)?)
                    .execute(&mut **tx)
                    .await?
                    .rows_affected(),
            })
        })
    }

    /// How the database wants statements that are put together.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self.0 {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// All rows of an answer.
    ///
    /// # Errors
    /// What the database says; see [`StoreError`].
    pub fn rows<'a>(&'a mut self, sql: impl SqlSafeStr, values: &'a [Value]) -> Answer<'a, Vec<Row>> {
        self.fetch(sql.into_sql_str(), values)
    }

    fn fetch<'a>(&'a mut self, sql: SqlStr, values: &'a [Value]) -> Answer<'a, Vec<Row>> {
        Box::pin(async move {
            Ok(match &mut self.0 {
                Inner::Sqlite(tx) => sqlite_rows(
                    sqlx::query_with(sql, sqlite_arguments(values.into())?)
                        .fetch_all(&mut *tx.connection)
                        .await?,
                ),
                Inner::Postgres(tx) => postgres_rows(
                    sqlx::query_with(sql, postgres_arguments(values.into())?).fetch_all(&mut **tx).await?,
                ),
            })
        })
    }

    /// The first row of an answer, if there is one.
    ///
    /// # Errors
    /// What the database says; see [`StoreError`].
    pub async fn row(&mut self, sql: impl SqlSafeStr, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Waits until no other transaction holds the lock of this name, and holds it to this one's end. On SQLite every
    /// transaction that may write has the whole store to itself already.
    ///
    /// # Errors
    /// What the database says; see [`StoreError`].
    pub async fn lock(&mut self, name: &str) -> Result<(), StoreError> {
        if matches!(self.0, Inner::Postgres(_)) {
            let name = [Value::from(name)];
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &name).await?;
        }
        Ok(())
    }

    /// Runs several statements without parameters, as migrations need.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match &mut self.0 {
            Inner::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut *tx.connection).await.map(|_| ())?,
            Inner::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Makes everything durable; it is synced when this returns.
    ///
    /// # Errors
    /// When the database could not; with [`StoreError::Lost`] it is not known whether it did.
    pub fn commit(self) -> Answer<'static, ()> {
        Box::pin(async move {
            match self.0 {
                Inner::Sqlite(tx) => tx.end("COMMIT").await?,
                Inner::Postgres(tx) => tx.commit().await?,
            }
            Ok(())
        })
    }

    /// Undoes everything and waits until that is done.
    ///
    /// # Errors
    /// When the connection is gone; the database then undoes it by itself.
    pub fn rollback(self) -> Answer<'static, ()> {
        Box::pin(async move {
            match self.0 {
                Inner::Sqlite(tx) => tx.end("ROLLBACK").await?,
                Inner::Postgres(tx) => tx.rollback().await?,
            }
            Ok(())
        })
    }
}

impl Db {
    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// When the database cannot be reached or stays busy beyond the busy timeout.
    pub fn begin(&self) -> Answer<'_, Tx> {
        Box::pin(async move {
            Ok(Tx(match self {
                Self::Sqlite(db) => Inner::Sqlite(Writer::begin(&db.writer).await?),
                Self::Postgres(pool) => Inner::Postgres(pool.begin().await?),
            }))
        })
    }

    /// All rows of a query that only reads; it waits for no writer.
    ///
    /// # Errors
    /// What the database says; see [`StoreError`].
    pub fn rows<'a>(&'a self, sql: impl SqlSafeStr, values: &'a [Value]) -> Answer<'a, Vec<Row>> {
        self.fetch(sql.into_sql_str(), values)
    }

    fn fetch<'a>(&'a self, sql: SqlStr, values: &'a [Value]) -> Answer<'a, Vec<Row>> {
        Box::pin(async move {
            Ok(match self {
                Self::Sqlite(db) => sqlite_rows(
                    sqlx::query_with(sql, sqlite_arguments(values.into())?).fetch_all(&db.readers).await?,
                ),
                Self::Postgres(pool) => postgres_rows(
                    sqlx::query_with(sql, postgres_arguments(values.into())?).fetch_all(pool).await?,
                ),
            })
        })
    }

    /// The first row of a query that only reads, if there is one.
    ///
    /// # Errors
    /// What the database says; see [`StoreError`].
    pub async fn row(&self, sql: impl SqlSafeStr, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }
}

fn sqlite_rows(rows: Vec<sqlx::sqlite::SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(|row| Row(RowInner::Sqlite(row))).collect()
}

fn postgres_rows(rows: Vec<sqlx::postgres::PgRow>) -> Vec<Row> {
    rows.into_iter().map(|row| Row(RowInner::Postgres(row))).collect()
}

fn sqlite_arguments(values: Cow<'_, [Value]>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    bind(&mut arguments, values)?;
    Ok(arguments)
}

fn postgres_arguments(values: Cow<'_, [Value]>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    bind(&mut arguments, values)?;
    Ok(arguments)
}

fn bind<A: Arguments>(arguments: &mut A, values: Cow<'_, [Value]>) -> Result<(), StoreError>
where
    for<'q> Option<i64>: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> Option<f64>: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> Option<String>: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> Option<Vec<u8>>: Encode<'q, A::Database> + Type<A::Database>,
    for<'r> i64: Decode<'r, A::Database>,
{
    arguments.reserve(values.len(), 0);
    for value in values.into_owned() {
        match value {
            Value::Int(v) => arguments.add(v),
            Value::Real(v) => arguments.add(v),
            Value::Text(v) => arguments.add(v),
            Value::Blob(v) => arguments.add(v),
        }
        .map_err(|e| StoreError::Database(e.to_string()))?;
    }
    Ok(())
}

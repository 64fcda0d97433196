use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::position::Position;
use crate::DemoError;
use crate::wire::{Booking, to_ticks};

/// Fills that are kept; the demo may run for days.
const KEPT_FILLS: i64 = 250_000;

const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS bookings (order_id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS fills (
        id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL,
        side TEXT NOT NULL, quantity BIGINT NOT NULL, price_ticks BIGINT NOT NULL, at_ms BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS positions (
        account TEXT NOT NULL, symbol TEXT NOT NULL, quantity BIGINT NOT NULL, cost_ticks BIGINT NOT NULL,
        realized_ticks BIGINT NOT NULL, PRIMARY KEY (account, symbol)) WITHOUT ROWID",
];

/// The ledger's database: one connection, as SQLite writes one transaction at a time anyway.
pub(super) struct Store {
    path: PathBuf,
    pool: SqlitePool,
}

impl Store {
    pub(super) async fn open(dir: &Path) -> Result<Self, DemoError> {
        std::fs::create_dir_all(dir).map_err(|source| DemoError::Write { path: dir.to_owned(), source })?;
        let path = dir.join("ledger.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(2));
        let refused = |source| DemoError::Database { path: path.clone(), source };
        let pool =
            SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(refused)?;
        for table in TABLES {
            sqlx::query(table).execute(&pool).await.map_err(refused)?;
        }
        Ok(Self { path, pool })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// All positions, by account and symbol.
    pub(super) async fn positions(&self) -> Result<BTreeMap<(String, String), Position>, DemoError> {
        let rows: Vec<(String, String, i64, i64, i64)> =
            sqlx::query_as("SELECT account, symbol, quantity, cost_ticks, realized_ticks FROM positions")
                .fetch_all(&self.pool)
                .await
                .map_err(|source| DemoError::Database { path: self.path.clone(), source })?;
        let position = |(account, symbol, quantity, cost, realized)| {
            ((account, symbol), Position { quantity, cost, realized })
        };
        Ok(rows.into_iter().map(position).collect())
    }

    /// Books an order's fills and the position that they lead to, in one transaction that is on disk when this
    /// returns. Answers false, and changes nothing, when the order is booked already.
    pub(super) async fn book(&self, booking: &Booking, position: &Position) -> Result<bool, sqlx::Error> {
        let now = jiff::Timestamp::now().as_millisecond();
        let mut transaction = self.pool.begin().await?;
        let fresh =
            sqlx::query("INSERT INTO bookings (order_id, at_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(&booking.order_id)
                .bind(now)
                .execute(&mut *transaction)
                .await?;
        if fresh.rows_affected() == 0 {
            return Ok(false);
        }
        for fill in &booking.fills {
            sqlx::query(
                "INSERT INTO fills (order_id, account, symbol, side, quantity, price_ticks, at_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(&booking.order_id)
            .bind(&booking.account)
            .bind(&booking.symbol)
            .bind(booking.side.as_str())
            .bind(fill.quantity)
            .bind(to_ticks(fill.price))
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "INSERT INTO positions (account, symbol, quantity, cost_ticks, realized_ticks)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account, symbol) DO UPDATE SET quantity = excluded.quantity,
                 cost_ticks = excluded.cost_ticks, realized_ticks = excluded.realized_ticks",
        )
        .bind(&booking.account)
        .bind(&booking.symbol)
        .bind(position.quantity)
        .bind(position.cost)
        .bind(position.realized)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes the oldest fills beyond those that are kept.
    pub(super) async fn prune(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM fills WHERE id <= (SELECT max(id) FROM fills) - $1")
            .bind(KEPT_FILLS)
            .execute(&mut *transaction)
            .await?;
        // A booking is remembered for as long as its fills may be.
        sqlx::query("DELETE FROM bookings WHERE at_ms < (SELECT min(at_ms) FROM fills)")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Bytes of the database file.
    pub(super) fn size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Fill, Side};

    #[tokio::test]
    async fn a_booking_is_taken_once_and_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let booking = Booking {
            order_id: "v1-1".into(),
            account: "anchor".into(),
            symbol: "HELM".into(),
            side: Side::Buy,
            fills: vec![Fill { quantity: 100, price: 99.05 }, Fill { quantity: 50, price: 99.07 }],
        };
        let position = Position { quantity: 150, cost: 1_485_850, realized: 0 };
        let store = Store::open(dir.path()).await.unwrap();
        assert!(store.book(&booking, &position).await.unwrap());
        assert!(!store.book(&booking, &Position::default()).await.unwrap());
        store.prune().await.unwrap();
        store.close().await;
        let store = Store::open(dir.path()).await.unwrap();
        let held = store.positions().await.unwrap();
        assert_eq!(held[&("anchor".to_owned(), "HELM".to_owned())], position);
        let (fills,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM fills").fetch_one(&store.pool).await.unwrap();
        assert_eq!(fills, 2);
        assert!(store.size() > 0);
    }
}

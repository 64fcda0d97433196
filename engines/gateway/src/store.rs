//! What must outlive the process: splits and limits that operators have set, and what has been used of daily quotas.

use std::sync::Arc;

use quarterdeck_journal::store::{Db, Migrations, Step, StoreError, Tx};
use quarterdeck_journal::values;

use crate::config::oneline;
use crate::task::Stored;

/// The gateway's tables.
pub const MIGRATIONS: Migrations = Migrations {
    engine: "gateway",
    steps: &[Step::both(
        "splits, limits and quotas",
        "CREATE TABLE gateway_splits (service TEXT PRIMARY KEY, shares TEXT NOT NULL);
         CREATE TABLE gateway_grants (consumer TEXT PRIMARY KEY, per_minute BIGINT NOT NULL);
         CREATE TABLE gateway_quotas (consumer TEXT PRIMARY KEY, day BIGINT NOT NULL, used BIGINT NOT NULL);",
    )],
};

/// Shares as they are stored and as actions write them: `v1=90,v2=10`.
#[must_use]
pub fn written(shares: &[(String, u32)]) -> String {
    let words: Vec<String> = shares.iter().map(|(version, share)| format!("{version}={share}")).collect();
    words.join(",")
}

/// Reads what was stored.
///
/// # Errors
/// When the store cannot be read.
pub async fn load(db: &Db) -> Result<Stored, StoreError> {
    let mut stored = Stored::default();
    for row in db.rows("SELECT service, shares FROM gateway_splits", &[]).await? {
        let (service, text) = (row.text("service")?, row.text("shares")?);
        match oneline::shares(&text, '=') {
            Ok(shares) => stored.splits.push((service, shares)),
            Err(_) => {
                tracing::error!(service, text, "a stored split cannot be read; the configured one holds");
            }
        }
    }
    for row in db.rows("SELECT consumer, per_minute FROM gateway_grants", &[]).await? {
        stored
            .grants
            .push((row.text("consumer")?, u32::try_from(row.int("per_minute")?).unwrap_or(u32::MAX)));
    }
    let newest = db.row("SELECT coalesce(max(day), 0) AS day FROM gateway_quotas", &[]).await?;
    let day = newest.map_or(Ok(0), |row| row.int("day"))?;
    stored.quotas.0 = day;
    for row in db.rows("SELECT consumer, used FROM gateway_quotas WHERE day = $1", &values![day]).await? {
        stored.quotas.1.push((row.text("consumer")?, u64::try_from(row.int("used")?).unwrap_or(0)));
    }
    Ok(stored)
}

/// Writes what has been used of quotas, and forgets the days before.
///
/// # Errors
/// When the store does not take it.
pub async fn save_quotas(db: &Db, day: i64, used: &[(Arc<str>, u64)]) -> Result<(), StoreError> {
    if used.is_empty() {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    tx.execute("DELETE FROM gateway_quotas WHERE day < $1", &values![day]).await?;
    for (consumer, used) in used {
        tx.execute(
            "INSERT INTO gateway_quotas (consumer, day, used) VALUES ($1, $2, $3) \
             ON CONFLICT (consumer) DO UPDATE SET day = excluded.day, used = excluded.used",
            &values![&**consumer, day, *used],
        )
        .await?;
    }
    tx.commit().await
}

pub(crate) async fn set_split(tx: &mut Tx, service: &str, shares: Option<&str>) -> Result<(), StoreError> {
    match shares {
        Some(shares) => {
            tx.execute(
                "INSERT INTO gateway_splits (service, shares) VALUES ($1, $2) \
                 ON CONFLICT (service) DO UPDATE SET shares = excluded.shares",
                &values![service, shares],
            )
            .await?;
        }
        None => drop(tx.execute("DELETE FROM gateway_splits WHERE service = $1", &values![service]).await?),
    }
    Ok(())
}

pub(crate) async fn set_grant(
    tx: &mut Tx,
    consumer: &str,
    per_minute: Option<u32>,
) -> Result<(), StoreError> {
    match per_minute {
        Some(per_minute) => {
            tx.execute(
                "INSERT INTO gateway_grants (consumer, per_minute) VALUES ($1, $2) \
                 ON CONFLICT (consumer) DO UPDATE SET per_minute = excluded.per_minute",
                &values![consumer, per_minute],
            )
            .await?;
        }
        None => drop(tx.execute("DELETE FROM gateway_grants WHERE consumer = $1", &values![consumer]).await?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quarterdeck_journal::Location;
    use quarterdeck_kernel::{Clock, SystemClock};

    use super::*;

    #[tokio::test]
    async fn what_is_stored_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(dir.path().join("store.db"));
        let db = Db::open(&location, &[MIGRATIONS], SystemClock.now()).await.unwrap().db;
        let mut tx = db.begin().await.unwrap();
        set_split(&mut tx, "orders", Some("v1=90,v2=10")).await.unwrap();
        set_split(&mut tx, "gone", Some("v1=1")).await.unwrap();
        set_split(&mut tx, "gone", None).await.unwrap();
        set_grant(&mut tx, "alice", Some(5)).await.unwrap();
        set_grant(&mut tx, "alice", Some(6)).await.unwrap();
        tx.commit().await.unwrap();
        save_quotas(&db, 9, &[("old".into(), 1)]).await.unwrap();
        save_quotas(&db, 10, &[("alice".into(), 3)]).await.unwrap();
        let stored = load(&db).await.unwrap();
        assert_eq!(
            stored.splits,
            [("orders".to_owned(), vec![("v1".to_owned(), 90), ("v2".to_owned(), 10)])]
        );
        assert_eq!(stored.grants, [("alice".to_owned(), 6)]);
        assert_eq!(stored.quotas, (10, vec![("alice".to_owned(), 3)]));
    }
}

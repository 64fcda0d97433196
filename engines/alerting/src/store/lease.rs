//! Which of several consoles on one store notifies: a lease with a fence.
//!
//! The holder renews it well before it ends. Whoever finds it ended takes it with the next fence. Every transaction of the
//! holder first proves, in the transaction itself, that the lease still carries its fence: one that was asleep for longer
//! than the term writes nothing (Kleppmann, "How to do distributed locking", 2016). Times are those of the consoles' own
//! clocks; a difference between them only makes taking over earlier or later, never double, because of the fence.

use std::time::Duration;

use quarterdeck_journal::store::{Db, StoreError, Tx};
use quarterdeck_journal::values;
use quarterdeck_kernel::Timestamp;

/// How long a lease holds unless it is renewed: another console takes over within this and one more look.
pub const TERM: Duration = Duration::from_secs(6);

const NAME: &str = "notify";

/// A lease held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The console that holds it.
    pub holder: String,
    /// Grows with every holder.
    pub fence: i64,
    /// Until when, unless it is renewed.
    pub until: Timestamp,
}

/// Who holds the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// This console.
    Mine(Lease),
    /// Another one.
    By {
        /// Its name.
        holder: String,
        /// Where its API is, if it has one.
        address: String,
        /// Until when, unless it renews.
        until: Timestamp,
    },
}

/// Why a transaction of the holder was refused.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another console has taken over.
    #[error("another console notifies now: this one was away for longer than its lease")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lease {
    /// Takes the lease if nobody holds it, or says who does.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take(db: &Db, holder: &str, address: &str, now: Timestamp) -> Result<Held, StoreError> {
        let mut tx = db.begin().await?;
        tx.lock("alerting lease").await?;
        let row = tx
            .row(
                "SELECT holder, address, fence, until_ms FROM alerting_lease WHERE name = $1",
                &values![NAME],
            )
            .await?;
        let fence = match row {
            Some(row) => {
                let (by, until) = (row.text("holder")?, Timestamp::from_millis(row.int("until_ms")?));
                if by != holder && until > now {
                    let address = row.text("address")?;
                    tx.rollback().await?;
                    return Ok(Held::By { holder: by, address, until });
                }
                row.int("fence")? + 1
            }
            None => 1,
        };
        let until = now + TERM;
        tx.execute(
            "INSERT INTO alerting_lease (name, holder, address, fence, until_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, address = excluded.address,
             fence = excluded.fence, until_ms = excluded.until_ms",
            &values![NAME, holder, address, fence, until],
        )
        .await?;
        tx.commit().await?;
        Ok(Held::Mine(Self { holder: holder.to_owned(), fence, until }))
    }

    /// Proves in a transaction that the lease is still this one, and renews it with the same stroke.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when another console has it: the transaction must then be dropped.
    pub async fn prove(&self, tx: &mut Tx, now: Timestamp) -> Result<Self, LeaseError> {
        let until = (now + TERM).max(self.until);
        let touched = tx
            .execute(
                "UPDATE alerting_lease SET until_ms = $1 WHERE name = $2 AND holder = $3 AND fence = $4",
                &values![until, NAME, self.holder.as_str(), self.fence],
            )
            .await?;
        if touched == 1 { Ok(Self { until, ..self.clone() }) } else { Err(LeaseError::Lost) }
    }

    /// Renews it on its own.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when another console has it.
    pub async fn renew(&self, db: &Db, now: Timestamp) -> Result<Self, LeaseError> {
        let mut tx = db.begin().await?;
        let renewed = self.prove(&mut tx, now).await;
        match renewed {
            Ok(lease) => {
                tx.commit().await?;
                Ok(lease)
            }
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    /// Gives it back, so that another console need not wait for its end.
    ///
    /// # Errors
    /// What the database says.
    pub async fn give_back(&self, db: &Db) -> Result<(), StoreError> {
        let mut tx = db.begin().await?;
        tx.execute(
            "UPDATE alerting_lease SET until_ms = 0 WHERE name = $1 AND holder = $2 AND fence = $3",
            &values![NAME, self.holder.as_str(), self.fence],
        )
        .await?;
        tx.commit().await
    }
}

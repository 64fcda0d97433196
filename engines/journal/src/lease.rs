//! Which of several consoles on one store does what only one may do (notify, roll out): a lease with a fence.
//!
//! The holder renews it well before it ends. Whoever finds it ended takes it with the next fence. Every transaction of the
//! holder first proves, in the transaction itself, that the lease still carries its fence: one that was asleep for longer
//! than the term writes nothing (Kleppmann, "How to do distributed locking", 2016). Times are those of the consoles' own
//! clocks; a difference between them only makes taking over earlier or later, never double, because of the fence.

use std::path::Path;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use uuid::Uuid;

use crate::store::{Db, Migrations, Step, StoreError, Tx};
use crate::values;

/// The table of leases.
pub const MIGRATIONS: Migrations = Migrations {
    engine: "lease",
    steps: &[Step::both(
        "which console does what only one may do",
        "CREATE TABLE leases (
            name TEXT NOT NULL PRIMARY KEY,
            holder TEXT NOT NULL,
            address TEXT NOT NULL,
            fence BIGINT NOT NULL,
            until_ms BIGINT NOT NULL
        )",
    )],
};

/// How long a lease holds unless it is renewed: another console takes over within this and one more look.
pub const TERM: Duration = Duration::from_secs(6);

/// This console among those that share a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// A name that no other console has at the same time.
    pub name: String,
    /// Where its API is, for the others.
    pub address: String,
}

impl Console {
    /// By a name that is kept in the data directory, which is one console's alone: started again after a kill, it need not
    /// wait for the end of the lease that its earlier run held.
    ///
    /// # Errors
    /// When the name can be neither read nor written.
    pub fn kept(folder: &Path, address: String) -> std::io::Result<Self> {
        let file = folder.join("console");
        let known: Option<Uuid> = match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let name = match known {
            Some(name) => name,
            None => {
                let name = Uuid::new_v4();
                std::fs::create_dir_all(folder)?;
                std::fs::write(&file, name.to_string())?;
                name
            }
        };
        Ok(Self { name: name.to_string(), address })
    }
}

/// A lease held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is for: each has holders of its own.
    pub name: &'static str,
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
    #[error("another console has taken over: this one was away for longer than its lease")]
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
    pub async fn take(
        db: &Db,
        name: &'static str,
        console: &Console,
        now: Timestamp,
    ) -> Result<Held, StoreError> {
        let mut tx = db.begin().await?;
        tx.lock("leases").await?;
        let row = tx
            .row("SELECT holder, address, fence, until_ms FROM leases WHERE name = $1", &values![name])
            .await?;
        let fence = match row {
            Some(row) => {
                let (by, until) = (row.text("holder")?, Timestamp::from_millis(row.int("until_ms")?));
                if by != console.name && until > now {
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
            "INSERT INTO leases (name, holder, address, fence, until_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, address = excluded.address,
             fence = excluded.fence, until_ms = excluded.until_ms",
            &values![name, console.name.as_str(), console.address.as_str(), fence, until],
        )
        .await?;
        tx.commit().await?;
        Ok(Held::Mine(Self { name, holder: console.name.clone(), fence, until }))
    }

    /// Proves in a transaction that the lease is still this one, and renews it with the same stroke.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when another console has it: the transaction must then be dropped.
    pub async fn prove(&self, tx: &mut Tx, now: Timestamp) -> Result<Self, LeaseError> {
        let until = (now + TERM).max(self.until);
        let touched = tx
            .execute(
                "UPDATE leases SET until_ms = $1 WHERE name = $2 AND holder = $3 AND fence = $4",
                &values![until, self.name, self.holder.as_str(), self.fence],
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
            "UPDATE leases SET until_ms = 0 WHERE name = $1 AND holder = $2 AND fence = $3",
            &values![self.name, self.holder.as_str(), self.fence],
        )
        .await?;
        tx.commit().await
    }
}

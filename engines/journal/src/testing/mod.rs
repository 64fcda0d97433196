//! For the tests of every crate: scratch stores on both databases. Behind the cargo feature `testing`.

mod postgres;

use std::sync::Arc;

use quarterdeck_kernel::{Clock, ManualClock, SystemClock, Timestamp};

pub use postgres::Server;

use crate::lease;
use crate::store::{Db, Location, Migrations};
use crate::timeline::{self, Options, Timeline};

/// The time that scratch clocks show first: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// An empty store with a data directory beside it; both are gone when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    location: Location,
    server: Option<Arc<Server>>,
    /// The clock that its timelines are stamped by.
    pub clock: Arc<ManualClock>,
}

impl Scratch {
    /// On SQLite.
    ///
    /// # Panics
    /// When there is no room for a directory.
    #[must_use]
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory for tests can be made");
        let location = Location::Sqlite(dir.path().join("store.db"));
        Self { dir, location, server: None, clock: Arc::new(ManualClock::new(START)) }
    }

    /// On a private PostgreSQL server that all tests of this process share; each call makes a database of its own.
    /// None, said on standard error, when this machine has no PostgreSQL.
    ///
    /// # Panics
    /// When there is a PostgreSQL but it does not start.
    #[must_use]
    pub fn postgres() -> Option<Self> {
        let server = Server::shared()?;
        let location = Location::parse(&server.database());
        let dir = tempfile::tempdir().expect("a directory for tests can be made");
        Some(Self { dir, location, server: Some(server), clock: Arc::new(ManualClock::new(START)) })
    }

    /// On each database that there is here.
    #[must_use]
    pub fn each() -> Vec<Self> {
        std::iter::once(Self::sqlite()).chain(Self::postgres()).collect()
    }

    /// Which database, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.server.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    /// The data directory.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Where the store is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Opens the store with these tables and the timeline's.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(&self, migrations: &[Migrations]) -> Db {
        let sets: Vec<Migrations> =
            [timeline::MIGRATIONS, lease::MIGRATIONS].into_iter().chain(migrations.iter().copied()).collect();
        let opened = Db::open(&self.location, &sets, SystemClock.now()).await;
        opened.expect("a scratch store can be opened").db
    }

    /// Opens the store with these tables and the timeline's, and the timeline in it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn timeline(&self, migrations: &[Migrations]) -> Timeline {
        let db = self.open(migrations).await;
        let options = Options::new(self.path().join("timeline"), "desk");
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Timeline::open(db, options, clock).await.expect("a scratch timeline can be opened")
    }
}

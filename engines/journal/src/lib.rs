//! What makes things durable: store, timeline, dispatcher, configuration.
//!
//! [`DataDir`] is the directory that one console has to itself; [`store`] the database, SQLite or PostgreSQL;
//! [`timeline`] the tamper-evident record of every change; [`dispatch`] the one way to make a change. What each
//! promises after `kill -9` and after a power cut is said at its head. [`configuration`] reads what the operator wrote.

pub mod configuration;
pub mod datadir;
pub mod dispatch;
pub mod lease;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timeline;

pub use datadir::{DataDir, DataDirError};
pub use dispatch::{DispatchError, Dispatcher, Execute, Failure, How, Outcome, Registry};
pub use store::{Answer, Db, Location, Migrations, Step, StoreError, Tx, Value};
pub use timeline::{NewEntry, Recent, Timeline, TimelineError};

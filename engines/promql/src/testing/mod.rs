//! Files of the promqltest format: their grammar, a store in memory, and a runner.
//!
//! [`run_dir`] runs a folder of `.test` files and counts; [`MemoryStorage`] alone is handy for tests of anything that
//! queries.

mod buckets;
mod compare;
mod notation;
mod pin;
mod run;
mod script;
mod store;

pub use notation::{NotationError, series as parse_series};
pub use run::{Failure, FileSummary, Summary, run_dir, run_text};
pub use script::ScriptError;
pub use store::MemoryStorage;

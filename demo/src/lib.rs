//! A small trading platform made of real processes, for the console to watch.
//!
//! Market data, an order API in two versions, risk, a broker, a ledger and the clients that load them talk HTTP and
//! WebSocket over loopback, expose `/metrics`, write JSON logs and pass trace context on. Nothing here knows the
//! console: it learns of the platform through the protocols that any real system would use.
//!
//! [`Platform::prepare`] allots ports and writes the configuration, [`role`] is what each child process runs, and
//! [`Supervisor`] is the least that starts and ends them where no other keeper does.
//!
//! Latency is never drawn from a random distribution and slept: it comes from bounded workers, their queues and the
//! work that each request is.

mod broker;
mod error;
mod ledger;
mod load;
mod market;
mod options;
mod orders;
mod platform;
mod risk;
mod role;
mod shell;
mod supervisor;
mod wire;

pub use error::DemoError;
pub use market::day::{MarketDay, Phase};
pub use options::Options;
pub use orders::band::{BAND_BASIS_POINTS, within_band_v1, within_band_v2};
pub use platform::{ChildSpec, Platform, PlatformOptions, SUBCOMMAND};
pub use role::{Role, Running, role, start};
pub use shell::log::Log;
pub use supervisor::Supervisor;
pub use wire::{Execution, ExecutionStatus, Fill, OrderRequest, OrderStatus, OrderView, Quote, Side};

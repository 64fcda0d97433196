//! What Alertmanager's files and words mean, as plain data and pure functions: the configuration file
//! ([`config`]), label matchers ([`matcher`]), the routing tree ([`route`]), inhibition ([`inhibit`]), time
//! intervals ([`interval`]), fingerprints ([`fingerprint`]) and the JSON of its API v2 ([`wire`]). No I/O but
//! reading the configuration file, no clock, no state of alerts: those belong to the engine that uses it.

pub mod config;
pub mod duration;
pub mod fingerprint;
pub mod inhibit;
pub mod interval;
pub mod matcher;
pub mod route;
pub mod wire;

mod quote;

pub use config::Config;
pub use fingerprint::Fingerprint;
pub use inhibit::{InhibitIndex, InhibitRule, Inhibition};
pub use interval::{TimeInterval, TimeIntervals};
pub use matcher::{Matcher, Matchers};
pub use quarterdeck_kernel::MatchOp;
pub use route::{GroupBy, Route, RouteId, RouteSpec, Routes};

//! WebSocket feeds: live rows, rates, gaps, and metric series from messages.
//!
//! Any number of feeds, each with its own connection, bounded queue, field paths and metrics. The core of a feed is a
//! pure state machine ([`machine`]): connecting, subscribing, pinging, waiting with jittered backoff, all in time that
//! is passed in. The shell ([`Engine`]) owns the sockets, digests messages in batches, appends the series through the
//! metrics store's [`Ingest`](quarterdeck_metrics::ingest::Ingest) and publishes a [`Snapshot`] at most 30 times a
//! second. A busy feed is read in beats of twenty milliseconds instead of at every packet, by which its messages can be seen
//! that much late ([`Row::received`]). Every queue, row ring and label set is bounded, and what does not fit is counted in [`Stats`].

pub mod actions;
pub mod address;
pub mod config;
mod digest;
mod feed;
mod group;
pub mod handle;
pub mod machine;
pub mod model;
mod pace;
pub mod path;
mod queue;
mod rates;
mod rows;
mod scan;
mod sequence;
mod series;
mod sink;
mod socket;
pub mod task;
mod text;
mod wire;

pub use actions::{actions, available};
pub use config::{Config, FeedConfig};
pub use handle::Handle;
pub use model::{Cell, FeedState, FeedView, RatePoint, Row, Rows, Snapshot, Stats};
pub use task::Engine;
pub use text::Text;

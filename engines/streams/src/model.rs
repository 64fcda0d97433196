//! What feeds show of themselves.

use std::sync::Arc;

use quarterdeck_kernel::{Subject, SubjectKind, Timestamp};

pub use crate::rows::{Cell, Row, Rows};

/// Every feed as of one version.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// See [`quarterdeck_kernel::Snapshot::version`].
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// The feeds, by name. Those that did not change are shared with the snapshot before.
    pub feeds: Vec<Arc<FeedView>>,
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

impl Snapshot {
    /// The feed of a name.
    #[must_use]
    pub fn feed(&self, name: &str) -> Option<&Arc<FeedView>> {
        self.feeds.iter().find(|f| &*f.name == name)
    }
}

/// One feed.
#[derive(Clone, Debug)]
pub struct FeedView {
    /// Name in the configuration.
    pub name: Arc<str>,
    /// Address, without user, password and query values.
    pub url: Arc<str>,
    /// What it does.
    pub state: FeedState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// Names of the columns of its rows.
    pub columns: Arc<[Arc<str>]>,
    /// Figures since the start, and rates.
    pub stats: Stats,
    /// What went wrong last, and when; kept after recovery.
    pub last_error: Option<(Timestamp, Arc<str>)>,
    /// When the newest message came.
    pub last_message: Option<Timestamp>,
    /// One point per second, oldest first, at most [`HISTORY`]; seconds while the console did not run are missing.
    pub history: Arc<[RatePoint]>,
    /// The newest rows.
    pub rows: Rows,
    /// Names of the metrics made from its messages.
    pub metrics: Arc<[Arc<str>]>,
}

impl FeedView {
    /// What it is pointed at with.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Stream, &*self.name)
    }
}

/// How many seconds of rate history a feed keeps.
pub const HISTORY: usize = 900;

/// What a feed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedState {
    /// Opening the connection.
    Connecting {
        /// Attempts since a connection last stood, this one included.
        attempt: u32,
    },
    /// Connected, and messages come (or none is due yet).
    Live,
    /// Connected, but no message has come for the configured time.
    Stale,
    /// Waiting before the next attempt.
    Waiting {
        /// When it comes.
        until: Timestamp,
        /// Failed attempts since a connection last stood.
        attempt: u32,
    },
    /// Disconnected by an operator.
    Paused,
}

impl FeedState {
    /// One word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Waiting { .. } => "waiting",
            Self::Paused => "paused",
        }
    }

    /// Whether a connection stands.
    #[must_use]
    pub const fn connected(self) -> bool {
        matches!(self, Self::Live | Self::Stale)
    }
}

/// A feed's figures. Counts are since the feed was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Messages received, dropped and bad ones included.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages per second, over the last full seconds.
    pub message_rate: f64,
    /// Bytes per second, likewise.
    pub byte_rate: f64,
    /// How old the newest message was when it was read, in milliseconds (negative: its sender's clock is ahead). Busy feeds
    /// are read in beats, which can add up to twenty milliseconds; see [`Row::received`].
    pub lag_ms: Option<f64>,
    /// The largest lag within the last ten seconds, in milliseconds.
    pub lag_max_ms: Option<f64>,
    /// Messages that the sequence shows as missing.
    pub missing: u64,
    /// How often some were missing.
    pub gaps: u64,
    /// Messages whose sequence was not above the one before: repeated or late.
    pub out_of_order: u64,
    /// Keys whose sequence is watched.
    pub sequence_keys: usize,
    /// Messages dropped because the queue was full.
    pub dropped: u64,
    /// Messages waiting in the queue.
    pub queued: usize,
    /// Messages that are not JSON, or lack the records asked for.
    pub bad: u64,
    /// Binary messages, bad or not.
    pub binary: u64,
    /// Records digested (a message holds one unless `records` is configured).
    pub records: u64,
    /// Times the connection was opened again.
    pub reconnects: u64,
    /// Series made.
    pub series: usize,
    /// Samples that the metrics store took.
    pub samples: u64,
    /// Samples that were refused: too many series, label value too long, or by the store.
    pub refused: u64,
    /// How long the last ping took to come back, in milliseconds. A busy feed is read at every arrival for a quarter of a
    /// second after a ping, so that its beats are not in this.
    pub round_trip_ms: Option<f64>,
}

/// One second of a feed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// The second's end.
    pub t: Timestamp,
    /// Messages in it.
    pub messages: u32,
    /// Bytes in it.
    pub bytes: u64,
    /// Dropped in it.
    pub dropped: u32,
    /// Missing by sequence in it.
    pub missing: u32,
    /// The largest lag in it, in milliseconds; NaN without one.
    pub lag_ms: f64,
}

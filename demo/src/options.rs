use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::market::day::MarketDay;
use crate::shell::log::Level;

/// What a role is told on its command line. One set serves all roles; each reads what concerns it.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo-service", no_binary_name = true, disable_help_subcommand = true)]
pub struct Options {
    /// Address to serve HTTP on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Version of the service, as logs and metrics tell it (`v1`, `v2`).
    #[arg(long, default_value = "v1")]
    pub release: String,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Length of a market day, milliseconds.
    #[arg(long, default_value_t = 600_000)]
    pub day_ms: u64,
    /// When the first market day began, milliseconds since 1970. All roles must be told the same.
    #[arg(long, default_value_t = 0)]
    pub epoch_ms: i64,
    /// The feed of quotes (`ws://…/feed`).
    #[arg(long)]
    pub feed_url: Option<String>,
    /// Base address of the risk service.
    #[arg(long)]
    pub risk_url: Option<String>,
    /// Base address of the broker.
    #[arg(long)]
    pub broker_url: Option<String>,
    /// Base address of the ledger.
    #[arg(long)]
    pub ledger_url: Option<String>,
    /// Base address of the order API that the clients use.
    #[arg(long)]
    pub orders_url: Option<String>,
    /// Base address of the order API's second version, for the share set with `POST /admin/split`.
    #[arg(long)]
    pub orders_v2_url: Option<String>,
    /// Base address of the gateway that clients read reference data through; without it they read none.
    #[arg(long)]
    pub reference_url: Option<String>,
    /// Folder of the ledger's database.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Orders per second at activity 1; the market day moves it between about a third and the double.
    #[arg(long, default_value_t = 30.0)]
    pub order_rate: f64,
    /// Quotes per second at activity 1.
    #[arg(long, default_value_t = 140.0)]
    pub quote_rate: f64,
    /// Sessions that the broker holds with its venue.
    #[arg(long, default_value_t = 1)]
    pub sessions: usize,
    /// Time that one message occupies a venue session, microseconds.
    #[arg(long, default_value_t = 2_800)]
    pub slot_us: u64,
    /// Scenarios of the value-at-risk history.
    #[arg(long, default_value_t = 8_000)]
    pub scenarios: usize,
    /// Points per axis of the margin grid that each symbol is revalued on.
    #[arg(long, default_value_t = 320)]
    pub margin_grid: usize,
    /// File to list this service in while it runs, as Prometheus's file discovery reads it.
    #[arg(long)]
    pub register: Option<PathBuf>,
    /// Least severe level that is logged.
    #[arg(long, value_enum, default_value_t = Level::Info)]
    pub log_level: Level,
    /// End when standard input reaches its end, which is when the parent dies.
    #[arg(long)]
    pub parent_pipe: bool,
}

impl Options {
    /// The market day that these options describe.
    pub fn day(&self) -> MarketDay {
        MarketDay::new(self.epoch_ms, Duration::from_millis(self.day_ms))
    }
}

impl Default for Options {
    /// What an empty command line means.
    fn default() -> Self {
        Self::parse_from(std::iter::empty::<String>())
    }
}

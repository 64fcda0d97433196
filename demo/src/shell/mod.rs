//! What every service of the platform is made of: HTTP with traces and metrics, bounded workers, JSON logs, an end.

pub(crate) mod client;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod register;
pub(crate) mod server;
pub(crate) mod stop;
pub(crate) mod trace;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::client::Client;
use self::log::Log;

/// What a role is given to live in. It takes what it needs and hands the rest to [`server::serve`].
pub(crate) struct Shell {
    /// Where it is reached; already listening.
    pub(crate) listener: TcpListener,
    /// Its log.
    pub(crate) log: Log,
    /// Its metrics, served at `/metrics`.
    pub(crate) registry: Registry,
    /// Calls to other services.
    pub(crate) client: Client,
    /// Cancelled when the service is to end.
    pub(crate) stop: CancellationToken,
}

impl Shell {
    pub(crate) fn new(listener: TcpListener, log: Log, stop: CancellationToken) -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        log.register(&mut registry);
        let client = Client::new(&mut registry);
        Self { listener, log, registry, client, stop }
    }
}

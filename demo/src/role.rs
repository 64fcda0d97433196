use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::shell::log::Log;
use crate::shell::register::Registration;
use crate::shell::{Shell, stop};
use crate::{DemoError, Options, broker, ledger, load, market, orders, risk};

/// The parts of the platform, each a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The feed of quotes.
    MarketData,
    /// The order API.
    Orders,
    /// Position, exposure and value-at-risk checks.
    Risk,
    /// The way to the venue.
    Broker,
    /// Fills, positions and profit, on SQLite.
    Ledger,
    /// The clients.
    Load,
}

impl Role {
    /// All of them, in an order in which they can be started.
    pub const ALL: [Self; 6] =
        [Self::MarketData, Self::Ledger, Self::Broker, Self::Risk, Self::Orders, Self::Load];

    /// The role's name, on the command line and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MarketData => "market-data",
            Self::Orders => "orders",
            Self::Risk => "risk",
            Self::Broker => "broker",
            Self::Ledger => "ledger",
            Self::Load => "load",
        }
    }

    /// The role of that name.
    ///
    /// # Errors
    /// [`DemoError::UnknownRole`], which lists the names there are.
    pub fn named(name: &str) -> Result<Self, DemoError> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| DemoError::UnknownRole {
            found: name.to_owned(),
            allowed: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Runs one role in this process until it is told to end: by SIGTERM, SIGINT or the end of standard input.
///
/// `args` are [`Options`] as typed, without program and role. Logs go to standard output.
///
/// # Errors
/// When the role does not exist, its arguments do not parse, or it cannot start.
pub fn role(name: &str, args: &[String]) -> Result<(), DemoError> {
    let role = Role::named(name)?;
    let options = Options::try_parse_from(args)?;
    // One thread for the service's own work is what keeps seven processes small; computing has pools of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(|source| DemoError::Io { doing: "starting the runtime", source })?;
    let result = runtime.block_on(async {
        let token = CancellationToken::new();
        stop::watch(&token, options.parent_pipe)?;
        let running = start(role, options, std::io::stdout(), token).await?;
        running.ended().await
    });
    // Computing work that still runs is not waited for: what ends the process ends it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// A role that runs as a task of this process.
pub struct Running {
    /// Where it is reached.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), DemoError>>,
}

impl Running {
    /// Waits until the role has ended.
    ///
    /// # Errors
    /// What ended it, when it was not told to.
    pub async fn ended(self) -> Result<(), DemoError> {
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(DemoError::Io { doing: "running a role", source: error.into() }),
        }
    }

    /// Tells the role to end and waits until it has.
    ///
    /// # Errors
    /// What went wrong while it ended.
    pub async fn stop(self) -> Result<(), DemoError> {
        self.stop.cancel();
        self.ended().await
    }
}

/// Starts a role as a task on the current runtime; it listens when this returns.
///
/// # Errors
/// When its address cannot be listened on, an argument it needs is missing, or its store cannot be opened.
pub async fn start(
    role: Role,
    options: Options,
    logs: impl Write + Send + 'static,
    stop: CancellationToken,
) -> Result<Running, DemoError> {
    let refused = |source| DemoError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let log = Log::new(role.name(), &options.release, options.log_level, logs);
    let shell = Shell::new(listener, log.clone(), stop.clone());
    log.info(None, "started", json!({ "address": address.to_string(), "seed": options.seed }));
    let registration = match &options.register {
        Some(path) => Some(Registration::write(path, address, role.name(), &options.release)?),
        None => None,
    };
    let task = tokio::spawn(async move {
        let _listed = registration;
        let result = match role {
            Role::MarketData => market::run(shell, &options).await,
            Role::Orders => orders::run(shell, &options).await,
            Role::Risk => risk::run(shell, &options).await,
            Role::Broker => broker::run(shell, &options).await,
            Role::Ledger => ledger::run(shell, &options).await,
            Role::Load => load::run(shell, &options).await,
        };
        match &result {
            Ok(()) => log.info(None, "ended", json!({})),
            Err(error) => log.error(None, "ended by an error", json!({ "error": error.to_string() })),
        }
        log.flush(Duration::from_millis(200));
        result
    });
    Ok(Running { address, stop, task })
}

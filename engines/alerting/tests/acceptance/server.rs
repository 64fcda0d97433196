//! A whole engine behind its real interface on a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use quarterdeck_alerting::api::{Facts, Source};
use quarterdeck_alerting::config::AlertingConfig;
use quarterdeck_alerting::{Console, Dispatch, Handle, Ready, Runner, Setting};
use quarterdeck_journal::store::{Db, Location};
use quarterdeck_journal::timeline::{self, Options, Timeline};
use quarterdeck_kernel::{Clock, SystemClock, Timestamp};
use quarterdeck_oncall::Roster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves routes on a port of their own.
pub(crate) async fn serve(router: Router, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tasks.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    address
}

/// A running console, as far as alerting is concerned.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    ready: Ready,
    roster: Arc<Roster>,
    start_delay: Duration,
}

struct Api(Handle, Ready);

impl Source for Api {
    fn handle(&self) -> Result<Handle, String> {
        Ok(self.0.clone())
    }

    fn facts(&self) -> Facts {
        Facts {
            original: Arc::clone(&self.1.original),
            receivers: Arc::clone(&self.1.receivers),
            started: SystemClock.now(),
            version: "test".into(),
        }
    }

    fn read_only(&self) -> bool {
        false
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

impl Server {
    /// Starts one with an `alertmanager.yml`, on a store.
    pub(crate) async fn start(
        yaml: &str,
        location: &Location,
        dir: &std::path::Path,
        start_delay: Duration,
        resets: bool,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        std::fs::create_dir_all(dir).expect("a directory");
        let file = dir.join("alertmanager.yml");
        std::fs::write(&file, yaml).expect("a file");
        let config = AlertingConfig { reload_resets_timers: resets, ..AlertingConfig::default() };
        let ready = config.ready(Some(&file), dir).expect("a lawful configuration");
        let migrations =
            [timeline::MIGRATIONS, quarterdeck_journal::lease::MIGRATIONS, quarterdeck_alerting::MIGRATIONS];
        let db = Db::open(location, &migrations, clock.now()).await.expect("a store").db;
        let options = Options::new(dir.join("timeline"), "acceptance");
        let timeline = Timeline::open(db, options, Arc::clone(&clock)).await.expect("a timeline");
        let (dispatch, done) = Dispatch::new(ready.clone(), &[], Arc::clone(&clock), None);
        let roster = Arc::new(Roster::new(&quarterdeck_oncall::OncallConfig::default()).expect("a roster"));
        let name = format!("{}", dir.display());
        let console = Console { name, address: String::new() };
        let setting = setting(&ready, &roster, start_delay);
        let (runner, handle) = Runner::new(setting, timeline, dispatch, done, clock, console);
        tasks.spawn(async move {
            runner.run(std::future::pending::<()>()).await.expect("it runs");
        });
        let api = Arc::new(Api(handle.clone(), ready.clone()));
        let address = serve(quarterdeck_alerting::api::router(api), tasks).await;
        Self { address, handle, ready, roster, start_delay }
    }

    /// Reads the same configuration again.
    pub(crate) async fn reload(&self) {
        let setting = setting(&self.ready, &self.roster, self.start_delay);
        self.handle.reload(setting).await.expect("it is taken");
    }

    /// A request on a connection of its own: status and body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (status, body.to_owned())
    }
}

fn setting(ready: &Ready, roster: &Arc<Roster>, start_delay: Duration) -> Setting {
    let options = quarterdeck_alerting::Options { start_delay, ..ready.options.clone() };
    Setting { plan: Arc::clone(&ready.plan), options, roster: Arc::clone(roster) }
}

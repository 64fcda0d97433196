//! Accepting connections, on a thread of its own: each goes to the thread that has the fewest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::conn::Accepted;
use super::worker::{Shared, Worker};
use crate::address::Network;
use crate::config::{Config, ListenerConfig};

/// How long accepting rests after it failed for want of something (file descriptors, memory), doubled up to the most.
const REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 4096;

/// A listener as its connections see it.
#[derive(Debug)]
pub(crate) struct Listening {
    /// Where it really listens.
    pub(crate) address: SocketAddr,
    pub(crate) settings: ArcSwap<Settings>,
    /// It is gone: connections finish what is under way and close.
    pub(crate) draining: AtomicBool,
    pub(crate) stop: CancellationToken,
}

/// What may change while it listens.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) proxy_protocol: bool,
    /// Whose PROXY protocol is believed.
    trusted: Vec<Network>,
}

impl Settings {
    fn new(config: &ListenerConfig) -> Result<Self, String> {
        let tls = config.tls.as_ref().map(super::tls::server_config).transpose()?;
        let trusted = config.trusted.iter().filter_map(|network| network.parse().ok()).collect();
        Ok(Self { tls, proxy_protocol: config.proxy_protocol, trusted })
    }

    /// Whether somebody may connect at all: where connections say who they are from, only those who are believed.
    pub(crate) fn admits(&self, peer: std::net::IpAddr) -> bool {
        !self.proxy_protocol || self.trusted.iter().any(|network| network.contains(peer))
    }
}

/// The listeners of a configuration: where in it each is, and what it says.
pub(crate) fn wanted(config: &Config) -> Vec<(String, ListenerConfig)> {
    let plain = config.listen.iter().enumerate().map(|(i, address)| {
        let listener =
            ListenerConfig { address: *address, tls: None, proxy_protocol: false, trusted: Vec::new() };
        (format!("listen[{i}]"), listener)
    });
    let named = config.listeners.iter().map(|(name, listener)| {
        let mut listener = listener.clone();
        if listener.trusted.is_empty() {
            listener.trusted.clone_from(&config.trusted_proxies);
        }
        (format!("listeners.{name}.address"), listener)
    });
    plain.chain(named).collect()
}

/// What the accepting thread is asked for: these listeners and no others. Answers with where each listens, or with what
/// cannot be and where that stands; nothing has changed then.
pub(crate) type Ask =
    (Vec<(String, ListenerConfig)>, oneshot::Sender<Result<Vec<Arc<Listening>>, (String, String)>>);

/// The threads that connections are handed to.
pub(crate) type Workers = Arc<[(Arc<Worker>, mpsc::Sender<Accepted>)]>;

pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    workers: Workers,
    places: Arc<Semaphore>,
    /// By the address that was asked for, whose port may be 0.
    open: Vec<(SocketAddr, Arc<Listening>)>,
}

impl Acceptor {
    pub(crate) fn new(shared: Arc<Shared>, workers: Workers, most: usize) -> Self {
        Self { shared, workers, places: Arc::new(Semaphore::new(most)), open: Vec::new() }
    }

    pub(crate) async fn run(mut self, mut asked: mpsc::Receiver<Ask>, stop: CancellationToken) {
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some((wanted, answer)) => {
                        let result = self.set(wanted);
                        // Who asked may have gone: the listeners are as they are.
                        let _ = answer.send(result);
                    }
                    None => break,
                },
                () = stop.cancelled() => break,
            }
        }
        for (_, listening) in &self.open {
            close(listening);
        }
    }

    fn set(
        &mut self,
        wanted: Vec<(String, ListenerConfig)>,
    ) -> Result<Vec<Arc<Listening>>, (String, String)> {
        // First everything that can fail.
        let mut fresh = Vec::new();
        let mut kept = Vec::new();
        let mut old: Vec<&(SocketAddr, Arc<Listening>)> = self.open.iter().collect();
        for (key, config) in wanted {
            let settings = Settings::new(&config).map_err(|why| (key.clone(), why))?;
            let same = |(asked, listening): &&(SocketAddr, Arc<Listening>)| {
                *asked == config.address || listening.address == config.address
            };
            match old.iter().position(same).map(|place| old.swap_remove(place)) {
                Some((_, listening)) => kept.push((config.address, Arc::clone(listening), settings)),
                None => {
                    let tcp = bind(config.address).map_err(|why| (key, why))?;
                    fresh.push((config.address, tcp, settings));
                }
            }
        }
        let gone: Vec<Arc<Listening>> = old.into_iter().map(|(_, listening)| Arc::clone(listening)).collect();
        let mut open = Vec::new();
        let mut all = Vec::new();
        for (asked, listening, settings) in kept {
            listening.settings.store(Arc::new(settings));
            all.push(Arc::clone(&listening));
            open.push((asked, listening));
        }
        for (asked, tcp, settings) in fresh {
            let address = tcp.local_addr().unwrap_or(asked);
            let listening = Arc::new(Listening {
                address,
                settings: ArcSwap::from_pointee(settings),
                draining: AtomicBool::new(false),
                stop: CancellationToken::new(),
            });
            let (shared, workers, places) =
                (Arc::clone(&self.shared), Arc::clone(&self.workers), Arc::clone(&self.places));
            tokio::spawn(accept(tcp, Arc::clone(&listening), shared, workers, places));
            all.push(Arc::clone(&listening));
            open.push((asked, listening));
        }
        gone.iter().for_each(|listening| close(listening));
        self.open = open;
        Ok(all)
    }
}

fn close(listening: &Listening) {
    listening.draining.store(true, Relaxed);
    listening.stop.cancel();
}

fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => format!("cannot listen on {address}: another program listens there"),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

async fn accept(
    tcp: TcpListener,
    listening: Arc<Listening>,
    shared: Arc<Shared>,
    workers: Workers,
    places: Arc<Semaphore>,
) {
    let mut rest = REST;
    loop {
        let accepting = async {
            // More than there is room for wait in the system's queue.
            let place = Arc::clone(&places).acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, peer) = tcp.accept().await?;
            Ok::<_, std::io::Error>((place, stream.into_std()?, peer))
        };
        let accepted = tokio::select! {
            accepted = accepting => accepted,
            () = listening.stop.cancelled() => return,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                rest = REST;
                shared.accepted.fetch_add(1, Relaxed);
                let least = workers.iter().min_by_key(|(worker, _)| worker.connections.load(Relaxed));
                let Some((worker, send)) = least else { return };
                worker.connections.fetch_add(1, Relaxed);
                let accepted = Accepted { stream, peer, listening: Arc::clone(&listening), place };
                if send.send(accepted).await.is_err() {
                    // The thread has ended: so does the gateway.
                    worker.connections.fetch_sub(1, Relaxed);
                    return;
                }
            }
            Err(error) if is_callers(&error) => {
                tracing::debug!(%error, "a caller went away before it was accepted");
            }
            Err(error) => {
                // Out of file descriptors, mostly: waiting is better than spinning, and those that are open may end.
                if shared.accept_errors.fetch_add(1, Relaxed).is_multiple_of(100) {
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(LONGEST_REST);
            }
        }
    }
}

/// Whether a failure to accept concerns one caller alone.
fn is_callers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused)
}

//! Accepting connections: bounded in number, with TLS or without, drained at the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::guard::{ListenConfig, TlsConfig};
use crate::exit::Failure;

/// At most this many connections at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// A client has this long to send its request's header, and to finish the TLS handshake.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight have this long when the console stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A bound listener that does not accept yet.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    /// The certificate that clients are shown, when connections are encrypted.
    pub certificate: Option<CertificateDer<'static>>,
    /// The address that it is really bound to.
    pub address: SocketAddr,
}

impl Listener {
    /// Binds the configured address, if it is allowed to.
    ///
    /// # Errors
    /// When the address is not loopback and has no TLS or no token, is in use, or the certificate cannot be used.
    pub async fn bind(config: &ListenConfig) -> Result<Self, Failure> {
        let address = config.address;
        if !address.ip().is_loopback() && (config.tls.is_none() || config.token.is_none()) {
            return Err(Failure::Failed(format!(
                "[listen] address = \"{address}\" can be reached from other machines: it needs [listen.tls] with cert and key, \
                 and token = {{ file = … }} or {{ env = … }}; or listen on 127.0.0.1"
            )));
        }
        let (tls, certificate) = config.tls.as_ref().map(acceptor).transpose()?.unzip();
        let tcp = TcpListener::bind(address).await.map_err(|error| {
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "; another program listens there: choose another with --listen ADDR"
                }
                _ => "",
            };
            Failure::Failed(format!("cannot listen on {address}: {error}{hint}"))
        })?;
        let address =
            tcp.local_addr().map_err(|e| Failure::Failed(format!("cannot listen on {address}: {e}")))?;
        Ok(Self { tcp, tls, certificate, address })
    }

    /// The base URL of the listener.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Serves until told to stop, then lets requests in flight finish.
    pub async fn serve(self: Arc<Self>, router: Router, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.tcp, &places) => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: waiting is better than spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(router.clone());
            let watcher = graceful.watcher();
            let tls = self.tls.clone();
            tokio::spawn(async move {
                let _place = place;
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
                let ended = match tls {
                    None => {
                        let connection =
                            builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                        watcher.watch(connection.into_owned()).await
                    }
                    Some(tls) => {
                        let encrypted = tokio::time::timeout(HEADER_TIMEOUT, encrypted(&tls, stream)).await;
                        let Ok(Some(stream)) = encrypted else { return };
                        let connection =
                            builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                        watcher.watch(connection.into_owned()).await
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection ended badly");
                }
            });
        }
        drop(self);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were cut off at the end");
        }
    }
}

/// What a client that speaks plain HTTP to an encrypted listener is answered.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
                       Content-Length: 53\r\n\r\nThis address is encrypted: write https:// for http://\n";

/// The connection, encrypted. None when the client cannot or does not want to be served so; one that speaks plain HTTP is
/// told.
async fn encrypted(tls: &TlsAcceptor, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    // A TLS record begins with its type, 22 here; an HTTP request with a letter.
    if stream.peek(&mut first).await.is_ok_and(|n| n == 1) && first[0].is_ascii_alphabetic() {
        tracing::debug!("a client spoke plain HTTP to the encrypted listener");
        // Whether the answer arrives is the client's concern. What it has sent is read, because closing a connection with
        // unread bytes would take the answer back.
        let _ = stream.write_all(PLAIN).await;
        let _ = stream.shutdown().await;
        let mut rest = stream.take(1 << 16);
        let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        return None;
    }
    match tls.accept(stream).await {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
    }
}

async fn accept(
    tcp: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = tcp.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// What encrypts connections, and the certificate that it shows.
fn acceptor(config: &TlsConfig) -> Result<(TlsAcceptor, CertificateDer<'static>), Failure> {
    let fail = |file: &std::path::Path, why: &dyn std::fmt::Display| {
        Failure::Failed(format!("[listen.tls] {}: {why}", file.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&config.cert)
        .and_then(Iterator::collect)
        .map_err(|e| fail(&config.cert, &e))?;
    let own = chain.first().ok_or_else(|| fail(&config.cert, &"there is no certificate in it"))?.clone();
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|e| fail(&config.key, &e))?;
    let mut server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| fail(&config.cert, &e))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(server)), own))
}

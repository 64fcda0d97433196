//! A gateway, services behind it, and clients before it, all over real sockets.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses some of it, and what fails here fails a test"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use quarterdeck_gateway::{Config, Engine, Handle, Stored};
use quarterdeck_kernel::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A running gateway.
pub struct Gateway {
    pub handle: Handle,
    pub address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// Reads the section as it is written in a file, without `[gateway]`.
pub fn config(text: &str) -> Config {
    toml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

impl Gateway {
    pub async fn start(text: &str) -> Self {
        Self::with(config(text)).await
    }

    pub async fn with(mut config: Config) -> Self {
        if config.listen.is_empty() && config.listeners.is_empty() {
            config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        }
        if config.threads == 0 {
            config.threads = 2;
        }
        let started = Engine::start(config, Stored::default(), Arc::new(SystemClock)).await;
        let (engine, handle) = started.unwrap_or_else(|wrong| panic!("{wrong:#?}"));
        let stop = CancellationToken::new();
        let task = tokio::spawn(engine.run(stop.clone().cancelled_owned()));
        let address = handle.addresses()[0];
        Self { handle, address, stop, task }
    }

    /// One service `s` with one version per address.
    pub async fn before(versions: &[SocketAddr], more: &str) -> Self {
        Self::start(&service(versions, more)).await
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Sends bytes on a connection of their own and reads until it ends or stands still.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        raw(self.address, bytes.as_ref()).await
    }

    /// A GET with more header lines; the answer's head and body.
    pub async fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask("GET", path, headers, "").await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let host = if headers.contains("Host:") { "" } else { "Host: test\r\n" };
        let request =
            format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}{length}\r\n{body}");
        Answer::read(&self.raw(request).await)
    }
}

/// The section for one service `s` with one version per address.
pub fn service(versions: &[SocketAddr], more: &str) -> String {
    let versions: Vec<String> =
        versions.iter().enumerate().map(|(i, a)| format!("v{} = \"http://{a}\"", i + 1)).collect();
    format!("services.s.versions = {{ {} }}\n{more}", versions.join(", "))
}

pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let reading = stream.read_to_end(&mut all);
    // A reset behind an answer is an end too; a connection that stays open is told by what it said until then.
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn code(&self) -> String {
        self.problem()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A body of bytes that are there.
pub struct Whole(pub Option<Bytes>);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |b| b.len() as u64))
    }
}

/// A service that speaks by hand: what it does with each connection that comes.
pub async fn by_hand<F: Future<Output = ()> + Send + 'static>(
    connection: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(connection(stream));
        }
    });
    address
}

/// A service that answers what a function makes of a request's head and body.
pub struct Service {
    pub address: SocketAddr,
    pub requests: Arc<AtomicUsize>,
}

impl Service {
    pub async fn start(
        answer: impl Fn(&hyper::http::request::Parts, &[u8]) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (answer, counted) = (Arc::new(answer), Arc::clone(&requests));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                    async move {
                        counted.fetch_add(1, Relaxed);
                        let (parts, body) = request.into_parts();
                        let body = collect(body).await.map_err(|e| e.to_string())?;
                        Ok::<_, String>(answer(&parts, &body).map(|text| Whole(Some(Bytes::from(text)))))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, requests }
    }

    /// One that answers its name.
    pub async fn named(name: &'static str) -> Self {
        Self::start(move |_, _| Response::new(name.to_owned())).await
    }

    /// One that answers what it was asked: request line, headers, body.
    pub async fn echo() -> Self {
        Self::start(|parts, body| {
            let mut text = format!("{} {}\n", parts.method, parts.uri);
            for (name, value) in &parts.headers {
                text += &format!("{name}: {}\n", value.to_str().unwrap_or("?"));
            }
            text += &format!("\n{}", String::from_utf8_lossy(body));
            Response::new(text)
        })
        .await
    }

    /// One that writes these bytes to whoever has sent a header, and then hangs up or, if told so, does nothing more.
    pub async fn lying(bytes: &'static [u8], hangs: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    let mut buffer = [0; 4096];
                    while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                        match stream.read(&mut buffer).await {
                            Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                            _ => return,
                        }
                    }
                    let _ = stream.write_all(bytes).await;
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        address
    }

    pub fn count(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

pub async fn collect(body: Incoming) -> hyper::Result<Vec<u8>> {
    use hyper::body::Body as _;
    let (mut body, mut all) = (std::pin::pin!(body), Vec::new());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Some(data) = frame?.data_ref() {
            all.extend_from_slice(data);
        }
    }
    Ok(all)
}

/// Waits until something is so; panics when it never is.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} has not happened");
}

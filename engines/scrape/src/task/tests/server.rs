//! A tiny HTTP server that does what it is told, good or bad.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// How a request is answered.
#[derive(Clone)]
pub(super) enum Reply {
    /// These bytes, then the connection is closed.
    Bytes(Arc<[u8]>),
    /// Nothing, for ever.
    Hang,
    /// The connection is reset.
    Reset,
    /// A page that would be a gigabyte.
    Endless,
    /// One byte now and then.
    Drip,
}

/// The head of a good answer.
pub(super) fn head(content_type: &str, length: usize) -> String {
    let content_type =
        if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
    format!("HTTP/1.1 200 OK\r\n{content_type}Content-Length: {length}\r\nConnection: close\r\n\r\n")
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Reply {
    pub(super) fn raw(text: &str) -> Self {
        Self::Bytes(text.as_bytes().into())
    }

    pub(super) fn raw_bytes(head: String, body: &[u8]) -> Self {
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes.into())
    }

    pub(super) fn bytes(content_type: &str, body: &[u8]) -> Self {
        Self::raw_bytes(head(content_type, body.len()), body)
    }

    pub(super) fn typed(content_type: &str, body: &str) -> Self {
        Self::bytes(content_type, body.as_bytes())
    }

    pub(super) fn text(body: &str) -> Self {
        Self::typed("text/plain; version=0.0.4", body)
    }
}

/// The server; it ends when dropped.
pub(super) struct Server {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts on a port of the system's choice. The script gets each request and how many came before it.
    pub(super) async fn start(script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let (counter, log, script) = (Arc::clone(&count), Arc::clone(&last), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counter, log, script) = (Arc::clone(&counter), Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(async move {
                    let mut stream = stream;
                    let Some(request) = read_head(&mut stream).await else { return };
                    let reply = script(&request, counter.fetch_add(1, Ordering::SeqCst));
                    *log.lock().unwrap() = request;
                    // A client that has had enough is no failure of the server.
                    let _ = answer(stream, reply).await;
                });
            }
        });
        Self { address, count, last, task: task.abort_handle() }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn requests(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn last_request(&self) -> String {
        self.last.lock().unwrap().clone()
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut buffer = [0u8; 4096];
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()
}

async fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(stream);
            Ok(())
        }
        Reply::Reset => stream.set_zero_linger(),
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n").await?;
            let line = "# filler\n".repeat(1000);
            for _ in 0..(1 << 30) / line.len() {
                stream.write_all(line.as_bytes()).await?;
            }
            Ok(())
        }
        Reply::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n").await?;
            loop {
                stream.write_all(b"#").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

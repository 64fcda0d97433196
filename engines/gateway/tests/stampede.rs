//! Many who ask the cache for the same at the same time, over real sockets.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use support::{Answer, Gateway, raw, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A service that takes its time.
struct Slow {
    address: SocketAddr,
    /// Requests so far.
    count: AtomicUsize,
    /// How many it had to answer at the same time.
    most: AtomicUsize,
    running: AtomicUsize,
}

impl Slow {
    /// It answers what a function makes of a request's head.
    async fn start(takes: Duration, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("its address");
        let zero = || AtomicUsize::new(0);
        let slow = Arc::new(Self { address, count: zero(), most: zero(), running: zero() });
        let (own, answer) = (Arc::clone(&slow), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (own, answer) = (Arc::clone(&own), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        own.count.fetch_add(1, Relaxed);
                        own.most.fetch_max(own.running.fetch_add(1, Relaxed) + 1, Relaxed);
                        tokio::time::sleep(takes).await;
                        own.running.fetch_sub(1, Relaxed);
                        let answer = answer(&String::from_utf8_lossy(&buffer[..n]));
                        stream.write_all(answer.as_bytes()).await.expect("a caller");
                    }
                });
            }
        });
        slow
    }
}

fn ok(more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n{more}\r\nbody")
}

const DOWN: &str = "HTTP/1.1 503 Down\r\nContent-Length: 4\r\n\r\ndown";

/// As many as are wanted ask at once.
async fn all(gateway: &Gateway, how_many: usize, path: &str, headers: &str) -> Vec<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
    let address = gateway.address;
    let one = |_| {
        let request = request.clone();
        tokio::spawn(async move { Answer::read(&raw(address, request.as_bytes()).await) })
    };
    let asked: Vec<_> = (0..how_many).map(one).collect();
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await.expect("an answer"));
    }
    answers
}

#[tokio::test]
async fn a_service_that_fails_is_not_asked_by_all_who_wait() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let service =
        Slow::start(
            Duration::from_millis(100),
            move |_| if told.load(Relaxed) { ok("") } else { DOWN.to_owned() },
        )
        .await;
    for (stale, count) in [("0s", 3), ("1h", 1)] {
        let more = format!(
            "filters.cache = {{ ttl = \"200ms\", stale = \"{stale}\" }}\nfilters.breaker = {{ enabled = false }}\n"
        );
        let gateway = Gateway::before(&[service.address], &more).await;
        assert_eq!(gateway.get("/", "").await.status, 200);
        well.store(false, Relaxed);
        tokio::time::sleep(Duration::from_millis(250)).await;
        service.count.store(0, Relaxed);
        service.most.store(0, Relaxed);
        let answers = all(&gateway, 12, "/", "").await;
        assert_eq!((service.most.load(Relaxed), service.count.load(Relaxed)), (1, count), "stale: {stale}");
        for answer in &answers {
            let wanted = if stale == "0s" { answer.status >= 502 } else { answer.status == 200 };
            assert!(wanted, "{answer:?}");
        }
        well.store(true, Relaxed);
        assert_eq!(gateway.get("/", "").await.status, 200, "whoever comes next tries anew");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn who_asks_on_a_condition_fetches_for_all() {
    let service = Slow::start(Duration::from_millis(100), |head| {
        if head.to_ascii_lowercase().contains("if-none-match") {
            return "HTTP/1.1 304 Same\r\nETag: \"1\"\r\n\r\n".to_owned();
        }
        ok("ETag: \"1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
    })
    .await;
    let gateway = Gateway::before(&[service.address], "filters.cache = {}\n").await;
    for answer in all(&gateway, 10, "/", "If-None-Match: W/\"1\"\r\n").await {
        assert_eq!((answer.status, answer.header("etag"), answer.body.as_str()), (304, Some("\"1\""), ""));
    }
    assert_eq!(service.count.load(Relaxed), 1);
    let whole = gateway.get("/", "").await;
    assert_eq!((whole.body.as_str(), whole.header("cache-status")), ("body", Some("quarterdeck; hit")));
    let since = gateway.get("/", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n").await;
    assert_eq!((since.status, service.count.load(Relaxed)), (304, 1));
    // Who has something else gets the whole, first or not.
    for path in ["/", "/other"] {
        let answer = gateway.get(path, "If-None-Match: \"0\"\r\n").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "body"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_waits_for_what_cannot_be_kept() {
    let service = Slow::start(Duration::from_millis(500), |_| ok("Cache-Control: private\r\n")).await;
    let gateway = Gateway::before(&[service.address], "filters.cache = {}\n").await;
    // The first time nobody knows; those who have waited go together.
    all(&gateway, 6, "/", "").await;
    assert_eq!((service.count.load(Relaxed), service.most.load(Relaxed)), (6, 5));
    all(&gateway, 6, "/", "").await;
    assert_eq!((service.count.load(Relaxed), service.most.load(Relaxed)), (12, 6));
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_under_way_when_it_was_purged_is_not_kept() {
    let service = Slow::start(Duration::from_millis(300), |_| ok("")).await;
    let gateway = Gateway::before(&[service.address], "filters.cache = {}\n").await;
    let (address, count) = (gateway.address, || service.count.load(Relaxed));
    let ask = |path: &'static str| {
        tokio::spawn(async move {
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            Answer::read(&raw(address, request.as_bytes()).await)
        })
    };
    let (old, other) = (ask("/old"), ask("/other"));
    until("both are asked for", || count() == 2).await;
    assert_eq!(gateway.handle.purge(Some("s"), "/o*d"), Ok(0));
    // This one comes behind the purge: it gets nothing of before.
    let new = ask("/old");
    for asked in [old, other, new] {
        assert_eq!(asked.await.unwrap().status, 200);
    }
    assert_eq!(count(), 3);
    for (path, hit) in [("/other", true), ("/old", true)] {
        assert_eq!(gateway.get(path, "").await.header("cache-status").is_some(), hit, "{path}");
    }
    gateway.stop().await;
}

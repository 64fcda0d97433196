//! Services that break in the middle: whoever asked is never told that what came was all.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Gateway, Whole, collect, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a service breaks.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// It hangs up.
    Ends,
    /// It resets the connection.
    Resets,
    /// It says nothing more.
    Stalls,
}

/// Answers the same bytes to everybody, and then breaks.
async fn breaking(bytes: &'static [u8], how: Break) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(bytes).await;
                // What was written must have gone: a reset takes what has not along.
                tokio::time::sleep(Duration::from_millis(50)).await;
                match how {
                    Break::Ends => {}
                    Break::Resets => stream.set_zero_linger().unwrap(),
                    Break::Stalls => std::future::pending().await,
                }
            });
        }
    });
    address
}

const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
const BAD_CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n";

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_passed_off_as_whole() {
    for bytes in [LENGTH, CHUNKED, BAD_CHUNK] {
        for how in [Break::Ends, Break::Resets, Break::Stalls] {
            let what = format!("{how:?} after {:?}", String::from_utf8_lossy(bytes));
            let upstream = breaking(bytes, how).await;
            let gateway = Gateway::before(&[upstream], "timeouts.idle = \"500ms\"\n").await;
            let failures = || {
                let table = gateway.handle.table();
                table.services[0].versions[0].endpoints[0].failures.load(Relaxed)
            };

            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut all = Vec::new();
            let reading = stream.read_to_end(&mut all);
            // The end may be a reset: that is as clear.
            let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect(&what);
            let text = String::from_utf8_lossy(&all);
            assert!(text.starts_with("HTTP/1.1 200"), "{what}: {text}");
            let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
            assert!(text.contains("content-length: 100") || !body.ends_with("0"), "{what}: {text}");
            assert!(!text.contains("0\r\n\r\n"), "{what}: {text}");
            until("the failure is the endpoint's", || failures() == 1).await;

            let stream = TcpStream::connect(gateway.address).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .handshake::<_, Whole>(TokioIo::new(stream))
                .await
                .unwrap();
            tokio::spawn(connection);
            let response = sender.send_request(Request::get("http://a/").body(Whole(None)).unwrap()).await;
            let body = tokio::time::timeout(Duration::from_secs(20), collect(response.unwrap().into_body()));
            assert!(body.await.expect(&what).is_err(), "{what}");
            until("the second too", || failures() == 2).await;
            until("nothing is under way", || gateway.handle.in_flight("s", "v1") == Ok(0)).await;
            drop(sender);
            gateway.stop().await;
        }
    }
}

#[tokio::test]
async fn an_answer_with_trailers_is_whole_and_its_connection_serves_the_next() {
    const TRAILERS: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
        3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let accepted = std::sync::Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    stream.write_all(TRAILERS).await.unwrap();
                }
            });
        }
    });
    let gateway = Gateway::before(&[upstream], "").await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Whole>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..5 {
        let request = Request::get("/").header("host", "a").body(Whole(None)).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(collect(response.into_body()).await.unwrap(), b"abc");
        until("nothing is under way", || gateway.handle.in_flight("s", "v1") == Ok(0)).await;
    }
    assert_eq!(connections.load(Relaxed), 1);
    assert_eq!(gateway.handle.table().services[0].versions[0].endpoints[0].failures.load(Relaxed), 0);
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn a_service_that_takes_no_body_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    for protocol in ["http1", "http2"] {
        let more = format!("filters.timeout = \"500ms\"\nservices.s.protocol = \"{protocol}\"\n");
        let gateway = Gateway::before(&[upstream], &more).await;
        let length = 64 << 20;
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let sending = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            let _ = write.write_all(head.as_bytes()).await;
            let part = vec![b'x'; 1 << 16];
            // It ends when nobody takes any more.
            while write.write_all(&part).await.is_ok() {}
        });
        let mut buffer = vec![0; 4096];
        let n = tokio::time::timeout(Duration::from_secs(20), read.read(&mut buffer)).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&buffer[..n]);
        assert!(said.starts_with("HTTP/1.1 504"), "{said}");
        let failures = &gateway.handle.table().services[0].versions[0].endpoints[0].failures;
        assert_eq!(failures.load(Relaxed), 1, "the breaker and the outlier ejection hear of it");
        until("nothing is under way", || gateway.handle.in_flight("s", "v1") == Ok(0)).await;
        // Nor is the rest of the body taken for ever.
        tokio::time::timeout(Duration::from_secs(20), sending).await.unwrap().unwrap();
        drop(read);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn long_answers_over_http2_do_not_stand_in_the_way_of_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let (open, waiting) = (tokio::sync::watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
    let (opened, seen) = (open.clone(), Arc::clone(&waiting));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (opened, seen) = (opened.clone(), Arc::clone(&seen));
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (mut opened, seen) = (opened.subscribe(), Arc::clone(&seen));
                async move {
                    if request.uri().path() == "/poll" {
                        seen.fetch_add(1, Relaxed);
                        opened.wait_for(|open| *open).await.unwrap();
                    }
                    Ok::<_, Infallible>(Response::new(Whole(Some("done".into()))))
                }
            });
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(100);
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    let more = "threads = 1\nservices.s.protocol = \"http2\"\ntimeouts.keep = \"1s\"\n";
    let gateway = Gateway::before(&[upstream], more).await;
    let ask = |path: &'static str| {
        let address = gateway.address;
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    };
    let polls: Vec<_> = (0..150).map(|_| tokio::spawn(ask("/poll"))).collect();
    until("all of them are with the service, beyond what one connection has", || {
        waiting.load(Relaxed) == 150
    })
    .await;
    let endpoint = Arc::clone(&gateway.handle.table().services[0].versions[0].endpoints[0]);
    assert_eq!(endpoint.connections.load(Relaxed), 2, "they share connections as far as these go");
    let answer = tokio::time::timeout(Duration::from_secs(5), ask("/")).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    open.send_replace(true);
    for poll in polls {
        assert!(poll.await.unwrap().ends_with("done"));
    }
    gateway.stop().await;
}

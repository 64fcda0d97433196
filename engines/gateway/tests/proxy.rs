//! What a reverse proxy is for: requests reach services as they should, and answers come back.

mod support;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Answer, Gateway, Service, Whole, collect, config, raw, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn requests_reach_the_service_as_they_should() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let headers =
        "Host: shop.test:8080\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Forwarded-For: 6.6.6.6\r\n";
    let answer = gateway.ask("POST", "/a/b?c=d", headers, "hello").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = &answer.body;
    assert!(body.starts_with("POST /a/b?c=d\n") && body.ends_with("\n\nhello"), "{body}");
    for line in
        ["host: shop.test:8080", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "content-length: 5"]
    {
        assert!(body.lines().any(|l| l == line), "{line} in {body}");
    }
    assert!(
        !body.contains("x-mine") && !body.contains("connection:") && body.contains("traceparent: 00-"),
        "{body}"
    );
    let id = answer.header("x-request-id").unwrap();
    assert!(body.contains(&format!("x-request-id: {id}")), "{body}");
    gateway.stop().await;
}

#[tokio::test]
async fn routes_lead_where_they_should_and_prefixes_are_cut() {
    let (echo, other) = (Service::echo().await, Service::named("other").await);
    let text = format!(
        "services.a.versions.v1 = \"http://{}/base\"\nservices.b.versions.v1 = \"http://{}\"\n\
         [routes.a]\nservice = \"a\"\nprefix = \"/a\"\nstrip_prefix = true\nmethods = [\"GET\"]\n\
         [routes.b]\nservice = \"b\"\nhosts = [\"*.b.test\"]\n",
        echo.address, other.address
    );
    let gateway = Gateway::start(&text).await;
    assert!(gateway.get("/a/x?y", "").await.body.starts_with("GET /base/x?y\n"));
    assert!(gateway.get("/a", "").await.body.starts_with("GET /base/\n"));
    assert_eq!(gateway.get("/", "Host: x.b.test\r\n").await.body, "other");
    let refused = gateway.get("/b", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "no_route"));
    let refused = gateway.ask("POST", "/a", "", "x").await;
    assert_eq!((refused.status, refused.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(refused.header("allow"), Some("GET"));
    assert_eq!(refused.problem()["request_id"].as_str(), refused.header("x-request-id"));
    assert_eq!(gateway.get("/a/%2e%2e/admin", "").await.status, 400);
    gateway.stop().await;
}

#[tokio::test]
async fn shares_are_met_and_a_change_holds_from_the_next_request_on() {
    let (one, two) = (Service::named("1").await, Service::named("2").await);
    let gateway =
        Gateway::before(&[one.address, two.address], "services.s.split = { v1 = 3, v2 = 1 }\n").await;
    for _ in 0..40 {
        assert_eq!(gateway.get("/", "").await.status, 200);
    }
    // Two threads, each within a request or so of the share.
    assert!(
        (8..=12).contains(&two.count()) && one.count() + two.count() == 40,
        "{} {}",
        one.count(),
        two.count()
    );
    gateway.handle.set_split("s", Some(&[("v2".to_owned(), 1)])).unwrap();
    for _ in 0..10 {
        assert_eq!(gateway.get("/", "").await.body, "2");
    }
    let told = gateway.handle.set_split("s", Some(&[("v3".to_owned(), 1)])).unwrap_err().0;
    assert!(told.contains("there are: v1, v2"), "{told}");
    gateway.handle.set_split("s", None).unwrap();
    assert_eq!(gateway.handle.split("s").unwrap(), [("v1".to_owned(), 3), ("v2".to_owned(), 1)]);
    gateway.stop().await;
}

#[tokio::test]
async fn callers_stick_and_headers_choose() {
    let (one, two) = (Service::named("1").await, Service::named("2").await);
    let more = "services.s.split = { v1 = 1, v2 = 1 }\nservices.s.sticky = { header = \"x-user\" }\n\
                [routes.r]\nservice = \"s\"\nversion_header = \"x-version\"\n\
                version_routes = [{ header = \"x-beta\", value = \"yes\", version = \"v2\" }]\n";
    let gateway = Gateway::before(&[one.address, two.address], more).await;
    let mut both = std::collections::BTreeSet::new();
    for user in 0..12 {
        let header = format!("X-User: {user}\r\n");
        let first = gateway.get("/", &header).await.body;
        for _ in 0..3 {
            assert_eq!(gateway.get("/", &header).await.body, first);
        }
        both.insert(first);
    }
    assert_eq!(both.len(), 2, "both versions have callers");
    for _ in 0..3 {
        assert_eq!(gateway.get("/", "X-Version: v1\r\n").await.body, "1");
        assert_eq!(gateway.get("/", "X-Beta: yes\r\n").await.body, "2");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn copies_are_sent_and_their_answers_dropped() {
    let (one, two) = (Service::named("1").await, Service::named("2").await);
    let more = "[routes.r]\nservice = \"s\"\nmirror = { version = \"v2\" }\n";
    let gateway = Gateway::before(&[one.address, two.address], more).await;
    assert_eq!(gateway.get("/", "").await.body, "1");
    assert_eq!(gateway.ask("POST", "/", "", "body").await.body, "1");
    until("the copies", || two.count() == 2).await;
    assert_eq!(one.count(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn http2_is_taken_and_spoken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let told = format!("{:?} {}", request.version(), request.uri());
                let body = collect(request.into_body()).await.unwrap();
                Ok::<_, String>(Response::new(Whole(Some(Bytes::from([told.into_bytes(), body].concat())))))
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    let gateway = Gateway::before(&[upstream], "services.s.protocol = \"http2\"\n").await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Whole>(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    for n in 0..3 {
        let request =
            Request::post(format!("http://a.test/{n}")).body(Whole(Some(Bytes::from("!")))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = collect(response.into_body()).await.unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), format!("HTTP/2.0 http://a.test/{n}!"));
    }
    // The same from an HTTP/1.1 caller.
    assert_eq!(gateway.get("/x", "Host: b.test\r\n").await.body, "HTTP/2.0 http://b.test/x");
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn websockets_go_through() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                socket.send(Message::text("welcome")).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_close() || socket.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let gateway = Gateway::before(&[upstream], "").await;
    let url = format!("ws://{}/feed", gateway.address);
    let (mut socket, answer) = tokio_tungstenite::connect_async(&url).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "welcome");
    let large = "x".repeat(300_000);
    for text in ["a", &large] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), text);
    }
    until("the tunnel", || gateway.handle.snapshot().totals.tunnels == 1).await;
    socket.close(None).await.unwrap();
    drop(socket);
    until("the end of the tunnel", || gateway.handle.snapshot().totals.tunnels == 0).await;
    gateway.stop().await;
}

#[tokio::test]
async fn large_bodies_are_streamed_both_ways_and_never_held() {
    const PART: usize = 1 << 16;
    const PARTS: usize = 512;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    // Sends back what it is sent as it comes: a gateway that waits for the whole would wait for ever.
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = vec![0; PART];
        while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..n]);
        }
        let head = seen.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let length = PART * PARTS;
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream.write_all(&seen[head..]).await.unwrap();
        let mut left = length - (seen.len() - head);
        while left > 0 {
            let n = stream.read(&mut buffer).await.unwrap();
            stream.write_all(&buffer[..n]).await.unwrap();
            left -= n;
        }
    });
    let gateway = Gateway::before(&[upstream], "").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let length = PART * PARTS;
    stream
        .write_all(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let part = vec![7_u8; PART];
    let mut buffer = vec![0; PART];
    let mut read = 0;
    for sent in 0..PARTS {
        stream.write_all(&part).await.unwrap();
        // Never more than a few parts ahead of what has come back.
        while read + 8 * PART < (sent + 1) * PART {
            read += stream.read(&mut buffer).await.unwrap();
        }
    }
    while read < length {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{read} of {length}");
        read += n;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn who_asks_before_sending_is_told_to_go_on_or_not_to() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "filters.max_body = 10\n").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 64];
    let n = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..n].starts_with(b"HTTP/1.1 100 Continue\r\n\r\n"));
    stream.write_all(b"hello").await.unwrap();
    let mut answer = vec![0; 2048];
    let n = stream.read(&mut answer).await.unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..n]));
    let refused =
        gateway.raw("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    // One that does not say how long it is, is cut off when it is too long.
    let long = format!("20\r\n{}\r\n0\r\n\r\n", "x".repeat(32));
    let answer = Answer::read(
        &gateway
            .raw(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{long}"
            ))
            .await,
    );
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    gateway.stop().await;
}

#[tokio::test]
async fn no_request_is_lost_by_a_thousand_reloads() {
    let (one, two, three) = (Service::named("1").await, Service::named("2").await, Service::named("3").await);
    // By the checks alone, endpoints would be well an hour after they came.
    let health = "services.s.health = { path = \"/\", period = \"1h\", successes = 2 }\n";
    let gateway = Gateway::before(&[one.address, two.address], health).await;
    let address = gateway.address;
    let stop = tokio_util::sync::CancellationToken::new();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let (mut answered, mut buffer) = (0, vec![0; 4096]);
                while !stop.is_cancelled() {
                    if client == 0 && answered % 8 == 7 {
                        stream = TcpStream::connect(address).await.unwrap();
                    }
                    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                    let n = stream.read(&mut buffer).await.unwrap();
                    let text = String::from_utf8_lossy(&buffer[..n]);
                    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text:?}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for n in 0..1000 {
        let first = if n % 3 == 0 { three.address } else { one.address };
        let more = format!("listen = [\"{address}\"]\nthreads = 2\n{health}");
        let base = service(&[first, two.address], &more);
        let text = format!("{base}services.s.split = {{ v1 = {}, v2 = {} }}\n", n % 7, 7 - n % 7);
        gateway.handle.reload(config(&text)).await.unwrap();
    }
    stop.cancel();
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
    let wrong = gateway.handle.reload(config("services.s.versions = {}\n")).await.unwrap_err();
    assert_eq!(wrong[0].0, "services.s.versions");
    assert_eq!(gateway.get("/", "").await.status, 200, "a bad configuration changes nothing");
    gateway.stop().await;
}

#[tokio::test]
async fn listeners_come_and_go_and_those_under_way_finish() {
    let slow = Service::named("slow").await;
    let gateway = Gateway::before(&[slow.address], "timeouts.drain = \"5s\"\n").await;
    let old = gateway.address;
    let mut kept = TcpStream::connect(old).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 4096];
    assert!(kept.read(&mut buffer).await.unwrap() > 0);
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = other.local_addr().unwrap();
    let wrong =
        gateway.handle.reload(config(&service(&[slow.address], &format!("listen = [\"{taken}\"]\n")))).await;
    assert!(wrong.unwrap_err()[0].1.to_string().contains("another program listens there"));
    assert_eq!(gateway.get("/", "").await.status, 200);
    drop(other);
    gateway
        .handle
        .reload(config(&service(&[slow.address], &format!("listen = [\"{taken}\"]\n"))))
        .await
        .unwrap();
    assert_eq!(gateway.handle.addresses(), [taken]);
    // A connection of the old listener that has nothing under way is closed.
    assert_eq!(kept.read(&mut buffer).await.unwrap(), 0);
    assert!(
        raw(taken, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    );
    tokio::time::sleep(Duration::from_millis(1)).await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_proxy_protocol_says_who_calls() {
    let echo = Service::echo().await;
    let more =
        "[listeners.edge]\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\ntrusted = [\"127.0.0.0/8\"]\n";
    let gateway = Gateway::before(&[echo.address], more).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = gateway.raw(format!("PROXY TCP4 192.0.2.7 198.51.100.1 5 443\r\n{request}")).await;
    assert!(answer.contains("x-forwarded-for: 192.0.2.7"), "{answer}");
    assert_eq!(gateway.raw(request).await, "", "without it nothing is answered");
    gateway.stop().await;
}

//! Callers and services that do not behave: each gets a clear answer, nothing hangs, and nothing leaks from one request to
//! another.

mod support;

use std::time::{Duration, Instant};

use hyper::Response;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Answer, Gateway, Service, Whole, by_hand, config, raw, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Requests that two servers could read differently; behind each, one that must never be seen.
#[tokio::test]
async fn what_could_be_smuggled_is_refused() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for bad in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
            .to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(),
        format!("{chunked}0x1\r\na\r\n0\r\n\r\n"),
        format!("{chunked}-1\r\na\r\n0\r\n\r\n"),
        format!("{chunked}1\r\nab\r\n0\r\n\r\n"),
        format!("{chunked}1\na\n0\n\n"),
        format!("{chunked}ffffffffffffffff1\r\n"),
        format!("{chunked}1 \r\na\r\n0\r\n\r\n"),
    ] {
        let said = gateway.raw(format!("{bad}{hidden}")).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{bad:?}: {said:?}");
        assert!(!said.contains("hidden"), "{bad:?}: {said:?}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{bad:?}: {said:?}");
        let answer = Answer::read(&said);
        assert_eq!(answer.code(), "bad_request", "{bad:?}: {said:?}");
        assert_eq!(answer.problem()["request_id"].as_str(), answer.header("x-request-id"));
        // However it comes, it is told the same.
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let (mut read, mut write) = stream.split();
        let dripping = async {
            for part in bad.as_bytes().chunks(7) {
                let _ = write.write_all(part).await;
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        let mut dripped = Vec::new();
        tokio::select! {
            _ = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut dripped)) => {}
            () = dripping => {}
        }
        let dripped = String::from_utf8_lossy(&dripped);
        assert!(dripped.starts_with("HTTP/1.1 400"), "{bad:?}: {dripped:?}");
    }
    // What came before is answered, what comes behind is not.
    let said = gateway
        .raw(format!("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n{hidden}"))
        .await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("HTTP/1.1 400"), "{said}");
    assert!(said.contains("GET /first") && !said.contains("hidden"), "{said}");
    until("they are counted", || gateway.handle.snapshot().totals.ambiguous > 10).await;
    gateway.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_long_or_too_many_are_refused() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "limits.header_bytes = 8192\nlimits.headers = 20\n").await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(9000));
    let said = gateway.raw(long).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    assert_eq!(Answer::read(&said).code(), "header_too_large");
    let many: String = (0..50).map(|n| format!("X-{n}: y\r\n")).collect();
    let said = gateway.raw(format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    assert_eq!(Answer::read(&said).code(), "header_too_large");
    // As long and as many as may be.
    let fits = format!("X: {}\r\n", "y".repeat(8192 - 57));
    assert_eq!(gateway.get("/", &fits).await.status, 200);
    let fits: String = (0..18).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(gateway.get("/", &fits).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_header_that_does_not_end_is_cut_off() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "timeouts.header = \"300ms\"\n").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let mut said = Vec::new();
    let (mut read, mut write) = stream.split();
    let dripping = async {
        write.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if write.write_all(b"X: y\r\n").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut said)) => {
            let _ = ended.expect("it is cut off");
        }
        () = dripping => {}
    }
    let said = String::from_utf8_lossy(&said);
    let answer = Answer::read(&said);
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    assert_eq!(gateway.get("/", "").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn idle_connections_and_bodies_that_stop_are_ended() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "timeouts.idle = \"300ms\"\n").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all)).await.unwrap().unwrap();
    assert!(all.starts_with(b"HTTP/1.1 200"));
    let said = gateway.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = Answer::read(&said);
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    gateway.stop().await;
}

#[tokio::test]
async fn services_that_lie_break_off_or_never_answer() {
    for (bytes, hangs, status) in [
        (&b""[..], false, 502),
        (b"nonsense\r\n\r\n", false, 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false, 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false, 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", true, 502),
        (b"", true, 504),
        (b"HTTP/1.1 200 OK\r\nX: ", true, 504),
    ] {
        let upstream = Service::lying(bytes, hangs).await;
        let gateway = Gateway::before(&[upstream], "filters.timeout = \"300ms\"\n").await;
        let answer = gateway.get("/", "").await;
        assert_eq!(answer.status, status, "{:?}: {answer:?}", String::from_utf8_lossy(bytes));
        assert_eq!(answer.problem()["severity"], "critical");
        gateway.stop().await;
    }
    // One that says it sends more than it does: the caller is not told that it was all.
    let upstream = Service::lying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", false).await;
    let gateway = Gateway::before(&[upstream], "").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all)).await;
    ended.expect("the connection ends").ok();
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("content-length: 100") && text.ends_with("abc"), "{text}");
    // More than it said: the rest is nobody's answer.
    let upstream = Service::lying(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n",
        true,
    );
    let gateway = Gateway::before(&[upstream.await], "").await;
    for _ in 0..3 {
        let answer = gateway.get("/", "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ab"), "{answer:?}");
        assert!(answer.header("x-evil").is_none());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_at_once() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let gateway = Gateway::before(&[nobody], "").await;
    let answer = gateway.get("/", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "connect_failed"));
    // Nothing of the inside is told.
    assert!(!answer.body.contains("127.0.0.1") && !answer.body.contains("os error"), "{}", answer.body);
    gateway.stop().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Whole>(TokioIo::new(stream))
        .await
        .unwrap();
    let mut connection = tokio::spawn(connection);
    for _ in 0..20_000 {
        let mut sender = sender.clone();
        if sender.ready().await.is_err() {
            break;
        }
        let request = hyper::Request::get("http://a.test/").body(Whole(None)).unwrap();
        // Dropped before it is answered: reset.
        let mut asking = Box::pin(sender.send_request(request));
        let _ = futures_util::poll!(&mut asking);
        drop(asking);
        tokio::task::yield_now().await;
    }
    // Whether it was ended or bore it: others are served.
    assert_eq!(gateway.get("/", "").await.status, 200);
    let _ = tokio::time::timeout(Duration::from_millis(100), &mut connection).await;
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_of_one_request_is_in_another() {
    let service = Service::start(|parts, body| {
        let user =
            parts.headers.get("x-user").map(|v| v.to_str().unwrap_or("?").to_owned()).unwrap_or_default();
        Response::new(format!("{user}:{}", String::from_utf8_lossy(body)))
    })
    .await;
    let gateway = Gateway::before(&[service.address], "").await;
    let address = gateway.address;
    let clients: Vec<_> = (0..16)
        .map(|client| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let mut buffer = vec![0; 8192];
                for n in 0..50 {
                    let (user, body) = (format!("u{client}-{n}"), format!("b{client}-{n}"));
                    let request = format!(
                        "POST / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(request.as_bytes()).await.unwrap();
                    let n = stream.read(&mut buffer).await.unwrap();
                    let text = String::from_utf8_lossy(&buffer[..n]);
                    assert!(text.ends_with(&format!("\r\n\r\n{user}:{body}")), "{text}");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    gateway.stop().await;
}

#[tokio::test]
async fn at_the_end_requests_under_way_are_answered() {
    let slow = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        });
        address
    };
    let gateway = Gateway::before(&[slow], "").await;
    let address = gateway.address;
    let asked = tokio::spawn(async move { raw(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await });
    until("the request", || gateway.handle.snapshot().totals.connections > 0).await;
    let begun = Instant::now();
    gateway.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(9), "it does not wait for the whole drain");
    let said = asked.await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("ok"), "{said}");
}

#[tokio::test]
async fn what_is_no_websocket_is_not_switched_to_behind_the_filters_back() {
    // It switches to whatever it is asked for.
    let upstream = by_hand(|mut stream| async move {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    let head = String::from_utf8_lossy(&buffer[..n]).to_ascii_lowercase();
                    let asked = head.lines().find_map(|line| line.strip_prefix("upgrade: "));
                    let settings = head.contains("http2-settings");
                    let answer = match asked {
                        Some(protocol) => {
                            format!(
                                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"
                            )
                        }
                        None => {
                            format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Settings: {settings}\r\n\r\n")
                        }
                    };
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
    })
    .await;
    let asked = async |gateway: &Gateway, protocol: &str| {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        let said = String::from_utf8_lossy(&buffer[..n]).to_ascii_lowercase();
        assert!(!said.contains("x-settings: true"), "{said}");
        said[9..12].parse::<u16>().unwrap()
    };
    for (more, protocol, status) in [
        ("", "h2c", 200),
        ("", "websocket, h2c", 200),
        ("", "WebSocket", 101),
        ("filters.upgrades = [\"echo\"]\n", "echo", 101),
        ("filters.upgrades = [\"echo\"]\n", "websocket", 200),
        ("filters.upgrades = []\n", "websocket", 200),
    ] {
        let gateway = Gateway::before(&[upstream], more).await;
        assert_eq!(asked(&gateway, protocol).await, status, "{more}{protocol}");
        gateway.stop().await;
    }
    let wrong =
        quarterdeck_gateway::validate(&config(&service(&[upstream], "filters.upgrades = [\"h2c\"]\n")));
    assert_eq!(wrong[0].0, "filters.upgrades", "{wrong:?}");
}

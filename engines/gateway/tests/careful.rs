//! Where a proxy is easily careless: what two requests share, what a slow caller holds, what is lost in the very moment.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use quarterdeck_gateway::{Engine, Stored};
use support::{Answer, Gateway, Service, Whole, collect, config, raw, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

type Sender = hyper::client::conn::http2::SendRequest<Whole>;

async fn http2(address: SocketAddr) -> Sender {
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake::<_, Whole>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Whole> {
    Request::get(format!("http://a.test{path}")).body(Whole(None)).unwrap()
}

/// Answers the first request of each connection; the second it reads, and hangs up. And what it was asked.
async fn answers_once() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let asked = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                for answers in [true, false] {
                    let Ok(n @ 1..) = stream.read(&mut buffer).await else { return };
                    asked.lock().push(String::from_utf8_lossy(&buffer[..n]).into_owned());
                    if answers {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    }
                }
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_in_the_very_moment_costs_no_request() {
    let (upstream, seen) = answers_once().await;
    let more = "threads = 1\nservices.s.outlier = { consecutive = 1 }\nfilters.breaker = { failures = 1 }\n";
    let gateway = Gateway::before(&[upstream], more).await;
    for n in 0..5 {
        assert_eq!(gateway.get("/", "").await.status, 200, "{n}");
        // It is kept only when the answer has gone.
        until("the connection is kept", || gateway.handle.snapshot().totals.kept == 1).await;
    }
    assert_eq!(seen.lock().len(), 9, "each but the first was asked twice");
    let table = gateway.handle.table();
    assert_eq!(table.services[0].versions[0].endpoints[0].failures.load(Relaxed), 0);
    // What may have been done is not done twice.
    assert_eq!(gateway.ask("POST", "/", "", "x").await.code(), "bad_gateway");
    assert_eq!(gateway.get("/", "").await.code(), "circuit_open");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_asked_once_more_over_a_fresh_connection_is_the_same() {
    let (upstream, seen) = answers_once().await;
    let gateway = Gateway::before(&[upstream], "threads = 1\nfilters.validate = { json = true }\n").await;
    for n in 0..2 {
        let header = "Content-Type: application/json\r\nX-Own: 1\r\n";
        assert_eq!(gateway.ask("PUT", "/thing?n=1", header, "{\"n\":1}").await.status, 200, "{n}");
        until("the connection is kept", || gateway.handle.snapshot().totals.kept == 1).await;
    }
    let seen = seen.lock().clone();
    assert_eq!(seen.len(), 3, "{seen:#?}");
    assert_eq!(seen[1], seen[2]);
    assert!(
        seen[2].starts_with("PUT /thing?n=1 HTTP/1.1\r\n") && seen[2].ends_with("\r\n\r\n{\"n\":1}"),
        "{}",
        seen[2]
    );
    gateway.stop().await;
}

#[tokio::test]
async fn cookies_of_http2_callers_reach_services_as_one() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let mut sender = http2(gateway.address).await;
    let mut request = get("/");
    for cookie in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", cookie.parse().unwrap());
    }
    let response = sender.send_request(request).await.unwrap();
    let body = String::from_utf8(collect(response.into_body()).await.unwrap()).unwrap();
    assert!(body.lines().any(|line| line == "cookie: a=1; b=2; c=3"), "{body}");
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn a_caller_that_never_opens_its_window_holds_nothing_for_long() {
    let service = Service::start(|_, _| Response::new("x".repeat(4 << 20))).await;
    let more = "timeouts.idle = \"1s\"\nfilters.bulkhead = { concurrency = 1, queue = 0 }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let mut sender = http2(gateway.address).await;
    let response = sender.send_request(get("/")).await.unwrap();
    assert_eq!(response.status(), 200);
    let running = || gateway.handle.snapshot().routes[0].bulkhead.unwrap().running;
    assert_eq!(gateway.handle.in_flight("s", "v1"), Ok(1));
    until("nothing is under way", || gateway.handle.in_flight("s", "v1") == Ok(0)).await;
    until("its place is free", || running() == 0).await;
    assert!(collect(response.into_body()).await.is_err(), "it is not told that this was all");
    // Others are served.
    let mut sender = http2(gateway.address).await;
    let response = sender.send_request(get("/")).await.unwrap();
    assert_eq!(collect(response.into_body()).await.unwrap().len(), 4 << 20);
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_reader_holds_nobody_who_waits_for_the_same_answer() {
    const LENGTH: usize = 16 << 20;
    let service = Service::start(|_, _| Response::new("x".repeat(LENGTH))).await;
    let more = "cache.largest = 33554432\nfilters.cache = {}\nfilters.timeout = \"20s\"\n\
                filters.bulkhead = { concurrency = 1, queue = 9, wait = \"20s\" }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(gateway.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the service is asked", || service.count() == 1).await;
    let answer = gateway.get("/", "").await;
    assert_eq!(answer.header("cache-status"), Some("quarterdeck; hit"), "{}", answer.head);
    assert_eq!((answer.body.len(), service.count()), (LENGTH, 1));
    // The slow one gets all of it still.
    let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
    while read < LENGTH {
        let n = slow.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{read}");
        read += n;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_too_large_to_keep_is_read_no_faster_than_the_caller_reads() {
    const LENGTH: usize = 64 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![b'x'; 1 << 16];
        let _ = stream.read(&mut buffer).await;
        // It does not say how long it will be.
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.unwrap();
        buffer.fill(b'x');
        while counted.load(Relaxed) < LENGTH {
            stream.write_all(&buffer).await.unwrap();
            counted.fetch_add(buffer.len(), Relaxed);
        }
    });
    let gateway = Gateway::before(&[upstream], "filters.cache = {}\n").await;
    let mut slow = TcpStream::connect(gateway.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut before = usize::MAX;
    until("it stands still", || {
        let now = sent.load(Relaxed);
        now > 0 && std::mem::replace(&mut before, now) == now
    })
    .await;
    assert!(before < LENGTH / 2, "{before} bytes were taken for a caller that reads none");
    let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
    while read < LENGTH {
        let n = slow.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{read}");
        read += n;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_callers_take_out_decides_nothing_and_hops_are_not_kept() {
    let service = Service::start(|parts, _| {
        let language = parts.headers.get("accept-language").map_or("none", |v| v.to_str().unwrap());
        let answer = Response::builder().header("connection", "x-hop").header("x-hop", "1");
        answer.header("keep-alive", "timeout=9").header("x-kept", "1").body(language.to_owned()).unwrap()
    })
    .await;
    let more = "filters.cache = { vary = [\"accept-language\"] }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let taken = gateway.get("/", "Connection: accept-language\r\nAccept-Language: de\r\n").await;
    assert_eq!(taken.body, "none", "the service does not see it");
    assert_eq!(gateway.get("/", "Accept-Language: de\r\n").await.body, "de");
    assert_eq!(gateway.get("/", "").await.body, "none");
    let kept = gateway.get("/", "Accept-Language: de\r\n").await;
    assert_eq!((kept.header("cache-status"), service.count()), (Some("quarterdeck; hit"), 2));
    assert_eq!(
        (kept.header("x-hop"), kept.header("keep-alive"), kept.header("x-kept")),
        (None, None, Some("1"))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn copies_do_not_take_the_turns_of_requests() {
    let mut services = Vec::new();
    for _ in 0..4 {
        services.push(Service::named("x").await);
    }
    let at = |n: usize| services[n].address;
    let text = format!(
        "threads = 1\n[services.s.versions]\nv1 = [\"http://{}\", \"http://{}\"]\nv2 = [\"http://{}\", \"http://{}\"]\n\
         [routes.r]\nservice = \"s\"\nmirror = {{ version = \"v2\" }}\n",
        at(0),
        at(1),
        at(2),
        at(3)
    );
    let gateway = Gateway::start(&text).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/", "").await.status, 200);
    }
    until("all copies", || services[2].count() + services[3].count() == 20).await;
    for (n, service) in services.iter().enumerate() {
        assert_eq!(service.count(), 10, "{n}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_stops_in_the_preface_is_ended_as_one_that_stops_in_a_header() {
    let echo = Service::echo().await;
    let gateway =
        Gateway::before(&[echo.address], "timeouts.header = \"300ms\"\ntimeouts.idle = \"1h\"\n").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"P").await.unwrap();
    let mut rest = Vec::new();
    // A byte that nobody has read makes the end a reset.
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
    // A preface in two parts is one.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&preface[..3]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    stream.write_all(&preface[3..]).await.unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "it answers with its settings");
    drop(stream);
    gateway.stop().await;
}

#[tokio::test]
async fn everything_that_is_to_be_told_of_a_version_that_has_ended_is_told() {
    let service = Service::named("x").await;
    let more = "[filters.api_versions]\ndefault = \"v2\"\n[filters.api_versions.versions.v2]\n\
                [filters.api_versions.versions.v1]\nstate = \"retired\"\ndeprecated = \"2023-06-30T23:59:59Z\"\n\
                sunset = \"2024-06-30T23:59:59Z\"\nlink = \"https://a.test/v1\"\nsuccessor = \"/v2\"\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let answer = gateway.get("/v1/a", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (410, "version_retired"));
    for link in ["deprecation", "sunset", "successor-version"] {
        assert!(answer.head.contains(&format!("rel=\"{link}\"")), "{link} in {}", answer.head);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn one_that_is_given_up_leaves_its_address_free() {
    let echo = Service::echo().await;
    let at = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let text = service(&[echo.address], &format!("listen = [\"{at}\"]\nthreads = 1\n"));
    // Somebody still has the handles of those before.
    let mut handles = Vec::new();
    for round in 0..5 {
        let clock = Arc::new(quarterdeck_kernel::SystemClock);
        let started = Engine::start(config(&text), Stored::default(), clock).await;
        let (engine, handle) = started.unwrap_or_else(|wrong| panic!("{round}: {wrong:?}"));
        handles.push(handle);
        let running = tokio::spawn(engine.run(std::future::pending()));
        let said = raw(at, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert_eq!(Answer::read(&said).status, 200);
        // As when whoever runs it fails: it is dropped where it stands.
        running.abort();
        assert!(running.await.is_err());
    }
}

#[tokio::test]
async fn bytes_behind_a_switch_reach_the_other_side() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..n]);
        }
        let head =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst,";
        stream.write_all(head).await.unwrap();
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..n]).await.unwrap();
        }
    });
    let gateway = Gateway::before(&[upstream], "").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly,";
    stream.write_all(head).await.unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while !said.ends_with(b"\r\n\r\nfirst,early,") {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..n]);
    }
    stream.write_all(b"late").await.unwrap();
    let n = stream.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..n], b"late");
    drop(stream);
    gateway.stop().await;
}

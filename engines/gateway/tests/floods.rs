//! Callers who want to wear the gateway out: each is ended with a clear answer where one is possible, what they send is not
//! kept, and others are served all the while.

#![expect(clippy::unwrap_used, reason = "what fails in a helper here fails a test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use support::{Answer, Gateway, Service, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The longest that anything here may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// `GET http://a/` as HPACK has it (RFC 7541): three from the static table, one written out.
fn get() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x41, 1];
    block.push(b'a');
    block
}

/// What a peer of HTTP/2 said, frame by frame.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut all = Vec::new();
    while let [a, b, c, kind, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let (Some(stream), Some(body)) = (rest.get(..4), rest.get(4..4 + length)) else { break };
        all.push((*kind, u32::from_be_bytes(stream.try_into().unwrap()) & 0x7fff_ffff, body.to_vec()));
        bytes = &rest[4 + length..];
    }
    all
}

/// The error that an HTTP/2 connection was ended with.
fn ended_with(said: &[u8]) -> Option<u32> {
    let goaway = frames(said).into_iter().rfind(|(kind, ..)| *kind == GOAWAY)?.2;
    Some(u32::from_be_bytes(goaway.get(4..8)?.try_into().unwrap()))
}

/// Sends parts until the other side has ended the connection or so much was sent; what was sent, and what the other side said.
async fn pour(address: SocketAddr, first: &[u8], part: &[u8], most: usize) -> (usize, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut said = Vec::new();
    let mut sent = first.len();
    let pouring = async {
        if write.write_all(first).await.is_ok() {
            while sent < most && write.write_all(part).await.is_ok() {
                sent += part.len();
            }
        }
    };
    let listening = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = read.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..n]);
        }
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(pouring, listening) }).await.expect("it is ended");
    (sent, said)
}

fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

#[tokio::test]
async fn a_header_that_goes_on_in_continuations_for_ever_is_ended() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let begin = [opening(), frame(HEADERS, END_STREAM, 1, &get())].concat();
    // Empty ones, which take no room; and full ones, each another header.
    let mut field = vec![0, 4];
    field.extend(b"name");
    field.extend([0x7f, 0xa1, 0x1e]);
    field.extend([b'x'; 4000]);
    for part in [frame(CONTINUATION, 0, 1, &[]), frame(CONTINUATION, 0, 1, &field)] {
        let (sent, said) = pour(gateway.address, &begin, &part, 64 << 20).await;
        assert!(sent < 64 << 20, "it took {sent} bytes");
        assert!(ended_with(&said).is_some_and(|code| code != 0), "{:?}", frames(&said));
        assert_eq!(gateway.get("/", "").await.status, 200);
    }
    assert_eq!(echo.count(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_few_bytes_that_stand_for_a_large_header_are_refused() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "limits.header_bytes = 8192\n").await;
    // One field of 4,000 bytes goes into the table; then a byte stands for it, a thousand times.
    let mut block = get();
    block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend([b'y'; 4000]);
    block.extend([0xbe; 1000]);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let bomb = [opening(), frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)].concat();
    stream.write_all(&bomb).await.unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    let answered =
        |said: &[u8]| frames(said).iter().any(|(kind, ..)| [HEADERS, RESET, GOAWAY].contains(kind));
    let hearing = async {
        while !answered(&said) {
            match stream.read(&mut buffer).await {
                Ok(n @ 1..) => said.extend_from_slice(&buffer[..n]),
                _ => break,
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("it is answered");
    // 431, as HPACK writes a status that is in no table, or the stream or connection is ended.
    let refused = frames(&said).into_iter().any(|(kind, _, body)| match kind {
        HEADERS => body.windows(3).any(|w| w == b"431") || body.first() == Some(&0x48),
        kind => kind == RESET || kind == GOAWAY,
    });
    assert!(refused, "{:?}", frames(&said));
    assert_eq!(echo.count(), 0);
    assert_eq!(gateway.get("/", "").await.status, 200);
    gateway.stop().await;
}

/// CVE-2023-44487: streams that are reset as soon as they are open cost the caller nothing.
#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let mut flood = opening();
    for n in 0..5_000_u32 {
        let stream = 2 * n + 1;
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &get()));
        flood.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
    }
    let (_, said) = pour(gateway.address, &flood, &[], 0).await;
    assert_eq!(ended_with(&said), Some(11), "ENHANCE_YOUR_CALM: {:?}", frames(&said).last());
    assert!(echo.count() < 2_000, "{} of 5000 reached the service", echo.count());
    assert_eq!(gateway.get("/", "").await.status, 200);
    until("nothing of them is under way", || gateway.handle.snapshot().totals.traffic.active == 0).await;
    gateway.stop().await;
}

#[tokio::test]
async fn headers_chunks_and_trailers_without_an_end_are_refused_before_they_are_large() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n";
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let line = [b'x'; 1000];
    let field = b"X-More: of the same\r\n".repeat(50);
    let chunk = [&post[..], b"1;"].concat();
    let size = [&post[..], b"0"].concat();
    let trailers = [&post[..], b"1\r\na\r\n0\r\n"].concat();
    for (what, first, part) in [
        ("a target", &b"GET /"[..], &line[..]),
        ("a method", b"", &line),
        ("a field", &[&get[..], b"X: "].concat(), &line),
        ("fields", get, &field),
        ("a chunk's extension", &chunk, &line),
        ("a chunk's size", &size, &[b'0'; 1000]),
        ("trailers", &trailers, &field),
    ] {
        let (sent, said) = pour(gateway.address, first, part, 16 << 20).await;
        assert!(sent < 16 << 20, "{what}: it took {sent} bytes");
        // A reset may overtake the answer; a 200 must not come of it.
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{what}: {said}");
        assert_eq!(gateway.get("/", "").await.status, 200, "{what}");
    }
    gateway.stop().await;
}

/// All places taken by callers who say nothing, or a little now and then: others get theirs when the time of those is up.
#[tokio::test]
async fn who_holds_connections_with_nothing_does_not_hold_them_for_long() {
    let echo = Service::echo().await;
    let more = "limits.connections = 6\ntimeouts = { header = \"500ms\", idle = \"1s\" }\n";
    let gateway = Gateway::before(&[echo.address], more).await;
    let beginnings: [&[u8]; 6] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
        &PREFACE[..10],
        PREFACE,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1",
    ];
    let mut held = Vec::new();
    for begin in beginnings {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        held.push(stream);
    }
    until("all places are taken", || gateway.handle.snapshot().totals.connections == 6).await;
    assert_eq!(gateway.get("/", "").await.status, 200, "the seventh waits for a place and gets it");
    for (mut stream, begin) in held.into_iter().zip(beginnings) {
        let mut said = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
        assert!(ended.is_ok(), "{:?} is still open", String::from_utf8_lossy(begin));
        assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_and_one_that_fails_are_counted() {
    let tls = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tls");
    let echo = Service::echo().await;
    let text = format!(
        "timeouts.header = \"300ms\"\n[listeners.edge]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = \"{0}/server.pem\", key = \"{0}/server.key\" }}\n",
        tls.display()
    );
    let gateway = Gateway::start(&service(&[echo.address], &text)).await;
    // The beginning of a record, nothing, and what is no record at all.
    let mut open = Vec::new();
    for begin in [&[22_u8, 3, 1, 2, 0, 1][..], b"", b"\xff\xff\xff\xff\xff\xff\xff\xff"] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        open.push(stream);
    }
    for mut stream in open {
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "a handshake is waited for for ever");
    }
    // A caller who does not trust the certificate.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let doubting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(doubting));
    assert!(connector.connect(name, stream).await.is_err());
    until("they are counted", || gateway.handle.snapshot().totals.handshake_errors == 4).await;
    gateway.stop().await;
    // On the other side: an endpoint that says it is encrypted and is not.
    let plain = format!("services.s.versions.v1 = \"https://{}\"\n", echo.address);
    let gateway = Gateway::start(&plain).await;
    let answer = gateway.get("/", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "connect_failed"));
    assert!(
        !answer.body.contains("certificate") && !answer.body.contains("InvalidMessage"),
        "{}",
        answer.body
    );
    gateway.stop().await;
}

#[tokio::test]
async fn who_asks_to_go_on_and_then_sends_nothing_is_not_waited_for() {
    let echo = Service::echo().await;
    let more = "timeouts.idle = \"300ms\"\n[filters.auth]\nrequired = true\n[auth.consumers.near]\naddresses = [\"127.0.0.1\"]\n";
    let gateway = Gateway::before(&[echo.address], more).await;
    let asked = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let said = gateway.raw(asked).await;
    assert!(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408"), "{said}");
    assert_eq!(gateway.get("/", "").await.status, 200);
    gateway.stop().await;
    // Who may not is told so without being asked for the body.
    let more = more.replace("127.0.0.1", "192.0.2.1");
    let gateway = Gateway::before(&[echo.address], &more).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(asked).await.unwrap();
    let mut buffer = [0; 4096];
    let n = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(Answer::read(&String::from_utf8_lossy(&buffer[..n])).code(), "unauthenticated");
    gateway.stop().await;
}

/// A service that switches to whatever is asked for and then does as it is told with the connection.
async fn switching<F, Fut>(then: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let then = Arc::new(then);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let then = Arc::clone(&then);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let told =
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                    if stream.write_all(told).await.is_ok() {
                        then(stream).await;
                    }
                }
            });
        }
    });
    address
}

/// Opens a tunnel; the status, and the connection.
async fn tunnel(address: SocketAddr) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asked = b"GET /feed HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(asked).await.unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 2048];
    while !said.windows(4).any(|w| w == b"\r\n\r\n") {
        let n = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..n]);
    }
    (Answer::read(&String::from_utf8_lossy(&said)).status, stream)
}

#[tokio::test]
async fn a_flood_into_a_tunnel_that_nobody_reads_is_held_back_not_kept() {
    let upstream = switching(|stream| async move {
        // Holds the connection and never reads.
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let gateway = Gateway::before(&[upstream], "").await;
    let (status, mut stream) = tunnel(gateway.address).await;
    assert_eq!(status, 101);
    let message = vec![0x5a_u8; 1 << 16];
    let mut sent = 0_usize;
    // What the systems' buffers on both sides take is taken, and not a byte more.
    while sent < 256 << 20 {
        match tokio::time::timeout(Duration::from_secs(2), stream.write(&message)).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    assert!(sent < 256 << 20, "the gateway took {sent} bytes for nobody");
    until("it is counted", || gateway.handle.snapshot().totals.tunnel_up > 0).await;
    let (status, other) = tunnel(gateway.address).await;
    assert_eq!(status, 101, "others get through");
    drop((stream, other));
    gateway.stop().await;
}

#[tokio::test]
async fn more_tunnels_than_there_may_be_are_refused_and_those_that_are_go_on() {
    const ROOM: usize = 20;
    let upstream = switching(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await;
    let gateway = Gateway::before(&[upstream], &format!("limits.tunnels = {ROOM}\n")).await;
    let address = gateway.address;
    let asking: Vec<_> = (0..5 * ROOM).map(|_| tokio::spawn(tunnel(address))).collect();
    let mut open = Vec::new();
    let mut refused = 0;
    for asked in asking {
        let (status, stream) = asked.await.unwrap();
        match status {
            101 => open.push(stream),
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(open.len() <= ROOM && !open.is_empty(), "{} are open, {refused} were refused", open.len());
    assert_eq!(open.len() + refused, 5 * ROOM);
    // Small messages as fast as they go, through all of them at once.
    let message = [0x5a_u8; 16];
    for _ in 0..200 {
        for stream in &mut open {
            stream.write_all(&message).await.unwrap();
        }
    }
    for stream in &mut open {
        let mut back = vec![0; 200 * message.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert!(back.iter().all(|b| *b == 0x5a));
    }
    until("they are shown", || gateway.handle.snapshot().totals.tunnels == open.len()).await;
    drop(open);
    until("their room is free", || gateway.handle.snapshot().totals.tunnels == 0).await;
    assert_eq!(tunnel(address).await.0, 101);
    gateway.stop().await;
}

/// One who asks for much and never reads it holds neither its answer nor the endpoint's connection for ever.
#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let big = Service::start(|_, _| hyper::Response::new("x".repeat(64 << 20))).await;
    let gateway = Gateway::before(&[big.address], "timeouts.idle = \"500ms\"\n").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until("it is under way", || gateway.handle.snapshot().totals.traffic.active == 1).await;
    until("it is given up", || gateway.handle.snapshot().totals.traffic.active == 0).await;
    until("its connection is closed", || gateway.handle.snapshot().totals.connections == 0).await;
    gateway.stop().await;
}

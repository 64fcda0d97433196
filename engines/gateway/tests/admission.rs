//! Who is let in, and how often: over real sockets.

mod support;

use std::time::Duration;

use quarterdeck_journal::configuration::{SecretRef, SecretSource};
use quarterdeck_kernel::Secret;
use support::{Answer, Gateway, Service, config, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn key(text: &str) -> SecretRef {
    SecretRef::new(SecretSource::Env("KEY".to_owned()), Secret::new(text))
}

/// A gateway that believes its neighbour who calls, so that a test can call from anywhere.
async fn before_strangers(service: &Service, more: &str) -> Gateway {
    let text = support::service(&[service.address], &format!("trusted_proxies = [\"127.0.0.1\"]\n{more}"));
    let mut config = config(&text);
    let alice = config.auth.consumers.entry("alice".to_owned()).or_default();
    alice.keys.push(key("k-alice"));
    alice.tier = Some("premium".to_owned());
    Gateway::with(config).await
}

fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}\r\n")
}

#[tokio::test]
async fn who_guesses_is_counted_before_it_is_told_anything() {
    let service = Service::named("x").await;
    let more = "filters.auth = { required = true }\nauth.failures = { count = 3, per = \"1h\" }\n";
    let gateway = before_strangers(&service, more).await;
    let guess = async |n: usize, address: &str| {
        gateway.get("/", &format!("X-Api-Key: guess-{n}\r\n{}", from(address))).await
    };
    // Addresses of one IPv6 network are one guesser; saying nothing at all is a failure too.
    for n in 0..2 {
        assert_eq!(guess(n, &format!("2001:db8::{n}")).await.code(), "unauthenticated");
    }
    assert_eq!(gateway.get("/", &from("2001:db8::7")).await.code(), "unauthenticated");
    let refused = guess(3, "2001:db8::8").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.problem()["violated-policies"][0], "failures");
    assert!(refused.header("retry-after").is_some());
    // Others are not held to it, and nobody locks out those who have a key.
    assert_eq!(guess(4, "2001:db8:0:1::1").await.code(), "unauthenticated");
    let good = format!("X-Api-Key: k-alice\r\n{}", from("2001:db8::9"));
    assert_eq!(gateway.get("/", &good).await.status, 200);
    until("it is shown", || {
        let snapshot = gateway.handle.snapshot();
        snapshot
            .failures
            .iter()
            .any(|s| s.who == "2001:db8::/64" && s.refused == 1 && &*s.policy == "failures")
    })
    .await;
    assert_eq!(service.count(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn one_that_may_not_uses_up_its_own_limit() {
    let service = Service::named("x").await;
    let more = "filters.auth = { scopes = [\"admin\"] }\n\
                filters.rate_limit = { rate = { count = 2, per = \"1h\" } }\n";
    let gateway = before_strangers(&service, more).await;
    let ask = async || gateway.get("/", "X-Api-Key: k-alice\r\n").await.code();
    assert_eq!([ask().await, ask().await, ask().await], ["forbidden", "forbidden", "rate_limited"]);
    gateway.stop().await;
}

#[tokio::test]
async fn callers_of_whom_only_the_address_is_known_have_a_quota_too() {
    let service = Service::named("x").await;
    let more = "tiers.guest = { daily = 2 }\nfilters.rate_limit = { anonymous = \"guest\" }\n";
    let gateway = before_strangers(&service, more).await;
    let ask = async |address: &str| gateway.get("/", &from(address)).await;
    assert_eq!(ask("192.0.2.1").await.status, 200);
    let second = ask("192.0.2.1").await;
    assert!(second.header("ratelimit").unwrap().contains("\"daily\";r=0;"), "{second:?}");
    assert_eq!(ask("192.0.2.1").await.code(), "quota_exceeded");
    assert_eq!(ask("192.0.2.2").await.status, 200);
    for n in 1..=2 {
        assert_eq!(ask(&format!("2001:db8::{n}")).await.status, 200);
    }
    assert_eq!(ask("2001:db8::3").await.code(), "quota_exceeded");
    until("it is shown", || {
        let quotas = gateway.handle.snapshot().quotas.clone();
        quotas.iter().any(|q| &*q.who == "2001:db8::/64" && (q.used, q.daily) == (2, Some(2)))
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_speaks_for_another() {
    let echo = Service::echo().await;
    let gateway = Gateway::before(&[echo.address], "").await;
    let lies =
        "X-Real-IP: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Port: 1\r\n";
    let answer = gateway.get("/", lies).await;
    assert!(!answer.body.contains("6.6.6.6") && !answer.body.contains("port"), "{}", answer.body);
    assert!(answer.body.contains("x-forwarded-for: 127.0.0.1\n"), "{}", answer.body);
    gateway.stop().await;
    let gateway = Gateway::before(&[echo.address], "trusted_proxies = [\"127.0.0.1\"]\n").await;
    assert!(gateway.get("/", lies).await.body.contains("x-real-ip: 6.6.6.6\n"));
    gateway.stop().await;
}

#[tokio::test]
async fn only_who_is_trusted_speaks_the_proxy_protocol() {
    let echo = Service::echo().await;
    let listener = |trusted: &str| {
        service(
            &[echo.address],
            &format!("[listeners.edge]\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n{trusted}"),
        )
    };
    let wrong = quarterdeck_gateway::validate(&config(&listener("")));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0].0, "listeners.edge.proxy_protocol");
    assert!(wrong[0].1.to_string().contains("nobody is trusted"), "{}", wrong[0].1);
    let wrong = quarterdeck_gateway::validate(&config(&listener("trusted = [\"nonsense\"]\n")));
    assert_eq!(wrong[0].0, "listeners.edge.trusted[0]");
    let gateway = Gateway::start(&listener("trusted = [\"192.0.2.0/24\"]\n")).await;
    let line =
        "PROXY TCP4 192.0.2.7 198.51.100.1 5 443\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(gateway.raw(line).await, "");
    assert_eq!(gateway.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    until("they are counted", || gateway.handle.snapshot().totals.strangers == 2).await;
    assert_eq!(echo.count(), 0);
    gateway.stop().await;
    // The whole gateway's list serves a listener that has none.
    let text = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", listener(""));
    let gateway = Gateway::start(&text).await;
    assert!(gateway.raw(line).await.contains("x-forwarded-for: 192.0.2.7"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_gives_its_place_back() {
    let echo = Service::echo().await;
    let more = "timeouts.idle = \"400ms\"\nfilters.bulkhead = { concurrency = 1, queue = 0 }\n";
    let gateway = Gateway::before(&[echo.address], more).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut read, mut write) = stream.split();
    write.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    let dripping = async {
        loop {
            // Never idle for as long as the limit, and never done.
            if write.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        ended = tokio::time::timeout(Duration::from_secs(30), read.read_to_end(&mut said)) => {
            let _ = ended.expect("it is cut off");
        }
        () = dripping => {}
    }
    let answer = Answer::read(&String::from_utf8_lossy(&said));
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    until("its place is free", || gateway.handle.snapshot().routes[0].bulkhead.unwrap().running == 0).await;
    assert_eq!(gateway.ask("POST", "/", "", "quick").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_conversation_may_be_slow_once_the_answer_has_begun() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n").await.unwrap();
        let mut seen = 0;
        while seen < 20 {
            let n = stream.read(&mut buffer).await.unwrap();
            assert!(n > 0, "the gateway broke off after {seen} bytes");
            stream.write_all(&buffer[..n]).await.unwrap();
            seen += n;
        }
        std::future::pending::<()>().await;
    });
    let gateway = Gateway::before(&[upstream], "timeouts.idle = \"1s\"\n").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n").await.unwrap();
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..n].ends_with(b"\r\n\r\n"));
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stream.write_all(b"x").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
    }
    gateway.stop().await;
}

/// However many ask at once, there are never more tunnels than there may be.
#[tokio::test]
async fn tunnels_have_their_room_before_they_are_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let (open, _) = tokio::sync::broadcast::channel::<()>(1);
    let opener = open.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut opened = opener.subscribe();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let _ = opened.recv().await;
                    let switched =
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                    let _ = stream.write_all(switched).await;
                    let _ = stream.read(&mut buffer).await;
                }
            });
        }
    });
    let gateway = Gateway::before(&[upstream], "limits.tunnels = 2\n").await;
    let asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(asked).await.unwrap();
        waiting.push(stream);
    }
    until("both wait for their answer", || open.receiver_count() == 2).await;
    // Nobody has been answered yet, and still there is no room for a third.
    let mut third = TcpStream::connect(gateway.address).await.unwrap();
    third.write_all(asked).await.unwrap();
    let mut buffer = [0; 4096];
    let n = third.read(&mut buffer).await.unwrap();
    assert_eq!(Answer::read(&String::from_utf8_lossy(&buffer[..n])).code(), "busy");
    open.send(()).unwrap();
    for stream in &mut waiting {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 101"));
    }
    drop(waiting);
    until("their room is free", || gateway.handle.snapshot().totals.tunnels == 0).await;
    // One that is refused by the endpoint gives its room back too.
    let plain = Service::named("no").await;
    let refusing = Gateway::before(&[plain.address], "limits.tunnels = 1\n").await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(refusing.address).await.unwrap();
        stream.write_all(asked).await.unwrap();
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..n]));
    }
    refusing.stop().await;
    gateway.stop().await;
}

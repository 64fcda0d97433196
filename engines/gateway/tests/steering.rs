//! Steering over real sockets: versions that no configuration names, shares, header routes and copies, while traffic runs.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Response;
use quarterdeck_gateway::config::VersionRoute;
use quarterdeck_gateway::{SteeredMirror, Steering};
use support::{Gateway, Service, config, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

fn to(version: &str, at: SocketAddr) -> Steering {
    let versions = BTreeMap::from([(version.to_owned(), vec![format!("http://{at}")])]);
    Steering { versions, ..Steering::default() }
}

fn shares(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
    pairs.iter().map(|(version, share)| ((*version).to_owned(), *share)).collect()
}

/// Clients on kept connections that ask until they are told to stop; each checks every answer.
fn load(
    address: SocketAddr,
    stop: &CancellationToken,
    good: fn(&str) -> bool,
) -> Vec<tokio::task::JoinHandle<u64>> {
    let one = || {
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (mut answered, mut buffer) = (0, vec![0; 4096]);
            while !stop.is_cancelled() {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                let n = stream.read(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..n]);
                assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && good(&text), "{text:?}");
                answered += 1;
            }
            answered
        })
    };
    (0..4).map(|_| one()).collect()
}

#[tokio::test]
async fn steering_under_load_drops_nothing() {
    let (old, new) = (Service::named("old").await, Service::named("new").await);
    // Checked once an hour, at first within a moment: a version that is added waits for no check.
    let more = "services.s.health = { period = \"1h\" }\nservices.s.outlier = {}\n";
    let gateway = Gateway::before(&[old.address], more).await;
    until("the configured one is well", || gateway.handle.takes("s", "v1").unwrap()).await;
    let stop = CancellationToken::new();
    let clients = load(gateway.address, &stop, |text| text.ends_with("old") || text.ends_with("new"));
    let beta =
        VersionRoute { header: "x-beta".to_owned(), value: "yes".to_owned(), version: "v2".to_owned() };
    let mirror = Some(SteeredMirror { version: "v2".to_owned(), percent: 50.0 });
    for round in 0..100 {
        for share in [0, 1, 50, 100] {
            let steering = Steering {
                shares: shares(&[("v2", share), ("v1", 100 - share)]),
                header_routes: vec![beta.clone()],
                mirror: mirror.clone().filter(|_| round % 2 == 0),
                ..to("v2", new.address)
            };
            gateway.handle.steer("s", Some(steering)).unwrap();
            tokio::task::yield_now().await;
        }
        gateway.handle.steer("s", None).unwrap();
        assert_eq!(gateway.handle.split("s").unwrap(), shares(&[("v1", 1)]));
    }
    stop.cancel();
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    let routed = gateway.handle.routed("s", "v1").unwrap() + gateway.handle.routed("s", "v2").unwrap();
    assert_eq!(routed, answered, "copies are not among them");
    assert!(new.count() > 0);
    until("nothing is under way", || ["v1", "v2"].iter().all(|v| gateway.handle.in_flight("s", v) == Ok(0)))
        .await;
    gateway.stop().await;
}

#[tokio::test]
async fn everything_holds_together_and_over_reloads_and_goes_together() {
    let (old, new) = (Service::named("old").await, Service::named("new").await);
    let gateway = Gateway::before(&[old.address], "").await;
    let steering = Steering {
        shares: shares(&[("v1", 1)]),
        header_routes: vec![VersionRoute {
            header: "x-beta".to_owned(),
            value: "yes".to_owned(),
            // Before the configured one, alphabetically: it takes no share for that.
            version: "a2".to_owned(),
        }],
        mirror: Some(SteeredMirror { version: "a2".to_owned(), percent: 100.0 }),
        ..to("a2", new.address)
    };
    gateway.handle.steer("s", Some(steering.clone())).unwrap();
    assert_eq!(gateway.handle.steering("s"), Ok(Some(steering.clone())));
    assert_eq!(gateway.get("/", "").await.body, "old");
    assert_eq!(gateway.get("/", "X-Beta: yes\r\n").await.body, "new");
    until("two copies and one request", || new.count() == 3).await;
    let shown = gateway.handle.snapshot();
    let view = &shown.services[0];
    assert!(view.steered && view.versions[0].steered && !view.versions[1].steered, "{view:?}");
    assert_eq!((&*view.versions[0].name, view.versions[0].weight), ("a2", 0));

    let text = service(&[old.address], &format!("listen = [\"{}\"]\nthreads = 2\n", gateway.address));
    gateway.handle.reload(config(&format!("{text}timeouts.idle = \"59s\"\n"))).await.unwrap();
    assert_eq!(gateway.handle.steering("s"), Ok(Some(steering.clone())));
    assert_eq!(gateway.get("/", "X-Beta: yes\r\n").await.body, "new");
    assert_eq!(gateway.get("/", "").await.body, "old");
    // A configuration without the version that takes everything is not taken.
    let without = text.replace("v1 =", "v9 =");
    let wrong = gateway.handle.reload(config(&without)).await.unwrap_err();
    assert!(wrong[0].1.to_string().contains("s has no version \"v1\""), "{wrong:?}");
    assert_eq!(gateway.get("/", "").await.body, "old");

    // By hand nothing can be set meanwhile, with the reason.
    let told = gateway.handle.set_split("s", Some(&shares(&[("a2", 1)]))).unwrap_err().0;
    assert!(told.starts_with("s is being steered by deployment control: traffic is v1=1"), "{told}");
    // Without shares of its own a steering leaves the split to operators.
    let unshared = Steering { shares: Vec::new(), mirror: None, ..steering.clone() };
    gateway.handle.steer("s", Some(unshared)).unwrap();
    assert_eq!(gateway.get("/", "").await.body, "old", "the first that is configured takes all");
    gateway.handle.set_split("s", Some(&shares(&[("a2", 1)]))).unwrap();
    assert_eq!(gateway.get("/", "").await.body, "new");
    gateway.handle.set_split("s", None).unwrap();

    gateway.handle.steer("s", None).unwrap();
    assert_eq!(gateway.handle.steering("s"), Ok(None));
    assert_eq!(
        gateway.get("/", "X-Beta: yes\r\n").await.body,
        "old",
        "the version is gone, and its route with it"
    );
    let gone = gateway.handle.set_split("s", Some(&shares(&[("a2", 1)]))).unwrap_err().0;
    assert!(gone.contains("there are: v1"), "{gone}");
    // What is gone is still known, what never was is not.
    assert_eq!((gateway.handle.takes("s", "a2"), gateway.handle.routed("s", "a2")), (Ok(false), Ok(3)));
    assert!(gateway.handle.routed("s", "v8").unwrap_err().0.contains("there are: v1"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    let (old, new) = (Service::named("old").await, Service::named("new").await);
    let gateway = Gateway::before(&[old.address], "").await;
    let good = Steering { shares: shares(&[("v2", 1)]), ..to("v2", new.address) };
    gateway.handle.steer("s", Some(good.clone())).unwrap();
    let bad = |change: fn(&mut Steering)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    for (bad, says) in [
        (bad(|s| s.shares = shares(&[("v3", 1)])), "s has no version \"v3\"; there are: v1, v2"),
        (bad(|s| s.shares = shares(&[("v2", 0)])), "no version of s would take anything"),
        (bad(|s| s.shares = shares(&[("v2", 1_000_001)])), "a share is from 0 to 1000000"),
        (bad(|s| drop(s.versions.insert("v3".to_owned(), Vec::new()))), "without an endpoint"),
        (bad(|s| drop(s.versions.insert("v 3".to_owned(), vec!["http://a".to_owned()]))), "not a name"),
        (bad(|s| drop(s.versions.insert("v3".to_owned(), vec!["ftp://a".to_owned()]))), "not a scheme"),
        (
            bad(|s| s.mirror = Some(SteeredMirror { version: "v2".to_owned(), percent: 101.0 })),
            "from 0 to 100",
        ),
        (
            bad(|s| s.mirror = Some(SteeredMirror { version: "v2".to_owned(), percent: f64::NAN })),
            "from 0 to 100",
        ),
        (bad(|s| s.mirror = Some(SteeredMirror { version: "v7".to_owned(), percent: 1.0 })), "\"v7\""),
        (
            bad(|s| {
                let (header, value) = ("x y".to_owned(), "1".to_owned());
                s.header_routes = vec![VersionRoute { header, value, version: "v2".to_owned() }];
            }),
            "not a name for a header",
        ),
    ] {
        let told = gateway.handle.steer("s", Some(bad)).unwrap_err().0;
        assert!(told.contains(says), "{told} / {says}");
        assert_eq!(gateway.handle.steering("s"), Ok(Some(good.clone())));
        assert_eq!(gateway.get("/", "").await.body, "new");
    }
    let told = gateway.handle.steer("t", Some(good)).unwrap_err().0;
    assert!(told.starts_with("the gateway has no service \"t\""), "{told}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_learnt_of_an_endpoint_stays_while_it_is_steered() {
    let (old, new) = (Service::named("old").await, Service::named("new").await);
    let gateway = Gateway::start(&format!("{}threads = 1\n", service(&[old.address], ""))).await;
    let share = |n| Steering { shares: shares(&[("v2", n), ("v1", 10 - n)]), ..to("v2", new.address) };
    let endpoint = || {
        let table = gateway.handle.table();
        let found = table.service("s").unwrap();
        std::sync::Arc::clone(&found.versions[found.version("v2").unwrap()].endpoints[0])
    };
    gateway.handle.steer("s", Some(share(10))).unwrap();
    let first = endpoint();
    for n in (1..=10).rev() {
        gateway.handle.steer("s", Some(share(n))).unwrap();
        for _ in 0..10 {
            assert_eq!(gateway.get("/", "").await.status, 200);
        }
        assert_eq!(endpoint().id, first.id);
    }
    let connections = first.connections.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(connections, 1, "the pool stays");
    gateway.stop().await;
}

/// A service that answers the head at once and the body when it is told to.
async fn slow_body(go: CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let go = go.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nold").await;
                go.cancelled().await;
                let _ = stream.write_all(b"old").await;
            });
        }
    });
    address
}

#[tokio::test]
async fn tunnels_and_bodies_under_way_are_counted_and_end_as_they_began() {
    let (go, new) = (CancellationToken::new(), Service::named("new").await);
    let slow = slow_body(go.clone()).await;
    let gateway = Gateway::before(&[new.address], "").await;
    gateway.handle.steer("s", Some(Steering { shares: shares(&[("v0", 1)]), ..to("v0", slow) })).unwrap();
    let address = gateway.address;
    let asked = tokio::spawn(async move {
        support::raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
    });
    until("the body streams", || gateway.handle.in_flight("s", "v0") == Ok(1)).await;
    gateway.handle.steer("s", None).unwrap();
    assert_eq!(gateway.get("/", "").await.body, "new");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(gateway.handle.in_flight("s", "v0"), Ok(1), "it is gone, but one is still with it");
    go.cancel();
    assert!(asked.await.unwrap().ends_with("oldold"));
    until("it has ended", || gateway.handle.in_flight("s", "v0") == Ok(0)).await;

    // A tunnel, from the switch to its end.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let feed = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).await;
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..n]).await.unwrap();
        }
    });
    gateway.handle.steer("s", Some(Steering { shares: shares(&[("ws", 1)]), ..to("ws", feed) })).unwrap();
    let mut tunnel = TcpStream::connect(address).await.unwrap();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    tunnel.write_all(head).await.unwrap();
    let mut buffer = [0; 4096];
    let n = tunnel.read(&mut buffer).await.unwrap();
    assert!(buffer[..n].starts_with(b"HTTP/1.1 101"));
    gateway.handle.steer("s", None).unwrap();
    for word in ["one", "two"] {
        tunnel.write_all(word.as_bytes()).await.unwrap();
        let n = tunnel.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], word.as_bytes());
        assert_eq!(gateway.handle.in_flight("s", "ws"), Ok(1));
    }
    drop(tunnel);
    until("the tunnel has ended", || gateway.handle.in_flight("s", "ws") == Ok(0)).await;
    assert_eq!(gateway.handle.routed("s", "ws"), Ok(1));
    gateway.stop().await;
}

#[tokio::test]
async fn who_has_not_chosen_yet_is_waited_for() {
    let (go, new) = (CancellationToken::new(), Service::named("new").await);
    let slow = slow_body(go.clone()).await;
    let more = "filters.bulkhead = { concurrency = 1, queue = 5, wait = \"60s\" }\n";
    let gateway = Gateway::before(&[new.address], more).await;
    gateway.handle.steer("s", Some(Steering { shares: shares(&[("v0", 1)]), ..to("v0", slow) })).unwrap();
    let address = gateway.address;
    let ask = || {
        tokio::spawn(async move {
            support::raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
        })
    };
    let running = ask();
    until("one runs", || gateway.handle.routed("s", "v0") == Ok(1)).await;
    let waiting = ask();
    until("one waits", || gateway.handle.snapshot().routes[0].bulkhead.is_some_and(|view| view.waiting == 1))
        .await;
    gateway.handle.steer("s", None).unwrap();
    assert_eq!(gateway.handle.in_flight("s", "v0"), Ok(2), "the one that waits will go there too");
    go.cancel();
    for asked in [running, waiting] {
        assert!(asked.await.unwrap().ends_with("oldold"));
    }
    until("both have ended", || gateway.handle.in_flight("s", "v0") == Ok(0)).await;
    assert_eq!(gateway.handle.routed("s", "v0"), Ok(2));
    gateway.stop().await;
}

#[tokio::test]
async fn added_versions_are_checked_but_not_waited_for() {
    let old = Service::named("old").await;
    let ill = Service::start(|parts, _| {
        let status = if parts.uri.path() == "/healthz" { 500 } else { 200 };
        Response::builder().status(status).body("ill".to_owned()).unwrap()
    })
    .await;
    let more = "services.s.health = { path = \"/healthz\", period = \"50ms\", failures = 3 }\n";
    let gateway = Gateway::before(&[old.address], more).await;
    gateway
        .handle
        .steer("s", Some(Steering { shares: shares(&[("v2", 1)]), ..to("v2", ill.address) }))
        .unwrap();
    assert_eq!(gateway.handle.takes("s", "v2"), Ok(true));
    assert_eq!(gateway.get("/", "").await.body, "ill");
    until("checks find it ill", || gateway.handle.takes("s", "v2") == Ok(false)).await;
    assert_eq!(gateway.get("/", "").await.code(), "no_endpoint");
    gateway.stop().await;
}

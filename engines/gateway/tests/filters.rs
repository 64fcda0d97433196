//! The filters, over real sockets.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::Response;
use support::{Gateway, Service, until};

#[tokio::test]
async fn a_breaker_opens_and_closes_again() {
    let well = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&well);
    let service = Service::start(move |_, _| {
        let status = if told.load(Relaxed) { 200 } else { 503 };
        Response::builder().status(status).body("x".to_owned()).unwrap()
    })
    .await;
    let more = "services.s.filters.breaker = { failures = 3, open_for = \"200ms\", successes = 2 }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/", "").await.status, 503);
    }
    let refused = gateway.get("/", "").await;
    assert_eq!(refused.code(), "circuit_open");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(service.count(), 3, "the service is left alone");
    well.store(true, Relaxed);
    tokio::time::sleep(Duration::from_millis(250)).await;
    for _ in 0..4 {
        assert_eq!(gateway.get("/", "").await.status, 200);
    }
    gateway.handle.force_breaker("s", "v1", Some(quarterdeck_resilience::breaker::Forced::Open)).unwrap();
    assert_eq!(gateway.get("/", "").await.code(), "circuit_open");
    gateway.handle.force_breaker("s", "v1", None).unwrap();
    gateway.handle.force_breaker("s", "v1", Some(quarterdeck_resilience::breaker::Forced::Closed)).unwrap();
    assert_eq!(gateway.get("/", "").await.status, 200);
    assert!(gateway.handle.force_breaker("s", "v9", None).is_err());
    gateway.stop().await;
}

#[tokio::test]
async fn requests_are_tried_again_only_where_that_does_no_harm() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = Service::start(move |_, _| {
        let status = if counted.fetch_add(1, Relaxed).is_multiple_of(2) { 503 } else { 200 };
        Response::builder().status(status).body("x".to_owned()).unwrap()
    })
    .await;
    let more = "filters.retry = { base = \"1ms\" }\nfilters.breaker = { enabled = false }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    assert_eq!(gateway.get("/", "").await.status, 200);
    assert_eq!(gateway.ask("PUT", "/", "", "body").await.status, 200);
    assert_eq!(gateway.ask("POST", "/", "", "body").await.status, 503);
    assert_eq!(calls.load(Relaxed), 5);
    gateway.stop().await;
}

#[tokio::test]
async fn another_endpoint_is_asked_when_one_is_not_there() {
    let there = Service::named("there").await;
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let text = format!(
        "services.s.versions.v1 = [\"http://{nobody}\", \"http://{}\"]\nservices.s.outlier = {{ consecutive = 2 }}\n\
         filters.breaker = {{ enabled = false }}\n",
        there.address
    );
    let gateway = Gateway::start(&text).await;
    for _ in 0..10 {
        assert_eq!(gateway.ask("POST", "/", "", "body").await.body, "there");
    }
    until("the endpoint is left out", || {
        gateway.handle.snapshot().services[0].versions[0].endpoints[0].ejected
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn unwell_endpoints_get_nothing() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let service = Service::start(move |parts, _| {
        let ok = parts.uri.path() != "/healthz" || told.load(Relaxed);
        Response::builder().status(if ok { 200 } else { 500 }).body("x".to_owned()).unwrap()
    })
    .await;
    let more = "services.s.health = { path = \"/healthz\", period = \"100ms\", failures = 2 }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let ready = || gateway.handle.snapshot().services[0].versions[0].endpoints[0].ready;
    until("it is found well", ready).await;
    assert_eq!(gateway.get("/", "").await.status, 200);
    well.store(false, Relaxed);
    until("it is found unwell", || !ready()).await;
    assert_eq!(gateway.get("/", "").await.code(), "no_endpoint");
    well.store(true, Relaxed);
    until("it is found well again", ready).await;
    assert_eq!(gateway.get("/", "").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn limits_are_told_in_the_standard_fields() {
    let service = Service::named("x").await;
    let more = "filters.rate_limit = { rate = { count = 2, per = \"1h\" } }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let first = gateway.get("/", "").await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"route\";q=2;w=3600"));
    assert_eq!(first.header("ratelimit"), Some("\"route\";r=1;t=1800"));
    gateway.get("/", "").await;
    let refused = gateway.get("/", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let limit = refused.header("ratelimit").unwrap();
    let t: u64 = limit.split("t=").nth(1).unwrap().parse().unwrap();
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(after >= t && t > 1790, "{limit} {after}");
    assert_eq!(refused.problem()["violated-policies"][0], "route");
    gateway.stop().await;
}

#[tokio::test]
async fn callers_are_known_and_held_to_their_tier() {
    let service = Service::named("x").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("alice"), "k-alice").unwrap();
    std::fs::write(folder.path().join("bob"), "k-bob").unwrap();
    let file = folder.path().join("quarterdeck.toml");
    let text = support::service(
        &[service.address],
        "filters.auth = { required = true, scopes = [\"read\"] }\nfilters.rate_limit = {}\n\
         tiers.tiny = { daily = 2 }\n\
         auth.consumers.alice = { keys = [{ file = \"alice\" }], tier = \"tiny\", scopes = [\"read\"] }\n\
         auth.consumers.bob = { keys = [{ file = \"bob\" }], tier = \"internal\" }\n",
    );
    #[derive(serde::Deserialize)]
    struct Whole {
        gateway: quarterdeck_gateway::Config,
    }
    let text: String = text.lines().map(|line| format!("gateway.{line}\n")).collect();
    std::fs::write(&file, text).unwrap();
    let sources = quarterdeck_journal::configuration::Sources::new().file(&file);
    let loaded =
        quarterdeck_journal::configuration::load::<Whole>(&sources).unwrap_or_else(|e| panic!("{e:#?}"));
    let gateway = Gateway::with(loaded.value.gateway).await;
    let refused = gateway.get("/", "").await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(gateway.get("/", "X-Api-Key: wrong\r\n").await.code(), "unauthenticated");
    assert_eq!(gateway.get("/", "X-Api-Key: k-bob\r\n").await.code(), "forbidden");
    let answer = gateway.get("/", "X-Api-Key: k-alice\r\n").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("ratelimit").unwrap().contains("\"daily\";r=1;"), "{answer:?}");
    gateway.get("/", "X-Api-Key: k-alice\r\n").await;
    assert_eq!(gateway.get("/", "X-Api-Key: k-alice\r\n").await.code(), "quota_exceeded");
    let (_, used) = gateway.handle.used_quotas();
    assert_eq!(used, [(Arc::from("alice"), 2)]);
    until("the snapshot tells", || {
        gateway.handle.snapshot().routes[0].callers.iter().any(|(c, _)| c == "alice")
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn answers_are_kept_given_stale_and_purged() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let service = Service::start(move |parts, _| {
        if !told.load(Relaxed) {
            return Response::builder().status(503).body("down".to_owned()).unwrap();
        }
        let answer = Response::builder().header("etag", "\"1\"");
        let private = parts.uri.path() == "/private";
        let answer = if private { answer.header("cache-control", "private") } else { answer };
        answer.body(format!("made for {}", parts.uri)).unwrap()
    })
    .await;
    let more = "filters.cache = { ttl = \"300ms\", stale = \"1h\" }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    let first = gateway.get("/a?b", "").await;
    let second = gateway.get("/a?b", "").await;
    assert_eq!((first.body.as_str(), &first.body, service.count()), ("made for /a?b", &second.body, 1));
    assert_eq!(second.header("cache-status"), Some("quarterdeck; hit"));
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_eq!(gateway.get("/a?b", "If-None-Match: \"1\"\r\n").await.status, 304);
    gateway.get("/private", "").await;
    gateway.get("/private", "").await;
    assert_eq!(service.count(), 3);
    well.store(false, Relaxed);
    tokio::time::sleep(Duration::from_millis(350)).await;
    let stale = gateway.get("/a?b", "").await;
    assert_eq!((stale.status, stale.body.as_str()), (200, "made for /a?b"));
    assert_eq!(gateway.handle.purge(None, "/a*").unwrap(), 1);
    assert_eq!(gateway.get("/a?b", "").await.status, 503);
    assert!(gateway.handle.purge(Some("nothing"), "*").is_err());
    well.store(true, Relaxed);
    let warmth = gateway.handle.warm("s", &["/w1".to_owned(), "/w2".to_owned()], None).await.unwrap();
    assert_eq!((warmth.kept, warmth.origins), (2, vec![format!("http://{}", gateway.address)]));
    let before = service.count();
    let host = format!("Host: {}\r\n", gateway.address);
    assert_eq!(gateway.get("/w1", &host).await.header("cache-status"), Some("quarterdeck; hit"));
    assert_eq!(service.count(), before);
    until("each route's hits and misses are told", || {
        let route = Arc::clone(&gateway.handle.snapshot().routes[0]);
        route.cache_hits >= 3 && route.cache_misses >= 3
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn there_is_only_so_much_room() {
    let open = Arc::new(AtomicBool::new(false));
    let upstream = {
        let open = Arc::clone(&open);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let (mut stream, _) = listener.accept().await.unwrap();
                let open = Arc::clone(&open);
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                        while !open.load(Relaxed) {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    }
                });
            }
        });
        address
    };
    let more = "filters.bulkhead = { concurrency = 1, queue = 1, wait = \"10s\" }\n";
    let gateway = Gateway::before(&[upstream], more).await;
    let address = gateway.address;
    let ask = move || {
        tokio::spawn(async move {
            support::raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
        })
    };
    let view = || gateway.handle.snapshot().routes[0].bulkhead.unwrap();
    let one = ask();
    until("one runs", || view().running == 1).await;
    let two = ask();
    until("one waits", || view().waiting == 1).await;
    assert_eq!(gateway.get("/", "").await.code(), "busy");
    open.store(true, Relaxed);
    for asked in [one, two] {
        assert!(asked.await.unwrap().ends_with("ok"));
    }
    until("it is empty", || view().running == 0).await;
    gateway.stop().await;
}

#[tokio::test]
async fn versions_and_fallbacks_are_answered() {
    let service = Service::named("x").await;
    let more = "[filters.api_versions]\ndefault = \"v2\"\n\
                [filters.api_versions.versions.v1]\nstate = \"retired\"\n\
                [filters.api_versions.versions.v2]\nstate = \"deprecated\"\ndeprecated = \"2023-06-30T23:59:59Z\"\n\
                sunset = \"2026-12-31T23:59:59Z\"\n";
    let gateway = Gateway::before(&[service.address], more).await;
    assert_eq!(gateway.get("/v1/a", "").await.status, 410);
    assert_eq!(gateway.get("/a", "").await.header("deprecation"), Some("@1688169599"));
    until("who still uses it is told", || {
        let snapshot = gateway.handle.snapshot();
        snapshot.routes[0].versions.iter().any(|v| {
            &*v.name == "v2"
                && v.callers == [("127.0.0.1".to_owned(), 1)]
                && v.sunset.is_some_and(|at| at.as_millis() == 1_798_761_599_000)
        })
    })
    .await;
    gateway.stop().await;
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let more = "filters.fallback = { status = 203, body = \"instead\", content_type = \"text/plain\" }\n";
    let gateway = Gateway::before(&[nobody], more).await;
    let answer = gateway.get("/", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (203, "instead"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_counted_and_seen_is_told() {
    let service = Service::named("x").await;
    let gateway = Gateway::before(&[service.address], "threads = 1\nfilters.max_body = 1\n").await;
    for _ in 0..3 {
        gateway.get("/shown?secret=1", "").await;
    }
    gateway.ask("POST", "/", "", "too large").await;
    let page = || {
        quarterdeck_metrics::gather::page(
            &gateway.handle.families(),
            quarterdeck_metrics::exposition::Format::Text,
        )
    };
    until("all is counted", || page().contains("code=\"200\"} 3")).await;
    let text = page();
    for line in [
        "quarterdeck_gateway_requests_total{service=\"s\",route=\"s\",version=\"v1\",code=\"200\"} 3",
        "quarterdeck_gateway_requests_total{service=\"s\",route=\"s\",version=\"\",code=\"413\"} 1",
        "quarterdeck_gateway_request_duration_seconds_count{service=\"s\",route=\"s\",version=\"v1\"} 3",
        "quarterdeck_gateway_breaker_state{service=\"s\",version=\"v1\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    until("samples", || gateway.handle.snapshot().samples.len() >= 2).await;
    let snapshot = gateway.handle.snapshot();
    let seen = snapshot.samples.iter().find(|s| s.status == 200).unwrap();
    assert_eq!((seen.path.as_str(), seen.version.as_deref()), ("/shown", Some("v1")));
    let steps: Vec<&str> = seen.steps.iter().map(|step| step.filter).collect();
    assert_eq!(steps, ["trace", "route", "validate", "split", "endpoint"]);
    let refused = snapshot.samples.iter().find(|s| s.refused.is_some()).unwrap();
    assert_eq!(refused.status, 413);
    // Also where it was not chosen to be looked at.
    let steps: Vec<&str> = refused.steps.iter().map(|step| step.filter).collect();
    assert_eq!(steps, ["trace", "route", "validate"]);
    assert_eq!((snapshot.services[0].traffic.requests, snapshot.services[0].traffic.active), (4, 0));
    gateway.stop().await;
}

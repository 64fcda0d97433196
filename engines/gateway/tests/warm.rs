//! Answers that are there before callers ask, over real sockets.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::time::Duration;

use hyper::Response;
use support::{Gateway, Service, until};

async fn service() -> Service {
    Service::start(|parts, _| {
        let answer = Response::builder().header("x-host", parts.headers["host"].clone());
        let said = if parts.uri.path() == "/private" { "private" } else { "public" };
        answer.header("cache-control", said).body(parts.uri.to_string()).unwrap()
    })
    .await
}

#[tokio::test]
async fn paths_are_kept_warm_as_callers_ask_for_them() {
    let service = service().await;
    let text = format!(
        "trusted_proxies = [\"127.0.0.1\"]\nservices.s.versions.v1 = \"http://{}\"\n\
         [routes.r]\nservice = \"s\"\nhosts = [\"a.test\"]\n\
         filters.cache = {{ ttl = \"1500ms\", warm = [\"/w?x\", \"/private\"], warm_as = [\"https://a.test\"] }}\n",
        service.address
    );
    let gateway = Gateway::start(&text).await;
    let warming = || gateway.handle.snapshot().routes[0].warming.clone().unwrap_or_default();
    until("it is warm at the start", || warming().kept == 1 && warming().problem.is_some()).await;
    assert_eq!(warming().paths, 2);
    assert_eq!(warming().problem.as_deref(), Some("/private as https://a.test: its answer may not be kept"));
    // As one behind the proxy that ends TLS asks.
    let caller = "Host: a.test\r\nx-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\n";
    // It is there all the time, far beyond its own.
    for _ in 0..40 {
        let answer = gateway.get("/w?x", caller).await;
        assert_eq!(answer.header("cache-status"), Some("quarterdeck; hit"), "{answer:?}");
        assert_eq!((answer.body.as_str(), answer.header("x-host")), ("/w?x", Some("a.test")));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until("what it costs is told", || gateway.handle.snapshot().cache.hits >= 40).await;
    assert_eq!(gateway.handle.snapshot().cache.misses, 0, "only callers count");
    let before = service.count();
    assert_eq!(gateway.handle.purge(Some("r"), "/w*"), Ok(1));
    until("it is asked for behind the purge", || service.count() > before && warming().kept == 1).await;
    assert_eq!(gateway.get("/w?x", caller).await.header("cache-status"), Some("quarterdeck; hit"));
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_who_warms() {
    let service = service().await;
    let text = format!(
        "services.s.versions.v1 = \"http://{}\"\n[routes.r]\nservice = \"s\"\nhosts = [\"*.a.test\"]\n\
         filters.cache = {{}}\nfilters.auth = {{ required = true }}\n\
         filters.rate_limit = {{ rate = {{ count = 1, per = \"1h\" }} }}\n\
         [routes.other]\nservice = \"s\"\npath = \"/other\"\nhosts = [\"*.a.test\"]\n",
        service.address
    );
    let gateway = Gateway::start(&text).await;
    assert_eq!(gateway.get("/1", "Host: x.a.test\r\n").await.status, 401);
    let paths = ["/1", "/2", "/private", "/other"].map(str::to_owned);
    let unknown = gateway.handle.warm("r", &paths, None).await.unwrap_err();
    assert!(unknown.0.contains("it is not known by which host"), "{unknown:?}");
    assert!(gateway.handle.warm("r", &paths, Some("x.a.test")).await.is_err());
    let warmth = gateway.handle.warm("r", &paths, Some("http://x.a.test")).await.unwrap();
    assert_eq!((warmth.asked, warmth.kept, service.count()), (4, 2, 3), "{warmth:?}");
    // What is there is fetched anew.
    let warmth = gateway.handle.warm("r", &paths[..2], Some("http://x.a.test")).await.unwrap();
    assert_eq!((warmth.kept, warmth.problem, service.count()), (2, None, 5));
    let warmth = gateway.handle.warm("r", &paths[3..], Some("http://x.a.test")).await.unwrap();
    assert_eq!(warmth.problem.as_deref(), Some("/other as http://x.a.test: it is answered with 404"));
    gateway.stop().await;
}

#[test]
fn what_cannot_be_warmed_is_refused() {
    let wrong = |filters: &str| {
        let wrong = quarterdeck_gateway::validate(&support::config(&format!(
            "services.s.versions.v1 = \"http://127.0.0.1:1\"\nlisten = [\"127.0.0.1:0\"]\n{filters}\n"
        )));
        wrong.into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(" ")
    };
    let cache = "services.s.filters.cache";
    assert_eq!(wrong(&format!("{cache} = {{ warm = [\"/a?b\"], warm_as = [\"https://a.test\"] }}")), "");
    assert_eq!(wrong(&format!("{cache}.warm = [\"a\"]")), format!("{cache}.warm[0]"));
    assert_eq!(wrong(&format!("{cache}.warm_as = [\"a.test\"]")), format!("{cache}.warm_as[0]"));
    assert_eq!(wrong(&format!("{cache}.warm_every = \"0s\"")), format!("{cache}.warm_every"));
    assert_eq!(wrong("filters.cache.warm = [\"/a\"]"), "filters.cache.warm");
}

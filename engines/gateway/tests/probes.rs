//! Health checks as Kubernetes has them, over real sockets: until it has come up, then whether it takes requests, and whether it
//! must be started again.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use hyper::Response;
use support::{Gateway, Service, until};

/// A question of the gateway's: what is answered to it, and how often it was asked.
#[derive(Default)]
struct Probe {
    passes: AtomicBool,
    asked: AtomicUsize,
}

impl Probe {
    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    /// Waits until it has been asked so often more.
    async fn asked_more(&self, times: usize) {
        let before = self.asked();
        until("it is asked", || self.asked() >= before + times).await;
    }
}

/// A service with three probes, and a gateway that asks them.
async fn start() -> (Arc<[Probe; 3]>, Service, Gateway) {
    let probes: Arc<[Probe; 3]> = Arc::default();
    let asked = Arc::clone(&probes);
    let service = Service::start(move |parts, _| {
        let probe = ["/started", "/ready", "/alive"].iter().position(|path| *path == parts.uri.path());
        let passes = probe.is_none_or(|probe| {
            asked[probe].asked.fetch_add(1, Relaxed);
            asked[probe].passes.load(Relaxed)
        });
        let status = if passes { 200 } else { 503 };
        Response::builder().status(status).body("x".to_owned()).expect("an answer")
    })
    .await;
    let more = "services.s.health = { startup_path = \"/started\", path = \"/ready\", liveness_path = \"/alive\", \
                period = \"20ms\", failures = 2 }\n";
    let gateway = Gateway::before(&[service.address], more).await;
    (probes, service, gateway)
}

fn ready(gateway: &Gateway) -> bool {
    gateway.handle.snapshot().services[0].versions[0].endpoints[0].ready
}

#[tokio::test]
async fn nothing_else_is_asked_before_it_has_come_up() {
    let (probes, _service, gateway) = start().await;
    let [started, readiness, liveness] = &*probes;
    readiness.passes.store(true, Relaxed);
    liveness.passes.store(true, Relaxed);
    started.asked_more(5).await;
    assert_eq!((readiness.asked(), liveness.asked()), (0, 0), "it may take as long as it likes");
    assert_eq!(gateway.get("/", "").await.code(), "no_endpoint");

    started.passes.store(true, Relaxed);
    until("it takes requests", || ready(&gateway)).await;
    assert_eq!(gateway.get("/", "").await.status, 200);
    // Whoever has come up is not asked that again.
    let before = started.asked();
    readiness.asked_more(5).await;
    liveness.asked_more(5).await;
    assert_eq!(started.asked(), before);
    gateway.stop().await;
}

#[tokio::test]
async fn one_that_is_not_alive_takes_nothing_though_it_says_that_it_is_ready() {
    let (probes, _service, gateway) = start().await;
    probes.iter().for_each(|probe| probe.passes.store(true, Relaxed));
    until("it takes requests", || ready(&gateway)).await;

    let [_, readiness, liveness] = &*probes;
    liveness.passes.store(false, Relaxed);
    until("it takes none", || !ready(&gateway)).await;
    assert_eq!(gateway.get("/", "").await.code(), "no_endpoint");
    readiness.asked_more(3).await;
    assert!(!ready(&gateway), "what readiness says changes nothing");

    liveness.passes.store(true, Relaxed);
    until("it takes requests again", || ready(&gateway)).await;
    assert_eq!(gateway.get("/", "").await.status, 200);

    readiness.passes.store(false, Relaxed);
    until("it is not ready", || !ready(&gateway)).await;
    liveness.asked_more(3).await;
    assert_eq!(gateway.get("/", "").await.code(), "no_endpoint");
    gateway.stop().await;
}

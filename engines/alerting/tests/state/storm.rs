//! A storm of posts: what waits is bounded, what finds no room is told so and counted, what was answered as taken is kept.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Request as HttpRequest, StatusCode};
use futures_util::stream;
use quarterdeck_alerting::api::{Facts, Source, router};
use quarterdeck_alerting::request::{Refused, Request};
use quarterdeck_alerting::store;
use quarterdeck_alerting::task::MAX_HELD;
use quarterdeck_alerting::{Console, Handle, Options, Runner, Setting};
use quarterdeck_journal::testing::Scratch;
use quarterdeck_kernel::{Actor, Clock, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::task::{Running, Sent, eventually, start};
use super::{alert, at, plan, roster};

/// More than may wait.
const STORM: usize = 10_000;

#[tokio::test]
async fn more_requests_than_may_wait_are_turned_away_and_counted() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[quarterdeck_alerting::MIGRATIONS]).await;
    let db = timeline.db().clone();
    let clock = Arc::clone(&scratch.clock) as Arc<dyn Clock>;
    let (_send, done) = mpsc::channel(16);
    let setting = Setting { plan: plan(), options: Options::default(), roster: roster() };
    let (runner, handle) =
        Runner::new(setting, timeline, Arc::new(Sent::default()), done, clock, Console::default());
    // Nobody carries anything out yet: it is as if one write took very long.
    let mut asked = JoinSet::new();
    for n in 0..STORM {
        let handle = handle.clone();
        asked.spawn(async move {
            let request = Request::Post(vec![alert(&format!("alertname=A{n}"))]);
            (n, handle.ask(request, Actor::system("storm"), false).await)
        });
    }
    let mut refused = 0;
    while handle.waiting() + refused < STORM {
        let (_, answer) = asked.join_next().await.expect("one is answered").expect("it does not panic");
        assert_eq!(answer.map(|_| ()), Err(Refused::Busy));
        refused += 1;
    }
    assert!(refused > STORM / 2, "what waits is bounded: {refused} of {STORM} were turned away");
    let running = tokio::spawn(runner.run(std::future::pending()));
    let mut taken = Vec::new();
    while let Some(answered) = asked.join_next().await {
        let (n, answer) = answered.expect("it does not panic");
        answer.unwrap_or_else(|e| panic!("{n} waited, and was then refused: {e}"));
        taken.push(format!("A{n}"));
    }
    assert_eq!(taken.len() + refused, STORM, "each got an answer");
    let view = handle.view();
    assert_eq!(view.alerts.alerts.len(), taken.len());
    eventually("it is shown", || handle.view().turned_away == refused as u64).await;
    let more = Request::Post(vec![alert("alertname=After")]);
    handle.ask(more, Actor::system("storm"), false).await.expect("it is taken");
    running.abort();
    let stored = format!("{:?}", store::load(&db).await.expect("it is read").records);
    for name in taken.iter().step_by(97) {
        assert!(stored.contains(&format!("{name:?}")), "{name} was answered as taken and is not saved");
    }
}

struct Api(Handle);

impl Source for Api {
    fn handle(&self) -> Result<Handle, String> {
        Ok(self.0.clone())
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn read_only(&self) -> bool {
        false
    }

    fn now(&self) -> Timestamp {
        at(0)
    }
}

/// A post of this many bytes that never come.
fn stalled(bytes: usize) -> HttpRequest<Body> {
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = HttpRequest::post("/api/v2/alerts").header("content-length", bytes);
    request.body(never).expect("a request")
}

async fn call(running: &Running, request: HttpRequest<Body>) -> (StatusCode, String) {
    let api = router(Arc::new(Api(running.handle.clone())));
    let answer = api.oneshot(request).await.expect("an answer");
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn post(body: impl Into<Body>) -> HttpRequest<Body> {
    HttpRequest::post("/api/v2/alerts").body(body.into()).expect("a request")
}

#[tokio::test]
async fn bodies_that_are_held_together_are_bounded() {
    let running = Arc::new(start().await);
    let mut slow = JoinSet::new();
    for running in [&running; 2].map(Arc::clone) {
        slow.spawn(async move { call(&running, stalled(MAX_HELD / 2)).await });
    }
    // Both hold their room as soon as they have said how much they want.
    eventually("there is no room", || running.handle.room().hold(1).is_err()).await;
    let good = r#"[{"labels":{"alertname":"Small"}}]"#;
    let turned_away = || async {
        let told = HttpRequest::get("/api/quarterdeck/v1/alerting/statistics").body(Body::empty());
        let (_, told) = call(&running, told.expect("a request")).await;
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        told["turnedAway"].as_u64().expect("a number")
    };
    let before = running.handle.view().turned_away;
    let (status, why) = call(&running, post(good)).await;
    assert_eq!(status, 503, "{why}");
    assert!(why.contains("too many requests are waiting; try again"), "{why}");
    eventually("it is counted", || running.handle.view().turned_away > before).await;
    assert!(turned_away().await > before, "and told");
    // Whoever breaks off leaves room.
    slow.shutdown().await;
    assert_eq!(call(&running, post(good)).await, (StatusCode::OK, String::new()));
    running.task.abort();
}

#[tokio::test]
async fn a_batch_is_as_long_as_is_said_and_comes_in_time() {
    let running = start().await;
    let (status, why) = call(&running, stalled(usize::MAX)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{why}");
    // It says nothing of its length, and does not end.
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
    let (status, why) = call(&running, post(Body::from_stream(endless))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{why}");
    let broken = stream::iter([Ok(Bytes::from_static(b"[")), Err(std::io::Error::other("reset"))]);
    let (status, why) = call(&running, post(Body::from_stream(broken))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
    assert!(why.contains("breaks off"), "{why}");
    tokio::time::pause();
    let (status, why) = call(&running, stalled(10)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{why}");
    assert!(why.contains("30 s"), "{why}");
    tokio::time::resume();
    assert!(running.handle.room().hold(MAX_HELD).is_ok(), "all room is given back");
    running.task.abort();
}

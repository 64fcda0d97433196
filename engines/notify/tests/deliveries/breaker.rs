//! What one notification learns of its destination helps the others, and delays none. In simulated time where nothing hangs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_notify::{Attempt, Channel, DestinationStatus, LogFile};
use quarterdeck_resilience::breaker::{Reason, State};
use tokio::time::Instant;

use crate::support::*;

/// An attempt to the one destination of a test, about a group, with ten minutes' time.
fn about(group: &str, channel: Channel) -> Attempt {
    let mut about = notification(vec![alert("Down", "a:1", true)]);
    about.group_key = group.into();
    let mut attempt = attempt(channel, about);
    attempt.destination = "one".into();
    attempt.deadline = Instant::now() + Duration::from_secs(600);
    attempt
}

/// A file that cannot be written while its directory is not there.
fn file(directory: &Path) -> Channel {
    let path = directory.join("log");
    Channel::LogFile(Arc::new(LogFile { path, max_bytes: 1 << 20, keep: 1, send_resolved: true }))
}

fn hook(url: &str) -> Channel {
    channel(&configured(&format!("  webhook_configs: [{{ url: '{url}' }}]")))
}

fn status(console: &Console) -> DestinationStatus {
    console.notifier.destinations().remove(0)
}

#[tokio::test(start_paused = true)]
async fn what_pauses_goes_as_soon_as_the_destination_takes_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("mounted later");
    for seed in 0..20 {
        let mut console = Console::with(|settings| {
            settings.first_pause = Duration::from_millis(500);
            settings.seed = seed;
        });
        let early = about("early", file(&place));
        let id = early.id;
        console.notifier.send(early).unwrap();
        tokio::time::sleep(Duration::from_secs(300)).await;
        let down = status(&console);
        assert_eq!((down.breaker.state, down.breaker.reason), (State::Open, Reason::ProbeFailed));
        assert!(down.down_since.is_some() && down.waiting == 1 && down.running == 0, "{down:?}");
        assert!(down.last_failure.as_ref().is_some_and(|(_, why)| why.contains("cannot write")), "{down:?}");

        std::fs::create_dir(&place).unwrap();
        let back = Instant::now();
        assert_eq!(delivered(&console.deliver(about("page", file(&place))).await), 1, "nothing is held back");
        delivered(&console.report(id).await);
        let took = back.elapsed();
        assert!(took < Duration::from_secs(1), "seed {seed}: it paused for {took:?} more");
        assert_eq!(status(&console).breaker.state, State::HalfOpen);
        delivered(&console.deliver(about("third", file(&place))).await);
        let well = status(&console);
        assert_eq!((well.breaker.state, well.breaker.reason), (State::Closed, Reason::Recovered));
        assert_eq!((well.down_since, well.last_failure), (None, None));
        std::fs::remove_dir_all(&place).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_fail_again_and_again_keep_no_other_from_being_tried() {
    let dir = tempfile::tempdir().unwrap();
    let mut console = Console::with(|settings| settings.first_pause = Duration::from_secs(50));
    for n in 0..20 {
        let bad = about(&format!("group {n}"), file(&dir.path().join("never there")));
        console.notifier.send(bad).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    assert_eq!(delivered(&console.deliver(about("page", file(dir.path()))).await), 1);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // Each of the others was tried, and once more when something else was taken: no more, for it is their own fault.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = status(&console);
    assert_eq!((after.waiting, after.failed_tries), (20, 40), "{after:?}");
}

#[tokio::test]
async fn what_hangs_is_begun_anew_when_something_later_is_taken() {
    let receiver = Receiver::start(|n, _| match n {
        0..5 => crate::support::status(500),
        5 => Answer::Hang,
        _ => ok(),
    })
    .await;
    let mut console = Console::with(|settings| settings.hangs_after = Duration::from_millis(200));
    let stuck = about("stuck", hook(&receiver.url("/")));
    let id = stuck.id;
    console.notifier.send(stuck).unwrap();
    while receiver.seen().len() < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    delivered(&console.deliver(about("page", hook(&receiver.url("/")))).await);
    assert_eq!(delivered(&console.report(id).await), 7);
    // What it may have had already is told to the receiver.
    let same = |seen: &&Request| seen.headers["idempotency-key"] == id.to_string().as_str();
    let marks = receiver
        .seen()
        .iter()
        .filter(same)
        .map(|s| s.headers.contains_key("x-quarterdeck-possibly-duplicate"))
        .collect::<Vec<_>>();
    assert_eq!(marks, [false, false, false, false, false, false, true]);
    // A try may take ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_is_slow_but_well_is_waited_for() {
    let receiver = Receiver::start(|n, _| if n == 0 { Answer::Hang } else { ok() }).await;
    let mut console = Console::with(|settings| {
        settings.hangs_after = Duration::from_millis(50);
        settings.try_timeout = Duration::from_secs(1);
    });
    let slow = about("slow", hook(&receiver.url("/")));
    let id = slow.id;
    console.notifier.send(slow).unwrap();
    while receiver.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    delivered(&console.deliver(about("page", hook(&receiver.url("/")))).await);
    assert_eq!(delivered(&console.report(id).await), 2);
    assert!(begun.elapsed() > Duration::from_millis(900), "nothing was known against it");
}

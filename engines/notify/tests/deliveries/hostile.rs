//! Receivers that misbehave: each ends clearly and in time, and no other notification is delayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quarterdeck_notify::{Outcome, Refused};

use crate::support::*;

fn hook(url: &str) -> quarterdeck_notify::Channel {
    channel(&configured(&format!("  webhook_configs: [{{ url: '{url}' }}]")))
}

fn soon(milliseconds: u64) -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_millis(milliseconds)
}

#[tokio::test]
async fn one_that_hangs_delays_no_other_and_ends_at_its_deadline() {
    let hangs = Receiver::start(|_, _| Answer::Hang).await;
    let fine = Receiver::start(|_, _| ok()).await;
    let mut console = Console::new();
    let mut stuck = Vec::new();
    for n in 0..20 {
        let mut attempt = firing(hook(&hangs.url("/")));
        attempt.destination = "stuck".into();
        attempt.deadline = soon(8000);
        let mut about = notification(vec![alert("Down", "a:1", true)]);
        about.group_key = format!("group {n}").into();
        attempt.notification = Arc::new(about);
        stuck.push(attempt.id);
        console.notifier.send(attempt).unwrap();
    }
    for _ in 0..20 {
        let mut attempt = firing(hook(&fine.url("/")));
        attempt.destination = "fine".into();
        delivered(&console.deliver(attempt).await);
    }
    // None of the stuck ones has ended yet: nobody waited for them.
    let status = console.notifier.destinations();
    let of = |name: &str| status.iter().find(|s| &*s.destination == name).unwrap().clone();
    assert_eq!((of("stuck").waiting, of("stuck").running), (20, 8));
    assert_eq!((of("fine").waiting, of("fine").delivered), (0, 20));
    for id in stuck {
        let (reason, permanent) = failed(&console.report(id).await);
        assert!(!permanent && (reason.contains("in time") || reason.contains("waited behind")), "{reason}");
    }
    assert_eq!(console.notifier.destinations()[1].failed, 20);
}

#[tokio::test]
async fn one_that_fails_for_a_while_gets_it_later() {
    for answers in [[500, 503], [429, 502]] {
        let receiver = Receiver::start(move |n, _| if n < 6 { status(answers[n % 2]) } else { ok() }).await;
        let mut console = Console::new();
        let report = console.deliver(firing(hook(&receiver.url("/")))).await;
        assert_eq!(delivered(&report), 7);
        let ids: Vec<String> = receiver.seen().iter().map(|r| r.headers["idempotency-key"].clone()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    }
    // What closes the connection is asked again too.
    let receiver = Receiver::start(|n, _| if n < 2 { Answer::Close } else { ok() }).await;
    let mut console = Console::new();
    assert!(delivered(&console.deliver(firing(hook(&receiver.url("/")))).await) >= 2);
    // And one that never gets better, until the deadline.
    let receiver = Receiver::start(|_, _| status(500)).await;
    let mut attempt = firing(hook(&receiver.url("/")));
    attempt.deadline = soon(3000);
    let report = console.deliver(attempt).await;
    let (reason, permanent) = failed(&report);
    assert!(report.tries > 2 && !permanent, "{report:?}");
    assert!(
        reason.contains("given up") && reason.contains("500") && reason.contains("because of 500"),
        "{reason}"
    );
}

#[tokio::test]
async fn one_that_asks_to_wait_is_not_asked_before() {
    let receiver =
        Receiver::start(|n, _| if n == 0 { Answer::Say(429, "retry-after: 1", String::new()) } else { ok() })
            .await;
    let mut console = Console::new();
    let begun = Instant::now();
    assert_eq!(delivered(&console.deliver(firing(hook(&receiver.url("/")))).await), 2);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn one_that_refuses_is_not_asked_again() {
    for code in [400, 401, 404, 410, 422] {
        let receiver = Receiver::start(move |_, _| status(code)).await;
        let mut console = Console::new();
        let report = console.deliver(firing(hook(&receiver.url("/")))).await;
        let (reason, permanent) = failed(&report);
        assert!(
            permanent && report.tries == 1 && reason.contains(&format!("because of {code}")),
            "{report:?}"
        );
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Receiver::start(|_, _| ok()).await;
    for (code, to) in [(302, target.url("/")), (307, "http://169.254.169.254/latest/meta-data".to_owned())] {
        let headers: &'static str = Box::leak(format!("location: {to}").into_boxed_str());
        let receiver = Receiver::start(move |_, _| Answer::Say(code, headers, String::new())).await;
        let mut console = Console::new();
        let (reason, permanent) = failed(&console.deliver(firing(hook(&receiver.url("/")))).await);
        assert!(permanent && reason.contains("redirects are not followed"), "{reason}");
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn link_local_addresses_are_refused_unless_allowed_by_name() {
    let mut console = Console::new();
    for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe"] {
        let report = console.deliver(firing(hook(&format!("http://{host}/latest")))).await;
        let (reason, permanent) = failed(&report);
        assert!(permanent && reason.contains("link-local or metadata address"), "{host}: {reason}");
        assert_eq!(report.tries, 1);
    }
    let mail = configured(
        "  email_configs: [{ to: a@b.c, from: a@b.c, smarthost: '169.254.169.254:25', require_tls: false }]",
    );
    let (reason, permanent) = failed(&console.deliver(firing(channel(&mail))).await);
    assert!(permanent && reason.contains("link-local"), "{reason}");
    // Allowed, it is tried: whether anybody answers there is another matter.
    let mut console = Console::with(|settings| settings.allow_hosts = vec!["169.254.169.254".to_owned()]);
    let mut attempt = firing(hook("http://169.254.169.254:9/latest"));
    attempt.deadline = soon(200);
    let report = console.deliver(attempt).await;
    if let Outcome::Failed { reason, .. } = &report.outcome {
        assert!(!reason.contains("link-local"), "{reason}");
    }
}

#[tokio::test]
async fn an_answer_of_a_gigabyte_is_not_read() {
    let receiver = Receiver::start(|_, _| Answer::Endless).await;
    let mut console = Console::new();
    // Whoever waited for its end would have no answer by the deadline.
    assert_eq!(delivered(&console.deliver(firing(hook(&receiver.url("/")))).await), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answered = receiver.answered.load(Ordering::Relaxed);
    // Less than what the sockets buffer.
    assert!(answered < 64 << 20, "{answered} bytes were sent");
}

#[tokio::test]
async fn templates_that_fail_or_loop_end_and_delay_no_other() {
    let receiver = Receiver::start(|_, _| ok()).await;
    let slack = |title: &str| {
        let title = title.replace('\'', "''");
        let config = format!(
            "  slack_configs: [{{ api_url: '{}', channel: c, title: '{title}' }}]",
            receiver.url("/s")
        );
        channel(&configured(&config))
    };
    let mut console = Console::new();
    let slow = [
        "{{ range 5000000 }}{{ range 5000000 }}{{ end }}{{ end }}",
        "{{ $x := \"12345678\" }}{{ range 60 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}",
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
    ]
    .map(|title| {
        let attempt = firing(slack(title));
        let id = attempt.id;
        console.notifier.send(attempt).unwrap();
        id
    });
    let mut other = firing(hook(&receiver.url("/w")));
    other.deadline = soon(60_000);
    delivered(&console.deliver(other).await);
    for id in slow {
        let report = console.report(id).await;
        let (reason, permanent) = failed(&report);
        assert!(permanent && reason.contains("the template of title fails"), "{reason}");
    }
    for (title, told) in [
        ("{{ template \"nothing\" . }}", "template \"nothing\" not defined"),
        ("{{ .Nothing }}", "can't evaluate field Nothing"),
        ("{{ index .Alerts 9 }}", "index out of range: 9"),
    ] {
        let (reason, permanent) = failed(&console.deliver(firing(slack(title))).await);
        assert!(permanent && reason.contains(told), "{reason}");
    }
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_group_is_told_in_order_and_a_full_queue_refuses() {
    let hold = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&hold);
    let receiver =
        Receiver::start(move |_, _| if held.load(Ordering::Relaxed) { status(500) } else { ok() }).await;
    let mut console = Console::with(|settings| settings.queue = 5);
    let to = hook(&receiver.url("/"));
    let mut ids = Vec::new();
    for n in 0..8 {
        let mut attempt = attempt(to.clone(), notification(vec![alert("Down", &format!("{n}:1"), true)]));
        attempt.destination = "one".into();
        let id = attempt.id;
        match console.notifier.send(attempt) {
            Ok(()) => ids.push(id),
            Err(Refused::Full { waiting, .. }) => assert!(waiting == 5 && n >= 5),
        }
    }
    assert_eq!(ids.len(), 5);
    assert_eq!(console.notifier.destinations()[0].refused, 3);
    hold.store(false, Ordering::Relaxed);
    for id in ids {
        delivered(&console.report(id).await);
    }
    let mut told: Vec<String> = receiver
        .seen()
        .iter()
        .map(|r| r.json()["commonLabels"]["instance"].as_str().unwrap().to_owned())
        .collect();
    told.dedup();
    assert_eq!(told, ["0:1", "1:1", "2:1", "3:1", "4:1"]);
    // A destination that is let go finishes what it has.
    console.notifier.retain(|_| false);
    assert!(console.notifier.destinations().is_empty());
}

#[tokio::test]
async fn no_secret_is_told() {
    let mut console = Console::new();
    for yaml in [
        "  webhook_configs: [{ url: 'http://user:hunter2@127.0.0.1:1/hunter2?token=hunter2' }]",
        "  slack_configs: [{ api_url: 'http://127.0.0.1:1/hunter2', channel: c }]",
        "  webhook_configs: [{ url: 'http://127.0.0.1:1/', http_config: { basic_auth: { username: u, password: hunter2 } } }]",
        "  webhook_configs: [{ url: 'http://127.0.0.1:1/', http_config: { proxy_url: 'http://u:hunter2@127.0.0.1:1' } }]",
    ] {
        let mut attempt = firing(channel(&configured(yaml)));
        attempt.deadline = soon(100);
        let report = console.deliver(attempt).await;
        let (reason, _) = failed(&report);
        assert!(!reason.contains("hunter2"), "{reason}");
        let shown = format!("{:?}", console.notifier.destinations());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

//! The program killed again and again while alerts are posted, acknowledged and silenced, groups are told and people are paged:
//! nothing that was answered is lost, nothing acknowledged pages again, nothing is sent twice without being marked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Home, Server, eventually_or, post, request};
use super::{Told, Webhook, alerts};

/// A small generator, so that a failure can be repeated from its seed.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// How late this machine was with waking up somebody who slept: what it may also be late with elsewhere.
struct Behind(Arc<AtomicU64>);

impl Behind {
    /// Watches as long as it lives.
    fn watch() -> Self {
        let longest = Arc::<AtomicU64>::default();
        let seen = Arc::downgrade(&longest);
        std::thread::spawn(move || {
            let nap = Duration::from_millis(10);
            loop {
                let begun = Instant::now();
                std::thread::sleep(nap);
                let late = begun.elapsed().saturating_sub(nap).as_millis();
                let Some(longest) = seen.upgrade() else { return };
                longest.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::SeqCst);
            }
        });
        Self(longest)
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What the program has answered with success.
#[derive(Default)]
struct Answered {
    /// Alerts by name, with what was done about them.
    alerts: BTreeMap<String, Doings>,
    /// Comments of silences.
    silences: BTreeSet<String>,
}

#[derive(Clone, Copy, Default)]
struct Doings {
    /// It is hidden by a silence that was there before it.
    hidden: bool,
    /// When the acknowledgement was answered.
    acknowledged: Option<Instant>,
    /// Whether an acknowledgement was asked for, answered or not.
    asked: bool,
}

fn configuration(hook: &Webhook, alice: &Webhook, bob: &Webhook) -> (String, &'static str) {
    let receiver = |name: &str, at: &Webhook| {
        format!(
            "- name: {name}\n  webhook_configs:\n  - url: http://{}/\n    send_resolved: true\n",
            at.address
        )
    };
    let yaml = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 200ms, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n{}{}{}",
        receiver("hook", hook),
        receiver("alice", alice),
        receiver("bob", bob)
    );
    let toml = "[alerting]\nalertmanager_config = \"alertmanager.yml\"\n[metrics.host]\nenabled = false\n\
                [oncall.persons.alice]\nchannels = [\"alice\"]\n\
                [oncall.persons.bob]\nchannels = [\"bob\"]\n\
                [[oncall.policies.p.steps]]\nnotify = [\"person:alice\"]\nwait = \"2s\"\n\
                [[oncall.policies.p.steps]]\nnotify = [\"person:bob\"]\nwait = \"1h\"\n\
                [[oncall.routes]]\nmatchers = ['severity=\"critical\"']\npolicy = \"p\"\n";
    (yaml, toml)
}

/// One writer's work during one life of the program.
fn write(address: &str, token: &str, cycle: usize, over: &AtomicBool, done: &AtomicUsize) -> Answered {
    let mut answered = Answered::default();
    let json = [("content-type", "application/json")];
    for n in 0.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("A{cycle}n{n}");
        let hidden = n % 5 == 4;
        if hidden {
            let silence = json!({
                "matchers": [{ "name": "alertname", "value": name, "isRegex": false }],
                "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
                "createdBy": "bob", "comment": format!("hides {name}"),
            });
            if request(address, "POST", "/api/v2/silences", &json, silence.to_string().as_bytes()).0 != 200 {
                break;
            }
            answered.silences.insert(format!("hides {name}"));
        }
        let severity = if n % 2 == 0 { "critical" } else { "warning" };
        let alert = json!([{ "labels": { "alertname": name, "severity": severity }, "endsAt": "2099-01-01T00:00:00Z" }]);
        if request(address, "POST", "/api/v2/alerts", &json, alert.to_string().as_bytes()).0 != 200 {
            break;
        }
        done.fetch_add(1, Ordering::SeqCst);
        let mut doings = Doings { hidden, ..Doings::default() };
        if n % 3 == 0 && !hidden {
            let print = fingerprint(&[("alertname", &name), ("severity", severity)]);
            let call = json!({ "action": "alerts.acknowledge", "subject": format!("alert:{print}") });
            doings.asked = true;
            if post(&format!("http://{address}"), token, &call) == 200 {
                doings.acknowledged = Some(Instant::now());
            }
        }
        answered.alerts.insert(name, doings);
        std::thread::sleep(Duration::from_millis(15));
    }
    answered
}

/// FNV-1a over sorted labels, as Alertmanager names alerts.
fn fingerprint(labels: &[(&str, &str)]) -> String {
    let fold = |hash: u64, bytes: &[u8]| {
        bytes.iter().fold(hash, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
    };
    let hash = labels.iter().fold(0xcbf2_9ce4_8422_2325, |hash, (name, value)| {
        let hash = fold(fold(hash, name.as_bytes()), &[0xff]);
        fold(fold(hash, value.as_bytes()), &[0xff])
    });
    format!("{hash:016x}")
}

fn name_in(told: &Told) -> String {
    told.body["alerts"][0]["labels"]["alertname"].as_str().unwrap_or_default().to_owned()
}

/// Of one webhook: each alert is told that it fires once, or again only with the mark.
fn no_unmarked_repetition(context: &str, told: &[Told]) -> usize {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut marked = 0;
    for told in told.iter().filter(|t| t.body["status"] == "firing") {
        marked += usize::from(told.possibly_duplicate);
        if !told.possibly_duplicate {
            let times = seen.entry(name_in(told)).or_default();
            *times += 1;
            assert_eq!(*times, 1, "{context}: {} came twice, and is not marked", name_in(told));
        }
    }
    marked
}

#[test]
fn whatever_was_answered_survives_kill_9_at_any_instant() {
    let long = std::env::var_os("QUARTERDECK_LONG").is_some();
    let cycles = if long { 200 } else { 10 };
    let seed = 0x5eed_0004;
    let mut random = Seeded(seed);
    let (home, hook, alice, bob) = (Home::new(), Webhook::start(), Webhook::start(), Webhook::start());
    let (yaml, toml) = configuration(&hook, &alice, &bob);
    home.file("alertmanager.yml", &yaml);
    let config = home.file("quarterdeck.toml", toml).display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", &config];
    let mut all = Answered::default();
    let behind = Behind::watch();
    for cycle in 0..cycles {
        let mut server = home.serve(&args);
        let context = format!("seed {seed:#x}, cycle {cycle}");
        check(&context, &server, &all);
        let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let after = Duration::from_millis(random.below(700));
        let (address, token) = (server.address().to_owned(), server.token.clone());
        let fresh = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write(&address, &token, cycle, &over, &done));
            eventually_or(
                "a first alert is taken",
                || (done.load(Ordering::SeqCst) > 0).then_some(()),
                || format!("{context}\n{}", home.stderr()),
            );
            std::thread::sleep(after);
            server.kill();
            over.store(true, Ordering::SeqCst);
            writer.join().expect("a writer")
        });
        all.alerts.extend(fresh.alerts);
        all.silences.extend(fresh.silences);
    }

    let server = home.serve(&args);
    let context = format!("seed {seed:#x}, after {cycles} kills");
    check(&context, &server, &all);
    // Whatever is not hidden is told, and whoever did not answer is followed by the next.
    let missing = |webhook: &Webhook, wanted: &dyn Fn(&String, &Doings) -> bool| -> Vec<String> {
        let told: BTreeSet<String> = webhook.told_whole().iter().map(name_in).collect();
        let all = all.alerts.iter().filter(|(name, doings)| wanted(name, doings));
        all.map(|(name, _)| name.clone()).filter(|name| !told.contains(name)).collect()
    };
    let critical = |name: &str| {
        let n: usize = name.split('n').next_back().and_then(|n| n.parse().ok()).unwrap_or(1);
        n.is_multiple_of(2)
    };
    // An acknowledgement may come before the group is looked at for the first time, and then nobody is told.
    for (webhook, wanted) in [
        (&hook, &(|_: &String, d: &Doings| !d.hidden && !d.asked) as &dyn Fn(&String, &Doings) -> bool),
        (&alice, &|name: &String, d: &Doings| !d.hidden && !d.asked && critical(name)),
        (&bob, &|name: &String, d: &Doings| !d.hidden && !d.asked && critical(name)),
    ] {
        eventually_or(
            "everything is told",
            || missing(webhook, wanted).is_empty().then_some(()),
            || format!("{context}: {:?}\n{}", missing(webhook, wanted), home.stderr()),
        );
    }
    let mut marked = 0;
    for webhook in [&hook, &alice, &bob] {
        let told = webhook.told_whole();
        marked += no_unmarked_repetition(&context, &told);
        for told in &told {
            let Some(doings) = all.alerts.get(&name_in(told)) else { continue };
            assert!(!doings.hidden, "{context}: {} is silenced", name_in(told));
            // What was handed to the network before the acknowledgement was answered may arrive a little later; on a busy
            // machine as much later as it holds other things up.
            let late = doings.acknowledged.map(|at| told.at.saturating_duration_since(at));
            let most = Duration::from_secs(1) + behind.longest() * 3;
            assert!(
                late.is_none_or(|late| late < most) || told.possibly_duplicate,
                "{context}: {} was acknowledged {late:?} before it was told",
                name_in(told)
            );
        }
    }
    // Nothing acknowledged ever reaches the second step.
    for told in bob.told_whole() {
        let doings = all.alerts.get(&name_in(&told)).copied().unwrap_or_default();
        assert!(
            doings.acknowledged.is_none(),
            "{context}: {} was acknowledged and escalated",
            name_in(&told)
        );
    }
    let (code, out, error) = {
        drop(server);
        home.run(&["timeline", "verify"])
    };
    assert_eq!(code, 0, "{context}: {out}{error}");
    let acknowledged = all.alerts.values().filter(|d| d.acknowledged.is_some()).count();
    eprintln!(
        "{cycles} kills: {} alerts, {acknowledged} acknowledged, {} silences, {} + {} + {} notifications, {marked} marked \
         as possibly duplicate; none lost, none twice",
        all.alerts.len(),
        all.silences.len(),
        hook.told().len(),
        alice.told().len(),
        bob.told().len(),
    );
    home.deserted();
}

/// Everything that was answered is there.
fn check(context: &str, server: &Server, all: &Answered) {
    let listed = alerts(server);
    let known: BTreeMap<&str, &Value> =
        listed.iter().filter_map(|a| Some((a["labels"]["alertname"].as_str()?, a))).collect();
    for (name, doings) in &all.alerts {
        let alert =
            known.get(name.as_str()).unwrap_or_else(|| panic!("{context}: {name} was taken and is lost"));
        if doings.hidden {
            assert_eq!(alert["status"]["state"], "suppressed", "{context}: {name} is silenced");
        }
    }
    let silences = server.json("/api/v2/silences");
    let kept: BTreeSet<&str> =
        silences.as_array().into_iter().flatten().filter_map(|s| s["comment"].as_str()).collect();
    for comment in &all.silences {
        assert!(kept.contains(comment.as_str()), "{context}: the silence that {comment} is lost");
    }
    // The newest ones suffice: the older ones were looked at in the cycles before.
    let newest = all.alerts.iter().filter(|(_, d)| d.acknowledged.is_some()).rev().take(10);
    for (name, _) in newest {
        let print = known[name.as_str()]["fingerprint"].as_str().expect("a fingerprint");
        let explained = server.json(&format!("/api/quarterdeck/v1/alerts/{print}/explain"));
        assert_eq!(explained["state"], "acknowledged", "{context}: {name}: {explained}");
    }
}

//! What a full frame of 200 columns and 60 rows costs the processor, for every pane: the shell draws all of it, and all of it
//! is written as it would be to a terminal. The target is a median of 2 ms.
//!
//! `cargo bench -p quarterdeck-panes`

#![allow(clippy::unwrap_used, reason = "a bench may fail")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::io::BufWriter;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use quarterdeck_alerting::engine::SeededIds;
use quarterdeck_alerting::model::PostedAlert;
use quarterdeck_alerting::{Effects, Engine, Options as AlertingOptions, Plan, View, actions};
use quarterdeck_kernel::{ActionSpec, Invocation, Labels, Reason, Subject, SubjectKind, Timestamp};
use quarterdeck_panes::World;
use quarterdeck_panes::alarms::Alarms;
use quarterdeck_panes::world::{Actions, Answer, Evaluated, EvaluatedSeries, Query, Timeline};
use quarterdeck_services::{Snapshot as Services, TransactionView};
use quarterdeck_ui::changes::changes;
use quarterdeck_ui::shell::Options;
use quarterdeck_ui::{HostEffect, Input, Key, Shell};
use quarterdeck_widgets::Look;
use quarterdeck_widgets::table::arrange;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const AREA: Rect = Rect { x: 0, y: 0, width: 200, height: 60 };

/// Sixty services of ten transactions, twenty feeds of three hundred rows, five hundred changes.
fn world() -> World {
    let mut world = support::world();
    let history: Arc<[f64]> = (0..30).map(|i| 50.0 + 40.0 * f64::from(i).sin()).collect();
    let transaction = |i: usize| TransactionView {
        name: format!("POST /orders/{i}").into(),
        rate: Some(12.5),
        errors: Some(0.1),
        p50: Some(4.0),
        p95: Some(12.0),
        p99: Some(40.0 + i as f64),
        apdex: Some(0.97),
        threshold: Some(50.0),
        target: Some(99.5),
        attainment: Some(99.7),
        broken_since: None,
        rate_history: Arc::clone(&history),
        p99_history: Arc::clone(&history),
    };
    let service = |i: usize| {
        let mut service = (*support::service(&format!("service-{i:02}"))).clone();
        let signals = &mut service.signals;
        for signal in [&mut signals.rate, &mut signals.errors, &mut signals.p99, &mut signals.saturation] {
            signal.value = Some(40.0 + i as f64);
            signal.limit = Some(80.0);
            signal.history = Arc::clone(&history);
        }
        service.transactions = (0..10).map(transaction).collect();
        Arc::new(service)
    };
    world.services = Arc::new(Services { services: (0..60).map(service).collect(), ..Services::default() });
    let feed = |i: usize| {
        let mut feed = (*support::quotes()).clone();
        feed.name = format!("quotes-{i:02}").into();
        Arc::new(feed)
    };
    world.streams = Arc::new(quarterdeck_streams::Snapshot {
        version: 2,
        taken: support::NOW,
        feeds: (0..20).map(feed).collect(),
    });
    let change = |i: i64| {
        let mut entry = (*support::deployed()).clone();
        entry.id.seq = 1000 - i as u64;
        entry.at = support::at(-30 * i);
        Arc::new(entry)
    };
    world.timeline =
        Arc::new(Timeline { entries: (0..500).map(change).collect(), total: 500, ..Timeline::default() });
    world
}

/// What alerting would do on these alerts: asked as the program asks it, at every frame.
struct Available(Arc<View>, Vec<ActionSpec>);

impl Actions for Available {
    fn specs(&self) -> &[ActionSpec] {
        &self.1
    }

    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        actions::available(&self.0, action, subject)
    }

    fn preview(&self, _: &Invocation) -> Vec<String> {
        Vec::new()
    }
}

/// Ten thousand alerts of a hundred names and fifty services, in groups by service; a tenth is acknowledged.
fn with_alerts(mut world: World, version: u64) -> World {
    let routes = "route: {receiver: chat, group_by: [service], group_wait: 1s}\nreceivers:\n- name: chat\n  webhook_configs:\n  \
                  - url: http://127.0.0.1:1\n";
    let config =
        quarterdeck_alertmanager::Config::parse(routes, "bench.yml", std::path::Path::new("")).unwrap();
    let plan = Arc::new(Plan::from_config(&config, |_| true));
    let mut engine =
        Engine::new(plan, AlertingOptions::default(), Box::new(SeededIds::new(1)), support::at(-600));
    let mut effects = Effects::default();
    let posted = |i: usize| {
        let pairs = [
            ("alertname", format!("Alert{:02}", i % 100)),
            ("service", format!("service-{:02}", i % 50)),
            ("severity", ["critical", "warning", "info"][i % 3].to_owned()),
            ("instance", format!("10.0.{}.{}:9100", i / 250, i % 250)),
            ("region", ["eu", "us", "ap"][i / 7 % 3].to_owned()),
        ];
        PostedAlert {
            labels: pairs.iter().map(|(n, v)| (Arc::from(*n), Arc::from(v.as_str()))).collect(),
            annotations: vec![(
                Arc::from("summary"),
                Arc::from(format!("value {i} is over its limit").as_str()),
            )],
            starts_at: Some(support::at(-600 - i as i64)),
            ends_at: Some(support::at(3600)),
            generator_url: Some(Arc::from("http://p/graph?g0.expr=bench_level+%3E+3")),
        }
    };
    for batch in 0..10 {
        engine.post(
            (batch * 1000..(batch + 1) * 1000).map(posted).collect(),
            support::at(-600),
            &mut effects,
        );
    }
    engine.tick(support::at(-590), &mut effects);
    let all: Vec<_> = engine.snapshot(support::NOW).alerts.iter().map(|a| a.fingerprint).collect();
    let taken: Vec<_> = all.iter().step_by(10).copied().collect();
    engine.acknowledge(&taken, &"ops-1".into(), &"".into(), None, support::at(-300), &mut effects).unwrap();
    let alerts = engine.snapshot(support::NOW);
    assert_eq!(alerts.alerts.len(), 10_000);
    world.alerting = Arc::new(View { version, at: support::NOW, alerts, ..View::default() });
    world.alarms = Arc::new(Alarms::new(&world.alerting));
    world.actions = Arc::new(Available(Arc::clone(&world.alerting), actions::actions()));
    world
}

/// Answers what panes ask, as far as a frame depends on it.
fn answer(query: Query) -> Result<Answer, String> {
    let evaluated = |count: usize, points: usize, end: Timestamp| {
        let one = |series: usize| EvaluatedSeries {
            labels: Labels::from_pairs([
                ("__name__", "bench_level"),
                ("host", &format!("host-{:02}", series % 10)),
                ("item", &format!("{series:05}")),
            ]),
            points: (0..points)
                .map(|i| {
                    let value = series as f64 + (i as f64 / 9.0).sin();
                    (end.plus_millis((i as i64 + 1 - points as i64) * 5000), value)
                })
                .collect(),
        };
        Evaluated { series: (0..count).map(one).collect(), ..Evaluated::default() }
    };
    match query {
        Query::Range { exprs, to, .. } => {
            Ok(Answer::Range(exprs.iter().map(|_| Ok(evaluated(8, 180, to))).collect()))
        }
        Query::Instant { exprs, at } => {
            Ok(Answer::Instant(exprs.iter().map(|_| Ok(evaluated(50_000, 1, at))).collect()))
        }
        Query::Arrange(asked) => Ok(Answer::Arrange(arrange(&*asked.rows, &asked.spec))),
        _ => Err("not in this bench".to_owned()),
    }
}

fn settle(shell: &mut Shell<World>, mut open: Vec<HostEffect<World>>) {
    // Panes that are refused ask again: a bound.
    for _ in 0..8 {
        let mut next = Vec::new();
        for effect in open {
            if let HostEffect::Query { pane, slot, generation, query } = effect {
                let input = Input::Answer { pane, slot, generation, answer: answer(query) };
                next.extend(shell.handle(input));
            }
        }
        if next.is_empty() {
            return;
        }
        open = next;
    }
}

/// A shell with one pane open, brought there as an operator would.
fn shell(subject: &Subject, keys: &str) -> Shell<World> {
    let options = Options { look: Look::named("dark"), now: support::NOW, ..Options::default() };
    let mut shell =
        Shell::new(Arc::new(world()), quarterdeck_panes::all(), options).unwrap_or_else(|e| panic!("{e:?}"));
    shell.handle(Input::Resize(AREA.width, AREA.height));
    let effects = shell.open(subject);
    settle(&mut shell, effects);
    shell.draw(&mut Buffer::empty(AREA));
    for key in keys.split_whitespace() {
        let key: Key = key.parse().unwrap_or_else(|e| panic!("{key}: {e:?}"));
        let effects = shell.handle(Input::Key(key));
        settle(&mut shell, effects);
    }
    shell
}

fn full_frames(c: &mut Criterion) {
    let pane = |id: &str| Subject::new(SubjectKind::Pane, id);
    let series = Subject::new(SubjectKind::Series, r#"{__name__="bench_level"}"#);
    let cases = [
        ("overview", pane("overview"), ""),
        ("services", pane("services"), ""),
        ("metrics, graph of 8 series", series.clone(), ""),
        ("metrics, table of 50000 rows", series, "v"),
        ("streams", pane("streams"), ""),
        ("timeline", pane("timeline"), ""),
        ("self", pane("self"), ""),
        ("palette over overview", pane("overview"), ":"),
    ];
    for (name, subject, keys) in cases {
        let mut shell = shell(&subject, keys);
        let (blank, mut buffer) = (Buffer::empty(AREA), Buffer::empty(AREA));
        let mut backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, std::io::sink()));
        c.bench_function(&format!("frame/200x60 {name}"), |b| {
            b.iter(|| {
                shell.draw(&mut buffer);
                backend.draw(changes(&blank, black_box(&buffer))).unwrap();
                Backend::flush(&mut backend).unwrap();
            });
        });
    }
}

/// What one key costs in a table of 50,000 rows.
fn large_table(c: &mut Criterion) {
    let mut shell = shell(&Subject::new(SubjectKind::Series, r#"{__name__="bench_level"}"#), "v");
    let mut buffer = Buffer::empty(AREA);
    let keys = ["j".parse::<Key>().unwrap(), "k".parse::<Key>().unwrap()];
    let mut turn = 0;
    c.bench_function("key/in a table of 50000 rows", |b| {
        b.iter(|| {
            turn += 1;
            let effects = shell.handle(Input::Key(keys[turn % 2]));
            shell.draw(&mut buffer);
            black_box(effects);
        });
    });
}

/// What 10,000 alerts cost: a frame, a key, a letter of a filter, a new version of them.
fn many_alerts(c: &mut Criterion) {
    let alerts = with_alerts(world(), 7);
    let open = |keys: &str| {
        let options = Options { look: Look::named("dark"), now: support::NOW, ..Options::default() };
        let mut shell = Shell::new(Arc::new(alerts.clone()), quarterdeck_panes::all(), options)
            .unwrap_or_else(|e| panic!("{e:?}"));
        shell.handle(Input::Resize(AREA.width, AREA.height));
        let effects = shell.open(&Subject::new(SubjectKind::Pane, "alerts"));
        settle(&mut shell, effects);
        shell.draw(&mut Buffer::empty(AREA));
        for key in keys.split_whitespace() {
            let effects = shell.handle(Input::Key(key.parse().unwrap()));
            settle(&mut shell, effects);
        }
        shell
    };
    let mut buffer = Buffer::empty(AREA);
    for (name, keys) in [("flat", ""), ("grouped", "v"), ("one open", "enter")] {
        let mut shell = open(keys);
        c.bench_function(&format!("frame/200x60 10000 alerts, {name}"), |b| {
            b.iter(|| {
                shell.draw(&mut buffer);
                black_box(&buffer);
            });
        });
    }
    let turns = [
        ("key/in 10000 alerts", "", ["j", "k"]),
        ("key/a letter of a filter over 10000 alerts", "/ s e r v i c e", ["x", "backspace"]),
        ("key/a condition of a filter over 10000 alerts", "/ s e v e r i t y =", ["c", "backspace"]),
    ];
    for (name, before, keys) in turns {
        let mut shell = open(before);
        let keys = keys.map(|key| key.parse::<Key>().unwrap());
        let mut turn = 0;
        c.bench_function(name, |b| {
            b.iter(|| {
                turn += 1;
                let effects = shell.handle(Input::Key(keys[turn % 2]));
                settle(&mut shell, effects);
                shell.draw(&mut buffer);
            });
        });
    }
    let mut shell = open("");
    let mut version = 8;
    c.bench_function("world/a new version of 10000 alerts", |b| {
        b.iter(|| {
            version += 1;
            let mut newer = alerts.clone();
            newer.version = version;
            newer.alerting = Arc::new(View { version, ..(*alerts.alerting).clone() });
            newer.alarms = Arc::new(Alarms::new(&newer.alerting));
            let effects = shell.handle(Input::World(Arc::new(newer)));
            settle(&mut shell, effects);
            shell.draw(&mut buffer);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(60).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500));
    targets = full_frames, large_table, many_alerts
}
criterion_main!(benches);

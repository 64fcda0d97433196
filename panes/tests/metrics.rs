//! The metrics explorer: keys in, effects and screens out.

mod support;

use quarterdeck_kernel::{Labels, Moment, SubjectKind, Timestamp};
use quarterdeck_panes::metrics::Metrics;
use quarterdeck_panes::world::{
    Answer, Complaint, Evaluated, EvaluatedSeries, Names, PlotFormat, Query, World,
};
use quarterdeck_ui::{Click, Effect, Event, Pane};
use quarterdeck_widgets::Look;
use support::{NOW, Stage, at, empty_world, subject, world};

/// The newest query of a slot.
fn asked(effects: &[Effect<World>], wanted: &str) -> Option<Query> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Query { slot, query } if *slot == wanted => Some(query.clone()),
        _ => None,
    })
}

fn toast(effects: &[Effect<World>]) -> Option<&str> {
    effects.iter().find_map(|e| if let Effect::Toast(_, text) = e { Some(text.as_str()) } else { None })
}

/// So many series, by instance, over what was asked.
fn series(query: &Query, count: usize) -> Evaluated {
    let times: Vec<Timestamp> = match query {
        Query::Range { from, to, step_ms, .. } => {
            let points = (to.as_millis() - from.as_millis()) / step_ms;
            (0..=points).map(|i| from.plus_millis(i * step_ms)).collect()
        }
        Query::Instant { at, .. } => vec![*at],
        other => panic!("{other:?} has no series"),
    };
    let one = |number: usize| {
        let instance = format!("10.0.0.{number}:9100");
        let labels =
            Labels::from_pairs([("__name__", "queue_depth"), ("job", "orders"), ("instance", &instance)]);
        let value = |t: &Timestamp| {
            40.0 + 10.0 * number as f64 + 8.0 * (t.as_secs_f64() / 90.0 + number as f64).sin()
        };
        EvaluatedSeries { labels, points: times.iter().map(|t| (*t, value(t))).collect() }
    };
    Evaluated {
        series: (1..=count).map(one).collect(),
        notes: Vec::new(),
        series_read: count as u64,
        samples_read: 4_210,
        wall_us: 3_140,
    }
}

/// An explorer that has run one query with an answer of so many series.
fn explored(size: (u16, u16), query: &str, count: usize) -> Stage {
    let mut stage = Stage::new(Metrics::new(), world(), size);
    stage.keys("i");
    stage.types(query);
    let effects = stage.keys("enter");
    let query = asked(&effects, "series").expect("the query runs");
    stage.answer("series", Ok(Answer::Range(vec![Ok(series(&query, count))])));
    stage
}

fn sizes(name: &str, stage: impl Fn((u16, u16)) -> Stage) {
    for (width, height) in [(80, 20), (120, 36), (200, 56)] {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), stage((width, height)).screen());
    }
}

#[test]
fn one_query_as_graph() {
    sizes("graph", |size| {
        let mut stage = explored(size, "queue_depth", 4);
        stage.keys("left left down");
        stage
    });
}

#[test]
fn several_queries_one_wrong_one_off() {
    sizes("several", |size| {
        let mut stage = explored(size, "queue_depth{job=\"orders\"}", 3);
        stage.keys("n");
        stage.types("rate(orders_total[5m]");
        stage.keys("enter n");
        stage.types("up");
        stage.keys("enter t");
        let query = asked(&stage.passes(9_000), "series");
        if let Some(query) = query {
            stage.answer("series", Ok(Answer::Range(vec![Ok(series(&query, 3))])));
        }
        stage
    });
}

#[test]
fn the_table_lists_values_of_one_moment() {
    sizes("table", |size| {
        let mut stage = explored(size, "queue_depth", 4);
        let query = asked(&stage.keys("v"), "series").expect("asked anew");
        assert!(matches!(query, Query::Instant { at, .. } if at == NOW));
        stage.answer("series", Ok(Answer::Instant(vec![Ok(series(&query, 4))])));
        stage
    });
}

#[test]
fn nothing_asked_teaches_with_what_is_there() {
    sizes("examples", |size| {
        let mut stage = Stage::new(Metrics::new(), world(), size);
        let names = ["orders_total", "orders_duration_seconds_bucket", "up"].map(str::to_owned).to_vec();
        assert!(matches!(asked(&stage.effects, "examples"), Some(Query::Names { what: Names::Metrics, .. })));
        stage.answer("examples", Ok(Answer::Names(names)));
        stage
    });
    let mut stage = Stage::new(Metrics::new(), world(), (80, 20));
    stage.answer("examples", Ok(Answer::Names(vec!["up".to_owned(), "orders_total".to_owned()])));
    let effects = stage.keys("down enter");
    let Some(Query::Range { exprs, .. }) = asked(&effects, "series") else {
        panic!("another effect was wanted")
    };
    assert_eq!(exprs, ["sum by (job) (rate(orders_total[5m]))"]);
}

#[test]
fn an_empty_store_says_how_to_fill_it() {
    let mut stage = Stage::new(Metrics::new(), empty_world(), (80, 20));
    stage.answer("examples", Ok(Answer::Names(Vec::new())));
    assert!(stage.screen().contains("[[scrape.jobs]]"), "{}", stage.screen());
    assert_eq!(stage.hints(), ["metrics.edit"]);
    assert!(asked(&stage.passes(1_000), "examples").is_some(), "names may have come meanwhile");
}

#[test]
fn completion_floats_under_the_query() {
    let mut stage = Stage::new(Metrics::new(), world(), (100, 24));
    stage.keys("i");
    let effects = stage.types("sum by (job) (rate(ord");
    assert!(matches!(
        asked(&effects, "names"),
        Some(Query::Names { what: Names::Metrics, matching, .. }) if matching == "ord"
    ));
    stage.answer(
        "names",
        Ok(Answer::Names(vec!["orders_total".to_owned(), "orders_rejected_total".to_owned()])),
    );
    insta::assert_snapshot!("completion", stage.screen());
    stage.keys("tab");
    stage.types("[5m]))");
    let effects = stage.keys("enter");
    let Some(Query::Range { exprs, .. }) = asked(&effects, "series") else {
        panic!("another effect was wanted")
    };
    assert_eq!(exprs, ["sum by (job) (rate(orders_total[5m]))"]);
}

#[test]
fn escape_leaves_the_query_as_it_was_and_loses_nothing() {
    let mut stage = explored((80, 20), "up", 1);
    stage.keys("i");
    stage.types(" + 1");
    stage.keys("esc");
    assert!(!stage.pane.typing());
    assert_eq!(stage.selection().as_deref(), Some("series:up"));
    stage.keys("i up");
    assert!(stage.screen().contains("up + 1"), "{}", stage.screen());
}

#[test]
fn a_live_graph_moves_on_and_a_frozen_or_rewound_one_does_not() {
    let mut stage = explored((80, 20), "up", 1);
    assert!(asked(&stage.passes(1_000), "series").is_none(), "not more often than every two seconds");
    let effects = stage.passes(60_000);
    let query = asked(&effects, "series").expect("asked again");
    let Query::Range { from, to, step_ms, .. } = &query else { panic!("{query:?}") };
    assert_eq!((to.as_millis() % step_ms, from.as_millis() % step_ms), (0, 0), "points stay where they are");
    assert!(asked(&stage.passes(60_000), "series").is_none(), "one at a time");
    stage.answer("series", Ok(Answer::Range(vec![Ok(series(&query, 1))])));
    stage.scope.frozen = true;
    assert!(asked(&stage.passes(60_000), "series").is_none());
    stage.scope.frozen = false;
    stage.scope.moment = Moment::At(at(-3600));
    stage.event(Event::Scope);
    let query = asked(&stage.effects, "series").expect("asked for the past");
    stage.answer("series", Ok(Answer::Range(vec![Ok(series(&query, 1))])));
    assert!(asked(&stage.passes(60_000), "series").is_none());
}

#[test]
fn mistakes_of_the_evaluation_stand_where_they_are() {
    let mut stage = Stage::new(Metrics::new(), world(), (80, 20));
    stage.keys("i");
    stage.types("a / on(b) c");
    stage.keys("enter");
    let complaint =
        Complaint { message: "found duplicate series on the right side".to_owned(), range: 10..11 };
    stage.answer("series", Ok(Answer::Range(vec![Err(complaint)])));
    let screen = stage.screen();
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[1].contains("a / on(b) c") && lines[2].contains("found duplicate series"), "{screen}");
    assert!(stage.is_role("found duplicate", quarterdeck_widgets::Role::Critical));
}

#[test]
fn late_wrong_and_failed_answers_do_no_harm() {
    let mut stage = explored((80, 20), "up", 2);
    stage.answer("series", Ok(Answer::Range(vec![])));
    stage.answer("series", Ok(Answer::Instant(vec![])));
    stage.answer("series", Ok(Answer::Names(vec![])));
    stage.answer("names", Err("no".to_owned()));
    stage.answer("plot", Ok(Answer::Plot(vec![1])));
    stage.answer("nowhere", Err("no".to_owned()));
    assert!(stage.screen().contains("2 series"), "{}", stage.screen());
    stage.passes(60_000);
    stage.answer("series", Err("the store is being read by another".to_owned()));
    let screen = stage.screen();
    assert!(screen.contains("not up to date: the store") && screen.contains("2 series"), "{screen}");
    assert!(asked(&stage.passes(3_000), "series").is_none(), "not at once again");
    assert!(asked(&stage.passes(60_000), "series").is_some());
    stage.answer("series", Err("given up with Esc".to_owned()));
    assert!(asked(&stage.passes(600_000), "series").is_none(), "what was given up stays so");
}

#[test]
fn rates_sums_and_the_service_come_by_key() {
    let mut stage = explored((80, 20), "orders_total", 1);
    assert!(stage.hints().contains(&"metrics.rate"), "a counter wants a rate");
    stage.keys("p");
    assert_eq!(stage.selection().as_deref(), Some("series:rate(orders_total[5m])"));
    assert_eq!(toast(&stage.keys("F")), Some("no service is selected: S chooses one"));
    stage.scope.service = Some("orders".to_owned());
    stage.keys("F");
    assert_eq!(stage.selection().as_deref(), Some("series:rate(orders_total{job=\"orders\"}[5m])"));
    stage.keys("B");
    stage.types("job");
    stage.keys("enter");
    assert_eq!(
        stage.selection().as_deref(),
        Some("series:sum by (job) (rate(orders_total{job=\"orders\"}[5m]))")
    );
    stage.keys("p");
    stage.keys("i ctrl-u ctrl-s enter");
    assert_eq!(stage.selection().as_deref(), Some("series:{job=\"orders\"}"));
}

#[test]
fn the_time_is_everyones() {
    let mut stage = explored((120, 36), "up", 1);
    stage.keys("left");
    let first = stage.scope.cursor.expect("a cursor");
    stage.keys("left");
    assert!(stage.scope.cursor.is_some_and(|second| second < first));
    stage.keys(")");
    assert_eq!(stage.scope.range, 450_000);
    stage.keys("<");
    assert!(matches!(stage.scope.moment, Moment::At(_)));
    stage.keys("> >");
    assert_eq!(stage.scope.moment, Moment::Live);
    stage.click("chart", Click::Press, (10, 2));
    assert!(stage.scope.cursor.is_some_and(|c| c < first));
    stage.click("chart", Click::ScrollUp, (10, 2));
    assert_eq!(stage.scope.range, 225_000);
    stage.click("chart", Click::Double, (10, 2));
    assert_eq!(stage.scope.cursor, None);
}

#[test]
fn the_step_can_be_set() {
    let mut stage = explored((80, 20), "up", 1);
    stage.keys("T");
    stage.types("nonsense");
    stage.keys("enter");
    assert!(stage.pane.typing() && stage.screen().contains("is not a duration"), "{}", stage.screen());
    stage.keys("ctrl-u");
    stage.types("30s");
    let effects = stage.keys("enter");
    assert!(matches!(asked(&effects, "series"), Some(Query::Range { step_ms: 30_000, .. })));
}

#[test]
fn values_leave_as_csv_png_and_svg() {
    let mut stage = explored((80, 20), "queue_depth", 2);
    let effects = stage.keys("e c");
    let Some(Effect::Export { name, content }) = effects.first() else { panic!("another effect was wanted") };
    let text = String::from_utf8(content.clone()).expect("text");
    assert_eq!(name, "queue_depth-143207.csv");
    assert_eq!(text.lines().next().map(|l| l.matches("queue_depth").count()), Some(2));
    let effects = stage.keys("e s");
    let Some(Query::Plot(plot)) = asked(&effects, "plot") else { panic!("another effect was wanted") };
    assert_eq!((plot.format, plot.series.len(), plot.marks.len()), (PlotFormat::Svg, 2, 1));
    let effects = stage.answer("plot", Ok(Answer::Plot(b"<svg/>".to_vec())));
    assert!(matches!(effects.first(), Some(Effect::Export { name, .. }) if name == "queue_depth-143207.svg"));
    stage.keys("e p");
    assert!(toast(&stage.answer("plot", Err("no font".to_owned()))).is_some_and(|t| t.contains("no font")));
}

#[test]
fn ten_thousand_series_are_arranged_in_the_background() {
    let mut stage = Stage::new(Metrics::new(), world(), (120, 36));
    stage.keys("i");
    stage.types("queue_depth");
    let query = asked(&stage.keys("enter"), "series").expect("runs");
    let one = |n: usize| EvaluatedSeries {
        labels: Labels::from_pairs([
            ("__name__", "queue_depth".to_owned()),
            ("instance", format!("node-{n}")),
        ]),
        points: vec![(at(-60), n as f64), (at(-1), n as f64)],
    };
    let Query::Range { .. } = query else { panic!("{query:?}") };
    let evaluated = Evaluated { series: (0..10_000).map(one).collect(), ..Evaluated::default() };
    let mut effects = stage.answer("series", Ok(Answer::Range(vec![Ok(evaluated)])));
    for keys in ["s", "s s"] {
        if let Some(Query::Arrange(job)) = asked(&effects, "arrange") {
            stage.answer(
                "arrange",
                Ok(Answer::Arrange(quarterdeck_widgets::table::arrange(&*job.rows, &job.spec))),
            );
        }
        effects = stage.keys(keys);
    }
    if let Some(Query::Arrange(job)) = asked(&effects, "arrange") {
        stage.answer(
            "arrange",
            Ok(Answer::Arrange(quarterdeck_widgets::table::arrange(&*job.rows, &job.spec))),
        );
    }
    let screen = stage.screen();
    assert!(screen.contains("32 of 10 000 drawn"), "{screen}");
    assert!(screen.contains("10 000 series · all queue_depth · by instance"), "{screen}");
}

#[test]
fn deep_links_put_the_selector_in_and_run_it() {
    let mut stage = explored((80, 20), "up", 1);
    let link = subject(SubjectKind::Series, "{job=\"orders\", instance=\"a:1\"}");
    stage.event(Event::Open(&link));
    let Some(Query::Range { exprs, .. }) = asked(&stage.effects, "series") else {
        panic!("another effect was wanted")
    };
    assert_eq!(exprs, [link.id.as_str()]);
    stage.event(Event::Open(&subject(SubjectKind::Series, "not a query (")));
    assert!(stage.screen().contains("not a query ("));
}

#[test]
fn queries_and_view_are_remembered() {
    let mut stage = explored((80, 20), "up", 1);
    stage.keys("n");
    stage.types("down");
    stage.keys("enter t L u");
    let remembered = stage.pane.remember().expect("something to remember");
    let mut pane = Metrics::new();
    pane.restore(&remembered);
    assert_eq!(pane.remember(), Some(remembered));
    pane.restore("is x\nstep -1\n\u{1b}[31m\non");
    let stage = Stage::new(pane, world(), (80, 20));
    let Some(Query::Range { exprs, .. }) = asked(&stage.effects, "series") else {
        panic!("another effect was wanted")
    };
    assert_eq!(exprs, ["up"]);
}

#[test]
fn every_size_every_look_every_mode() {
    for theme in ["harbour", "daylight", "contrast", "sixteen"] {
        let mut stage = explored((80, 20), "queue_depth", 5);
        stage.look = Look::named(theme);
        for keys in [
            "L",
            "u",
            "f",
            "x",
            "o",
            "esc",
            "left",
            "v",
            "v",
            "/ x esc",
            "c esc",
            "n",
            "esc",
            "T",
            "esc",
            "i tab down",
        ] {
            stage.keys(keys);
            stage.draws_everywhere();
        }
    }
    let mut stage = explored((80, 20), "queue_depth", 12);
    stage.look = Look::named("harbour").with_depth(quarterdeck_widgets::Depth::None);
    stage.draws_everywhere();
    assert!(stage.screen().contains("1 10.0.0.1:9100"), "{}", stage.screen());
}

#[test]
fn the_keys_of_both_panes_hide_no_other() {
    let panes = [Metrics::new().spec(), quarterdeck_panes::streams::Streams::new().spec()];
    let actions = quarterdeck_streams::actions();
    let vocabulary = quarterdeck_ui::keymap::Vocabulary { panes: &panes, actions: &actions };
    let errors = quarterdeck_ui::Keymap::defaults(&vocabulary).err().unwrap_or_default();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn hostile_labels_do_not_reach_the_terminal() {
    let mut stage = Stage::new(Metrics::new(), world(), (80, 20));
    stage.keys("i");
    stage.types("x");
    stage.keys("enter");
    let bad = EvaluatedSeries {
        labels: Labels::from_pairs([("a", "\u{1b}[2J\u{202e}evil\n")]),
        points: vec![(at(-5), f64::INFINITY), (at(-4), f64::NAN), (at(-3), -1e300)],
    };
    let evaluated = Evaluated {
        series: vec![bad.clone(), bad],
        notes: vec!["\u{1b}]0;x\u{7}".to_owned()],
        ..Evaluated::default()
    };
    stage.answer("series", Ok(Answer::Range(vec![Ok(evaluated)])));
    let (buffer, _) = stage.draw();
    assert!(buffer.content.iter().all(|c| !c.symbol().chars().any(|c| c.is_control() || c == '\u{202e}')));
    stage.draws_everywhere();
}

#[test]
fn enter_before_the_examples_are_known_runs_the_first_of_them() {
    let mut stage = Stage::new(Metrics::new(), world(), (120, 36));
    let effects = stage.keys("enter");
    assert!(!stage.pane.typing(), "the editor stays closed: {}", stage.screen());
    assert!(asked(&effects, "series").is_none());
    let effects = stage.answer("examples", Ok(Answer::Names(vec!["up".to_owned()])));
    assert!(asked(&effects, "series").is_some(), "what was asked for is done when it can be");
    // Whoever has gone elsewhere meanwhile is not followed.
    let mut stage = Stage::new(Metrics::new(), world(), (120, 36));
    stage.keys("enter down");
    let effects = stage.answer("examples", Ok(Answer::Names(vec!["up".to_owned()])));
    assert!(asked(&effects, "series").is_none());
    let effects = stage.keys("enter");
    assert!(asked(&effects, "series").is_some());
}

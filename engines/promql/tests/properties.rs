//! Properties that hold for every query.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use quarterdeck_kernel::Timestamp;
use quarterdeck_promql::testing::MemoryStorage;
use quarterdeck_promql::{Budget, Engine, EngineOptions, Value, complete, parse};

fn selector() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("a_total"),
        Just("b_total"),
        Just("{__name__=~\"[ab]_total\"}"),
        Just("a_total{x=\"1\"}")
    ];
    let modifier = prop_oneof![
        6 => Just(""), 1 => Just(" offset 90s"), 1 => Just(" @ 400"), 1 => Just(" offset -1m"), 1 => Just(" @ start()")
    ];
    (name, modifier).prop_map(|(n, m)| format!("{n}{m}"))
}

fn range() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a_total"), Just("b_total"), Just("a_total{x!=\"1\"}")];
    let length = prop_oneof![Just("1m"), Just("5m"), Just("7m30s"), Just("61")];
    (name, length).prop_map(|(n, l)| format!("{n}[{l}]"))
}

fn vector() -> impl Strategy<Value = String> {
    let over = prop_oneof![
        Just("rate"),
        Just("increase"),
        Just("delta"),
        Just("irate"),
        Just("sum_over_time"),
        Just("max_over_time"),
        Just("last_over_time"),
        Just("changes"),
        Just("deriv"),
        Just("count_over_time"),
        Just("avg_over_time"),
        Just("stddev_over_time"),
        Just("absent_over_time")
    ];
    let leaf = prop_oneof![selector(), (over, range()).prop_map(|(f, r)| format!("{f}({r})"))];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let function = prop_oneof![
            Just("abs"),
            Just("-"),
            Just("ceil"),
            Just("timestamp"),
            Just("absent"),
            Just("sgn"),
            Just("")
        ];
        let aggregation = prop_oneof![
            Just("sum"),
            Just("max by (x)"),
            Just("avg without (x)"),
            Just("count by (y, x)"),
            Just("topk by (x) (1, a_total) or sum")
        ];
        let operator = prop_oneof![
            Just("+"),
            Just("* on (x, y)"),
            Just("and"),
            Just("or"),
            Just("unless on (y)"),
            Just("> bool"),
            Just("<=")
        ];
        prop_oneof![
            (function, inner.clone()).prop_map(|(f, e)| format!("{f}({e})")),
            (aggregation, inner.clone()).prop_map(|(a, e)| format!("{a} ({e})")),
            (inner.clone(), operator, inner.clone()).prop_map(|(l, o, r)| format!("({l}) {o} ({r})")),
            (inner.clone(), 1..5i32).prop_map(|(e, n)| format!("({e}) ^ {n} % 7")),
            inner.prop_map(|e| format!("min_over_time(({e})[4m:1m])")),
        ]
    })
}

fn storage() -> MemoryStorage {
    MemoryStorage::with(
        "30s",
        r#"
        a_total{x="1", y="1"} 0+3x20 1+2x20
        a_total{x="1", y="2"} 5 4 9 _ _x3 stale 1+1x30
        a_total{x="2", y="1"} NaN 1 Inf 3 -Inf 5x40
        b_total{x="1", y="1"} 7+1x12
        b_total{x="3", y="2"} _x9 1+0.5x30
        "#,
    )
    .unwrap()
}

/// The points at `t` as text, sorted.
fn at(value: &Value, t: i64) -> Vec<String> {
    let mut shown: Vec<String> = match value {
        Value::Vector(v) => v.iter().map(|s| format!("{} {:?}", s.labels, s.point.v)).collect(),
        Value::Matrix(m) => m
            .iter()
            .flat_map(|s| s.points.iter().map(move |p| (&s.labels, p)))
            .filter(|(_, p)| p.t.as_millis() == t)
            .map(|(l, p)| format!("{l} {:?}", p.v))
            .collect(),
        Value::Scalar { v, .. } => vec![format!("{{}} Float({v:?})")],
        Value::String { v, .. } => vec![v.clone()],
    };
    shown.sort();
    shown
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn printing_is_stable(query in vector()) {
        let expr = parse(&query).map_err(|e| TestCaseError::fail(format!("{query}: {e}")))?;
        let printed = expr.to_string();
        let again = parse(&printed).map_err(|e| TestCaseError::fail(format!("{query} → {printed}: {e}")))?;
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,60}", cursor in 0..70usize) {
        if let Err(e) = parse(&text) {
            prop_assert!(e.range.start <= e.range.end && e.range.end <= text.len());
            prop_assert!(!e.message.is_empty());
        }
        let _ = complete(&text, cursor);
    }

    #[test]
    fn any_words_are_parsed_or_refused(
        words in prop::collection::vec(prop_oneof![
            Just("sum"), Just("by"), Just("("), Just(")"), Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just("5m"), Just("1"),
            Just("+"), Just("-"), Just("offset"), Just("@"), Just("start"), Just("\"s\""), Just("="), Just("=~"), Just(","), Just("up"), Just("and"),
            Just("on"), Just("bool"), Just("=="), Just("rate"), Just("topk"), Just("group_left"), Just("^"), Just("'"), Just("#"), Just("\n")
        ], 0..24),
        cursor in 0..100usize,
    ) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(expr) => { expr.walk(&mut |e| assert!(e.span.end <= text.len())); }
            Err(e) => prop_assert!(e.range.start <= e.range.end && e.range.end <= text.len(), "{text}: {e:?}"),
        }
        let _ = complete(&text, cursor);
    }

    /// A range query is the same as an instant query at each of its steps.
    #[test]
    fn ranges_are_instants_at_each_step(query in vector(), delayed in any::<bool>()) {
        let query = query.replace(" @ start()", "");
        // A series that has lost its name at some steps and kept it at others (an `or` of both) is one series of a range,
        // without the name: there the two differ by design.
        let delayed = delayed && !query.contains(" or ");
        let storage = storage();
        let engine = Engine::new(EngineOptions { delayed_name_removal: delayed, ..EngineOptions::default() });
        let ms = Timestamp::from_millis;
        let ranged = engine.range(&query, &storage, ms(0), ms(900_000), Duration::from_secs(100), &Budget::unbounded());
        let mut failed = false;
        for t in (0..=900_000).step_by(100_000) {
            match engine.instant(&query, &storage, ms(t), &Budget::unbounded()) {
                Ok(instant) => if let Ok(ranged) = &ranged {
                    prop_assert_eq!(at(&instant.value, t), at(&ranged.value, t), "{} at {}", query, t);
                },
                Err(_) => failed = true,
            }
        }
        // What fails at one step fails as a whole. The other way round a range may fail on series that never meet.
        if failed {
            prop_assert!(ranged.is_err(), "{} fails at a step, but not as a range", query);
        }
    }
}

//! Series that are worked on as they are read, by several threads, yield the very same bits as the general way.

use quarterdeck_kernel::{Labels, STALE_NAN, Timestamp};

use super::{Evaluator, Steps};
use crate::engine::{EngineOptions, Output};
use crate::parser::{self, ParseOptions};
use crate::storage::Budget;
use crate::testing::MemoryStorage;
use crate::value::{PointValue, Value};

/// Splitmix64: enough to make data.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Counters that fall, gauges with odd values, buckets; gaps, stale markers, and names that differ by nothing else.
fn data(seed: u64) -> MemoryStorage {
    let mut random = Random(seed);
    let mut store = MemoryStorage::default();
    for i in 0..90u64 {
        let (name, le) = match i % 6 {
            0 | 1 => ("requests_total", ""),
            2 => ("errors_total", ""),
            3 => ("level", ""),
            _ => ("latency_bucket", ["0.1", "1", "+Inf", "odd"][(i / 6 % 4) as usize]),
        };
        let labels = Labels::from_pairs([
            ("__name__", name.to_owned()),
            ("job", format!("job-{}", i / 18)),
            ("instance", format!("i{}", i / 6)),
            ("code", ["200", "500", ""][(i % 2 + i / 50) as usize].to_owned()),
            ("le", le.to_owned()),
        ]);
        let mut v = random.below(1000) as f64;
        for step in 0..80 {
            v = match random.below(30) {
                0 => random.below(5) as f64,
                1 if name == "level" => [f64::NAN, f64::INFINITY, -0.0, 1e300][random.below(4) as usize],
                _ => v + random.below(80) as f64 / 7.0 - if name == "level" { 5.0 } else { 0.0 },
            };
            match random.below(20) {
                0 => {}
                1 => store.push(labels.clone(), Timestamp::from_millis(step * 15_000), STALE_NAN),
                _ => store.push(labels.clone(), Timestamp::from_millis(step * 15_000 + i as i64), v),
            }
        }
    }
    store
}

/// Everything about an outcome, floats by their bits.
fn shown(outcome: &Result<Output, crate::QueryError>) -> Vec<String> {
    let point = |v: &PointValue| match v {
        PointValue::Float(v) => format!("{:016x}", v.to_bits()),
        PointValue::Histogram(h) => h.to_string(),
    };
    let output = match outcome {
        Ok(output) => output,
        Err(error) => return vec![format!("error {error:?}")],
    };
    let mut lines: Vec<String> = match &output.value {
        Value::Vector(list) => {
            list.iter().map(|s| format!("{} {} {}", s.labels, s.point.t, point(&s.point.v))).collect()
        }
        Value::Matrix(list) => {
            let points = |s: &crate::value::Series| {
                s.points.iter().map(|p| format!(" {} {}", p.t, point(&p.v))).collect::<String>()
            };
            list.iter().map(|s| format!("{}{}", s.labels, points(s))).collect()
        }
        other => vec![format!("{other:?}")],
    };
    lines.extend(output.annotations.list().iter().map(|a| format!("{a:?}")));
    lines.push(format!("{} series, {} samples", output.stats.series, output.stats.samples));
    lines
}

fn queries() -> Vec<String> {
    let selectors = [
        "requests_total",
        "level",
        "{__name__=~\"requests_total|level\"}",
        "{__name__=~\"requests_total|errors_total\", code!=\"500\"} offset 1m",
        "latency_bucket @ 700",
        "nothing",
    ];
    let functions = [
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "deriv",
        "changes",
        "resets",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "last_over_time",
        "present_over_time",
        "stddev_over_time",
        "absent_over_time",
        "ts_of_min_over_time",
    ];
    let split = |selector: &str, range: &str| match selector.split_once(" o").or(selector.split_once(" @")) {
        Some((head, _)) => format!("{head}[{range}]{}", &selector[head.len()..]),
        None => format!("{selector}[{range}]"),
    };
    let mut inner: Vec<String> = selectors.iter().map(|s| (*s).to_owned()).collect();
    for (i, function) in functions.iter().enumerate() {
        for range in ["50s", "5m"] {
            inner.push(format!("{function}({})", split(selectors[i % selectors.len()], range)));
            inner.push(format!("{function}({})", split(selectors[(i + 1) % selectors.len()], range)));
        }
    }
    for selector in selectors {
        inner.push(format!("rate({})", split(selector, "2m")));
        inner.push(format!("timestamp({selector})"));
        inner.push(format!("quantile_over_time(1.5, {})", split(selector, "2m")));
        inner.push(format!("predict_linear({}, time())", split(selector, "2m")));
    }
    let mut all = vec!["level[3m]".to_owned(), "requests_total[70s] offset 10s".to_owned()];
    for (i, inner) in inner.iter().enumerate() {
        all.push(inner.clone());
        let by = ["by (job)", "without (code)", "", "by (__name__, le)", "by (nope, instance)", "without ()"];
        for (k, op) in ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"].iter().enumerate() {
            all.push(format!("{op} {} (({inner}))", by[(i + k) % by.len()]));
        }
        all.push(format!("quantile by (job) (0.5, {inner})"));
        all.push(format!("histogram_quantile(0.9, {inner})"));
    }
    for arg in ["latency_bucket", "(rate(latency_bucket[4m]))", "increase(latency_bucket[1m] offset 1m)"] {
        all.push(format!("histogram_quantile(0.5, {arg})"));
        all.push(format!("histogram_fraction(0.05, 0.5, {arg})"));
        all.push(format!("histogram_quantile(0.5, sum by (le, job) ({arg}))"));
    }
    all
}

#[test]
fn streamed_and_general_evaluation_agree_in_every_bit() {
    let seed = 11;
    let store = data(seed);
    let steps = [Steps::one(800_000), Steps { start: 100_000, step: 30_000, count: 40 }];
    for (i, query) in queries().into_iter().enumerate() {
        let parse = ParseOptions { experimental_functions: true, duration_expressions: false };
        let expr = parser::parse_with(&query, &parse).unwrap_or_else(|e| panic!("{query}: {e}"));
        // Names that go at the end are a matter of grouping: some of the queries will do.
        for delayed_name_removal in [false, true].into_iter().take(1 + usize::from(i % 3 == 0)) {
            let options = EngineOptions { delayed_name_removal, ..EngineOptions::default() };
            for steps in steps {
                let run = |streams| {
                    let budget = Budget::unbounded();
                    let bounds = (steps.start, steps.end());
                    let mut evaluator = Evaluator::new(&store, &budget, &options, bounds);
                    evaluator.streams = streams;
                    let one = steps.count == 1;
                    if one { evaluator.instant(&expr, steps.start) } else { evaluator.range(&expr, steps) }
                };
                if steps.count > 1 && expr.value_type() == crate::ValueType::Matrix {
                    continue;
                }
                let (streamed, general) = (run(true), run(false));
                assert_eq!(
                    shown(&streamed),
                    shown(&general),
                    "seed {seed}, {query}, {} steps, delayed {delayed_name_removal}",
                    steps.count
                );
            }
        }
    }
}

//! What is counted is shown.

use quarterdeck_kernel::{Matcher, Timestamp};
use quarterdeck_promql::storage::{Budget, Storage};

use super::*;
use crate::exposition::validate;
use crate::gather::Appender;
use crate::{MetricsConfig, Store};

#[test]
fn instruments_are_shared_by_name_and_labels_and_shown_in_both_formats() {
    let registry = Registry::default();
    registry.counter("quarterdeck_test_things_total", "Things.", &[("kind", "a\"b")]).add(2);
    registry.counter("quarterdeck_test_things_total", "Things.", &[("kind", "a\"b")]).inc();
    let gauge = registry.gauge("quarterdeck_test_level", "Level.", &[]);
    gauge.set(1.5);
    gauge.add(-0.5);
    let histogram = registry.histogram("quarterdeck_test_seconds", "Time.", &[("t", "x")], &[0.1, 1.0]);
    for value in [0.1, 0.5, 7.0] {
        histogram.observe(value);
    }
    assert_eq!((gauge.get(), histogram.count(), histogram.sum()), (1.0, 3, 7.6));
    let page = registry.page(Format::Text);
    for line in [
        "# TYPE quarterdeck_test_things_total counter",
        "quarterdeck_test_things_total{kind=\"a\\\"b\"} 3",
        "quarterdeck_test_level 1",
        "quarterdeck_test_seconds_bucket{t=\"x\",le=\"0.1\"} 1",
        "quarterdeck_test_seconds_bucket{t=\"x\",le=\"1\"} 2",
        "quarterdeck_test_seconds_bucket{t=\"x\",le=\"+Inf\"} 3",
        "quarterdeck_test_seconds_sum{t=\"x\"} 7.6",
        "quarterdeck_test_seconds_count{t=\"x\"} 3",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    let open = registry.page(Format::OpenMetrics);
    let summary = validate(Format::OpenMetrics, open.as_bytes()).unwrap();
    assert_eq!((summary.families, summary.samples), (4, 8), "{open}");
}

#[test]
fn what_does_not_fit_counts_but_is_not_shown() {
    let registry = Registry::default();
    registry.counter("x_total", "X.", &[]).inc();
    let stray = registry.gauge("x_total", "X.", &[]);
    stray.set(7.0);
    assert_eq!(stray.get(), 7.0);
    registry.counter("bad name", "X.", &[]).inc();
    for i in 0..MAX_CHILDREN + 5 {
        registry.counter("y_total", "Y.", &[("i", &i.to_string())]).inc();
    }
    let page = registry.page(Format::Text);
    assert!(page.contains("quarterdeck_instruments_hidden 7\n"), "{}", &page[..300]);
    assert!(!page.contains("bad name"));
    assert_eq!(page.lines().filter(|l| l.starts_with("y_total{")).count(), MAX_CHILDREN);
}

#[test]
fn timers_count_when_they_end_however_they_end() {
    let histogram = Histogram::new(&LATENCY_SECONDS);
    drop(histogram.start());
    assert!(histogram.start().stop().as_secs() < 5);
    histogram.start().discard();
    assert_eq!(histogram.count(), 2);
    assert!(histogram.sum() < 5.0);
}

#[test]
fn quantiles_are_read_back() {
    let histogram = Histogram::new(&[f64::INFINITY, 2.0, 1.0, f64::NAN]);
    assert_eq!(histogram.quantile(0.5), None);
    for _ in 0..10 {
        histogram.observe(0.5);
    }
    assert_eq!(histogram.quantile(0.5), Some(0.5));
    histogram.observe(f64::NAN);
    assert_eq!(histogram.quantile(1.0), Some(2.0));
}

#[test]
fn counting_from_many_threads_loses_nothing() {
    let registry = Registry::default();
    let (counter, gauge) = (registry.counter("n_total", "N.", &[]), registry.gauge("g", "G.", &[]));
    let histogram = registry.histogram("h", "H.", &[], &[1.0]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    counter.inc();
                    gauge.add(1.0);
                    histogram.observe(0.5);
                }
            });
        }
    });
    assert_eq!(
        (counter.get(), gauge.get(), histogram.count(), histogram.sum()),
        (4000, 4000.0, 4000, 2000.0)
    );
}

#[test]
fn the_store_takes_them_as_a_scrape_and_what_vanishes_goes_stale() {
    let store = Store::in_memory(MetricsConfig::default());
    let mut appender = Appender::new("quarterdeck", "here");
    let mut families = vec![Family::single("a", MetricType::Gauge, "A.", 1.0)];
    families[0].add(&[("x", "y")], 2.0);
    let at = Timestamp::from_millis;
    assert_eq!(appender.append(&store, &families, at(1000)), Ok(3));
    families[0].samples.pop();
    assert_eq!(appender.append(&store, &families, at(2000)), Ok(3));
    let found =
        store.select(&[Matcher::equal("job", "quarterdeck")], at(0), at(9000), &Budget::unbounded()).unwrap();
    let told: Vec<String> = found
        .iter()
        .map(|s| format!("{} {:?}", s.labels, s.samples.iter().map(|s| s.v).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        told,
        [
            "a{instance=\"here\", job=\"quarterdeck\"} [1.0, 1.0]",
            "a{instance=\"here\", job=\"quarterdeck\", x=\"y\"} [2.0, NaN]",
            "up{instance=\"here\", job=\"quarterdeck\"} [1.0, 1.0]",
        ]
    );
    assert!(quarterdeck_kernel::is_stale(found[1].samples[1].v));
    assert_eq!(store.metadata("a").unwrap().help, "A.");
}

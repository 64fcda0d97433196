//! How long queries take on data in memory: `cargo bench -p quarterdeck-promql`.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};
use quarterdeck_promql::{Budget, Engine, SeriesData, Storage, StorageError};

/// A store that hands out the same prepared series, cut to the range asked for, whatever is asked.
struct Prepared {
    series: Vec<SeriesData>,
}

impl Storage for Prepared {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        let mut found = vec![];
        for s in &self.series {
            if !matchers.iter().all(|m| m.matches(s.labels.get(&m.name).unwrap_or_default())) {
                continue;
            }
            let start = s.samples.partition_point(|p| p.t < from);
            let end = s.samples.partition_point(|p| p.t <= to);
            budget.take((end - start) as u64)?;
            found.push(SeriesData { labels: s.labels.clone(), samples: s.samples[start..end].to_vec() });
        }
        Ok(found)
    }

    fn series(
        &self,
        _: &[Matcher],
        _: Timestamp,
        _: Timestamp,
        _: &Budget,
    ) -> Result<Vec<Labels>, StorageError> {
        Ok(self.series.iter().map(|s| s.labels.clone()).collect())
    }

    fn label_names(
        &self,
        _: &[Matcher],
        _: Timestamp,
        _: Timestamp,
        _: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        Ok(vec![])
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: Timestamp,
        _: Timestamp,
        _: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        Ok(vec![])
    }
}

/// Shares equal names and values, as stores do.
#[derive(Default)]
struct Symbols(HashSet<Arc<str>>);

impl Symbols {
    fn labels(&mut self, pairs: &[(&str, String)]) -> Labels {
        let mut share = |text: &str| {
            let known = self.0.get(text).cloned();
            known.unwrap_or_else(|| {
                let new: Arc<str> = text.into();
                self.0.insert(Arc::clone(&new));
                new
            })
        };
        Labels::from_pairs(pairs.iter().map(|(n, v)| (share(n), share(v))).collect::<Vec<_>>())
    }
}

/// Samples every 5 s for half an hour.
fn samples(slope: f64) -> Vec<Sample> {
    (0..360).map(|i| Sample { t: Timestamp::from_millis(i * 5000), v: slope * i as f64 }).collect()
}

fn counters(count: usize) -> Prepared {
    let mut symbols = Symbols::default();
    let series = (0..count).map(|i| {
        let labels = [
            ("__name__", "http_requests_total".to_owned()),
            ("instance", format!("10.0.{}.{}:9100", i / 250 % 250, i % 250)),
            ("job", format!("job-{}", i % 20)),
            ("path", format!("/api/v1/resource/{}", i % 97)),
            ("code", ["200", "404", "500"][i % 3].to_owned()),
        ];
        SeriesData { labels: symbols.labels(&labels), samples: samples(i as f64 % 7.0) }
    });
    Prepared { series: series.collect() }
}

fn buckets(families: usize) -> Prepared {
    let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
    let mut symbols = Symbols::default();
    let mut series = vec![];
    for f in 0..families {
        for (b, le) in bounds.iter().enumerate() {
            let labels = [
                ("__name__", "latency_seconds_bucket".to_owned()),
                ("instance", format!("10.0.{}.{}:9100", f / 250, f % 250)),
                ("le", (*le).to_owned()),
            ];
            series.push(SeriesData { labels: symbols.labels(&labels), samples: samples((b + 1) as f64) });
        }
    }
    Prepared { series }
}

fn bench(c: &mut Criterion) {
    let engine = Engine::default();
    let mut group = c.benchmark_group("range of 31 steps");
    group.sample_size(10);
    let counters = counters(40_000);
    let buckets = buckets(3_000);
    let (start, end) = (Timestamp::from_millis(300_000), Timestamp::from_millis(1_200_000));
    for (name, query, storage) in [
        ("sum by rate, 40k series", "sum by (job) (rate(http_requests_total[5m]))", &counters),
        ("raw, 40k series", "http_requests_total", &counters),
        (
            "histogram_quantile, 30k series",
            "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))",
            &buckets,
        ),
        (
            "ratio, 30k series",
            "latency_seconds_bucket / ignoring (le) group_left latency_seconds_bucket{le=\"+Inf\"}",
            &buckets,
        ),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let budget = Budget::unbounded();
                let step = Duration::from_secs(30);
                black_box(engine.range(query, storage, start, end, step, &budget)).map(|o| o.stats.samples)
            });
        });
    }
    group.finish();
    let mut group = c.benchmark_group("instant");
    group.sample_size(10);
    for query in ["count(http_requests_total)", "topk by (job) (3, http_requests_total)"] {
        group.bench_function(query, |b| {
            b.iter(|| {
                black_box(engine.instant(query, &counters, end, &Budget::unbounded()))
                    .map(|o| o.stats.samples)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);

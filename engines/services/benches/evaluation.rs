//! What an evaluation costs over the real metrics store: 50 services of 10 transactions each, with latency buckets,
//! scraped every 15 seconds for 20 minutes. Prints the first evaluation (which fills the histories), later ones, and
//! those that also look up attainment.
//!
//! `cargo bench -p quarterdeck-services`

#![allow(clippy::unwrap_used, reason = "a bench may fail")]

use std::sync::Arc;
use std::time::Instant;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_metrics::{Incoming, Ingest as _, MetricsConfig, Store};
use quarterdeck_services::catalogue::Plan;
use quarterdeck_services::config::{Catalogue, SignalsConfig};
use quarterdeck_services::core::Core;
use quarterdeck_services::overrides::Overrides;
use quarterdeck_services::{PromSource, Source};

const SERVICES: usize = 50;
const TRANSACTIONS: usize = 10;
const BOUNDS: [&str; 12] =
    ["0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"];
const SCRAPE: i64 = 15_000;
const SCRAPES: i64 = 80;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), MetricsConfig::default()).unwrap();
    let now = fill(&store);
    let source: Arc<dyn Source> = Arc::new(PromSource::new(Arc::new(store)));
    let mut core = Core::new(Arc::new(Plan::new(Catalogue::new(), SignalsConfig::default())));
    let mut time = |what: &str, at: Timestamp| {
        let started = Instant::now();
        let snapshot = core.evaluate(&*source, &Overrides::default(), at);
        let took = started.elapsed();
        assert_eq!(
            (snapshot.services.len(), snapshot.problems.len()),
            (SERVICES, 0),
            "{:?}",
            snapshot.problems
        );
        println!("{what}: {:.1} ms", took.as_secs_f64() * 1000.0);
    };
    time("first evaluation, histories filled", now);
    for i in 1..=3 {
        time("later evaluation", now.plus_millis(i * 5000));
    }
    time("evaluation with attainment", now.plus_millis(31_000));
}

/// Fills the store up to the moment returned.
fn fill(store: &Store) -> Timestamp {
    let end = Timestamp::from_millis(1_700_000_010_000);
    let mut series = Vec::new();
    let mut add = |name: &str, labels: &[(&str, String)], rate: f64| {
        let name = (METRIC_NAME, name.to_owned());
        let labels = labels.iter().cloned().chain([name]);
        series.push((store.resolve(&Labels::from_pairs(labels)).unwrap(), rate));
    };
    for service in 0..SERVICES {
        let job = [("job", format!("service-{service}")), ("instance", format!("10.0.0.{service}:8080"))];
        add("up", &job, 0.0);
        add("process_cpu_seconds_total", &job, 0.3);
        for transaction in 0..TRANSACTIONS {
            let mut labels = job.to_vec();
            labels.extend([
                ("http_request_method", "GET".to_owned()),
                ("http_route", format!("/route/{transaction}")),
                ("http_response_status_code", "200".to_owned()),
            ]);
            add("http_server_request_duration_seconds_count", &labels, 12.0);
            for (i, bound) in BOUNDS.iter().enumerate() {
                let mut labels = labels.clone();
                labels.push(("le", (*bound).to_owned()));
                add("http_server_request_duration_seconds_bucket", &labels, (i + 1) as f64);
            }
        }
    }
    for scrape in 0..SCRAPES {
        let t = end.plus_millis((scrape + 1 - SCRAPES) * SCRAPE);
        let value = |rate: f64| if rate == 0.0 { 1.0 } else { rate * (scrape * SCRAPE / 1000) as f64 };
        let batch: Vec<Incoming> =
            series.iter().map(|(series, rate)| Incoming { series: *series, t, v: value(*rate) }).collect();
        assert_eq!(store.append(&batch).unwrap().taken, batch.len());
    }
    println!("{} series, {} samples", series.len(), series.len() as i64 * SCRAPES);
    end
}

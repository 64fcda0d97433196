//! A metrics store in memory, filled with made-up scrapes.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};
use quarterdeck_promql::storage::{Budget, SeriesData, Storage, StorageError};
use quarterdeck_services::config::{Catalogue, SignalsConfig, validate};
use quarterdeck_services::core::Core;
use quarterdeck_services::overrides::Overrides;
use quarterdeck_services::selector::Selector;
use quarterdeck_services::{PromSource, Snapshot};

/// Seconds between scrapes.
const SCRAPE: i64 = 5;

/// When the newest scrape was, in seconds since 1970.
pub(crate) const NOW: i64 = 1_700_000_100;

/// The first scrape: 20 minutes before.
const START: i64 = NOW - 1200;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// Series with samples at every scrape.
#[derive(Clone, Default)]
pub(crate) struct Store(Vec<SeriesData>);

impl Store {
    /// A series whose value at each scrape is a function of the seconds since the first.
    pub(crate) fn series(&mut self, name: &str, labels: &str, value: impl Fn(f64) -> f64) -> &mut Self {
        let labels = Selector::parse(labels).unwrap();
        let pairs = labels.matchers().iter().map(|m| (m.name.clone(), m.value.clone()));
        let labels = Labels::from_pairs(pairs.chain([(METRIC_NAME.to_owned(), name.to_owned())]));
        let times = (START..=NOW).step_by(SCRAPE as usize);
        let samples = times.map(|t| Sample { t: at(t), v: value((t - START) as f64) }).collect();
        self.0.push(SeriesData { labels, samples });
        self
    }

    /// A gauge that stands still.
    pub(crate) fn gauge(&mut self, name: &str, labels: &str, value: f64) -> &mut Self {
        self.series(name, labels, |_| value)
    }

    /// A counter that grows evenly.
    pub(crate) fn counter(&mut self, name: &str, labels: &str, per_second: f64) -> &mut Self {
        self.series(name, labels, |seconds| seconds * per_second)
    }

    /// A histogram to whose buckets so many requests per second are added, cumulative as exposed.
    pub(crate) fn histogram(&mut self, name: &str, labels: &str, buckets: &[(&str, f64)]) -> &mut Self {
        for (bound, per_second) in buckets {
            let open = labels.strip_suffix('}').unwrap();
            let labels = format!("{open}, le=\"{bound}\"}}");
            self.counter(&format!("{name}_bucket"), &labels, *per_second);
        }
        let all = buckets.last().map_or(0.0, |b| b.1);
        self.counter(&format!("{name}_count"), labels, all)
    }

    /// A target that answers.
    pub(crate) fn up(&mut self, labels: &str) -> &mut Self {
        self.gauge("up", labels, 1.0)
    }

    pub(crate) fn source(&self) -> PromSource {
        PromSource::new(Arc::new(self.clone()))
    }

    /// Services as of now, under the default configuration but for what the text says.
    pub(crate) fn evaluate(&self, config: &str) -> Snapshot {
        core(config).evaluate(&self.source(), &Overrides::default(), at(NOW))
    }
}

/// A core for a configuration given as `[services…]` and `[signals…]`.
pub(crate) fn core(config: &str) -> Core {
    Core::new(plan(config))
}

pub(crate) fn plan(config: &str) -> Arc<quarterdeck_services::catalogue::Plan> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    #[derive(Default)]
    struct Whole {
        services: Catalogue,
        signals: SignalsConfig,
    }
    let whole: Whole = toml::from_str(config).unwrap();
    let wrong = validate::validate(&whole.services, &whole.signals);
    assert!(wrong.is_empty(), "{wrong:?}");
    Arc::new(quarterdeck_services::catalogue::Plan::new(whole.services, whole.signals))
}

/// Whether two figures are equal but for rounding.
#[track_caller]
pub(crate) fn near(found: Option<f64>, expected: f64) {
    let value = found.unwrap_or(f64::NAN);
    assert!((value - expected).abs() < 1e-6 * expected.abs().max(1.0), "{found:?} is not {expected}");
}

fn fulfils(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()))
}

impl Storage for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        _: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        let found = self.0.iter().filter(|s| fulfils(&s.labels, matchers));
        let cut = |s: &SeriesData| SeriesData {
            labels: s.labels.clone(),
            samples: s.samples.iter().filter(|p| p.t >= from && p.t <= to).copied().collect(),
        };
        let mut series: Vec<SeriesData> = found.map(cut).filter(|s| !s.samples.is_empty()).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<Labels>, StorageError> {
        Ok(self.select(matchers, from, to, budget)?.into_iter().map(|s| s.labels).collect())
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        let all = Storage::series(self, matchers, from, to, budget)?;
        let mut names: Vec<String> =
            all.iter().flat_map(|l| l.iter().map(|(n, _)| n.to_owned()).collect::<Vec<_>>()).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        let all = Storage::series(self, matchers, from, to, budget)?;
        let mut values: Vec<String> = all.iter().filter_map(|l| l.get(name).map(str::to_owned)).collect();
        values.sort();
        values.dedup();
        Ok(values)
    }
}

/// Keeps the samples up to a time only, as if scraping had stopped there.
pub(crate) fn until(store: &Store, seconds: i64) -> Store {
    let cut = |s: &SeriesData| SeriesData {
        labels: s.labels.clone(),
        samples: s.samples.iter().filter(|p| p.t <= at(seconds)).copied().collect(),
    };
    Store(store.0.iter().map(cut).collect())
}

pub(crate) const STEP: Duration = Duration::from_secs(30);

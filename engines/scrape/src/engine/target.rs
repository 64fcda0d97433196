//! From discovered groups to targets: the labels that Prometheus adds, relabelling, the URL.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::time::{format_duration, parse_duration};
use url::Url;

use super::schedule::Rhythm;
use crate::config::{DEFAULT_TARGET_LIMIT, Job, Scheme, TargetGroup};
use crate::model::{MAX_DROPPED_SHOWN, bounded};
use crate::relabel::{self, LabelBuilder};

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAM: &str = "__param_";
const META: &str = "__meta_";
const RESERVED: &str = "__";
const JOB: &str = "job";
const INSTANCE: &str = "instance";

/// What tells targets of one job apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TargetKey {
    labels: Labels,
    url: Arc<str>,
}

/// A target to be scraped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Labels that every sample gets.
    pub(crate) labels: Labels,
    /// Labels before relabelling.
    pub(crate) discovered: Labels,
    pub(crate) url: Url,
    /// The URL as shown.
    pub(crate) shown: Arc<str>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) hash: u64,
}

impl Target {
    pub(crate) fn key(&self) -> TargetKey {
        TargetKey { labels: self.labels.clone(), url: Arc::clone(&self.shown) }
    }

    pub(crate) fn job(&self) -> &str {
        self.labels.get(JOB).unwrap_or_default()
    }

    pub(crate) fn instance(&self) -> &str {
        self.labels.get(INSTANCE).unwrap_or_default()
    }

    pub(crate) fn rhythm(&self) -> Rhythm {
        Rhythm::new(self.interval, self.hash)
    }
}

/// What a job's groups come to.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// Targets, each once.
    pub(crate) targets: Vec<Target>,
    /// Discovered labels of those that relabelling dropped; bounded.
    pub(crate) dropped: Vec<Labels>,
    pub(crate) dropped_count: usize,
    /// Addresses that cannot be targets; bounded.
    pub(crate) errors: Vec<String>,
    /// Why every target of the job is to fail: there are too many.
    pub(crate) over_limit: Option<Arc<str>>,
}

/// How many mistakes in targets are kept.
const MAX_ERRORS: usize = 20;

/// Builds the targets of a job.
pub(crate) fn build<'a>(job: &Job, groups: impl IntoIterator<Item = &'a TargetGroup>) -> Built {
    let mut built = Built::default();
    let mut keys = HashSet::new();
    let mut builder = LabelBuilder::default();
    let limit = job.limits.targets.unwrap_or(DEFAULT_TARGET_LIMIT);
    let mut count = 0usize;
    for group in groups {
        for address in &group.targets {
            discover(job, group, address, &mut builder);
            let discovered = builder.build();
            if !relabel::apply(&job.relabel, &mut builder) {
                built.dropped_count += 1;
                if built.dropped.len() < MAX_DROPPED_SHOWN {
                    built.dropped.push(discovered);
                }
                continue;
            }
            match finish(job, discovered, &mut builder) {
                Ok(target) => {
                    if keys.insert(target.key()) {
                        count += 1;
                        // Beyond the limit every target fails anyway: enough are kept to show that.
                        if count <= limit.max(DEFAULT_TARGET_LIMIT) {
                            built.targets.push(target);
                        }
                    }
                }
                Err(why) if built.errors.len() < MAX_ERRORS => {
                    built.errors.push(format!("{}, target {address:?}: {why}", group.source));
                }
                Err(_) => {}
            }
        }
    }
    if count > limit {
        built.over_limit = Some(bounded(&format!(
            "target_limit exceeded: the job has {count} targets, {limit} are allowed"
        )));
    }
    built
}

/// The labels before relabelling.
fn discover(job: &Job, group: &TargetGroup, address: &str, builder: &mut LabelBuilder) {
    builder.clear();
    for (name, value) in &group.labels {
        builder.set(name, value);
    }
    builder.set(ADDRESS, address);
    let defaults = [
        (JOB, &*job.name),
        (SCRAPE_INTERVAL, &format_duration(job.interval)),
        (SCRAPE_TIMEOUT, &format_duration(job.timeout)),
        (METRICS_PATH, &job.metrics_path),
        (SCHEME, job.scheme.as_str()),
    ];
    for (name, value) in defaults {
        if !builder.contains(name) {
            builder.set(name, value);
        }
    }
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            builder.set(&format!("{PARAM}{name}"), first);
        }
    }
}

/// The target that relabelled labels describe, or why they describe none.
fn finish(job: &Job, discovered: Labels, builder: &mut LabelBuilder) -> Result<Target, String> {
    let address = builder.get(ADDRESS).to_owned();
    if address.is_empty() {
        return Err("relabelling leaves it without an address (__address__)".to_owned());
    }
    if address.contains('/') {
        return Err(format!("{address:?} is not a host and port (__address__)"));
    }
    let period = |label: &str| {
        let text = builder.get(label);
        let period = parse_duration(text).map_err(|e| format!("{label}: {e}"))?;
        if period.is_zero() { Err(format!("{label} is zero")) } else { Ok(period) }
    };
    let (interval, timeout) = (period(SCRAPE_INTERVAL)?, period(SCRAPE_TIMEOUT)?);
    if timeout > interval {
        return Err("__scrape_timeout__ is longer than __scrape_interval__".to_owned());
    }
    let url = url(job, &address, builder)?;
    if builder.get(INSTANCE).is_empty() {
        builder.set(INSTANCE, &address);
    }
    builder.retain(|name| !name.starts_with(META) && !name.starts_with(RESERVED));
    let labels = builder.build();
    let shown: Arc<str> = Arc::from(url.as_str());
    let mut identity = String::with_capacity(256);
    let _ = write!(identity, "{labels} {shown}");
    Ok(Target { labels, discovered, hash: relabel::hash(&identity), url, shown, interval, timeout })
}

fn url(job: &Job, address: &str, builder: &LabelBuilder) -> Result<Url, String> {
    let scheme = match builder.get(SCHEME) {
        "" => Scheme::Http.as_str(),
        scheme @ ("http" | "https") => scheme,
        other => return Err(format!("{other:?} is not a scheme (__scheme__); it is http or https")),
    };
    let mut url = Url::parse(&format!("{scheme}://{address}"))
        .map_err(|e| format!("{address:?} is not an address: {e}"))?;
    if url.username() != "" || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{address:?} is not a host and port (__address__)"));
    }
    url.set_path(builder.get(METRICS_PATH));
    let mut params = job.params.clone();
    for (name, value) in builder.pairs() {
        if let Some(name) = name.strip_prefix(PARAM) {
            let values = params.entry(name.to_owned()).or_default();
            match values.first_mut() {
                Some(first) => *first = value.to_string(),
                None => values.push(value.to_string()),
            }
        }
    }
    if params.values().any(|values| !values.is_empty()) {
        let mut query = url.query_pairs_mut();
        for (name, values) in &params {
            for value in values {
                query.append_pair(name, value);
            }
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn group(targets: &[&str], labels: &[(&str, &str)]) -> TargetGroup {
        TargetGroup {
            source: Arc::from("test"),
            targets: targets.iter().map(|t| Arc::from(*t)).collect(),
            labels: labels
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    fn job(rules: &str) -> Job {
        Job { relabel: serde_json::from_str::<Vec<_>>(rules).unwrap().into(), ..Job::new("j") }
    }

    #[test]
    fn targets_get_job_instance_and_url() {
        let mut job = job("[]");
        job.params.insert("module".into(), vec!["http_2xx".into(), "b c".into()]);
        let built = build(&job, [&group(&["host:9100"], &[("env", "prod"), ("__meta_x", "y")])]);
        let target = &built.targets[0];
        assert_eq!(target.labels.to_string(), r#"{env="prod", instance="host:9100", job="j"}"#);
        assert_eq!(&*target.shown, "http://host:9100/metrics?module=http_2xx&module=b+c");
        assert_eq!(target.discovered.get("__meta_x"), Some("y"));
        assert_eq!(target.discovered.get("__scrape_interval__"), Some("1m"));
    }

    #[test]
    fn the_blackbox_pattern_works() {
        let job = job(r#"[{"source_labels":["__address__"],"target_label":"__param_target"},
                {"source_labels":["__param_target"],"target_label":"instance"},
                {"target_label":"__address__","replacement":"127.0.0.1:9115"},
                {"target_label":"__scrape_interval__","replacement":"30s"}]"#);
        let built = build(&job, [&group(&["https://example.org/a"], &[])]);
        let target = &built.targets[0];
        assert_eq!(&*target.shown, "http://127.0.0.1:9115/metrics?target=https%3A%2F%2Fexample.org%2Fa");
        assert_eq!(target.instance(), "https://example.org/a");
        assert_eq!(target.interval, Duration::from_secs(30));
    }

    #[test]
    fn what_cannot_be_a_target_is_told_and_duplicates_are_one() {
        let built = build(&job("[]"), [&group(&["a:1", "a:1", "b/c", ""], &[]), &group(&["a:1"], &[])]);
        assert_eq!((built.targets.len(), built.errors.len()), (1, 2), "{:?}", built.errors);
    }

    #[test]
    fn drops_are_counted_and_shown() {
        let job = job(r#"[{"source_labels":["__address__"],"regex":"b.*","action":"drop"}]"#);
        let built = build(&job, [&group(&["a:1", "b:1", "b:2"], &[])]);
        assert_eq!((built.targets.len(), built.dropped_count, built.dropped.len()), (1, 2, 2));
    }

    #[test]
    fn too_many_targets_fail_all() {
        let mut job = job("[]");
        job.limits.targets = Some(1);
        let built = build(&job, [&group(&["a:1", "b:1"], &[])]);
        assert_eq!(built.targets.len(), 2);
        assert!(built.over_limit.unwrap().contains("2 targets, 1 are allowed"));
    }
}

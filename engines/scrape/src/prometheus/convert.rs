//! From the file as written to the plan that runs, with the checks that Prometheus makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Diagnostic, Labels};
use quarterdeck_yaml::{Location, Spanned};

use super::file::{File, Global, HttpDiscovery, Placed, ScrapeConfig, StaticConfig};
use super::size::Bytes;
use super::{expand, http};
use crate::config::{
    Discovery, Job, Limits, NameValidation, Period, Plan, Protocol, TargetGroup, is_name_valid,
};
use crate::relabel::{Rule, RuleConfig};

/// Prometheus's defaults.
const INTERVAL: Period = Period::secs(60);
const TIMEOUT: Period = Period::secs(10);
const FILE_REFRESH: Period = Period::secs(300);
const HTTP_REFRESH: Period = Period::secs(60);

/// What jobs take over from `global`.
#[derive(Clone)]
struct Defaults {
    interval: Period,
    timeout: Period,
    protocols: Vec<Protocol>,
    limits: Limits,
    validation: NameValidation,
}

/// A conversion under way.
pub(super) struct Conversion<'a> {
    pub(super) mistakes: Vec<Diagnostic>,
    base: &'a Path,
    defaults: Defaults,
    plan: Plan,
    /// Where each job name was first used.
    names: BTreeMap<String, (String, usize)>,
}

/// The file that a job stands in.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    name: &'a str,
}

impl<'a> Conversion<'a> {
    /// Takes over everything but the jobs.
    pub(super) fn new(file: &File, text: &'a str, name: &'a str, base: &'a Path) -> Self {
        let mut mistakes = Vec::new();
        let empty = Global::default();
        let global = file.global.as_ref().unwrap_or(&empty);
        let defaults = defaults(global, Source { text, name }, &mut mistakes);
        let rule_files = file.rule_files.iter().flatten().map(|path| base.join(path)).collect();
        let mut plan = Plan {
            notes: unused(file),
            rule_files,
            evaluation_interval: global.evaluation_interval.map(|p| p.0).filter(|p| !p.is_zero()),
            rule_query_offset: global.rule_query_offset.map(|p| p.0),
            ..Plan::default()
        };
        let mut external = Vec::new();
        for (label, value) in global.external_labels.iter().flatten() {
            if !is_name_valid(defaults.validation, label, false) || label == METRIC_NAME {
                let told = Diagnostic::new(format!("{label:?} is not a label name"));
                mistakes.push(quarterdeck_yaml::at(told, name, value.referenced));
            }
            let (expanded, unset) = expand::expand(&value.value, |name| std::env::var(name).ok());
            for variable in unset {
                plan.notes.push(format!(
                    "external_labels.{label}: the variable {variable} is not set, so it is empty"
                ));
            }
            external.push((label.clone(), expanded));
        }
        plan.external_labels = Labels::from_pairs(external);
        Self { mistakes, base, defaults, plan, names: BTreeMap::new() }
    }

    /// Adds the jobs of one file.
    pub(super) fn jobs(&mut self, jobs: Vec<Spanned<ScrapeConfig>>, text: &str, name: &str) {
        let source = Source { text, name };
        for job in jobs {
            self.job(job, source);
        }
    }

    /// The plan, or every mistake.
    pub(super) fn finish(self) -> Result<Plan, Vec<Diagnostic>> {
        if self.mistakes.is_empty() { Ok(self.plan) } else { Err(self.mistakes) }
    }

    fn fail(&mut self, source: Source<'_>, at: Location, message: impl Into<String>, advice: &str) {
        self.mistakes.push(quarterdeck_yaml::at(Diagnostic::new(message).advise(advice), source.name, at));
    }

    fn job(&mut self, job: Spanned<ScrapeConfig>, source: Source<'_>) {
        let (place, mut config) = (job.referenced, job.value);
        let Some(name) = config.job_name.take().filter(|n| !n.value.is_empty()) else {
            self.fail(source, place, "the job has no job_name", "name it");
            return;
        };
        if let Some((file, line)) = self.names.get(&name.value) {
            let message = format!("the job name {:?} is used twice, first in {file}:{line}", name.value);
            self.fail(source, name.referenced, message, "give each job its own name");
        } else {
            self.names.insert(name.value.clone(), (source.name.to_owned(), name.referenced.line()));
        }

        let (interval, timeout) = self.rhythm(&config, source, &name.value);
        let converted = http::convert(config.take_http(), self.base, place);
        for (diagnostic, at) in converted.mistakes {
            self.mistakes.push(quarterdeck_yaml::at(diagnostic, source.name, at));
        }
        // Without the credentials it asks for, the job would only be refused by its targets.
        let blocked = !converted.unavailable.is_empty();
        let mut unavailable = converted.unavailable;
        for sd in config.unsupported() {
            unavailable.push(format!("{sd} is not supported by this version; its targets are not scraped"));
        }
        let protocols = self.protocols(config.scrape_protocols.take(), source);
        if protocols.iter().all(|p| *p == Protocol::PrometheusProto) {
            self.plan.notes.push(format!(
                "job {}: scrape_protocols names only PrometheusProto, which this version does not read; it asks for text",
                name.value
            ));
        }
        let relabel = self.rules(config.relabel_configs.take(), source);
        let metric_relabel = self.rules(config.metric_relabel_configs.take(), source);
        let discoveries = self.discoveries(&mut config, source, place, relabel.is_empty(), &mut unavailable);
        self.note_unused(&config, &name.value);

        let defaults = &self.defaults;
        let limits = limits(&config, &defaults.limits);
        let validation =
            config.metric_name_validation_scheme.as_ref().map_or(defaults.validation, |v| v.value);
        self.plan.jobs.push(Arc::new(Job {
            interval,
            timeout,
            metrics_path: config
                .metrics_path
                .filter(|p| !p.is_empty())
                .unwrap_or_else(|| "/metrics".to_owned()),
            scheme: config.scheme.unwrap_or_default(),
            params: config.params.unwrap_or_default(),
            honor_labels: config.honor_labels.unwrap_or(false),
            honor_timestamps: config.honor_timestamps.unwrap_or(true),
            track_timestamps_staleness: config.track_timestamps_staleness.unwrap_or(false),
            enable_compression: config.enable_compression.unwrap_or(true),
            client: converted.client,
            limits,
            protocols,
            fallback: config.fallback_scrape_protocol.map(|p| p.value),
            name_validation: validation,
            relabel,
            metric_relabel,
            discoveries,
            unavailable,
            blocked,
            ..Job::new(name.value)
        }));
    }

    fn rhythm(&mut self, config: &ScrapeConfig, source: Source<'_>, job: &str) -> (Duration, Duration) {
        // Zero means "as global", in Prometheus too.
        let set = |period: &Placed<Period>| period.as_ref().filter(|p| !p.value.0.is_zero()).map(|p| p.value);
        let interval = set(&config.scrape_interval).unwrap_or(self.defaults.interval);
        let timeout = set(&config.scrape_timeout).unwrap_or(self.defaults.timeout.min(interval));
        if timeout > interval {
            let at = config.scrape_timeout.as_ref().or(config.scrape_interval.as_ref());
            let at = at.map_or(Location::UNKNOWN, |p| p.referenced);
            let message = format!(
                "job {job:?}: the scrape timeout {timeout} is longer than the scrape interval {interval}"
            );
            self.fail(source, at, message, "a scrape must end before the next begins");
        }
        (interval.0, timeout.0)
    }

    fn protocols(&mut self, protocols: Placed<Vec<Protocol>>, source: Source<'_>) -> Vec<Protocol> {
        let Some(protocols) = protocols else { return self.defaults.protocols.clone() };
        check_protocols(&protocols, source, &mut self.mistakes);
        protocols.value
    }

    fn rules(&mut self, rules: Option<Vec<Spanned<RuleConfig>>>, source: Source<'_>) -> Arc<[Rule]> {
        let mut out = Vec::new();
        for rule in rules.unwrap_or_default() {
            match Rule::try_from(rule.value) {
                Ok(rule) => out.push(rule),
                Err(error) => {
                    let at = field_place(source.text, rule.referenced, error.field());
                    let told = Diagnostic::new(error.to_string());
                    self.mistakes.push(Diagnostic {
                        line: at.0,
                        column: at.1,
                        source: source.name.to_owned(),
                        ..told
                    });
                }
            }
        }
        out.into()
    }

    fn discoveries(
        &mut self,
        config: &mut ScrapeConfig,
        source: Source<'_>,
        place: Location,
        strict: bool,
        unavailable: &mut Vec<String>,
    ) -> Vec<Discovery> {
        let mut out = Vec::new();
        if let Some(groups) = config.static_configs.take() {
            let groups =
                groups.into_iter().enumerate().map(|(i, g)| self.group(g, i, source, strict)).collect();
            out.push(Discovery::Static(groups));
        }
        for files in config.file_sd_configs.take().unwrap_or_default() {
            let patterns = files.files.unwrap_or_default();
            if patterns.is_empty() {
                self.fail(source, place, "file_sd_configs names no files", "list them under files");
            }
            let mut paths: Vec<PathBuf> = Vec::new();
            for pattern in patterns {
                if is_discovery_file(&pattern.value) {
                    paths.push(self.base.join(&pattern.value));
                } else {
                    let message = format!("{:?} is not a file that lists targets", pattern.value);
                    self.fail(
                        source,
                        pattern.referenced,
                        message,
                        "end it with .json, .yml or .yaml; * is allowed in its last part",
                    );
                }
            }
            out.push(Discovery::Files { paths, refresh: files.refresh_interval.unwrap_or(FILE_REFRESH).0 });
        }
        for http in config.http_sd_configs.take().unwrap_or_default() {
            out.extend(self.http_discovery(http, source, place, unavailable));
        }
        out
    }

    fn group(&mut self, group: StaticConfig, index: usize, source: Source<'_>, strict: bool) -> TargetGroup {
        let mut labels = BTreeMap::new();
        for (name, value) in group.labels.unwrap_or_default() {
            if !is_name_valid(self.defaults.validation, &name, false) {
                self.fail(
                    source,
                    value.referenced,
                    format!("{name:?} is not a label name"),
                    "write letters, digits and _",
                );
            }
            labels.insert(name, value.value);
        }
        let mut targets = Vec::new();
        for target in group.targets.unwrap_or_default() {
            // With relabelling the address may be anything at all: the blackbox pattern puts URLs there.
            if strict && target.value.contains('/') {
                let message = format!("the target {:?} is not an address", target.value);
                self.fail(
                    source,
                    target.referenced,
                    message,
                    "write HOST:PORT; scheme and path are settings of the job",
                );
            }
            targets.push(Arc::from(target.value));
        }
        TargetGroup { source: Arc::from(format!("static_configs[{index}]")), targets, labels }
    }

    fn http_discovery(
        &mut self,
        mut http: HttpDiscovery,
        source: Source<'_>,
        place: Location,
        unavailable: &mut Vec<String>,
    ) -> Option<Discovery> {
        let Some(written) = http.url.take() else {
            self.fail(source, place, "http_sd_configs has no url", "write one");
            return None;
        };
        let url = match url::Url::parse(&written.value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                let message = format!("{:?} is not an http or https URL", written.value);
                self.fail(source, written.referenced, message, "write the whole URL");
                return None;
            }
        };
        let converted = http::convert(http.take_http(), self.base, written.referenced);
        for (diagnostic, at) in converted.mistakes {
            self.mistakes.push(quarterdeck_yaml::at(diagnostic, source.name, at));
        }
        if !converted.unavailable.is_empty() {
            unavailable.extend(converted.unavailable.iter().map(|why| format!("http_sd_configs: {why}")));
            return None;
        }
        let refresh = http.refresh_interval.filter(|p| !p.0.is_zero()).unwrap_or(HTTP_REFRESH).0;
        Some(Discovery::Http { url, refresh, client: Box::new(converted.client) })
    }

    fn note_unused(&mut self, config: &ScrapeConfig, job: &str) {
        for (set, what) in [
            (config.scrape_failure_log_file.is_some(), "scrape_failure_log_file"),
            (config.native_histogram_bucket_limit.is_some(), "native_histogram_bucket_limit"),
            (config.native_histogram_min_bucket_factor.is_some(), "native_histogram_min_bucket_factor"),
            (config.scrape_native_histograms == Some(true), "scrape_native_histograms"),
            (config.always_scrape_classic_histograms == Some(true), "always_scrape_classic_histograms"),
            (config.convert_classic_histograms_to_nhcb == Some(true), "convert_classic_histograms_to_nhcb"),
            (config.extra_scrape_metrics == Some(true), "extra_scrape_metrics"),
            (config.keep_dropped_targets.is_some(), "keep_dropped_targets"),
            (
                config.metric_name_escaping_scheme.as_deref().is_some_and(|s| s != "allow-utf-8"),
                "metric_name_escaping_scheme",
            ),
        ] {
            if set {
                self.plan.notes.push(format!("job {job}: {what} is not used by this version"));
            }
        }
    }
}

fn check_protocols(protocols: &Spanned<Vec<Protocol>>, source: Source<'_>, mistakes: &mut Vec<Diagnostic>) {
    let twice = protocols.value.iter().enumerate().any(|(i, p)| protocols.value[..i].contains(p));
    let message = match protocols.value.is_empty() {
        true => "scrape_protocols is empty",
        false if twice => "scrape_protocols names a protocol twice",
        false => return,
    };
    let told = Diagnostic::new(message).advise("list each protocol once, the most wanted first");
    mistakes.push(quarterdeck_yaml::at(told, source.name, protocols.referenced));
}

fn defaults(global: &Global, source: Source<'_>, mistakes: &mut Vec<Diagnostic>) -> Defaults {
    let set = |period: &Placed<Period>| period.as_ref().filter(|p| !p.value.0.is_zero()).map(|p| p.value);
    let interval = set(&global.scrape_interval).unwrap_or(INTERVAL);
    let timeout = set(&global.scrape_timeout).unwrap_or(TIMEOUT.min(interval));
    if timeout > interval {
        let at = global.scrape_timeout.as_ref().map_or(Location::UNKNOWN, |p| p.referenced);
        let told = Diagnostic::new(format!(
            "global: the scrape timeout {timeout} is longer than the scrape interval {interval}"
        ))
        .advise("a scrape must end before the next begins");
        mistakes.push(quarterdeck_yaml::at(told, source.name, at));
    }
    if let Some(protocols) = &global.scrape_protocols {
        check_protocols(protocols, source, mistakes);
    }
    Defaults {
        interval,
        timeout,
        protocols: global
            .scrape_protocols
            .as_ref()
            .map_or_else(|| Protocol::DEFAULT.to_vec(), |p| p.value.clone()),
        limits: Limits {
            body_size: bytes(global.body_size_limit),
            samples: some(global.sample_limit),
            labels: some(global.label_limit),
            label_name_length: some(global.label_name_length_limit),
            label_value_length: some(global.label_value_length_limit),
            targets: some(global.target_limit),
        },
        validation: global.metric_name_validation_scheme.as_ref().map_or(NameValidation::Utf8, |v| v.value),
    }
}

/// A job's limits; zero and absent mean "as global".
fn limits(config: &ScrapeConfig, global: &Limits) -> Limits {
    Limits {
        body_size: bytes(config.body_size_limit).or(global.body_size),
        samples: some(config.sample_limit).or(global.samples),
        labels: some(config.label_limit).or(global.labels),
        label_name_length: some(config.label_name_length_limit).or(global.label_name_length),
        label_value_length: some(config.label_value_length_limit).or(global.label_value_length),
        targets: some(config.target_limit).or(global.targets),
    }
}

fn some(limit: Option<usize>) -> Option<usize> {
    limit.filter(|n| *n > 0)
}

fn bytes(limit: Option<Bytes>) -> Option<u64> {
    limit.map(|b| b.0).filter(|n| *n > 0)
}

/// `name.json`, `dir/*.yml`: a `*` only in the last part, a known ending.
fn is_discovery_file(pattern: &str) -> bool {
    let ending = [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"].iter().any(|e| pattern.ends_with(e));
    let (folder, _) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    ending && !folder.contains('*')
}

/// What the file contains that this version does not use.
fn unused(file: &File) -> Vec<String> {
    let global = file.global.as_ref();
    let in_global = |set: fn(&Global) -> bool| global.is_some_and(set);
    [
        (file.runtime.is_some(), "runtime"),
        (file.alerting.is_some(), "alerting"),
        (file.storage.is_some(), "storage"),
        (file.tracing.is_some(), "tracing"),
        (file.remote_write.is_some(), "remote_write"),
        (file.remote_read.is_some(), "remote_read"),
        (file.otlp.is_some(), "otlp"),
        (in_global(|g| g.query_log_file.is_some()), "global.query_log_file"),
        (in_global(|g| g.scrape_failure_log_file.is_some()), "global.scrape_failure_log_file"),
        (in_global(|g| g.keep_dropped_targets.is_some()), "global.keep_dropped_targets"),
        (in_global(|g| g.scrape_native_histograms == Some(true)), "global.scrape_native_histograms"),
        (
            in_global(|g| g.convert_classic_histograms_to_nhcb == Some(true)),
            "global.convert_classic_histograms_to_nhcb",
        ),
        (
            in_global(|g| g.always_scrape_classic_histograms == Some(true)),
            "global.always_scrape_classic_histograms",
        ),
        (in_global(|g| g.extra_scrape_metrics == Some(true)), "global.extra_scrape_metrics"),
        (
            in_global(|g| g.metric_name_escaping_scheme.as_deref().is_some_and(|s| s != "allow-utf-8")),
            "global.metric_name_escaping_scheme",
        ),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .map(|(_, what)| format!("{what} is not used by this version"))
    .collect()
}

/// The line and column of a field of the mapping that begins at `start`, or the mapping's own.
fn field_place(text: &str, start: Location, field: &str) -> (usize, usize) {
    let (line, column) = (start.line(), start.column());
    if field.is_empty() || line == 0 {
        return (line, column);
    }
    let key = format!("{field}:");
    for (index, content) in text.lines().enumerate().skip(line - 1) {
        let indent = content.len() - content.trim_start().len();
        // A line further left, or a dash in front of the mapping, is beyond it.
        if index >= line && !content.trim().is_empty() && indent + 1 < column {
            break;
        }
        if let Some(found) = content.find(&key) {
            let value = &content[found + key.len()..];
            let spaces = value.len() - value.trim_start().len();
            return (index + 1, content[..found + key.len() + spaces].chars().count() + 1);
        }
    }
    (line, column)
}

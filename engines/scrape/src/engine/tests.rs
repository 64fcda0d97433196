//! The core against a store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quarterdeck_kernel::{Labels, Timestamp, is_stale};
use quarterdeck_metrics::exposition::Format;
use quarterdeck_metrics::{AppendReport, Exemplar, Incoming, Ingest, IngestError, Metadata, SeriesId};

use super::scraper::{Outcome, Page, ScrapeError, Scraper, Scratch};
use super::target;
use crate::config::{Job, TargetGroup};

/// A store that remembers everything and refuses what it is told to.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) series: Vec<Labels>,
    pub(crate) samples: Vec<(SeriesId, Timestamp, f64)>,
    pub(crate) appends: usize,
    pub(crate) metadata: Vec<(String, Metadata)>,
    pub(crate) exemplars: Vec<(SeriesId, Exemplar)>,
    pub(crate) forgotten: Vec<SeriesId>,
    pub(crate) limit: Option<usize>,
    pub(crate) broken: bool,
}

impl Ingest for Memory {
    fn resolve(&self, labels: &Labels) -> Result<SeriesId, IngestError> {
        let mut state = self.state.lock().unwrap();
        let known = state
            .series
            .iter()
            .enumerate()
            .rev()
            .find(|(_, l)| *l == labels)
            .map(|(i, _)| SeriesId(i as u64));
        if let Some(id) = known.filter(|id| !state.forgotten.contains(id)) {
            return Ok(id);
        }
        if state.limit.is_some_and(|limit| state.series.len() >= limit) {
            return Err(IngestError::TooManySeries {
                limit: state.series.len(),
                metric: "bomb".into(),
                metric_series: 1,
                label: "id".into(),
                label_values: 1,
            });
        }
        state.series.push(labels.clone());
        Ok(SeriesId(state.series.len() as u64 - 1))
    }

    fn append(&self, samples: &[Incoming]) -> Result<AppendReport, IngestError> {
        let mut state = self.state.lock().unwrap();
        if state.broken {
            return Err(IngestError::Storage("no space left on device".into()));
        }
        state.appends += 1;
        let mut report = AppendReport::default();
        for sample in samples {
            if state.forgotten.contains(&sample.series) {
                report.unknown.push(sample.series);
            } else {
                state.samples.push((sample.series, sample.t, sample.v));
                report.taken += 1;
            }
        }
        Ok(report)
    }

    fn describe(&self, metric: &str, metadata: &Metadata) {
        self.state.lock().unwrap().metadata.push((metric.to_owned(), metadata.clone()));
    }

    fn exemplar(&self, series: SeriesId, exemplar: Exemplar) {
        self.state.lock().unwrap().exemplars.push((series, exemplar));
    }
}

impl Memory {
    /// Everything at one time, as text: `name{labels}` to value, staleness as `stale`.
    pub(crate) fn at(&self, t: Timestamp) -> BTreeMap<String, String> {
        let state = self.state.lock().unwrap();
        let mut out = BTreeMap::new();
        for (id, _, v) in state.samples.iter().filter(|s| s.1 == t) {
            let value = if is_stale(*v) { "stale".to_owned() } else { v.to_string() };
            let before = out.insert(state.series[id.0 as usize].to_string(), value);
            assert_eq!(before, None, "one sample per series and time");
        }
        out
    }
}

struct Rig {
    memory: Memory,
    scraper: Scraper,
    job: Arc<Job>,
    target: Arc<target::Target>,
    scratch: Scratch,
    now: Timestamp,
}

impl Rig {
    fn new(change: impl FnOnce(&mut Job)) -> Self {
        let mut job = Job::new("j");
        change(&mut job);
        let group = TargetGroup { targets: vec![Arc::from("h:1")], ..TargetGroup::default() };
        let target = Arc::new(target::build(&job, [&group]).targets.remove(0));
        let job = Arc::new(job);
        Self {
            memory: Memory::default(),
            scraper: Scraper::new(Arc::clone(&target), Arc::clone(&job)),
            job,
            target,
            scratch: Scratch::default(),
            now: Timestamp::from_millis(1_000_000),
        }
    }

    fn get(&mut self, page: Result<(Format, &str), &str>) -> (Outcome, BTreeMap<String, String>) {
        self.now = self.now + Duration::from_secs(15);
        let page = match &page {
            Ok((format, body)) => Ok(Page { format: *format, body: body.as_bytes() }),
            Err(why) => Err(ScrapeError::Fetch((*why).to_owned())),
        };
        let elapsed = || Duration::from_millis(250);
        let outcome = self.scraper.take(page, self.now, elapsed, &self.memory, &mut self.scratch);
        (outcome, self.memory.at(self.now))
    }

    fn text(&mut self, body: &str) -> (Outcome, BTreeMap<String, String>) {
        self.get(Ok((Format::Text, body)))
    }
}

const TARGET: &str = r#"instance="h:1", job="j""#;

fn report(name: &str) -> String {
    format!("{name}{{{TARGET}}}")
}

#[test]
fn a_page_becomes_samples_and_a_report_in_one_batch() {
    let mut rig = Rig::new(|_| {});
    let (outcome, samples) = rig.text("a 1\nb{x=\"y\"} 2\n");
    assert_eq!((outcome.scraped, outcome.post_relabel, outcome.added, outcome.error), (2, 2, 2, None));
    let expected = [
        (report("a"), "1"),
        (format!("b{{{TARGET}, x=\"y\"}}"), "2"),
        (report("up"), "1"),
        (report("scrape_duration_seconds"), "0.25"),
        (report("scrape_samples_scraped"), "2"),
        (report("scrape_samples_post_metric_relabeling"), "2"),
        (report("scrape_series_added"), "2"),
    ];
    assert_eq!(samples, expected.into_iter().map(|(k, v)| (k, v.to_owned())).collect());
    assert_eq!(rig.memory.state.lock().unwrap().appends, 1);
    let (outcome, _) = rig.text("a 1\nb{x=\"y\"} 2\n");
    assert_eq!(outcome.added, 0);
}

#[test]
fn what_vanishes_gets_a_stale_marker_once_and_returns() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\nb 2\n");
    let (_, samples) = rig.text("a 1\n");
    assert_eq!(samples[&report("b")], "stale");
    let (_, samples) = rig.text("a 1\n");
    assert!(!samples.contains_key(&report("b")));
    let (_, samples) = rig.text("b 5\na 1\n");
    assert_eq!(samples[&report("b")], "5");
}

#[test]
fn a_failed_scrape_ends_every_series_and_says_up_0() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\n");
    let (outcome, samples) = rig.get(Err("connection refused"));
    assert_eq!(outcome.error.as_deref(), Some("connection refused"));
    assert_eq!((samples[&report("a")].as_str(), samples[&report("up")].as_str()), ("stale", "0"));
    let (_, samples) = rig.get(Err("connection refused"));
    assert!(!samples.contains_key(&report("a")));
    let (outcome, samples) = rig.text("a 2\n");
    assert_eq!((samples[&report("a")].as_str(), outcome.error), ("2", None));
}

#[test]
fn a_bad_page_is_refused_whole() {
    for (body, error) in [
        ("a 1\nb nonsense\n", "line 2"),
        ("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n", "are the same series in the store"),
        ("a{x=\"1\",x=\"2\"} 1\n", "stands twice"),
        ("<html>", "line 1"),
    ] {
        let mut rig = Rig::new(|_| {});
        rig.text("before 1\n");
        let (outcome, samples) = rig.text(body);
        let told = outcome.error.unwrap_or_else(|| panic!("{body:?} was taken"));
        assert!(told.contains(error), "{body:?}: {told}");
        assert_eq!(samples[&report("up")], "0");
        assert_eq!(samples[&report("before")], "stale");
        assert!(!samples.contains_key(&report("a")), "{body:?}: nothing of a bad page is taken");
    }
}

#[test]
fn a_sample_given_twice_counts_once_and_is_told() {
    let mut rig = Rig::new(|_| {});
    for _ in 0..2 {
        let (outcome, samples) = rig.text("a 1\nb{x=\"\u{1}\"} 3\na 2\na 1\n");
        assert_eq!(outcome.error, None);
        assert_eq!((samples[&report("a")].as_str(), samples[&report("up")].as_str()), ("1", "1"));
        assert_eq!((outcome.scraped, outcome.post_relabel, outcome.refused.duplicate), (4, 2, 2));
        let told = outcome.warning.unwrap_or_default();
        assert_eq!(told, "2 samples were not taken: 2 given twice for the same time");
    }
}

#[test]
fn bad_utf_8_fails_that_scrape_alone() {
    let mut rig = Rig::new(|_| {});
    let page = Page { format: Format::Text, body: b"a 1\nb{x=\"\xff\"} 1\n" };
    let now = rig.now;
    let outcome = rig.scraper.take(Ok(page), now, || Duration::ZERO, &rig.memory, &mut rig.scratch);
    assert!(outcome.error.unwrap().contains("not UTF-8"));
    assert_eq!(rig.text("a 1\n").0.error, None);
}

#[test]
fn labels_in_conflict_are_renamed_or_honoured() {
    let mut rig = Rig::new(|_| {});
    let (_, samples) = rig.text("a{job=\"own\",exported_job=\"other\"} 1\n");
    let wanted = r#"a{exported_exported_job="own", exported_job="other", instance="h:1", job="j"}"#;
    assert!(samples.contains_key(wanted), "{samples:?}");
    let mut rig = Rig::new(|job| job.honor_labels = true);
    let (_, samples) = rig.text("a{job=\"own\"} 1\nb{instance=\"\"} 2\n");
    assert!(samples.contains_key(r#"a{instance="h:1", job="own"}"#), "{samples:?}");
    assert!(samples.contains_key(r#"b{job="j"}"#), "{samples:?}");
}

#[test]
fn timestamps_of_the_page_are_honoured_unless_told_otherwise() {
    let mut rig = Rig::new(|_| {});
    let (outcome, _) = rig.text("a 1 500000\nb NaN 9223372036854775807\nc +Inf\n");
    assert_eq!(outcome.refused.future, 1);
    assert!(outcome.warning.unwrap().contains("1 more than 10 minutes in the future"));
    assert_eq!(rig.memory.at(Timestamp::from_millis(500_000))[&report("a")], "1");
    let (_, samples) = rig.text("c 1\n");
    assert!(!samples.contains_key(&report("a")), "a series with its own times gets no stale marker");

    let mut rig = Rig::new(|job| job.honor_timestamps = false);
    let (_, samples) = rig.text("a 1 500000\n");
    assert_eq!(samples[&report("a")], "1");

    let mut rig = Rig::new(|job| job.track_timestamps_staleness = true);
    rig.text("a 1 500000\nb 1\n");
    let (_, samples) = rig.text("b 1\n");
    assert_eq!(samples[&report("a")], "stale");
}

#[test]
fn metric_relabelling_drops_and_renames() {
    let rules = r#"[{"source_labels":["__name__"],"regex":"go_.*","action":"drop"},
                    {"source_labels":["__name__"],"regex":"old","target_label":"__name__","replacement":"new"}]"#;
    let mut rig = Rig::new(|job| job.metric_relabel = serde_json::from_str::<Vec<_>>(rules).unwrap().into());
    let (outcome, samples) = rig.text("go_threads 1\nold 2\n");
    assert_eq!((outcome.scraped, outcome.post_relabel, outcome.added), (2, 1, 1));
    assert_eq!(samples[&report("new")], "2");
}

#[test]
fn limits_fail_the_scrape_with_what_was_found() {
    type Change = fn(&mut Job);
    let cases: [(Change, &str); 4] = [
        (|j| j.limits.samples = Some(1), "sample_limit exceeded: 2 samples"),
        (|j| j.limits.labels = Some(3), "label_limit exceeded: b has 4 labels"),
        (
            |j| j.limits.label_name_length = Some(7),
            "label_name_length_limit exceeded: a label of a is longer than 7 bytes",
        ),
        (
            |j| j.limits.label_value_length = Some(5),
            "label_value_length_limit exceeded: label path of b has 6 bytes",
        ),
    ];
    for (change, error) in cases {
        let mut rig = Rig::new(change);
        let (outcome, samples) = rig.text("a 1\nb{path=\"/aaaaa\"} 2\n");
        let told = outcome.error.unwrap_or_default();
        assert!(told.contains(error), "{error}: {told}");
        assert_eq!(samples[&report("up")], "0");
    }
}

#[test]
fn a_full_store_refuses_new_series_and_keeps_the_rest() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\n");
    rig.memory.state.lock().unwrap().limit = Some(6);
    let (outcome, samples) = rig.text("a 2\nb 1\nc 1\n");
    assert_eq!((outcome.error, outcome.refused.series_limit), (None, 2));
    assert!(outcome.warning.unwrap().contains("bomb"));
    assert_eq!(samples[&report("a")], "2");
}

#[test]
fn a_store_that_cannot_write_is_told_and_nothing_is_forgotten() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\nb 1\n");
    rig.memory.state.lock().unwrap().broken = true;
    let (outcome, _) = rig.text("a 1\n");
    assert!(outcome.error.unwrap().contains("no space left"));
    rig.memory.state.lock().unwrap().broken = false;
    let (_, samples) = rig.text("a 1\n");
    assert_eq!(samples[&report("b")], "stale", "the marker that could not be written is written now");
}

#[test]
fn series_that_the_store_dropped_are_resolved_again() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\nb 2\n");
    rig.memory.state.lock().unwrap().forgotten = vec![SeriesId(0), SeriesId(2)];
    let (outcome, samples) = rig.text("a 3\nb 4\n");
    assert_eq!(outcome.error, None);
    assert_eq!((samples[&report("a")].as_str(), samples[&report("b")].as_str()), ("3", "4"));
    assert_eq!(samples[&report("up")], "1");
}

#[test]
fn families_and_exemplars_are_told_when_they_change() {
    let body = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1 # {trace_id=\"x\"} 0.5\n# EOF\n";
    let mut rig = Rig::new(|_| {});
    for _ in 0..3 {
        let (outcome, _) = rig.get(Ok((Format::OpenMetrics, body)));
        assert_eq!(outcome.error, None);
    }
    let state = rig.memory.state.lock().unwrap();
    assert_eq!(state.metadata.len(), 1, "{:?}", state.metadata);
    assert_eq!((state.metadata[0].0.as_str(), state.metadata[0].1.unit.as_str()), ("a_seconds", "seconds"));
    assert_eq!(state.exemplars.len(), 1);
    assert_eq!(state.exemplars[0].1.labels.get("trace_id"), Some("x"));
}

#[test]
fn a_target_that_is_gone_ends_its_series_and_its_report() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\n");
    let at = rig.now + Duration::from_secs(1);
    rig.scraper.end(at, &rig.memory, &mut rig.scratch);
    let samples = rig.memory.at(at);
    assert_eq!(samples.len(), 6);
    assert!(samples.values().all(|v| v == "stale"), "{samples:?}");
}

#[test]
fn other_rules_are_applied_from_the_next_scrape_on() {
    let mut rig = Rig::new(|_| {});
    rig.text("a 1\nb 1\n");
    let rules = r#"[{"source_labels":["__name__"],"regex":"b","action":"drop"}]"#;
    let job =
        Job { metric_relabel: serde_json::from_str::<Vec<_>>(rules).unwrap().into(), ..(*rig.job).clone() };
    let target = Arc::clone(&rig.target);
    rig.scraper.adopt(&target, &Arc::new(job));
    let (_, samples) = rig.text("a 1\nb 1\n");
    assert_eq!((samples[&report("a")].as_str(), samples[&report("b")].as_str()), ("1", "stale"));
}

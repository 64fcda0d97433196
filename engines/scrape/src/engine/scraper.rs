//! One target's scrapes: from a page, or the failure to get one, to one batch for the store.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use quarterdeck_kernel::{STALE_NAN, Timestamp};
use quarterdeck_metrics::exposition::{ExemplarItem, Format, Item, ParseError, parse};
use quarterdeck_metrics::{Exemplar, Incoming, Ingest, IngestError, Metadata, SeriesId};

use super::cache::{Known, SeriesCache};
use super::families::Families;
use super::mutate;
use super::report::{self, Report};
use super::target::Target;
use crate::config::Job;
use crate::model::Refused;
use crate::relabel::LabelBuilder;

/// Samples further in the future than this are not taken, as in Prometheus.
const FUTURE: Duration = Duration::from_secs(600);

/// Why a scrape failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum ScrapeError {
    /// No page was had.
    #[error("{0}")]
    Fetch(String),
    /// The page is not in its format.
    #[error("the page cannot be read: {0}")]
    Page(#[from] ParseError),
    /// What looks like two series on the page is one in the store.
    #[error("duplicate sample: {0}")]
    Duplicate(String),
    /// A series has unlawful labels.
    #[error("{0}")]
    Labels(String),
    /// A limit of the job is exceeded.
    #[error("{0}")]
    Limit(String),
    /// The store refuses.
    #[error("{0}")]
    Store(IngestError),
    /// The page has more text in its series than can be remembered.
    #[error("the target exposes more than 4 GiB of series names")]
    TooMuch,
}

/// A page as fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) format: Format,
    pub(crate) body: &'a [u8],
}

/// Memory that scrapes share, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    batch: Vec<Incoming>,
    exemplars: Vec<(SeriesId, Exemplar)>,
    metadata: Vec<(String, Metadata)>,
}

impl Scratch {
    /// Samples that are kept allocated between scrapes.
    const KEEP: usize = 1 << 16;

    fn clear(&mut self) {
        self.batch.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }

    /// Gives the memory of unusually large pages back.
    pub(crate) fn shrink(&mut self) {
        self.clear();
        self.batch.shrink_to(Self::KEEP);
        self.exemplars.shrink_to(Self::KEEP);
        self.metadata.shrink_to(Self::KEEP);
    }
}

/// What came of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) error: Option<String>,
    pub(crate) warning: Option<String>,
    pub(crate) scraped: usize,
    pub(crate) post_relabel: usize,
    pub(crate) added: usize,
    pub(crate) bytes: usize,
    pub(crate) refused: Refused,
}

/// Counts while a page is read.
#[derive(Default)]
struct Tally {
    scraped: usize,
    post_relabel: usize,
    added: usize,
    refused: Refused,
    /// The store's words when it took no more series; asked once per scrape.
    full: Option<IngestError>,
    resolved: bool,
}

/// One target's memory between scrapes.
#[derive(Debug)]
pub(crate) struct Scraper {
    target: Arc<Target>,
    job: Arc<Job>,
    cache: SeriesCache,
    families: Families,
    /// The last exemplar of each series, as a hash, so that each is told once.
    exemplars: HashMap<SeriesId, u64>,
    hasher: DefaultHashBuilder,
    report: Option<[SeriesId; 5]>,
    /// The report series have samples that no stale marker has ended.
    reported: bool,
    builder: LabelBuilder,
}

impl Scraper {
    pub(crate) fn new(target: Arc<Target>, job: Arc<Job>) -> Self {
        Self {
            target,
            job,
            cache: SeriesCache::default(),
            families: Families::default(),
            exemplars: HashMap::new(),
            hasher: DefaultHashBuilder::default(),
            report: None,
            reported: false,
            builder: LabelBuilder::default(),
        }
    }

    /// Goes on with other settings. What the old ones made of the pages' series is looked at anew.
    pub(crate) fn adopt(&mut self, target: &Arc<Target>, job: &Arc<Job>) {
        if !Arc::ptr_eq(&self.job, job) {
            let same = self.job.metric_relabel == job.metric_relabel
                && self.job.honor_labels == job.honor_labels
                && self.job.name_validation == job.name_validation
                && self.job.limits == job.limits;
            if !same {
                self.cache.reset();
                self.exemplars.clear();
            }
            self.job = Arc::clone(job);
        }
        self.target = Arc::clone(target);
    }

    /// Takes one scrape into the store: all of the page or nothing of it, stale markers, report series, in one
    /// batch. `elapsed` tells how long the scrape has taken so far.
    pub(crate) fn take(
        &mut self,
        page: Result<Page<'_>, ScrapeError>,
        at: Timestamp,
        elapsed: impl FnOnce() -> Duration,
        ingest: &dyn Ingest,
        scratch: &mut Scratch,
    ) -> Outcome {
        scratch.clear();
        let mut tally = Tally::default();
        let body = page.as_ref().map_or(0, |p| p.body.len());
        let readable = page.as_ref().ok().copied();
        let result = page.and_then(|page| self.collect(page, at, ingest, scratch, &mut tally));
        let failed = result.is_err();
        if failed {
            scratch.clear();
            self.cache.ended(true, |series| scratch.batch.push(Incoming { series, t: at, v: STALE_NAN }));
        } else {
            self.cache.ended(false, |series| scratch.batch.push(Incoming { series, t: at, v: STALE_NAN }));
        }
        let report = Report {
            up: !failed,
            seconds: elapsed().as_secs_f64(),
            scraped: tally.scraped,
            post_relabel: tally.post_relabel,
            added: tally.added,
        };
        let mut error = result.err();
        match self.store(report, at, ingest, scratch, failed, &mut tally) {
            Ok(unknown) => {
                if let Some(page) = readable.filter(|_| !failed && unknown) {
                    self.repair(page, at, ingest, scratch, &mut tally);
                }
            }
            Err(why) => error = Some(ScrapeError::Store(why)),
        }
        Outcome {
            error: error.map(|e| e.to_string()),
            warning: warning(&tally),
            scraped: tally.scraped,
            post_relabel: tally.post_relabel,
            added: tally.added,
            bytes: body,
            refused: tally.refused,
        }
    }

    /// Reads a page into the batch.
    fn collect(
        &mut self,
        page: Page<'_>,
        at: Timestamp,
        ingest: &dyn Ingest,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) -> Result<(), ScrapeError> {
        let Self { target, job, cache, families, exemplars, hasher, builder, .. } = self;
        let future = at + FUTURE;
        let limit = job.limits.samples.unwrap_or(usize::MAX);
        let Scratch { batch, exemplars: told, metadata } = scratch;
        let mut reading = families.read(metadata);
        cache.begin();
        for item in parse(page.format, page.body) {
            let item = match item? {
                Item::Sample(item) => item,
                comment => {
                    reading.take(comment);
                    continue;
                }
            };
            tally.scraped += 1;
            let own_time = item.timestamp.filter(|_| job.honor_timestamps);
            let (index, new) = match cache.find(item.series) {
                Some(index) => (index, cache.is_forgotten(index)),
                None => (cache.insert(item.series).ok_or(ScrapeError::TooMuch)?, true),
            };
            let again = cache.see(index, own_time.is_none() || job.track_timestamps_staleness);
            if again && own_time.is_none() {
                // As in Prometheus the first one counts, and the rest of the page is as good as it was.
                tally.refused.duplicate += 1;
                continue;
            }
            let mut known = cache.known(index);
            if known == Known::Unresolved {
                known = match mutate::labels(&item, &target.labels, job, builder)? {
                    None => Known::Dropped,
                    // Beyond the limit the scrape fails: its series need not be made.
                    Some(_) if tally.post_relabel >= limit => Known::Unresolved,
                    Some(labels) => resolve(&labels, ingest, tally)?,
                };
                cache.resolve(index, known);
            }
            if known == Known::Dropped {
                continue;
            }
            tally.post_relabel += 1;
            tally.added += usize::from(new);
            let Known::Series(series) = known else { continue };
            let t = own_time.unwrap_or(at);
            if t > future {
                tally.refused.future += 1;
                continue;
            }
            batch.push(Incoming { series, t, v: item.value });
            if let Some(exemplar) = item.exemplar {
                let hash = hash_exemplar(hasher, &exemplar);
                if exemplars.insert(series, hash) != Some(hash) {
                    told.push((series, exemplar.to_exemplar(t)));
                }
            }
        }
        reading.finish();
        if tally.post_relabel > limit {
            return Err(ScrapeError::Limit(format!(
                "sample_limit exceeded: {} samples after relabelling, {limit} are allowed",
                tally.post_relabel
            )));
        }
        if tally.resolved
            && let Some((one, other)) = cache.collision()
        {
            return Err(ScrapeError::Duplicate(format!(
                "{one} and {other} are the same series in the store"
            )));
        }
        Ok(())
    }

    /// Appends the batch with the report. Says whether the store has forgotten some of the page's series.
    fn store(
        &mut self,
        report: Report,
        at: Timestamp,
        ingest: &dyn Ingest,
        scratch: &mut Scratch,
        failed: bool,
        tally: &mut Tally,
    ) -> Result<bool, IngestError> {
        if self.report.is_none() {
            match report::resolve(&self.target.labels, ingest) {
                Ok(ids) => self.report = Some(ids),
                Err(full @ IngestError::TooManySeries { .. }) => tally.full = Some(full),
                Err(other) => return Err(other),
            }
        }
        let reports = |ids: &[SeriesId; 5]| {
            let values = report.values();
            ids.iter()
                .zip(values)
                .map(|(series, v)| Incoming { series: *series, t: at, v })
                .collect::<Vec<_>>()
        };
        if let Some(ids) = &self.report {
            scratch.batch.extend(reports(ids));
        }
        let mut unknown = count(tally, ingest.append(&scratch.batch)?);
        self.cache.commit(failed);
        self.reported = self.report.is_some();
        for (metric, metadata) in scratch.metadata.drain(..) {
            ingest.describe(&metric, &metadata);
        }
        for (series, exemplar) in scratch.exemplars.drain(..) {
            ingest.exemplar(series, exemplar);
        }
        if unknown.is_empty() {
            return Ok(false);
        }
        unknown.sort_unstable();
        self.cache.forget(&unknown);
        if let Some(old) = self.report {
            let gone = |id: &SeriesId| unknown.binary_search(id).is_ok();
            if old.iter().any(gone) {
                let ids = report::resolve(&self.target.labels, ingest)?;
                self.report = Some(ids);
                let again: Vec<Incoming> =
                    reports(&ids).into_iter().zip(&old).filter(|(_, id)| gone(id)).map(|(s, _)| s).collect();
                count(tally, ingest.append(&again)?);
            }
        }
        Ok(true)
    }

    /// The store has dropped series that we still knew by id: resolves them again and gives it their samples.
    fn repair(
        &mut self,
        page: Page<'_>,
        at: Timestamp,
        ingest: &dyn Ingest,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        scratch.clear();
        let Self { target, job, cache, builder, .. } = self;
        for item in parse(page.format, page.body) {
            let Ok(Item::Sample(item)) = item else { continue };
            let Some(index) = cache.find(item.series).filter(|i| cache.known(*i) == Known::Unresolved) else {
                continue;
            };
            let Ok(Some(labels)) = mutate::labels(&item, &target.labels, job, builder) else { continue };
            let Ok(known) = resolve(&labels, ingest, tally) else { continue };
            cache.resolve(index, known);
            if let Known::Series(series) = known {
                let t = item.timestamp.filter(|_| job.honor_timestamps).unwrap_or(at);
                scratch.batch.push(Incoming { series, t, v: item.value });
            }
        }
        if let Ok(report) = ingest.append(&scratch.batch) {
            count(tally, report);
        }
        cache.commit(false);
    }

    /// The target is no more: ends its series and its report series.
    pub(crate) fn end(&mut self, at: Timestamp, ingest: &dyn Ingest, scratch: &mut Scratch) {
        scratch.clear();
        let batch = &mut scratch.batch;
        self.cache.ended(true, |series| batch.push(Incoming { series, t: at, v: STALE_NAN }));
        if let Some(ids) = self.report.filter(|_| self.reported) {
            batch.extend(ids.iter().map(|series| Incoming { series: *series, t: at, v: STALE_NAN }));
        }
        if !batch.is_empty()
            && let Err(error) = ingest.append(batch)
        {
            tracing::warn!(target = %self.target.shown, %error, "stale markers of a target that is gone were not written");
        }
        self.cache.commit(true);
        self.reported = false;
    }
}

fn resolve(
    labels: &quarterdeck_kernel::Labels,
    ingest: &dyn Ingest,
    tally: &mut Tally,
) -> Result<Known, ScrapeError> {
    if tally.full.is_none() {
        match ingest.resolve(labels) {
            Ok(id) => {
                tally.resolved = true;
                return Ok(Known::Series(id));
            }
            Err(full @ IngestError::TooManySeries { .. }) => tally.full = Some(full),
            Err(other) => return Err(ScrapeError::Store(other)),
        }
    }
    tally.refused.series_limit += 1;
    Ok(Known::Unresolved)
}

/// Counts what was refused and gives the unknown ids.
fn count(tally: &mut Tally, report: quarterdeck_metrics::AppendReport) -> Vec<SeriesId> {
    tally.refused.too_old += report.too_old;
    tally.refused.duplicate += report.duplicate;
    report.unknown
}

fn hash_exemplar(hasher: &DefaultHashBuilder, exemplar: &ExemplarItem<'_>) -> u64 {
    let labels = exemplar.labels().fold(0u64, |hash, pair| hash.rotate_left(7) ^ hasher.hash_one(pair));
    hasher.hash_one((exemplar.value.to_bits(), exemplar.timestamp, labels))
}

/// What was refused, in words.
fn warning(tally: &Tally) -> Option<String> {
    let refused = tally.refused;
    if refused.total() == 0 && tally.full.is_none() {
        return None;
    }
    let mut parts = Vec::new();
    for (count, why) in [
        (refused.too_old, "older than the out-of-order window"),
        (refused.duplicate, "given twice for the same time"),
        (refused.future, "more than 10 minutes in the future"),
        (refused.series_limit, "of new series beyond the store's limit"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {why}"));
        }
    }
    let mut text = match parts.is_empty() {
        true => String::new(),
        false => {
            let (total, were) = (refused.total(), if refused.total() == 1 { " was" } else { "s were" });
            format!("{total} sample{were} not taken: {}", parts.join(", "))
        }
    };
    if let Some(full) = &tally.full {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&full.to_string());
    }
    Some(text)
}

//! What the engine shows of itself: targets, how they do, and what could not be scraped.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Health, Labels, Subject, SubjectKind, Timestamp};
use serde::Serialize;

/// How many recent scrape durations a target keeps for its sparkline.
pub const RECENT: usize = 32;

/// The longest error text that is kept, in bytes.
pub const MAX_ERROR: usize = 4096;

/// How many dropped targets are kept to be shown; all are counted.
pub const MAX_DROPPED_SHOWN: usize = 200;

/// The state of scraping as of one version.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// Grows with every published change.
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// Every active target, by job and instance.
    pub targets: Arc<[Arc<TargetStatus>]>,
    /// Every job with its discoveries, in the order of the configuration.
    pub jobs: Arc<[JobStatus]>,
    /// Targets that relabelling dropped; at most [`MAX_DROPPED_SHOWN`].
    pub dropped: Arc<[DroppedTarget]>,
    /// How many targets relabelling dropped.
    pub dropped_count: usize,
    /// What the configuration contains that this version does not use.
    pub notes: Arc<[String]>,
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

impl Snapshot {
    /// The first target of a job with that `instance` label.
    #[must_use]
    pub fn target(&self, job: &str, instance: &str) -> Option<&Arc<TargetStatus>> {
        self.targets.iter().find(|t| &*t.job == job && &*t.instance == instance)
    }

    /// The target a subject points at (`target:job/instance`).
    #[must_use]
    pub fn by_subject(&self, subject: &Subject) -> Option<&Arc<TargetStatus>> {
        let (job, instance) = split_subject(subject)?;
        self.target(job, instance)
    }

    /// Jobs that cannot be scraped, wholly or in part, with the reasons.
    pub fn unavailable(&self) -> impl Iterator<Item = &JobStatus> {
        self.jobs.iter().filter(|job| !job.unavailable.is_empty())
    }
}

/// Job and instance of a target's subject.
#[must_use]
pub fn split_subject(subject: &Subject) -> Option<(&str, &str)> {
    (subject.kind == SubjectKind::Target).then(|| subject.id.split_once('/')).flatten()
}

/// One job as configured and discovered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobStatus {
    /// Job name.
    pub name: Arc<str>,
    /// How many targets are scraped.
    pub active: usize,
    /// How many targets relabelling dropped.
    pub dropped: usize,
    /// Why it, or one of its discoveries, is not available in this version; empty when all is.
    pub unavailable: Vec<String>,
    /// Errors of its discoveries, the last good answer being kept meanwhile; empty when all is well.
    pub discovery_errors: Vec<String>,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DroppedTarget {
    /// Job name.
    pub job: Arc<str>,
    /// Its labels before relabelling.
    pub discovered: Labels,
}

/// Samples of one scrape that were not taken although the scrape went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Older than the store's out-of-order window.
    pub too_old: usize,
    /// Another value for the same time is there already.
    pub duplicate: usize,
    /// More than ten minutes in the future.
    pub future: usize,
    /// New series beyond the store's limit.
    pub series_limit: usize,
}

impl Refused {
    /// How many in all.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.too_old + self.duplicate + self.future + self.series_limit
    }
}

/// One target and how it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetStatus {
    /// Job name (the `job` label).
    pub job: Arc<str>,
    /// The `instance` label.
    pub instance: Arc<str>,
    /// What is fetched, with parameters and without credentials.
    pub url: Arc<str>,
    /// Labels that every sample gets.
    pub labels: Labels,
    /// Labels before relabelling.
    pub discovered: Labels,
    /// How often it is scraped.
    pub interval: Duration,
    /// How long a scrape may take.
    pub timeout: Duration,
    /// `Ok`, `Down`, or `Unknown` before the first scrape.
    pub health: Health,
    /// Why the last scrape failed, in full up to [`MAX_ERROR`] bytes; none when it went well.
    pub last_error: Option<Arc<str>>,
    /// What was refused of a scrape that went well, told for people; none when nothing was.
    pub warning: Option<Arc<str>>,
    /// When the last scrape began.
    pub last_scrape: Option<Timestamp>,
    /// How long the last scrape took.
    pub duration: Option<Duration>,
    /// Samples the target exposed.
    pub scraped: usize,
    /// Samples left after metric relabelling.
    pub post_relabel: usize,
    /// Series that were new in the last scrape.
    pub added: usize,
    /// Size of the page in bytes, decompressed.
    pub bytes: usize,
    /// What was refused.
    pub refused: Refused,
    /// When the next scrape begins.
    pub next_scrape: Timestamp,
    /// How many scrapes in a row have failed.
    pub failures: u32,
    /// Durations of the last scrapes in seconds, oldest first, at most [`RECENT`].
    pub recent: Vec<f32>,
}

impl TargetStatus {
    /// How the rest of the console points at it.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Target, format!("{}/{}", self.job, self.instance))
    }
}

/// Cuts an error text to [`MAX_ERROR`] bytes at a character's boundary.
#[must_use]
pub(crate) fn bounded(text: &str) -> Arc<str> {
    if text.len() <= MAX_ERROR {
        return Arc::from(text);
    }
    let mut end = MAX_ERROR - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Arc::from(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_errors_are_cut_at_a_character() {
        let text = "é".repeat(MAX_ERROR);
        let cut = bounded(&text);
        assert!(cut.len() <= MAX_ERROR && cut.ends_with('…'), "{} bytes", cut.len());
        assert_eq!(&*bounded("short"), "short");
    }
}

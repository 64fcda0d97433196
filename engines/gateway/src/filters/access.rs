//! What is kept of requests to be looked at: a live sample with the filters each passed and how long each took, every refusal
//! with its reason (as far as there is room), and a line in the log where that is wanted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quarterdeck_kernel::Timestamp;
use serde::Serialize;

use crate::problem::Code;

/// The shortest time between two samples of requests that went well, on one thread; and between two of refusals.
const PACE: Duration = Duration::from_millis(20);

/// A filter that a request passed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub filter: &'static str,
    /// How long it took; not known of a request that was refused without having been chosen to be looked at.
    pub took: Option<Duration>,
    /// What it found, if that is worth a word.
    pub note: Option<String>,
}

/// A request that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Grows with each.
    pub number: u64,
    /// When it began.
    pub at: Timestamp,
    /// Its id.
    pub request_id: String,
    /// Method.
    pub method: String,
    /// Host asked for.
    pub host: String,
    /// Path asked for, without query: what is in a query may be secret.
    pub path: String,
    /// Who called, by name or address.
    pub caller: String,
    /// The route, if one took it.
    pub route: Option<Arc<str>>,
    /// The service.
    pub service: Option<Arc<str>>,
    /// The version that answered.
    pub version: Option<Arc<str>>,
    /// The endpoint that answered.
    pub endpoint: Option<Arc<str>>,
    /// Status of the answer.
    pub status: u16,
    /// How long until the last byte.
    pub took: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// The filters it passed, in order.
    pub steps: Vec<Step>,
    /// Why the gateway itself answered, if it did.
    pub refused: Option<(Code, String)>,
    /// What broke, if something did.
    pub error: Option<String>,
}

/// The newest samples of all threads.
#[derive(Debug)]
pub struct Samples {
    ring: Mutex<VecDeque<Arc<Sample>>>,
    most: usize,
    taken: AtomicU64,
    skipped: AtomicU64,
}

impl Samples {
    /// A ring of so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { ring: Mutex::default(), most, taken: AtomicU64::new(0), skipped: AtomicU64::new(0) }
    }

    /// Keeps one.
    pub fn push(&self, mut sample: Sample) {
        sample.number = self.taken.fetch_add(1, Relaxed) + 1;
        let sample = Arc::new(sample);
        let mut ring = self.ring.lock();
        if ring.len() >= self.most.max(1) {
            ring.pop_front();
        }
        ring.push_back(sample);
    }

    /// Oldest first.
    #[must_use]
    pub fn all(&self) -> Arc<[Arc<Sample>]> {
        self.ring.lock().iter().cloned().collect()
    }

    /// How many were kept since the start, and how many refusals there was no room for.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.taken.load(Relaxed), self.skipped.load(Relaxed))
    }

    /// A refusal was not kept.
    pub fn skip(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }
}

/// Decides on one thread which requests are looked at.
#[derive(Debug)]
pub struct Pacer {
    began: Instant,
    last: AtomicU64,
}

impl Pacer {
    /// One that takes the first.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Whether one that began at this moment is looked at.
    pub fn take(&self, at: Instant) -> bool {
        let micros = u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX);
        let pace = u64::try_from(PACE.as_micros()).unwrap_or(u64::MAX);
        // One thread alone asks: there is no race to lose.
        if micros + 1 < self.last.load(Relaxed) {
            return false;
        }
        self.last.store(micros + pace + 1, Relaxed);
        true
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new()
    }
}

/// Filters whose names are known of a request that nobody looked at: more than there are.
const NAMES: usize = 16;

/// The way of a request through the filters. Of one that is not looked at the names alone are kept: should it be refused, it is
/// told by whom.
#[derive(Debug)]
pub struct Trail {
    looked: Option<Box<Looked>>,
    names: [&'static str; NAMES],
    passed: usize,
}

#[derive(Debug)]
struct Looked {
    last: Instant,
    steps: Vec<Step>,
}

impl Trail {
    /// Begins, if it is looked at.
    #[must_use]
    pub fn new(looked: bool, at: Instant) -> Self {
        let looked = looked.then(|| Box::new(Looked { last: at, steps: Vec::with_capacity(12) }));
        Self { looked, names: [""; NAMES], passed: 0 }
    }

    /// A filter was passed, or said no.
    pub fn step(&mut self, filter: &'static str) {
        self.note(filter, || None);
    }

    /// The same, with what it found.
    pub fn note(&mut self, filter: &'static str, note: impl FnOnce() -> Option<String>) {
        if let Some(looked) = &mut self.looked {
            let now = Instant::now();
            looked.steps.push(Step { filter, took: Some(now.duration_since(looked.last)), note: note() });
            looked.last = now;
        } else if let Some(name) = self.names.get_mut(self.passed) {
            *name = filter;
            self.passed += 1;
        }
    }

    /// Whether it is looked at.
    #[must_use]
    pub fn is_looked(&self) -> bool {
        self.looked.is_some()
    }

    /// The steps.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        match self.looked {
            Some(looked) => looked.steps,
            None => {
                let names = self.names[..self.passed].iter();
                names.map(|filter| Step { filter, took: None, note: None }).collect()
            }
        }
    }
}

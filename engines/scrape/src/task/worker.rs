//! One target's loop: wait for its tick, fetch, take in, tell.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quarterdeck_kernel::{Health, Timestamp};
use tokio::sync::watch;

use super::Shared;
use super::fetch::{self, JobRuntime};
use crate::engine::scraper::{Outcome, Page, ScrapeError, Scraper};
use crate::engine::target::Target;
use crate::model::{RECENT, TargetStatus, bounded};

/// Why a loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The target is no more: its series end.
    Gone,
    /// The console ends: its series are left as they are.
    Shutdown,
}

/// What a loop is to do; the newest holds.
#[derive(Clone)]
pub(super) struct Orders {
    pub(super) target: Arc<Target>,
    pub(super) job: Arc<JobRuntime>,
    /// Why every scrape is to fail without being made.
    pub(super) over_limit: Option<Arc<str>>,
    /// Grows with every request to scrape at once.
    pub(super) retry: u64,
    pub(super) stop: Option<Stop>,
}

/// Where a loop tells how its target does.
#[derive(Debug)]
pub(super) struct Slot(Mutex<Arc<TargetStatus>>);

impl Slot {
    pub(super) fn new(target: &Target) -> Self {
        Self(Mutex::new(Arc::new(TargetStatus {
            job: Arc::from(target.job()),
            instance: Arc::from(target.instance()),
            url: Arc::clone(&target.shown),
            labels: target.labels.clone(),
            discovered: target.discovered.clone(),
            interval: target.interval,
            timeout: target.timeout,
            health: Health::Unknown,
            last_error: None,
            warning: None,
            last_scrape: None,
            duration: None,
            scraped: 0,
            post_relabel: 0,
            added: 0,
            bytes: 0,
            refused: Default::default(),
            next_scrape: Timestamp::default(),
            failures: 0,
            recent: Vec::new(),
        })))
    }

    pub(super) fn get(&self) -> Arc<TargetStatus> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut TargetStatus)) {
        change(Arc::make_mut(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}

/// Runs until told to stop.
pub(super) async fn run(mut orders: watch::Receiver<Orders>, slot: Arc<Slot>, shared: Arc<Shared>) {
    let first = orders.borrow().clone();
    let mut scraper = Box::new(Scraper::new(Arc::clone(&first.target), Arc::clone(&first.job.job)));
    let (mut last_tick, mut retried) = (None, first.retry);
    loop {
        let now_orders = orders.borrow_and_update().clone();
        match now_orders.stop {
            Some(Stop::Gone) => return end(scraper, shared).await,
            Some(Stop::Shutdown) => return,
            None => {}
        }
        let target = &now_orders.target;
        scraper.adopt(target, &now_orders.job.job);
        let now = shared.clock.now();
        let tick = if now_orders.retry == retried {
            let tick = target.rhythm().next(now, last_tick);
            tell_next(&slot, target, tick, &shared);
            tokio::select! {
                () = tokio::time::sleep(tick.since(now)) => {}
                changed = orders.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
            last_tick = Some(tick);
            tick
        } else {
            retried = now_orders.retry;
            now
        };
        match scrape(scraper, &now_orders, &mut orders, tick, &slot, &shared).await {
            Some(back) => scraper = back,
            None => return,
        }
    }
}

fn tell_next(slot: &Slot, target: &Target, tick: Timestamp, shared: &Shared) {
    let known = slot.get();
    let settings = (known.interval, known.timeout, &known.discovered);
    if known.next_scrape != tick || settings != (target.interval, target.timeout, &target.discovered) {
        slot.change(|status| {
            status.next_scrape = tick;
            status.interval = target.interval;
            status.timeout = target.timeout;
            status.discovered = target.discovered.clone();
        });
        shared.dirty.notify_one();
    }
}

/// One scrape. Gives the scraper back, or none when all orders have ceased.
async fn scrape(
    scraper: Box<Scraper>,
    now_orders: &Orders,
    orders: &mut watch::Receiver<Orders>,
    tick: Timestamp,
    slot: &Slot,
    shared: &Arc<Shared>,
) -> Option<Box<Scraper>> {
    let target = &now_orders.target;
    let (began, started) = (shared.clock.now(), Instant::now());
    let at = target.rhythm().stamp(tick, began);
    let fetched = match &now_orders.over_limit {
        Some(why) => Err(ScrapeError::Limit(why.to_string())),
        None => {
            let mut watcher = orders.clone();
            tokio::select! {
                fetched = fetch::page(&now_orders.job, target, shared) => fetched,
                // What was asked of the target no longer matters. The guard that is returned is not kept.
                stopped = watcher.wait_for(|o| o.stop.is_some()) => {
                    return stopped.is_ok().then_some(scraper);
                }
            }
        }
    };
    let permit = shared.processing.acquire().await.ok()?;
    let (format, body, error, share) = match fetched {
        Ok(fetched) => (Some(fetched.format), fetched.body, None, fetched.share),
        Err(error) => (None, Vec::new(), Some(error), None),
    };
    let work = {
        let shared = Arc::clone(shared);
        let mut scraper = scraper;
        move || {
            let page = match (format, error) {
                (Some(format), _) => Ok(Page { format, body: &body }),
                (None, error) => Err(error.unwrap_or_else(|| ScrapeError::Fetch("no page".to_owned()))),
            };
            let mut scratch = shared.buffers.scratch();
            let outcome = scraper.take(page, at, || started.elapsed(), &*shared.ingest, &mut scratch);
            shared.buffers.give_scratch(scratch);
            shared.buffers.give_page(body);
            (scraper, outcome)
        }
    };
    let done = tokio::task::spawn_blocking(work).await;
    drop((permit, share));
    match done {
        Ok((scraper, outcome)) => {
            tell(slot, &outcome, at, started.elapsed());
            shared.dirty.notify_one();
            Some(scraper)
        }
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

fn tell(slot: &Slot, outcome: &Outcome, at: Timestamp, duration: Duration) {
    slot.change(|status| {
        status.health = if outcome.error.is_some() { Health::Down } else { Health::Ok };
        status.failures = if outcome.error.is_some() { status.failures.saturating_add(1) } else { 0 };
        status.last_error = outcome.error.as_deref().map(bounded);
        status.warning = outcome.warning.as_deref().map(bounded);
        status.last_scrape = Some(at);
        status.duration = Some(duration);
        status.scraped = outcome.scraped;
        status.post_relabel = outcome.post_relabel;
        status.added = outcome.added;
        status.bytes = outcome.bytes;
        status.refused = outcome.refused;
        if status.recent.len() >= RECENT {
            status.recent.remove(0);
        }
        status.recent.push(duration.as_secs_f32());
    });
}

/// Ends a target's series.
async fn end(mut scraper: Box<Scraper>, shared: Arc<Shared>) {
    let _permit = shared.processing.acquire().await;
    let work = {
        let shared = Arc::clone(&shared);
        move || {
            let mut scratch = shared.buffers.scratch();
            scraper.end(shared.clock.now(), &*shared.ingest, &mut scratch);
            shared.buffers.give_scratch(scratch);
        }
    };
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "stale markers of a target that is gone were not written");
    }
}

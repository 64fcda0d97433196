//! DORA's five measures of software delivery, from the ledger of ended rollouts.
//!
//! - A *deployment* is a rollout of which users saw something: its new version took traffic. A refused one is none.
//! - A *change* is a deployment that does not take another one back. It *failed* if its version was not promoted, or was
//!   taken back later by a rollback.
//! - *Change lead time*: from commit until the version serves everybody (the end of a rollout that was promoted), the median
//!   of the changes whose commit time is known.
//! - *Deployment frequency*: deployments a day, over the window or as long as the ledger goes back, but no less than a day.
//! - *Failed deployment recovery time*: from when users began to suffer until the stable version had all the traffic again,
//!   the median of the failed changes of which both are known.
//! - *Change fail rate*: failed changes among all changes.
//! - *Rework rate*: unplanned deployments (rollbacks, and those declared so) among all deployments.
//!
//! What cannot be known is none: a service that never deployed has no fail rate, rather than a perfect one.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;

use crate::model::{Dora, LedgerEntry, Outcome};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The window that is used unless another is asked for: 30 days.
pub const WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn median(mut durations: Vec<Duration>) -> Option<Duration> {
    durations.sort_unstable();
    let upper = *durations.get(durations.len() / 2)?;
    if durations.len().is_multiple_of(2) {
        let lower = *durations.get(durations.len() / 2 - 1)?;
        return Some((lower + upper) / 2);
    }
    Some(upper)
}

fn rate(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// The measures of the rollouts that ended within `window` before `now`. `ledger` is that of one service, or of all; what
/// ended before the window still tells how far back it goes, and which changes of the window take back an older one.
#[must_use]
pub fn measure<'a>(
    ledger: impl IntoIterator<Item = &'a LedgerEntry>,
    window: Duration,
    now: Timestamp,
) -> Dora {
    let all: Vec<&LedgerEntry> = ledger.into_iter().collect();
    let from = now - window;
    let deployments: Vec<&LedgerEntry> = all
        .iter()
        .copied()
        .filter(|e| e.first_traffic.is_some() && e.ended > from && e.ended <= now)
        .collect();
    // By the rollout that was taken back: the rollbacks that brought an older version to users again.
    let undone: BTreeMap<&str, &LedgerEntry> = all
        .iter()
        .copied()
        .filter(|e| e.outcome == Outcome::Promoted)
        .filter_map(|e| Some((e.rollback_of.as_deref()?, e)))
        .collect();
    let changes: Vec<&LedgerEntry> =
        deployments.iter().copied().filter(|e| e.rollback_of.is_none()).collect();
    let failed: Vec<&LedgerEntry> = changes
        .iter()
        .copied()
        .filter(|e| e.outcome != Outcome::Promoted || undone.contains_key(e.id.as_str()))
        .collect();

    let lead_times = changes.iter().filter(|e| e.outcome == Outcome::Promoted).filter_map(|e| {
        let committed = e.committed?;
        (committed <= e.ended).then(|| e.ended.since(committed))
    });
    let recoveries = failed.iter().filter_map(|e| {
        let rollback = undone.get(e.id.as_str());
        let broke = e.broke.or(rollback.and_then(|r| r.broke))?;
        let restored = e.restored.or(rollback.map(|r| r.restored.unwrap_or(r.ended)))?;
        (broke <= restored).then(|| restored.since(broke))
    });
    let oldest = all.iter().map(|e| e.started).min();
    let span = oldest.map(|oldest| now.since(oldest).min(window).max(DAY));
    let unplanned = deployments.iter().filter(|e| e.unplanned || e.rollback_of.is_some()).count();
    Dora {
        window,
        deployments: deployments.len(),
        lead_time: median(lead_times.collect()),
        frequency: span.map(|span| deployments.len() as f64 / (span.as_secs_f64() / DAY.as_secs_f64())),
        recovery: median(recoveries.collect()),
        fail_rate: rate(failed.len(), changes.len()),
        rework_rate: rate(unplanned, deployments.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: Timestamp = Timestamp::from_millis(1_000 * HOUR);

    fn at(hours_ago: i64) -> Timestamp {
        NOW.plus_millis(-hours_ago * HOUR)
    }

    /// A change that was promoted, an hour long, that many hours ago; committed five hours before it ended.
    fn promoted(id: &str, hours_ago: i64) -> LedgerEntry {
        LedgerEntry {
            id: id.to_owned(),
            service: "orders".to_owned(),
            from: Some("v1".to_owned()),
            to: "v2".to_owned(),
            started: at(hours_ago + 1),
            first_traffic: Some(at(hours_ago + 1)),
            ended: at(hours_ago),
            outcome: Outcome::Promoted,
            reason: String::new(),
            actor: "ops-1".to_owned(),
            rollback_of: None,
            committed: Some(at(hours_ago + 5)),
            unplanned: false,
            broke: None,
            restored: None,
        }
    }

    fn rolled_back(id: &str, hours_ago: i64, minutes: i64) -> LedgerEntry {
        let broke = at(hours_ago + 1);
        LedgerEntry {
            outcome: Outcome::RolledBack,
            broke: Some(broke),
            restored: Some(broke.plus_millis(minutes * 60_000)),
            ..promoted(id, hours_ago)
        }
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        let dora = measure([], WINDOW, NOW);
        assert_eq!(dora, Dora { window: WINDOW, ..Dora::default() });
        assert_eq!((dora.frequency, dora.fail_rate, dora.lead_time), (None, None, None));
    }

    #[test]
    fn five_measures() {
        let ledger = [
            promoted("a", 100),
            promoted("b", 80),
            rolled_back("c", 60, 10),
            rolled_back("d", 40, 30),
            LedgerEntry { committed: None, unplanned: true, ..promoted("e", 20) },
            LedgerEntry { first_traffic: None, outcome: Outcome::Refused, ..promoted("f", 10) },
        ];
        let dora = measure(&ledger, WINDOW, NOW);
        assert_eq!(dora.deployments, 5, "a refused one is none");
        assert_eq!(dora.lead_time, Some(Duration::from_secs(5 * 3600)));
        assert_eq!(dora.recovery, Some(Duration::from_secs(20 * 60)));
        assert_eq!(dora.fail_rate, Some(0.4));
        assert_eq!(dora.rework_rate, Some(0.2));
        let days = 101.0 / 24.0;
        assert!((dora.frequency.expect("known") - 5.0 / days).abs() < 1e-12);
    }

    #[test]
    fn a_change_that_was_taken_back_later_has_failed() {
        let change = promoted("a", 50);
        let rollback = LedgerEntry {
            rollback_of: Some("a".to_owned()),
            unplanned: true,
            committed: None,
            broke: Some(at(45)),
            restored: Some(at(43)),
            ..promoted("b", 40)
        };
        let dora = measure([&change, &rollback], WINDOW, NOW);
        assert_eq!((dora.deployments, dora.fail_rate, dora.rework_rate), (2, Some(1.0), Some(0.5)));
        assert_eq!(dora.recovery, Some(Duration::from_secs(2 * 3600)));
        // A rollback that failed itself took nothing back.
        let failed = LedgerEntry { outcome: Outcome::Failed, ..rollback.clone() };
        assert_eq!(measure([&change, &failed], WINDOW, NOW).fail_rate, Some(0.0));
        // Without the time at which it broke, how long it took is not known.
        let unknown = LedgerEntry { broke: None, ..rollback };
        assert_eq!(measure([&change, &unknown], WINDOW, NOW).recovery, None);
    }

    #[test]
    fn the_window_bounds_what_counts() {
        let ledger = [promoted("a", 30 * 24), promoted("b", 2), promoted("c", 1)];
        let week = Duration::from_secs(7 * 24 * 3600);
        let dora = measure(&ledger, week, NOW);
        assert_eq!(dora.deployments, 2);
        assert!((dora.frequency.expect("known") - 2.0 / 7.0).abs() < 1e-12);
        let quiet = measure(&ledger[..1], week, NOW);
        assert_eq!((quiet.deployments, quiet.frequency, quiet.fail_rate), (0, Some(0.0), None));
        let young = measure(&ledger[1..], week, NOW);
        assert_eq!(young.frequency, Some(2.0), "a ledger of three hours counts as a day");
        let ahead = LedgerEntry { committed: Some(NOW.plus_millis(HOUR)), ..promoted("d", 1) };
        assert_eq!(measure([&ahead], week, NOW).lead_time, None, "committed after it ended: a wrong clock");
    }
}

//! Upkeep: when to seal and to merge, what to delete, which series are gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use quarterdeck_kernel::{Timestamp, time};

use super::head::Head;
use super::segment::Segment;
use super::series::{Newest, Series};
use super::{Maintenance, Shared};

/// A series that never got a sample goes after this long, in milliseconds.
const EMPTY_SERIES_LIFE: i64 = 3_600_000;
/// Series without samples are looked for this often, in milliseconds, if no samples went meanwhile.
const SWEEP: i64 = 60_000;
/// After a failure to seal or to merge, the next attempt comes this much later, in milliseconds.
const RETRY: i64 = 60_000;
/// Memory is sealed when it has this many samples for each of its series...
const SEAL_PER_SERIES: u64 = 80;
/// ...unless that makes fewer than this: a segment has its price too, and the log of so many is read in a moment.
const SEAL_LEAST: u64 = 4_000_000;
/// The clock going further than this between two rounds is a jump...
const CLOCK_JUMP: i64 = 86_400_000;
/// ...after which nothing is deleted because of its age until the clock has gone on this long.
const JUMP_REST: i64 = 3_600_000;

/// What upkeep remembers from round to round.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pub(super) next_segment: u64,
    seal_failed: Option<i64>,
    merge_failed: Option<i64>,
    last: Option<i64>,
    jumped: Option<i64>,
    /// When series without samples were looked for, and the time before which no segment had any.
    swept: Option<(i64, i64)>,
}

fn failed_lately(failed: Option<i64>, now: i64) -> bool {
    failed.is_some_and(|failed| (failed..failed.saturating_add(RETRY)).contains(&now))
}

impl Upkeep {
    /// Notes the time; whether age can be trusted to delete things.
    fn clock_is_steady(&mut self, now: i64) -> bool {
        if self.last.is_some_and(|last| now.saturating_sub(last) > CLOCK_JUMP) {
            self.jumped = Some(now);
        }
        self.last = Some(now);
        match self.jumped {
            Some(jumped) if now < jumped => self.jumped = None,
            Some(jumped) if now.saturating_sub(jumped) < JUMP_REST => return false,
            _ => self.jumped = None,
        }
        true
    }
}

impl Shared {
    pub(super) fn maintain(&self, now: Timestamp) -> Maintenance {
        let now = now.as_millis().max(i64::MIN + 1);
        self.now.store(now, Ordering::Relaxed);
        // Series made before the first round of upkeep were born at that round.
        let started = *self.started.get_or_init(|| now);
        let mut upkeep = self.upkeep.lock();
        let mut done = Maintenance::default();
        let steady = upkeep.clock_is_steady(now);
        let head = self.figures.get();

        // Age counts from the newest sample if that is older: nothing is deleted for lack of newer samples.
        let newest = head.newest.into_iter().chain(self.segments.read().iter().map(|s| s.max_t())).max();
        let cutoff = newest
            .filter(|_| steady)
            .map(|newest| newest.min(now).saturating_sub(time::millis(self.config.retention)));
        let dropped_samples = self.drop_from_memory(cutoff, head);

        if self.disk.is_some() && self.seal_is_due(&upkeep, head, now) {
            match self.seal(&mut upkeep) {
                Ok(name) => {
                    upkeep.seal_failed = None;
                    done.sealed = name;
                }
                Err(error) => {
                    upkeep.seal_failed = Some(now);
                    done.failed = Some(format!("sealing: {error}"));
                }
            }
        }
        match self.delete_segments(cutoff) {
            Ok(count) => done.deleted_segments = count,
            Err(error) => done.failed = Some(format!("deleting old segments: {error}")),
        }
        if !failed_lately(upkeep.merge_failed, now) {
            match self.merge(&mut upkeep) {
                Ok(merged) => {
                    upkeep.merge_failed = None;
                    done.merged = merged.map(|merged| merged.name);
                }
                Err(error) => {
                    upkeep.merge_failed = Some(now);
                    done.failed = Some(format!("merging segments: {error}"));
                }
            }
        }
        done.dropped_series = self.drop_dead_series(&mut upkeep, dropped_samples > 0, now, started);
        if dropped_samples > 0 || done != Maintenance::default() {
            self.changed();
        }
        done
    }

    fn seal_is_due(&self, upkeep: &Upkeep, head: Head, now: i64) -> bool {
        if failed_lately(upkeep.seal_failed, now) {
            return false;
        }
        let span = time::millis(self.config.segment_span);
        let old = head.oldest.is_some_and(|oldest| now.saturating_sub(oldest) >= span);
        // A log that grows without end would make the next start slow.
        let log_bytes = self.writer.lock().log.as_ref().map_or(0, super::log::Log::bytes);
        head.samples > 0
            && (old
                || head.samples >= SEAL_LEAST.max(SEAL_PER_SERIES * head.active as u64)
                || head.bytes >= self.config.head_bytes
                || log_bytes >= self.config.head_bytes)
    }

    fn delete_segments(&self, cutoff: Option<i64>) -> io::Result<usize> {
        let Some(disk) = &self.disk else { return Ok(0) };
        let log_bytes = self.writer.lock().log.as_ref().map_or(0, super::log::Log::bytes);
        let limit = self.config.retention_bytes;
        let mut gone: Vec<Arc<Segment>> = Vec::new();
        {
            let mut segments = self.segments.write();
            segments.retain(|segment| {
                let keep = cutoff.is_none_or(|cutoff| segment.max_t() >= cutoff);
                if !keep {
                    gone.push(Arc::clone(segment));
                }
                keep
            });
            let mut total = log_bytes + segments.iter().map(|segment| segment.bytes).sum::<u64>();
            while limit > 0 && total > limit {
                let Some(oldest) = (0..segments.len()).min_by_key(|i| segments[*i].max_t()) else { break };
                let segment = segments.remove(oldest);
                total -= segment.bytes;
                gone.push(segment);
            }
        }
        for segment in &gone {
            disk.files.remove(&disk.segments.join(&segment.name))?;
        }
        if !gone.is_empty() {
            disk.files.sync_folder(&disk.segments)?;
        }
        Ok(gone.len())
    }

    /// Without files, memory is all there is: age and size apply to it.
    fn drop_from_memory(&self, cutoff: Option<i64>, head: Head) -> u64 {
        if self.disk.is_some() {
            return 0;
        }
        let mut cutoff = cutoff.unwrap_or(i64::MIN);
        let limit = self.config.retention_bytes;
        if limit > 0
            && head.bytes > limit
            && let (Some(oldest), Some(newest)) = (head.oldest, head.newest)
        {
            // The oldest eighth goes; the next round goes on if that was not enough.
            cutoff = cutoff.max(oldest.saturating_add(newest.saturating_sub(oldest) / 8).saturating_add(1));
        }
        if head.oldest.is_none_or(|oldest| oldest >= cutoff) {
            return 0;
        }
        // No sample comes meanwhile, so that what is counted afterwards is what there is.
        let _writer = self.writer.lock();
        let dropped = self.index.read().iter().map(|series| series.data.lock().drop_before(cutoff)).sum();
        self.figures.set(self.count());
        dropped
    }

    /// Drops the series of which no sample is left. That takes a pass over all series: it is made when samples went, and
    /// now and then for series that never had any.
    fn drop_dead_series(&self, upkeep: &mut Upkeep, samples_went: bool, now: i64, started: i64) -> usize {
        let floor = self.segments.read().iter().map(|segment| segment.min_t()).min().unwrap_or(i64::MAX);
        let lately = |swept: i64| (swept..swept.saturating_add(SWEEP)).contains(&now);
        if !samples_went && upkeep.swept.is_some_and(|(swept, at)| at == floor && lately(swept)) {
            return 0;
        }
        upkeep.swept = Some((now, floor));
        let is_dead = |series: &Series| {
            let data = series.data.lock();
            !data.is_active()
                && match data.newest() {
                    Newest::At(newest, _) => newest < floor,
                    Newest::Born(born) => now.saturating_sub(born.max(started)) > EMPTY_SERIES_LIFE,
                }
        };
        let dead: Vec<u32> =
            self.index.read().iter().filter(|series| is_dead(series)).map(|series| series.slot()).collect();
        if dead.is_empty() {
            return 0;
        }
        // Appends stand still while slots are taken away, so that none goes to a series that is no longer there.
        let mut writer = self.writer.lock();
        let mut index = self.index.write();
        let mut dropped = 0;
        for slot in dead {
            if index.in_slot(slot).is_some_and(|series| is_dead(series)) {
                index.remove(slot);
                dropped += 1;
            }
        }
        index.shrink();
        writer.refusal.forget();
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_ahead_deletes_nothing_until_it_has_stayed_there() {
        let day = 86_400_000;
        let mut upkeep = Upkeep::default();
        assert!(upkeep.clock_is_steady(day));
        assert!(upkeep.clock_is_steady(day + 60_000));
        assert!(!upkeep.clock_is_steady(400 * day));
        assert!(!upkeep.clock_is_steady(400 * day + 60_000));
        assert!(upkeep.clock_is_steady(day + 120_000), "set right again");
        assert!(!upkeep.clock_is_steady(400 * day));
        assert!(upkeep.clock_is_steady(400 * day + JUMP_REST));
        assert!(upkeep.clock_is_steady(i64::MIN + 1));
        assert!(!upkeep.clock_is_steady(i64::MAX));
    }
}

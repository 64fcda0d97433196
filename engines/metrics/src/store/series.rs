//! One series in memory.

use parking_lot::Mutex;
use quarterdeck_kernel::{Labels, Sample, Timestamp};

use super::chunk::{Chunk, Encoder, MAX_SAMPLES};
use super::packed::{Lying, Packed};

/// How many out-of-order samples wait before they become a chunk of their own.
const MAX_LATE: usize = 32;

/// A series: who it is, and what of it is in memory.
#[derive(Debug)]
pub(super) struct Series {
    /// Low half: its slot in the index. High half: a number that no other series ever has.
    pub(super) id: u64,
    pub(super) labels: Labels,
    pub(super) data: Mutex<Data>,
}

/// Stands for the bits of a newest sample that are not known: a NaN that nobody writes.
pub(super) const UNKNOWN_BITS: u64 = u64::MAX;

/// The newest sample of a series, or when it was made if it has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newest {
    /// No sample yet; made at this time by the store's clock.
    Born(i64),
    /// Time and bits of the newest sample.
    At(i64, u64),
}

/// The samples of a series that are in memory.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) newest: Newest,
    open: Option<Encoder>,
    closed: Packed,
    /// What of `closed` is being sealed: everything before this place.
    sealing: usize,
    /// Out-of-order samples, sorted by time.
    #[allow(clippy::box_collection, reason = "one word instead of three in every series that has none")]
    late: Option<Box<Vec<(i64, u64)>>>,
}

/// What came of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is held now.
    Taken,
    /// It was held already, with the same bits.
    Same,
    /// Another value is held for that moment.
    Duplicate,
}

impl Series {
    pub(super) fn new(id: u64, labels: Labels, newest: Newest) -> Self {
        Self {
            id,
            labels,
            data: Mutex::new(Data { newest, open: None, closed: Packed::default(), sealing: 0, late: None }),
        }
    }

    pub(super) const fn slot(&self) -> u32 {
        self.id as u32
    }
}

impl Data {
    /// Takes a sample.
    pub(super) fn append(&mut self, t: i64, bits: u64) -> Outcome {
        match self.newest {
            Newest::At(newest, _) if t < newest => return self.append_late(t, bits),
            Newest::At(newest, held) if t == newest => {
                return if held == bits { Outcome::Same } else { Outcome::Duplicate };
            }
            _ => {}
        }
        self.push(t, bits);
        Outcome::Taken
    }

    /// Takes a sample that is not older than any other.
    fn push(&mut self, t: i64, bits: u64) {
        self.newest = Newest::At(t, bits);
        let open = self.open.get_or_insert_default();
        open.push(t, bits);
        if open.count() >= MAX_SAMPLES {
            self.close_open();
        }
    }

    /// Takes a sample from the log. The catalogue is written while appends go on: it may know a sample as the newest
    /// that is in the log alone.
    pub(super) fn replay(&mut self, t: i64, bits: u64) {
        if self.newest == Newest::At(t, bits) && self.value_at(t).is_none() {
            self.push(t, bits);
        } else {
            self.append(t, bits);
        }
    }

    fn append_late(&mut self, t: i64, bits: u64) -> Outcome {
        if let Some(held) = self.value_at(t) {
            return if held == bits { Outcome::Same } else { Outcome::Duplicate };
        }
        let late = self.late.get_or_insert_default();
        let at = late.partition_point(|(held, _)| *held < t);
        late.insert(at, (t, bits));
        if late.len() >= MAX_LATE {
            self.close_late();
        }
        Outcome::Taken
    }

    /// The value in memory for a moment.
    fn value_at(&self, t: i64) -> Option<u64> {
        if let Some(late) = &self.late
            && let Ok(i) = late.binary_search_by_key(&t, |(held, _)| *held)
        {
            return Some(late[i].1);
        }
        let is_it = |(held, bits): (i64, u64)| (held == t).then_some(bits);
        // Chunks of late samples may lie within the open one.
        let open = self.open.as_ref().filter(|open| (open.min_t()..=open.max_t()).contains(&t));
        if let Some(bits) = open.and_then(|open| open.samples().find_map(is_it)) {
            return Some(bits);
        }
        self.closed
            .iter()
            .filter(|chunk| chunk.overlaps(t, t))
            .find_map(|chunk| chunk.samples().find_map(is_it))
    }

    fn close_open(&mut self) {
        if let Some(chunk) = self.open.take().and_then(Encoder::close) {
            self.closed.push(&chunk);
        }
    }

    fn close_late(&mut self) {
        if let Some(chunk) = self.late.take().and_then(|late| Chunk::from_samples(&late)) {
            self.closed.push(&chunk);
        }
    }

    /// Closes everything and marks it as being sealed. Says whether there is anything.
    pub(super) fn begin_seal(&mut self) -> bool {
        // All series are closed while appends wait: the better codec is tried later, when the segment is written.
        if let Some(chunk) = self.open.take().and_then(Encoder::close_quickly) {
            self.closed.push(&chunk);
        }
        self.close_late();
        self.sealing = self.closed.len();
        self.sealing > 0
    }

    /// What is being sealed.
    pub(super) fn sealing(&self) -> impl Iterator<Item = Lying<'_>> {
        self.closed.before(self.sealing)
    }

    /// Ends sealing; what was sealed leaves memory if that went well.
    pub(super) fn end_seal(&mut self, sealed: bool) {
        let place = std::mem::take(&mut self.sealing);
        if sealed {
            self.closed.drop_before(place);
        }
    }

    /// Drops chunks that end before a time; gives how many samples went.
    pub(super) fn drop_before(&mut self, t: i64) -> u64 {
        if self.open.as_ref().is_some_and(|open| open.max_t() < t) {
            self.close_open();
        }
        if self.late.as_ref().is_some_and(|late| late.last().is_some_and(|(newest, _)| *newest < t)) {
            self.close_late();
        }
        let mut dropped = 0;
        if self.sealing == 0 && self.closed.iter().any(|chunk| chunk.max_t < t) {
            self.closed.retain(|chunk| {
                let keep = chunk.max_t >= t;
                dropped += if keep { 0 } else { u64::from(chunk.count) };
                keep
            });
        }
        dropped
    }

    /// Whether any sample is in memory.
    pub(super) fn is_active(&self) -> bool {
        self.open.is_some() || !self.closed.is_empty() || self.late.is_some()
    }

    /// Oldest time in memory.
    pub(super) fn oldest(&self) -> Option<i64> {
        let late = self.late.as_ref().and_then(|late| late.first()).map(|(t, _)| *t);
        let open = self.open.as_ref().map(Encoder::min_t);
        self.closed.iter().map(|chunk| chunk.min_t).chain(late).chain(open).min()
    }

    /// Samples in memory and the bytes they take.
    pub(super) fn size(&self) -> (u64, u64) {
        let mut samples: u64 = self.closed.iter().map(|chunk| u64::from(chunk.count)).sum();
        let mut bytes = self.closed.heap_bytes();
        if let Some(open) = &self.open {
            samples += u64::from(open.count());
            bytes += open.heap_bytes();
        }
        if let Some(late) = &self.late {
            samples += late.len() as u64;
            bytes += late.capacity() * 16 + 24;
        }
        (samples, bytes as u64)
    }

    /// Adds the samples from `from` to `to`, in no particular order, those held longest first.
    pub(super) fn collect(&self, from: i64, to: i64, out: &mut Vec<Sample>) {
        let open = self.open.as_ref().filter(|open| open.min_t() <= to && open.max_t() >= from);
        let open_run = open.map(|open| (open.min_t(), open.max_t(), open.count()));
        let closed = self.closed.iter().filter(|chunk| chunk.overlaps(from, to));
        let runs = closed.clone().map(|chunk| (chunk.min_t, chunk.max_t, chunk.count)).chain(open_run);
        out.reserve(runs.map(|run| expected(run, from, to)).sum());
        let mut add = |(t, bits): (i64, u64)| {
            if (from..=to).contains(&t) {
                out.push(Sample { t: Timestamp::from_millis(t), v: f64::from_bits(bits) });
            }
        };
        for chunk in closed {
            chunk.samples().for_each(&mut add);
        }
        if let Some(late) = &self.late {
            late.iter().copied().for_each(&mut add);
        }
        if let Some(open) = open {
            open.samples().for_each(&mut add);
        }
    }

    /// The newest sample from `from` to `to` in memory, and whether it is certain that no segment has a newer one.
    pub(super) fn newest_in(&self, from: i64, to: i64) -> (Option<(i64, u64)>, bool) {
        if let Newest::At(t, bits) = self.newest
            && t <= to
            && bits != UNKNOWN_BITS
        {
            return ((t >= from).then_some((t, bits)), true);
        }
        let mut best: Option<(i64, u64)> = None;
        let mut look = |samples: &mut dyn Iterator<Item = (i64, u64)>| {
            let inside = samples.filter(|(t, _)| (from..=to).contains(t)).last();
            if inside.is_some_and(|(t, _)| best.is_none_or(|(held, _)| t > held)) {
                best = inside;
            }
            best.map(|(t, _)| t)
        };
        let mut reached = None;
        if let Some(late) = &self.late {
            reached = look(&mut late.iter().copied());
        }
        let useful = |min_t: i64, max_t: i64, reached: Option<i64>| {
            min_t <= to && max_t >= from && reached.is_none_or(|reached| max_t.min(to) >= reached)
        };
        if let Some(open) = self.open.as_ref().filter(|open| useful(open.min_t(), open.max_t(), reached)) {
            reached = look(&mut open.samples());
        }
        for chunk in self.closed.iter() {
            if useful(chunk.min_t, chunk.max_t, reached) {
                reached = look(&mut chunk.samples());
            }
        }
        (best, false)
    }

    /// Takes whole chunks of samples that the log does not know: they are to be sealed at once.
    pub(super) fn backfill(&mut self, samples: &[(i64, u64)]) {
        for run in samples.chunks(usize::from(MAX_SAMPLES)) {
            if let Some(chunk) = Chunk::from_samples(run) {
                self.closed.push(&chunk);
            }
        }
        if let Some((t, bits)) = samples.last()
            && !matches!(self.newest, Newest::At(newest, _) if newest >= *t)
        {
            self.newest = Newest::At(*t, *bits);
        }
    }

    /// Whether a sample from `from` to `to` is in memory.
    pub(super) fn any_in(&self, from: i64, to: i64) -> bool {
        let inside = |t: i64| (from..=to).contains(&t);
        if matches!(self.newest, Newest::At(t, _) if inside(t)) {
            return true;
        }
        self.late.as_ref().is_some_and(|late| late.iter().any(|(t, _)| inside(*t)))
            || self.open.as_ref().is_some_and(|open| {
                open.min_t() <= to && open.max_t() >= from && open.samples().any(|(t, _)| inside(t))
            })
            || self.closed.iter().filter(|c| c.overlaps(from, to)).any(|c| chunk_any(&c, from, to))
    }
}

/// About how many samples of an evenly spaced run are in a range.
fn expected((min_t, max_t, count): (i64, i64, u16), from: i64, to: i64) -> usize {
    let whole = max_t.saturating_sub(min_t);
    let part = max_t.min(to).saturating_sub(min_t.max(from));
    if part >= whole {
        usize::from(count)
    } else {
        (f64::from(count) * (part as f64 / whole as f64)) as usize + 1
    }
}

/// Whether a chunk that overlaps a range has a sample in it.
fn chunk_any(chunk: &Lying<'_>, from: i64, to: i64) -> bool {
    let inside = |t: i64| (from..=to).contains(&t);
    inside(chunk.min_t) || inside(chunk.max_t) || chunk.samples().any(|(t, _)| inside(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_the_catalogue_knows_and_the_log_alone_holds_is_kept() {
        let series = Series::new(0, Labels::default(), Newest::At(30, 3));
        let mut data = series.data.lock();
        for (t, bits) in [(10, 1), (20, 2), (30, 3), (30, 3), (30, 9), (40, 4)] {
            data.replay(t, bits);
        }
        let mut found = Vec::new();
        data.collect(i64::MIN, i64::MAX, &mut found);
        let mut times: Vec<i64> = found.iter().map(|sample| sample.t.as_millis()).collect();
        times.sort_unstable();
        assert_eq!(times, [10, 20, 30, 40]);
        assert_eq!(data.newest, Newest::At(40, 4));
    }
}

//! One series in memory.

use parking_lot::Mutex;
use quarterdeck_kernel::{Sample, Timestamp};

use super::chunk::{self, Decoder, Live, MAX_SAMPLES, Tail};
use super::labels::LabelSet;
use super::packed::{Lying, chunks};

/// How many out-of-order samples wait before they become a chunk of their own.
const MAX_LATE: usize = 32;

/// A series: who it is, and what of it is in memory. There may be a million of these: every word counts.
#[derive(Debug)]
pub(super) struct Series {
    /// Low half: its slot in the index. High half: a number that no other series ever has.
    pub(super) id: u64,
    pub(super) labels: LabelSet,
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
    /// The newest sample, and how the open run goes on.
    live: Live,
    /// Closed chunks; from the mark on, the open run.
    tail: Tail,
    /// Out-of-order samples, sorted by time.
    #[expect(clippy::box_collection, reason = "one word instead of three in every series that has none")]
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
    pub(super) fn new(id: u64, labels: LabelSet, newest: Newest) -> Self {
        let mut data = Data { live: Live::default(), tail: Tail::default(), late: None };
        data.set_newest(newest);
        Self { id, labels, data: Mutex::new(data) }
    }

    pub(super) const fn slot(&self) -> u32 {
        self.id as u32
    }
}

impl Data {
    pub(super) const fn newest(&self) -> Newest {
        if self.live.begun { Newest::At(self.live.t, self.live.bits) } else { Newest::Born(self.live.t) }
    }

    /// Says what the newest sample is. The open run is closed: it goes on from the newest sample.
    pub(super) fn set_newest(&mut self, newest: Newest) {
        self.close_open(true);
        (self.live.begun, self.live.t, self.live.bits) = match newest {
            Newest::Born(t) => (false, t, 0),
            Newest::At(t, bits) => (true, t, bits),
        };
    }

    /// Takes a sample.
    pub(super) fn append(&mut self, t: i64, bits: u64) -> Outcome {
        if self.live.begun {
            if t < self.live.t {
                return self.append_late(t, bits);
            }
            if t == self.live.t {
                return if self.live.bits == bits { Outcome::Same } else { Outcome::Duplicate };
            }
        }
        self.push(t, bits);
        Outcome::Taken
    }

    /// Takes a sample that is not older than any other.
    fn push(&mut self, t: i64, bits: u64) {
        if self.live.count == 0 {
            self.tail.mark = self.tail.len() as u32;
        }
        self.live.push(&mut self.tail, t, bits);
        if self.live.count >= MAX_SAMPLES {
            self.close_open(true);
        }
    }

    /// Takes samples from the log in its order. They grow in bytes that are used for one series after the other, so
    /// that each takes memory once. The catalogue is written while appends go on: it may know a sample as the newest
    /// that is in the log alone.
    pub(super) fn replay(&mut self, run: &[(i64, u64)], scratch: &mut Tail) {
        scratch.set(&self.tail);
        std::mem::swap(&mut self.tail, scratch);
        for (t, bits) in run.iter().copied() {
            if self.live.count == 0 && self.newest() == Newest::At(t, bits) && self.value_at(t).is_none() {
                self.push(t, bits);
            } else {
                self.append(t, bits);
            }
        }
        std::mem::swap(&mut self.tail, scratch);
        self.tail.set(scratch);
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

    /// First time, last time and number of samples of the open run.
    fn open(&self) -> Option<(i64, i64, u16)> {
        (self.live.count > 0).then(|| (self.live.min_t, self.live.t, u16::from(self.live.count)))
    }

    fn open_samples(&self) -> Decoder<'_> {
        let stream = &self.tail.bytes()[self.closed_len()..];
        chunk::open_samples(self.live.min_t, u16::from(self.live.count), stream)
    }

    /// Bytes of the closed chunks.
    fn closed_len(&self) -> usize {
        if self.live.count > 0 { self.tail.mark as usize } else { self.tail.len() }
    }

    fn closed(&self) -> impl Iterator<Item = Lying<'_>> + Clone {
        chunks(&self.tail.bytes()[..self.closed_len()])
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
        if self.open().is_some_and(|(min_t, max_t, _)| (min_t..=max_t).contains(&t))
            && let Some(bits) = self.open_samples().find_map(is_it)
        {
            return Some(bits);
        }
        self.closed().filter(|chunk| chunk.overlaps(t, t)).find_map(|chunk| chunk.samples().find_map(is_it))
    }

    fn close_open(&mut self, try_integers: bool) {
        let Some((min_t, max_t, count)) = self.open() else { return };
        let start = self.closed_len();
        let bytes = chunk::close(min_t, count, &self.tail.bytes()[start..], try_integers);
        self.tail.truncate(start);
        Lying { min_t, max_t, count, bytes: &bytes }.put(&mut self.tail);
        self.live.count = 0;
    }

    fn close_late(&mut self) {
        if let Some(late) = self.late.take() {
            self.put_closed(&late);
        }
    }

    /// Adds a chunk of samples that are sorted by time. The open run is closed if there is one: nothing can come
    /// before it.
    fn put_closed(&mut self, samples: &[(i64, u64)]) {
        let (mut run, mut stream) = (Live::default(), Tail::default());
        for (t, bits) in samples {
            run.push(&mut stream, *t, *bits);
        }
        let bytes = chunk::close(run.min_t, u16::from(run.count), stream.bytes(), true);
        self.close_open(true);
        let (min_t, max_t, count) = (run.min_t, run.t, u16::from(run.count));
        Lying { min_t, max_t, count, bytes: &bytes }.put(&mut self.tail);
    }

    /// Closes everything, to be sealed. Gives the place up to which [`Data::sealing`] reads; 0 when there is nothing.
    pub(super) fn begin_seal(&mut self) -> usize {
        // All series are closed while appends wait: the better codec is tried later, when the segment is written.
        self.close_open(false);
        self.close_late();
        self.tail.len()
    }

    /// What is being sealed: the chunks before a place.
    pub(super) fn sealing(&self, place: usize) -> impl Iterator<Item = Lying<'_>> {
        chunks(&self.tail.bytes()[..place.min(self.closed_len())])
    }

    /// What was sealed leaves memory; gives how many samples that are.
    pub(super) fn end_seal(&mut self, place: usize) -> u64 {
        let samples = self.sealing(place).map(|chunk| u64::from(chunk.count)).sum();
        self.tail.drop_before(place);
        samples
    }

    /// Drops chunks that end before a time; gives how many samples went. Not for a store that seals.
    pub(super) fn drop_before(&mut self, t: i64) -> u64 {
        if self.open().is_some_and(|(_, max_t, _)| max_t < t) {
            self.close_open(true);
        }
        if self.late.as_ref().is_some_and(|late| late.last().is_some_and(|(newest, _)| *newest < t)) {
            self.close_late();
        }
        if self.closed().all(|chunk| chunk.max_t >= t) {
            return 0;
        }
        let (mut kept, mut dropped) = (Tail::default(), 0);
        for chunk in self.closed() {
            if chunk.max_t >= t {
                chunk.put(&mut kept);
            } else {
                dropped += u64::from(chunk.count);
            }
        }
        kept.mark = kept.len() as u32;
        kept.extend(&self.tail.bytes()[self.closed_len()..]);
        self.tail = kept;
        dropped
    }

    /// Whether any sample is in memory.
    pub(super) fn is_active(&self) -> bool {
        self.tail.len() > 0 || self.late.is_some()
    }

    /// Oldest time in memory.
    pub(super) fn oldest(&self) -> Option<i64> {
        let late = self.late.as_ref().and_then(|late| late.first()).map(|(t, _)| *t);
        let open = self.open().map(|(min_t, _, _)| min_t);
        self.closed().map(|chunk| chunk.min_t).chain(late).chain(open).min()
    }

    /// Samples in memory.
    pub(super) fn samples(&self) -> u64 {
        let closed: u64 = self.closed().map(|chunk| u64::from(chunk.count)).sum();
        closed + u64::from(self.live.count) + self.late.as_ref().map_or(0, |late| late.len() as u64)
    }

    /// The bytes that the samples in memory take.
    pub(super) fn bytes(&self) -> usize {
        self.tail.heap_bytes() + self.late.as_ref().map_or(0, |late| late.capacity() * 16 + 24)
    }

    /// Adds the samples from `from` to `to`, in no particular order, those held longest first.
    pub(super) fn collect(&self, from: i64, to: i64, out: &mut Vec<Sample>) {
        let open = self.open().filter(|(min_t, max_t, _)| *min_t <= to && *max_t >= from);
        let closed = self.closed().filter(|chunk| chunk.overlaps(from, to));
        let runs = closed.clone().map(|chunk| (chunk.min_t, chunk.max_t, chunk.count)).chain(open);
        out.reserve_exact(runs.map(|run| expected(run, from, to)).sum());
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
        if open.is_some() {
            self.open_samples().for_each(&mut add);
        }
    }

    /// The newest sample from `from` to `to` in memory, and whether it is certain that no segment has a newer one.
    pub(super) fn newest_in(&self, from: i64, to: i64) -> (Option<(i64, u64)>, bool) {
        if let Newest::At(t, bits) = self.newest()
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
        if self.open().is_some_and(|(min_t, max_t, _)| useful(min_t, max_t, reached)) {
            reached = look(&mut self.open_samples());
        }
        for chunk in self.closed() {
            if useful(chunk.min_t, chunk.max_t, reached) {
                reached = look(&mut chunk.samples());
            }
        }
        (best, false)
    }

    /// Takes whole chunks of samples that the log does not know: they are to be sealed at once.
    pub(super) fn backfill(&mut self, samples: &[(i64, u64)]) {
        for run in samples.chunks(usize::from(MAX_SAMPLES)) {
            self.put_closed(run);
        }
        if let Some((t, bits)) = samples.last()
            && !matches!(self.newest(), Newest::At(newest, _) if newest >= *t)
        {
            self.set_newest(Newest::At(*t, *bits));
        }
    }

    /// Whether a sample from `from` to `to` is in memory.
    pub(super) fn any_in(&self, from: i64, to: i64) -> bool {
        let inside = |t: i64| (from..=to).contains(&t);
        if matches!(self.newest(), Newest::At(t, _) if inside(t)) {
            return true;
        }
        self.late.as_ref().is_some_and(|late| late.iter().any(|(t, _)| inside(*t)))
            || self.open().is_some_and(|(min_t, max_t, _)| {
                min_t <= to && max_t >= from && self.open_samples().any(|(t, _)| inside(t))
            })
            || self.closed().filter(|c| c.overlaps(from, to)).any(|c| chunk_any(&c, from, to))
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
    fn a_series_is_small() {
        // With the two counts of its `Arc`, and what the allocator adds, 128 bytes.
        assert!(size_of::<Series>() <= 104, "{} bytes", size_of::<Series>());
    }

    #[test]
    fn a_sample_that_the_catalogue_knows_and_the_log_alone_holds_is_kept() {
        let series = Series::new(0, LabelSet::default(), Newest::At(30, 3));
        let mut data = series.data.lock();
        let mut scratch = Tail::default();
        data.replay(&[(10, 1), (20, 2), (30, 3)], &mut scratch);
        data.replay(&[(30, 3), (30, 9), (40, 4)], &mut scratch);
        let mut found = Vec::new();
        data.collect(i64::MIN, i64::MAX, &mut found);
        let mut times: Vec<i64> = found.iter().map(|sample| sample.t.as_millis()).collect();
        times.sort_unstable();
        assert_eq!(times, [10, 20, 30, 40]);
        assert_eq!(data.newest(), Newest::At(40, 4));
    }
}

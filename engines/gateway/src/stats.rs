//! What is counted: by route and version, a shard for each thread that carries traffic, so that none waits for another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Statuses that are counted one by one; others count with the first of their hundred.
const CODES: [u16; 40] = [
    200, 101, 100, 201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408,
    409, 410, 411, 412, 413, 414, 415, 416, 421, 422, 429, 431, 499, 500, 501, 502, 503, 504, 505,
];

/// Buckets of times: four for each doubling of microseconds, from 16 µs to a minute and more.
const BUCKETS: usize = 96;
const FIRST: u32 = 4;

fn code_of(status: u16) -> usize {
    let rounded = status / 100 * 100;
    let place = |code: u16| CODES.iter().position(|known| *known == code);
    place(status).or_else(|| place(rounded)).unwrap_or(0)
}

/// The bucket of a time: exact to a fifth.
fn bucket_of(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1 << FIRST);
    let octave = 63 - micros.leading_zeros();
    let quarter = (micros >> (octave - 2)) & 3;
    (((octave - FIRST) * 4) as usize + quarter as usize).min(BUCKETS - 1)
}

/// Where a bucket ends, in seconds.
#[must_use]
pub fn bucket_end(bucket: usize) -> f64 {
    let (octave, quarter) = (bucket / 4, bucket % 4);
    2_f64.powi(octave as i32 + FIRST as i32) * (1.0 + (quarter + 1) as f64 / 4.0) / 1e6
}

/// The counts of one thread. Aligned so that two threads never share a line of the processor's cache.
#[derive(Debug)]
#[repr(align(128))]
pub struct Shard {
    codes: [AtomicU64; CODES.len()],
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    active: AtomicU64,
    refused: AtomicU64,
    retried: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
}

impl Default for Shard {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            codes: std::array::from_fn(|_| zero()),
            buckets: std::array::from_fn(|_| zero()),
            micros: zero(),
            received: zero(),
            sent: zero(),
            active: zero(),
            refused: zero(),
            retried: zero(),
            cache_hits: zero(),
            cache_misses: zero(),
        }
    }
}

impl Shard {
    /// A request begins.
    pub fn begin(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    /// A request has ended.
    pub fn end(&self, status: u16, took: Duration, received: u64, sent: u64) {
        self.active.fetch_sub(1, Relaxed);
        self.codes[code_of(status)].fetch_add(1, Relaxed);
        self.buckets[bucket_of(took)].fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        if received > 0 {
            self.received.fetch_add(received, Relaxed);
        }
        self.sent.fetch_add(sent, Relaxed);
    }

    /// A request that began here is counted elsewhere.
    pub fn moved(&self) {
        self.active.fetch_sub(1, Relaxed);
    }

    /// The gateway itself said no.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// The cache was asked, and knew or did not know.
    pub fn asked_cache(&self, hit: bool) {
        let count = if hit { &self.cache_hits } else { &self.cache_misses };
        count.fetch_add(1, Relaxed);
    }

    /// A request was tried again.
    pub fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }
}

/// Counts of a route and a version, all threads.
#[derive(Debug)]
pub struct Counts {
    shards: Box<[Shard]>,
}

impl Counts {
    /// Counts for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { shards: (0..threads.max(1)).map(|_| Shard::default()).collect() }
    }

    /// The shard of a thread.
    #[must_use]
    pub fn shard(&self, thread: usize) -> &Shard {
        &self.shards[thread % self.shards.len()]
    }

    /// The sum of all threads.
    #[must_use]
    pub fn total(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.shards {
            let get = |cell: &AtomicU64| cell.load(Relaxed);
            totals.codes.iter_mut().zip(&shard.codes).for_each(|(sum, cell)| *sum += get(cell));
            totals.buckets.iter_mut().zip(&shard.buckets).for_each(|(sum, cell)| *sum += get(cell));
            totals.micros += get(&shard.micros);
            totals.received += get(&shard.received);
            totals.sent += get(&shard.sent);
            // A request can begin on one thread's count before the sum and end after it, but never below nothing.
            totals.active = totals.active.wrapping_add(get(&shard.active));
            totals.refused += get(&shard.refused);
            totals.retried += get(&shard.retried);
            totals.cache_hits += get(&shard.cache_hits);
            totals.cache_misses += get(&shard.cache_misses);
        }
        totals
    }
}

/// Counts as of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    codes: [u64; CODES.len()],
    /// Requests by how long they took.
    pub buckets: [u64; BUCKETS],
    /// How long they took together, in microseconds.
    pub micros: u64,
    /// Bytes of requests' bodies.
    pub received: u64,
    /// Bytes of answers' bodies.
    pub sent: u64,
    /// Requests under way.
    pub active: u64,
    /// Requests that the gateway itself refused.
    pub refused: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Requests that the cache answered.
    pub cache_hits: u64,
    /// Requests that the cache was asked for in vain.
    pub cache_misses: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            codes: [0; CODES.len()],
            buckets: [0; BUCKETS],
            micros: 0,
            received: 0,
            sent: 0,
            active: 0,
            refused: 0,
            retried: 0,
            cache_hits: 0,
            cache_misses: 0,
        }
    }
}

impl Totals {
    /// Requests that ended, by status; only those there were.
    pub fn codes(&self) -> impl Iterator<Item = (u16, u64)> {
        CODES.into_iter().zip(self.codes).filter(|(_, count)| *count > 0)
    }

    /// Requests that ended.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// Of them, those that failed: 500 and above.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.codes().filter(|(code, _)| *code >= 500).map(|(_, count)| count).sum()
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.codes.iter_mut().zip(other.codes).for_each(|(sum, n)| *sum += n);
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, n)| *sum += n);
        self.micros += other.micros;
        self.received += other.received;
        self.sent += other.sent;
        self.active = self.active.wrapping_add(other.active);
        self.refused += other.refused;
        self.retried += other.retried;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
    }

    /// What came since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut delta = self.clone();
        delta.codes.iter_mut().zip(before.codes).for_each(|(n, old)| *n = n.saturating_sub(old));
        delta.buckets.iter_mut().zip(before.buckets).for_each(|(n, old)| *n = n.saturating_sub(old));
        delta.micros = delta.micros.saturating_sub(before.micros);
        delta.received = delta.received.saturating_sub(before.received);
        delta.sent = delta.sent.saturating_sub(before.sent);
        delta.refused = delta.refused.saturating_sub(before.refused);
        delta.retried = delta.retried.saturating_sub(before.retried);
        delta.cache_hits = delta.cache_hits.saturating_sub(before.cache_hits);
        delta.cache_misses = delta.cache_misses.saturating_sub(before.cache_misses);
        delta
    }

    /// The time within which a share of the requests ended, in seconds; None without any.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total: u64 = self.buckets.iter().sum();
        let rank = q.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        for (bucket, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= rank {
                let start = if bucket == 0 { 0.0 } else { bucket_end(bucket - 1) };
                return Some(start + (bucket_end(bucket) - start) * ((rank - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        None
    }
}

/// The most frequent of a stream, in bounded memory (A. Metwally and others, "Space-Saving", 2005): a count is too high by
/// at most what was counted of who made way.
#[derive(Debug)]
pub struct Top<K> {
    counts: HashMap<K, u64>,
    most: usize,
}

impl<K: Clone + Eq + Hash> Top<K> {
    /// At most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { counts: HashMap::new(), most: most.max(1) }
    }

    /// Counts one.
    pub fn count(&mut self, key: &K) {
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return;
        }
        let mut count = 1;
        if self.counts.len() >= self.most {
            let least =
                self.counts.iter().min_by_key(|(_, count)| **count).map(|(key, count)| (key.clone(), *count));
            if let Some((key, before)) = least {
                self.counts.remove(&key);
                count += before;
            }
        }
        self.counts.insert(key.clone(), count);
    }

    /// Those counted.
    pub fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.counts.iter().map(|(key, count)| (key, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_times_are_counted_where_they_belong() {
        let counts = Counts::new(2);
        for (thread, status) in [(0, 200), (1, 200), (0, 404), (1, 599), (0, 299)] {
            counts.shard(thread).begin();
            counts.shard(thread).end(status, Duration::from_millis(10), 3, 5);
        }
        let total = counts.total();
        assert_eq!(total.codes().collect::<Vec<_>>(), [(200, 3), (404, 1), (500, 1)]);
        assert_eq!((total.requests(), total.errors(), total.active), (5, 1, 0));
        assert_eq!((total.received, total.sent, total.micros), (15, 25, 50_000));
    }

    #[test]
    fn buckets_hold_what_ends_below_them() {
        let mut last = 0.0;
        for bucket in 0..BUCKETS {
            assert!(bucket_end(bucket) > last);
            last = bucket_end(bucket);
        }
        for micros in [1_u64, 15, 16, 17, 100, 999, 1_000, 123_456, 9_999_999, 100_000_000] {
            let (time, seconds) = (Duration::from_micros(micros), micros as f64 / 1e6);
            let bucket = bucket_of(time);
            assert!(seconds <= bucket_end(bucket) || bucket == BUCKETS - 1, "{micros}");
            assert!(bucket == 0 || seconds >= bucket_end(bucket - 1) * 0.999, "{micros}");
        }
    }

    #[test]
    fn quantiles_are_near() {
        let counts = Counts::new(1);
        for ms in 1..=1000 {
            counts.shard(0).begin();
            counts.shard(0).end(200, Duration::from_millis(ms), 0, 0);
        }
        let total = counts.total();
        for (q, wanted) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99)] {
            let found = total.quantile(q).unwrap();
            assert!((found / wanted - 1.0).abs() < 0.15, "{q}: {found}");
        }
        assert_eq!(Totals::default().quantile(0.5), None);
        assert_eq!(total.since(&total).requests(), 0);
    }

    #[test]
    fn the_most_frequent_stay() {
        let mut top = Top::new(4);
        for n in 0..1000_u32 {
            top.count(&(n + 100));
            top.count(&(n % 2));
        }
        let kept: Vec<u32> = top.iter().filter(|(_, count)| *count >= 500).map(|(key, _)| *key).collect();
        assert!(kept.contains(&0) && kept.contains(&1) && top.iter().count() == 4);
    }
}

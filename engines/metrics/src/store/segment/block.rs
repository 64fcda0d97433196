//! Blocks: what a group of series has in one stretch of time.
//!
//! ```text
//! number of runs | number of columns | columns: samples, bytes | runs: series, column, place in it, bytes | times | values
//! ```

use super::super::codec::{Reader, put_varint};
use super::numbers::{Scratch, get_times, get_values, put_times, put_values};

/// The most samples of one series in one block.
pub(super) const MAX_SAMPLES: usize = 120;

/// Times and bits.
type Samples<'a> = &'a [(i64, u64)];

/// Writes blocks; remembers nothing but its buffers.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    scratch: Scratch,
    columns: Vec<Vec<i64>>,
    heads: Vec<u8>,
    times: Vec<u8>,
    values: Vec<u8>,
    one: Vec<u8>,
}

/// Where the times of a run are: in a column, from a place on.
fn place_in(columns: &[Vec<i64>], samples: Samples<'_>) -> Option<(usize, usize)> {
    let (first, last) = (samples.first()?.0, samples.last()?.0);
    columns.iter().enumerate().rev().find_map(|(n, column)| {
        let at = column.binary_search(&first).ok()?;
        let part = column.get(at..at + samples.len()).filter(|part| part.last() == Some(&last))?;
        part.iter().zip(samples).all(|(t, sample)| *t == sample.0).then_some((n, at))
    })
}

impl Encoder {
    /// Appends a block with the samples of each series of a group, none for those that have none.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, group: &[Samples<'_>]) {
        let present: Vec<usize> = (0..group.len()).filter(|n| !group[*n].is_empty()).collect();
        let Self { scratch, columns, heads, times, values, one } = self;
        columns.clear();
        // The longest first: the times of the others are often a part of theirs.
        let mut by_length = present.clone();
        by_length.sort_by_key(|n| std::cmp::Reverse(group[*n].len()));
        for n in by_length {
            if place_in(columns, group[n]).is_none() {
                columns.push(group[n].iter().map(|(t, _)| *t).collect());
            }
        }
        put_varint(out, present.len() as u64);
        put_varint(out, columns.len() as u64);
        times.clear();
        for column in columns.iter() {
            let before = times.len();
            put_times(times, column, scratch);
            put_varint(out, column.len() as u64);
            put_varint(out, (times.len() - before) as u64);
        }
        heads.clear();
        values.clear();
        let mut next = 0;
        for n in &present {
            let samples = group[*n];
            // The column is there: it was made above.
            let (column, at) = place_in(columns, samples).unwrap_or_default();
            put_varint(heads, (*n - next) as u64);
            next = *n + 1;
            let whole = columns[column].len() == samples.len();
            put_varint(heads, (column as u64) << 1 | u64::from(!whole));
            if !whole {
                put_varint(heads, at as u64);
                put_varint(heads, samples.len() as u64);
            }
            one.clear();
            put_values(one, samples.iter().map(|(_, bits)| *bits), scratch);
            put_varint(heads, one.len() as u64);
            values.extend_from_slice(one);
        }
        out.extend_from_slice(heads);
        out.extend_from_slice(times);
        out.extend_from_slice(values);
    }
}

/// Times of a block: where they are in its bytes, and what they are once somebody has asked.
#[derive(Debug, Default)]
struct Column {
    count: usize,
    start: usize,
    len: usize,
    read: bool,
    times: Vec<i64>,
}

/// Where the samples of one series are.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Place of the series in its group.
    series: usize,
    column: usize,
    at: usize,
    count: usize,
    start: usize,
    len: usize,
}

/// A block, read. Used again for the next one, it keeps its buffers.
#[derive(Debug, Default)]
pub(super) struct Block {
    columns: Vec<Column>,
    /// How many of the columns are this block's.
    used: usize,
    runs: Vec<Run>,
    values: Vec<u64>,
}

impl Block {
    /// Reads where everything is; `None` when the bytes are no block of a group of so many series.
    pub(super) fn read(&mut self, bytes: &[u8], group: usize) -> Option<()> {
        let mut reader = Reader::new(bytes);
        let (runs, columns) = (reader.count()?, reader.count()?);
        if runs > group || columns > runs {
            return None;
        }
        self.used = columns;
        self.columns.resize_with(self.columns.len().max(columns), Column::default);
        let mut times_len = 0;
        for column in &mut self.columns[..columns] {
            column.count =
                usize::try_from(reader.varint()?).ok().filter(|n| (1..=MAX_SAMPLES).contains(n))?;
            column.len = reader.count()?;
            (column.start, column.read) = (times_len, false);
            times_len += column.len;
        }
        self.runs.clear();
        let (mut next, mut values_len) = (0usize, 0usize);
        for _ in 0..runs {
            let series = next.checked_add(reader.varint()?.try_into().ok()?).filter(|n| *n < group)?;
            next = series + 1;
            let key = usize::try_from(reader.varint()?).ok()?;
            let column = key >> 1;
            let held = self.columns[..columns].get(column)?.count;
            let (at, count) = if key & 1 == 0 {
                (0, held)
            } else {
                (reader.varint()?.try_into().ok()?, reader.varint()?.try_into().ok()?)
            };
            if count == 0 || at > held || count > held - at {
                return None;
            }
            let len = reader.count()?;
            self.runs.push(Run { series, column, at, count, start: values_len, len });
            values_len += len;
        }
        let times_at = bytes.len() - reader.left();
        let values_at = times_at + times_len;
        if values_at + values_len != bytes.len() {
            return None;
        }
        self.columns[..columns].iter_mut().for_each(|column| column.start += times_at);
        self.runs.iter_mut().for_each(|run| run.start += values_at);
        Some(())
    }

    /// The run of a series, if it has one here.
    pub(super) fn find(&self, series: usize) -> Option<usize> {
        self.runs.binary_search_by_key(&series, |run| run.series).ok()
    }

    /// The times of a run from `from` to `to`, and which of the run's samples is the first of them.
    pub(super) fn times(&mut self, bytes: &[u8], run: usize, from: i64, to: i64) -> Option<(usize, &[i64])> {
        let run = self.runs[run];
        let column = self.columns[..self.used].get_mut(run.column)?;
        if !column.read {
            let encoded = bytes.get(column.start..column.start + column.len)?;
            get_times(encoded, column.count, &mut column.times)?;
            column.read = true;
        }
        let times = column.times.get(run.at..run.at + run.count)?;
        let start = if times[0] >= from { 0 } else { times.partition_point(|t| *t < from) };
        let end =
            if times[times.len() - 1] <= to { times.len() } else { times.partition_point(|t| *t <= to) };
        Some((start, times.get(start..end).unwrap_or_default()))
    }

    /// The values of a run before place `end` of its samples.
    pub(super) fn values(&mut self, bytes: &[u8], run: usize, end: usize) -> Option<&[u64]> {
        let run = self.runs[run];
        get_values(bytes.get(run.start..run.start + run.len)?, end.min(run.count), &mut self.values)?;
        Some(&self.values)
    }

    /// The times and values of a run from `from` to `to`; two empty lists when it has none there.
    pub(super) fn samples(
        &mut self,
        bytes: &[u8],
        run: usize,
        from: i64,
        to: i64,
    ) -> Option<(&[i64], &[u64])> {
        let (start, times) = self.times(bytes, run, from, to)?;
        let len = times.len();
        if len == 0 {
            return Some((&[], &[]));
        }
        self.values(bytes, run, start + len)?;
        let held = self.runs[run];
        let times = self.columns[held.column].times.get(held.at + start..held.at + start + len)?;
        Some((times, self.values.get(start..)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(bytes: &[u8], group: usize) -> Option<Vec<Vec<(i64, u64)>>> {
        let mut block = Block::default();
        block.read(bytes, group)?;
        let mut all = vec![Vec::new(); group];
        for run in 0..block.runs.len() {
            let series = block.runs[run].series;
            let (times, values) = block.samples(bytes, run, i64::MIN, i64::MAX)?;
            all[series] = times.iter().copied().zip(values.iter().copied()).collect();
        }
        Some(all)
    }

    #[test]
    fn series_scraped_together_share_their_times() {
        let times: Vec<i64> = (0..100).map(|i| 1_700_000_000_000 + i * 15_000 + (i * 7919) % 13).collect();
        let all: Vec<Vec<(i64, u64)>> = (0..64usize)
            .map(|n| times[n % 3..].iter().map(|t| (*t, (n as f64).to_bits())).collect())
            .collect();
        let slices: Vec<Samples<'_>> = all.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        Encoder::default().put(&mut out, &slices);
        assert!(out.len() < 64 * 9 + 100, "{} bytes", out.len());
        assert_eq!(read_back(&out, 64).unwrap(), all);
        let mut block = Block::default();
        block.read(&out, 64).unwrap();
        let run = block.find(4).unwrap();
        let (seen, values) = block.samples(&out, run, times[10], times[12] - 1).unwrap();
        assert_eq!((seen, values), (&times[10..12], &[4f64.to_bits(); 2][..]));
        assert_eq!(block.samples(&out, run, 0, 1).unwrap(), (&[][..], &[][..]));
        assert_eq!(block.times(&out, run, times[2], times[2]).unwrap(), (1, &times[2..3]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn any_group_comes_back(
            group in proptest::collection::vec(proptest::collection::btree_map(0i64..300, any::<u8>(), 0..100), 1..20),
        ) {
            let all: Vec<Vec<(i64, u64)>> = group
                .iter()
                .map(|run| run.iter().map(|(t, v)| (*t, f64::from(*v).to_bits())).collect())
                .collect();
            let slices: Vec<Samples<'_>> = all.iter().map(Vec::as_slice).collect();
            let mut out = Vec::new();
            Encoder::default().put(&mut out, &slices);
            prop_assert_eq!(read_back(&out, all.len()), Some(all));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), group in 1usize..65) {
            let _ = read_back(&bytes, group);
        }
    }
}

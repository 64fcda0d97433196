//! Merges small neighbouring segments into larger ones, in the background.
//!
//! A large segment takes fewer bytes for a sample, and a query over a month opens a few files instead of hundreds. A
//! merge never changes what a query finds. The merged segment is written whole and synced under a name for the time
//! being, then it gets its own, which says what it stands for; only then its sources are deleted. Wherever that is
//! interrupted, the next start finds either all the sources, or the merged one and perhaps some of them, which it then
//! deletes. Queries that began before go on reading the sources: they are open.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use quarterdeck_kernel::time;

use super::files::set_aside;
use super::retain::Upkeep;
use super::segment::{self, Cursor, Segment, SegmentError, Span};
use super::{Disk, Shared, Store};
use crate::config::MetricsConfig;

/// Fewer segments than this are not worth a merge.
const LEAST: usize = 4;
/// So many are merged at once at most: each has a group of series in memory.
const MOST: usize = 16;
/// The largest segment that a merge makes, in bytes, if the bound of all files together does not ask for less.
const LARGEST: u64 = 512 << 20;
/// A segment is at most this part of all there may be, in time and in bytes: what is too old goes segment by segment.
const PART_OF_TIME: i64 = 10;
const PART_OF_BYTES: u64 = 16;

impl Store {
    /// Merges neighbouring segments as long as that is worth while; gives how many were merged away. Upkeep does the
    /// same bit by bit.
    ///
    /// # Errors
    /// When the disk says no; nothing is lost then.
    pub fn compact(&self) -> io::Result<usize> {
        let mut upkeep = self.0.upkeep.lock();
        let mut gone = 0;
        while let Some(merged) = self.0.merge(&mut upkeep)? {
            gone += merged.sources;
        }
        Ok(gone)
    }
}

/// What one merge did.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) name: String,
    pub(super) sources: usize,
}

/// Why a merge failed.
enum Failure {
    Io(io::Error),
    /// This one of the sources cannot be read.
    Source(usize, SegmentError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Segments of about the same size are of one level.
fn level(bytes: u64) -> u32 {
    (bytes >> 20).max(1).ilog2() / 2
}

/// Which neighbours to merge next, smallest first.
fn due(segments: &[Arc<Segment>], config: &MetricsConfig) -> Option<Range<usize>> {
    let longest = (time::millis(config.retention) / PART_OF_TIME).max(time::millis(config.segment_span));
    let largest = match config.retention_bytes {
        0 => LARGEST,
        all => LARGEST.min(all / PART_OF_BYTES),
    };
    let levels = segments.iter().map(|segment| level(segment.bytes)).max()?;
    (0..=levels).find_map(|most| {
        (0..segments.len()).find_map(|start| {
            let (mut bytes, mut min_t, mut max_t, mut widest) = (0u64, i64::MAX, i64::MIN, longest);
            let mut end = start;
            for segment in segments[start..].iter().take(MOST) {
                bytes += segment.bytes;
                (min_t, max_t) = (min_t.min(segment.min_t()), max_t.max(segment.max_t()));
                // A gap is where one was deleted or set aside: it keeps its place, should it be put back.
                let follows = end == start || segment.span.first == segments[end - 1].span.last + 1;
                // One that is longer by itself, of imported history, may take others in that lie within it.
                widest = widest.max(segment.max_t().saturating_sub(segment.min_t()));
                let fits = bytes <= largest && max_t.saturating_sub(min_t) <= widest;
                if !follows || !fits || level(segment.bytes) > most {
                    break;
                }
                end += 1;
            }
            (end - start >= LEAST).then_some(start..end)
        })
    })
}

impl Shared {
    /// Merges once, if anything is due. Whoever holds `upkeep` keeps segments from coming and going otherwise.
    pub(super) fn merge(&self, _upkeep: &mut Upkeep) -> io::Result<Option<Merged>> {
        let Some(disk) = &self.disk else { return Ok(None) };
        let (sources, name) = loop {
            let sources: Vec<Arc<Segment>> = {
                let segments = self.segments.read();
                let Some(range) = due(&segments, &self.config) else { return Ok(None) };
                segments[range].to_vec()
            };
            let (Some(first), Some(last)) = (sources.first(), sources.last()) else { return Ok(None) };
            let name = Span { first: first.span.first, last: last.span.last }.file_name();
            match self.write_merged(disk, &name, &sources) {
                Ok(()) => break (sources, name),
                Err(Failure::Io(error)) => return Err(error),
                // Out of service, it is not due again.
                Err(Failure::Source(at, error)) if error.is_damage() => self.quarantine(&sources[at], &error),
                Err(Failure::Source(at, error)) => {
                    return Err(io::Error::other(format!("segments/{}: {error}", sources[at].name)));
                }
            }
        };
        let merged = match Segment::open(&*disk.files, &disk.segments, &name) {
            Ok(merged) => Arc::new(merged),
            Err(error) => {
                // The sources are all there: the next start must not take this one for them.
                let aside = set_aside(&*disk.files, &disk.segments, &name)?;
                return Err(io::Error::other(format!("segments/{aside}: {error}")));
            }
        };
        self.replace_segments(&sources, merged);
        for source in &sources {
            disk.files.remove(&disk.segments.join(&source.name))?;
        }
        disk.files.sync_folder(&disk.segments)?;
        self.changed();
        Ok(Some(Merged { name, sources: sources.len() }))
    }

    /// Puts a merged segment in the place of its sources, all at once. A source that a query has set aside meanwhile
    /// was found damaged after the merge had read all of it.
    fn replace_segments(&self, sources: &[Arc<Segment>], merged: Arc<Segment>) {
        let mut segments = self.segments.write();
        let is_source = |held: &Arc<Segment>| sources.iter().any(|source| Arc::ptr_eq(source, held));
        let place = segments.iter().position(is_source);
        segments.retain(|held| !is_source(held));
        let place = place.unwrap_or_else(|| segments.partition_point(|held| held.span < merged.span));
        segments.insert(place, merged);
    }

    fn write_merged(&self, disk: &Disk, name: &str, sources: &[Arc<Segment>]) -> Result<(), Failure> {
        let mut cursors: Vec<Cursor<'_>> = sources.iter().map(|source| Cursor::new(source)).collect();
        for (at, cursor) in cursors.iter().enumerate() {
            cursor.check_names().map_err(|error| Failure::Source(at, error))?;
        }
        segment::write(&*disk.files, &disk.segments, name, |writer| {
            loop {
                let mut next: Option<u64> = None;
                for (at, cursor) in cursors.iter_mut().enumerate() {
                    let id = cursor.id().map_err(|error| Failure::Source(at, error))?;
                    next = next.into_iter().chain(id).min();
                }
                let Some(id) = next else { return Ok(()) };
                let series = self.index.read().get(id).cloned();
                let mut failed = None;
                let mut fill = |run: &mut Vec<(i64, u64)>| {
                    // Oldest first: of several samples of one moment the one that was sealed first counts.
                    for (at, cursor) in cursors.iter_mut().enumerate() {
                        if failed.is_none()
                            && let Ok(Some(found)) = cursor.id()
                            && found == id
                            && let Err(error) = cursor.take(run)
                        {
                            failed = Some(Failure::Source(at, error));
                        }
                    }
                };
                match series {
                    Some(series) => writer.add(id, &series.labels, fill)?,
                    // Nobody can ask for a series that is not in the index.
                    None => fill(&mut Vec::new()),
                }
                if let Some(failed) = failed {
                    return Err(failed);
                }
            }
        })
        .map(|_any| ())
    }
}

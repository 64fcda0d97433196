//! Opens what an earlier run left, however it ended.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::apply::Applier;
use super::catalogue::{self, Catalogue, CatalogueError};
use super::files::{Files, set_aside};
use super::index::Loader;
use super::log::{Log, Record, remove_before, replay};
use super::segment::{Segment, Span};
use super::series::{Newest, UNKNOWN_BITS};
use super::{Disk, OpenError, Shared};
use crate::config::MetricsConfig;
use crate::model::Damage;

pub(super) fn open(files: Arc<dyn Files>, root: &Path, config: MetricsConfig) -> Result<Shared, OpenError> {
    let disk = Disk { files, root: root.to_owned(), segments: root.join("segments"), log: root.join("log") };
    open_disk(disk, config).map_err(|error| match error {
        Failure::Newer => OpenError::Newer { folder: root.to_owned() },
        Failure::Io(source) => OpenError::Io { folder: root.to_owned(), source },
    })
}

enum Failure {
    Newer,
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn open_disk(disk: Disk, config: MetricsConfig) -> Result<Shared, Failure> {
    let files = Arc::clone(&disk.files);
    let mut damage = Vec::new();
    files.list(&disk.root)?;
    let segments = open_segments(&disk, &mut damage)?;
    let read = match catalogue::read(&*files, &disk.root) {
        Ok(catalogue) => Some(catalogue),
        Err(CatalogueError::Newer) => return Err(Failure::Newer),
        Err(CatalogueError::Io(error)) => return Err(error.into()),
        Err(CatalogueError::Absent) => None,
        Err(CatalogueError::Damaged) => {
            let aside = set_aside(&*files, &disk.root, catalogue::NAME)?;
            damage.push(Damage {
                file: catalogue::NAME.to_owned(),
                what: format!("damaged: made again from the segments; kept as {aside}"),
            });
            None
        }
    };
    let rebuild = read.is_none();
    let mut about = read.unwrap_or_default();
    let mut series = std::mem::take(&mut about.series);
    if rebuild {
        rebuild_series(&mut series, &segments, &mut damage);
    }
    let last = segments.iter().map(|segment| segment.span.last).max();
    about.next_segment = about.next_segment.max(last.map_or(1, |n| n + 1));

    remove_before_floor(&disk, &about)?;
    let (replayed, index) = std::thread::scope(|scope| {
        let mut samples = Applier::new(scope);
        let replayed = replay(&*files, &disk.log, about.log_floor, |record| match record {
            Record::Series(id, labels) => {
                let held = series.put(id, labels, Newest::Born(i64::MIN));
                samples.put(id as u32, held);
            }
            Record::Samples(taken) => samples.take(taken, &series),
            Record::Metadata(metric, metadata) => {
                about.metadata.insert(metric.into(), metadata);
            }
        });
        samples.finish();
        // The index is made while the last samples go to their series.
        (replayed, series.finish())
    });
    let replayed = replayed?;
    damage.extend(replayed.damage);

    let log = Log::new(Arc::clone(&files), disk.log.clone(), replayed.next.max(1), replayed.bytes);
    let shared = Shared::new(config, Some(disk), Some(log));
    shared.upkeep.lock().next_segment = about.next_segment;
    *shared.index.write() = index;
    shared.figures.set(shared.count());
    *shared.segments.write() = segments;
    *shared.metadata.write() = about.metadata;
    for found in damage {
        shared.note_damage(found);
    }
    Ok(shared)
}

fn remove_before_floor(disk: &Disk, catalogue: &Catalogue) -> io::Result<()> {
    disk.files.list(&disk.log)?;
    remove_before(&*disk.files, &disk.log, catalogue.log_floor)
}

fn open_segments(disk: &Disk, damage: &mut Vec<Damage>) -> io::Result<Vec<Arc<Segment>>> {
    let mut found: Vec<(Span, String)> = Vec::new();
    for name in disk.files.list(&disk.segments)? {
        if name.ends_with(".tmp") {
            disk.files.remove(&disk.segments.join(&name))?;
        } else if let Some(span) = Span::of_file(&name) {
            found.push((span, name));
        }
    }
    // In the order in which they were sealed, merged ones before those that they stand for.
    found.sort_by_key(|(span, _)| (span.first, std::cmp::Reverse(span.last)));
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    let mut removed = false;
    for (span, name) in found {
        // The end came between writing the merged one and deleting this one.
        if segments.last().is_some_and(|wide: &Arc<Segment>| wide.span.replaces(span)) {
            disk.files.remove(&disk.segments.join(&name))?;
            removed = true;
            continue;
        }
        match Segment::open(&*disk.files, &disk.segments, &name) {
            Ok(segment) => segments.push(Arc::new(segment)),
            Err(error) if error.is_damage() => {
                let aside = set_aside(&*disk.files, &disk.segments, &name)?;
                let what = format!("{error}: its samples are missing; kept as segments/{aside}");
                damage.push(Damage { file: format!("segments/{name}"), what });
            }
            Err(error) => return Err(io::Error::other(format!("segments/{name}: {error}"))),
        }
    }
    if removed {
        disk.files.sync_folder(&disk.segments)?;
    }
    Ok(segments)
}

/// Makes the catalogue again from what the segments say of their series.
fn rebuild_series(series: &mut Loader, segments: &[Arc<Segment>], damage: &mut Vec<Damage>) {
    for segment in segments {
        let read = segment.names(|id, labels, max_t| {
            let newest = Newest::At(max_t, UNKNOWN_BITS);
            let labels: Vec<(&str, &str)> = labels.iter().map(|pair| (&*pair.name, &*pair.value)).collect();
            let held = series.put(id, &labels, newest);
            let mut data = held.data.lock();
            if !matches!(data.newest(), Newest::At(t, _) if t >= max_t) {
                data.set_newest(newest);
            }
        });
        if let Err(error) = read {
            damage.push(Damage {
                file: format!("segments/{}", segment.name),
                what: format!("{error}: series that only it knew are missing"),
            });
        }
    }
}

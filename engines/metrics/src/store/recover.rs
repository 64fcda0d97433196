//! Opens what an earlier run left, however it ended.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::{self, Catalogue, CatalogueError};
use super::files::{Files, set_aside};
use super::index::Index;
use super::log::{Log, Record, remove_before, replay};
use super::segment::Segment;
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
    let mut index = Index::default();
    let rebuild = read.is_none();
    let mut about = read.unwrap_or_default();
    let series = std::mem::take(&mut about.series);
    for (id, labels, newest) in series {
        index.put(id, &labels, newest);
    }
    index.raise_next(about.next);
    if rebuild {
        rebuild_index(&mut index, &segments, &mut damage);
    }
    let last = segments.iter().filter_map(|segment| number_of(&segment.name)).max();
    about.next_segment = about.next_segment.max(last.map_or(1, |n| n + 1));

    remove_before_floor(&disk, &about)?;
    let replayed = replay(&*files, &disk.log, about.log_floor, |record| match record {
        Record::Series(id, labels) => {
            let known = index.get(id).is_some() || index.find(&labels).is_some();
            if !known {
                index.put(id, &labels, Newest::Born(i64::MIN));
            }
        }
        Record::Samples(samples) => {
            for (slot, t, bits) in samples {
                if let Some(series) = index.in_slot(slot) {
                    series.data.lock().replay(t, bits);
                }
            }
        }
        Record::Metadata(metric, metadata) => {
            about.metadata.insert(metric.into(), metadata);
        }
    })?;
    index.rebuild_free();
    damage.extend(replayed.damage);

    let log = Log::new(Arc::clone(&files), disk.log.clone(), replayed.next.max(1), replayed.bytes);
    let shared = Shared::new(config, Some(disk), Some(log));
    shared.upkeep.lock().next_segment = about.next_segment;
    *shared.index.write() = index;
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

pub(super) fn file_name(number: u64) -> String {
    format!("{number:010}.seg")
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".seg")?.parse().ok()
}

fn open_segments(disk: &Disk, damage: &mut Vec<Damage>) -> io::Result<Vec<Arc<Segment>>> {
    let mut segments = Vec::new();
    for name in disk.files.list(&disk.segments)? {
        if name.ends_with(".tmp") {
            disk.files.remove(&disk.segments.join(&name))?;
        }
        if number_of(&name).is_none() {
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
    Ok(segments)
}

fn rebuild_index(index: &mut Index, segments: &[Arc<Segment>], damage: &mut Vec<Damage>) {
    for segment in segments {
        match segment.names() {
            Ok(names) => {
                for (id, labels, max_t) in names {
                    let newest = Newest::At(max_t, UNKNOWN_BITS);
                    match index.get(id) {
                        Some(series) => {
                            let mut data = series.data.lock();
                            if !matches!(data.newest, Newest::At(t, _) if t >= max_t) {
                                data.newest = newest;
                            }
                        }
                        None => {
                            index.put(id, &labels, newest);
                        }
                    }
                }
            }
            Err(error) => damage.push(Damage {
                file: format!("segments/{}", segment.name),
                what: format!("{error}: series that only it knew are missing"),
            }),
        }
    }
}

//! Moves samples from memory into an immutable segment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::files::set_aside;
use super::head::Change;
use super::retain::Upkeep;
use super::segment::{self, Segment, SegmentError, Span};
use super::series::{Data, Series};
use super::{Disk, Shared, catalogue};
use crate::model::Damage;

/// A series, and the place up to which its chunks are sealed.
type Sealing = (Arc<Series>, usize);

impl Shared {
    /// Seals what is in memory. Appends go on meanwhile, into new chunks and a new log file.
    pub(super) fn seal(&self, upkeep: &mut Upkeep) -> io::Result<Option<String>> {
        let Some(disk) = &self.disk else { return Ok(None) };
        let (floor, series) = self.begin_seal()?;
        let name = self.write_sealed(disk, upkeep, floor, &series)?;
        let mut change = Change::default();
        for (series, place) in &series {
            change.samples -= change.of(&mut series.data.lock(), |data| data.end_seal(*place)) as i64;
        }
        self.figures.apply(change);
        self.figures.end_seal();
        if let Some(log) = &mut self.writer.lock().log {
            log.forget_before(floor)?;
        }
        self.changed();
        Ok(name)
    }

    /// Starts new chunks and a new log file at one moment: what is before it will be in the segment. Gives the number
    /// of that file, and the series with the places up to which their chunks are sealed.
    fn begin_seal(&self) -> io::Result<(u64, Vec<Sealing>)> {
        let mut writer = self.writer.lock();
        let floor = match &mut writer.log {
            Some(log) => Self::cut_log(log)?,
            None => 0,
        };
        let index = self.index.read();
        let mut sealing: Vec<Sealing> = Vec::with_capacity(index.len());
        let mut change = Change::default();
        self.figures.begin_seal();
        for series in index.iter() {
            let place = change.of(&mut series.data.lock(), Data::begin_seal);
            if place > 0 {
                sealing.push((Arc::clone(series), place));
            }
        }
        drop((index, writer));
        self.figures.apply(change);
        sealing.sort_unstable_by_key(|(series, _)| series.id);
        Ok((floor, sealing))
    }

    fn write_sealed(
        &self,
        disk: &Disk,
        upkeep: &mut Upkeep,
        floor: u64,
        series: &[Sealing],
    ) -> io::Result<Option<String>> {
        let number = upkeep.next_segment;
        let name = Span::one(number).file_name();
        let any = segment::write::<io::Error>(&*disk.files, &disk.segments, &name, |writer| {
            series.iter().try_for_each(|(series, place)| {
                writer.add(series.id, &series.labels, |run| {
                    let data = series.data.lock();
                    data.sealing(*place).for_each(|chunk| run.extend(chunk.samples()));
                })
            })
        })?;
        if any {
            upkeep.next_segment = number + 1;
            let opened = Segment::open(&*disk.files, &disk.segments, &name).map_err(io::Error::other)?;
            self.segments.write().push(Arc::new(opened));
            self.sealings.fetch_add(1, Ordering::SeqCst);
        }
        let catalogue = {
            let (index, metadata) = (self.index.read(), self.metadata.read());
            catalogue::encode(&index, &metadata, floor, upkeep.next_segment)?
        };
        catalogue.replace(&*disk.files, &disk.root)?;
        Ok(any.then_some(name))
    }

    /// Takes a damaged segment out of service and renames it aside.
    pub(super) fn quarantine(&self, segment: &Arc<Segment>, error: &SegmentError) {
        if segment.bad.swap(true, Ordering::SeqCst) {
            return;
        }
        let was_held = {
            let mut segments = self.segments.write();
            let before = segments.len();
            segments.retain(|held| !Arc::ptr_eq(held, segment));
            segments.len() < before
        };
        // A query may still read a segment that has been merged or deleted since: nothing is missing then.
        let Some(disk) = self.disk.as_ref().filter(|_| was_held) else { return };
        let kept = match set_aside(&*disk.files, &disk.segments, &segment.name) {
            Ok(aside) => format!("kept as segments/{aside}"),
            Err(why) => format!("it could not be renamed: {why}"),
        };
        self.note_damage(Damage {
            file: format!("segments/{}", segment.name),
            what: format!("{error}: its samples are missing; {kept}"),
        });
    }

    pub(super) fn verify(&self) -> Vec<Damage> {
        let segments = self.segments.read().clone();
        let mut found = Vec::new();
        for segment in &segments {
            match segment.verify() {
                Ok(()) => {}
                Err(error) => {
                    let what = error.to_string();
                    if error.is_damage() {
                        self.quarantine(segment, &error);
                    }
                    found.push(Damage { file: format!("segments/{}", segment.name), what });
                }
            }
        }
        found
    }
}

//! Moves samples from memory into an immutable segment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::files::set_aside;
use super::recover::file_name;
use super::retain::Upkeep;
use super::segment::{self, Segment, SegmentError};
use super::series::Series;
use super::{Disk, Shared, catalogue};
use crate::model::Damage;

impl Shared {
    /// Seals what is in memory. Appends go on meanwhile, into new chunks and a new log file.
    pub(super) fn seal(&self, upkeep: &mut Upkeep) -> io::Result<Option<String>> {
        let Some(disk) = &self.disk else { return Ok(None) };
        let (floor, series) = self.begin_seal()?;
        let written = self.write_sealed(disk, upkeep, floor, &series);
        for series in &series {
            series.data.lock().end_seal(written.is_ok());
        }
        let name = written?;
        if let Some(log) = &mut self.writer.lock().log {
            log.forget_before(floor)?;
        }
        self.changed();
        Ok(name)
    }

    /// Starts new chunks and a new log file at one moment: what is before it will be in the segment.
    fn begin_seal(&self) -> io::Result<(u64, Vec<Arc<Series>>)> {
        let mut writer = self.writer.lock();
        let floor = match &mut writer.log {
            Some(log) => Self::cut_log(log)?,
            None => 0,
        };
        let index = self.index.read();
        Ok((floor, index.iter().filter(|series| series.data.lock().begin_seal()).cloned().collect()))
    }

    fn write_sealed(
        &self,
        disk: &Disk,
        upkeep: &mut Upkeep,
        floor: u64,
        series: &[Arc<Series>],
    ) -> io::Result<Option<String>> {
        let number = upkeep.next_segment;
        let name = file_name(number);
        let any = segment::write(&*disk.files, &disk.segments, &name, series)?;
        if any {
            upkeep.next_segment = number + 1;
            let opened = Segment::open(&*disk.files, &disk.segments, &name).map_err(io::Error::other)?;
            self.segments.write().push(Arc::new(opened));
        }
        let catalogue = {
            let (index, metadata) = (self.index.read(), self.metadata.read());
            catalogue::encode(&index, &metadata, floor, upkeep.next_segment)
        };
        catalogue.replace(&*disk.files, &disk.root)?;
        Ok(any.then_some(name))
    }

    /// Takes a damaged segment out of service and renames it aside.
    pub(super) fn quarantine(&self, segment: &Arc<Segment>, error: &SegmentError) {
        if segment.bad.swap(true, Ordering::SeqCst) {
            return;
        }
        self.segments.write().retain(|held| !Arc::ptr_eq(held, segment));
        let Some(disk) = &self.disk else { return };
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

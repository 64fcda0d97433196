//! How samples come in.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use quarterdeck_kernel::{Labels, time};

use super::head::Change;
use super::log::{frame_metadata, frame_samples, frame_series};
use super::series::{Newest, Outcome, Series};
use super::{Shared, Store};
use crate::ingest::{AppendReport, Exemplar, Incoming, Ingest, IngestError, Metadata, SeriesId};

/// Label names and values of one series together, in bytes.
const MAX_LABEL_BYTES: usize = 64 << 10;
/// Help and unit texts are cut here.
const MAX_METADATA_BYTES: usize = 4 << 10;
/// Samples of one record of the log.
const RECORD_SAMPLES: usize = 1 << 16;
/// Records that wait for the next append are written when they are this long.
const MAX_PENDING: usize = 1 << 20;

impl Ingest for Store {
    fn resolve(&self, labels: &Labels) -> Result<SeriesId, IngestError> {
        self.0.resolve(labels)
    }

    fn append(&self, samples: &[Incoming]) -> Result<AppendReport, IngestError> {
        self.0.append(samples)
    }

    fn describe(&self, metric: &str, metadata: &Metadata) {
        self.0.describe(metric, metadata);
    }

    fn exemplar(&self, series: SeriesId, exemplar: Exemplar) {
        if let Some(series) = self.0.index.read().get(series.0).cloned() {
            self.0.exemplars.lock().push(series, exemplar);
            self.0.changed();
        }
    }
}

fn check_labels(labels: &Labels) -> Result<(), IngestError> {
    let refuse = |why: String| Err(IngestError::BadLabels(why));
    if labels.is_empty() {
        return refuse("a series has at least one label".to_owned());
    }
    if labels.iter().any(|(name, _)| name.is_empty()) {
        return refuse(format!("a label of {labels} has an empty name"));
    }
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_LABEL_BYTES {
        let name = labels.name();
        return refuse(format!(
            "the labels of a series of {name:?} take {bytes} bytes: {MAX_LABEL_BYTES} are allowed"
        ));
    }
    Ok(())
}

impl Shared {
    fn resolve(&self, labels: &Labels) -> Result<SeriesId, IngestError> {
        if let Some(series) = self.index.read().find(&labels.iter()) {
            return Ok(SeriesId(series.id));
        }
        check_labels(labels)?;
        let mut writer = self.writer.lock();
        let mut index = self.index.write();
        if let Some(series) = index.find(&labels.iter()) {
            return Ok(SeriesId(series.id));
        }
        let limit = self.config.max_series;
        if index.len() >= limit {
            self.counters.refused_series.fetch_add(1, Relaxed);
            self.changed();
            return Err(writer.refusal.tell(&index, limit));
        }
        let series = index.add(labels.iter(), self.now().unwrap_or(i64::MIN));
        drop(index);
        if let Some(log) = &mut writer.log {
            frame_series(&mut log.pending, series.id, series.labels.iter());
            if log.pending.len() > MAX_PENDING {
                let keep = log.pending.len();
                // The records stay pending if this fails, and go out with the samples that need them, or not at all.
                self.note_write(&log.flush(keep));
            }
        }
        self.counters.series_created.fetch_add(1, Relaxed);
        self.changed();
        Ok(SeriesId(series.id))
    }

    fn append(&self, samples: &[Incoming]) -> Result<AppendReport, IngestError> {
        let mut report = AppendReport::default();
        let mut writer = self.writer.lock();
        let index = self.index.read();
        let mut lawful: Vec<(&Arc<Series>, i64, u64)> = Vec::with_capacity(samples.len());
        for sample in samples {
            let t = sample.t.as_millis();
            match index.get(sample.series.0) {
                None => {
                    if report.unknown.last() != Some(&sample.series) {
                        report.unknown.push(sample.series);
                    }
                    self.counters.unknown_series.fetch_add(1, Relaxed);
                }
                Some(_) if self.is_too_new(t) => report.too_new += 1,
                Some(series) if self.is_too_old(series.data.lock().newest(), t) => report.too_old += 1,
                Some(series) => lawful.push((series, t, sample.v.to_bits())),
            }
        }
        if let Some(log) = &mut writer.log
            && !lawful.is_empty()
        {
            let keep = log.pending.len();
            for part in lawful.chunks(RECORD_SAMPLES) {
                frame_samples(
                    &mut log.pending,
                    part.iter().map(|(series, t, bits)| (series.slot(), *t, *bits)),
                );
            }
            let written = log.flush(keep);
            self.note_write(&written);
            written.map_err(|error| IngestError::Storage(error.to_string()))?;
        }
        let mut change = Change::default();
        for (series, t, bits) in lawful {
            match change.of(&mut series.data.lock(), |data| data.append(t, bits)) {
                Outcome::Taken => {
                    change.taken(t);
                    report.taken += 1;
                }
                Outcome::Same => report.taken += 1,
                Outcome::Duplicate => report.duplicate += 1,
            }
        }
        self.figures.apply(change);
        self.counters.taken.fetch_add(report.taken as u64, Relaxed);
        self.counters.too_old.fetch_add(report.too_old as u64, Relaxed);
        self.counters.too_new.fetch_add(report.too_new as u64, Relaxed);
        self.counters.duplicate.fetch_add(report.duplicate as u64, Relaxed);
        self.changed();
        Ok(report)
    }

    fn is_too_new(&self, t: i64) -> bool {
        self.now().is_some_and(|now| t > now.saturating_add(time::millis(self.config.future_limit)))
    }

    /// Whether a sample comes too late. When the clock was set back, "late" counts from the clock: otherwise nothing
    /// could be taken until it has caught up.
    fn is_too_old(&self, newest: Newest, t: i64) -> bool {
        let now = self.now();
        if now.is_some_and(|now| t < now.saturating_sub(time::millis(self.config.retention))) {
            return true;
        }
        let Newest::At(newest, _) = newest else { return false };
        let reference = now.map_or(newest, |now| now.min(newest));
        t < reference.saturating_sub(time::millis(self.config.out_of_order_window))
    }

    fn describe(&self, metric: &str, metadata: &Metadata) {
        if self.metadata.read().get(metric).is_some_and(|held| held == metadata) {
            return;
        }
        let cut = |text: &str| text[..text.floor_char_boundary(MAX_METADATA_BYTES)].to_owned();
        let bounded = Metadata { kind: metadata.kind, help: cut(&metadata.help), unit: cut(&metadata.unit) };
        let mut writer = self.writer.lock();
        let mut held = self.metadata.write();
        if held.get(metric).is_some_and(|held| *held == bounded)
            || held.len() >= self.config.max_series && !held.contains_key(metric)
        {
            return;
        }
        if let Some(log) = &mut writer.log {
            frame_metadata(&mut log.pending, metric, &bounded);
        }
        held.insert(metric.into(), bounded);
        drop(held);
        self.changed();
    }
}

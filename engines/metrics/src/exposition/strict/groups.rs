//! Order inside a family: samples of one metric stand together, their times never go back.

use std::collections::HashSet;

use quarterdeck_kernel::Labels;

use super::super::item::SampleItem;

/// The groups (metrics, in OpenMetrics' words) of a family so far.
#[derive(Debug, Default)]
pub(super) struct Groups {
    finished: HashSet<Labels>,
    current: Option<Labels>,
    seconds: Option<f64>,
    /// The series of the current group and time.
    series: HashSet<(String, Labels)>,
}

impl Groups {
    /// Notes a sample; says whether it starts another group or another time of the same one.
    pub(super) fn enter(
        &mut self,
        group: &Labels,
        labels: &Labels,
        sample: &SampleItem<'_>,
    ) -> Result<bool, String> {
        let same_group = self.current.as_ref() == Some(group);
        if !same_group {
            self.finished.extend(self.current.take());
            if self.finished.contains(group) {
                return Err(format!(
                    "samples of {} do not stand together: group them by their labels",
                    sample.series
                ));
            }
            self.current = Some(group.clone());
            self.series.clear();
            self.seconds = sample.seconds;
            self.series.insert((sample.name().into_owned(), labels.clone()));
            return Ok(true);
        }
        match (self.seconds, sample.seconds) {
            (None, None) => {}
            (Some(before), Some(now)) if now < before => {
                return Err(format!("time goes back from {before} to {now} within {}", sample.series));
            }
            (Some(_), Some(_)) => {}
            _ => {
                return Err(format!("some samples of {} have a timestamp and some have none", sample.series));
            }
        }
        let same_time = self.seconds == sample.seconds;
        if !same_time {
            self.series.clear();
            self.seconds = sample.seconds;
        }
        let new = self.series.insert((sample.name().into_owned(), labels.clone()));
        if !new && sample.seconds.is_none() {
            return Err(format!("{} stands twice", sample.series));
        }
        Ok(!same_time)
    }
}

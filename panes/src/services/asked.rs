//! What is asked in the background for the charts, and what came of it.

use std::sync::Arc;

use quarterdeck_kernel::{Moment, Sample, Timestamp};
use quarterdeck_services::{Signal, SignalSeries, Snapshot, TransactionView};
use quarterdeck_widgets::heatmap::HeatColumn;

use crate::signals::history;
use crate::world::Query;

/// The slot of [`Query::Signals`].
pub(super) const SIGNALS: &str = "signals";
/// The slot of [`Query::Heatmap`].
pub(super) const HEATMAP: &str = "heatmap";

/// A question that has no answer after this long is asked again, in milliseconds.
const LOST: i64 = 30_000;

/// What the charts of the pane are about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) service: String,
    pub(super) transaction: Option<String>,
    pub(super) range: i64,
    pub(super) moment: Moment,
    pub(super) columns: usize,
}

impl Question {
    /// Whether answers to both can stand under the same title.
    fn same_thing(&self, other: &Self) -> bool {
        self.service == other.service && self.transaction == other.transaction
    }

    /// The least time between two askings, in milliseconds: short ranges follow quickly, long ones at leisure.
    fn patience(&self) -> i64 {
        let step = self.range / i64::try_from(self.columns.max(1)).unwrap_or(i64::MAX);
        (step / 4).clamp(2_000, LOST)
    }

    pub(super) fn signals(&self, now: Timestamp) -> Query {
        let to = self.moment.or(now);
        Query::Signals {
            service: self.service.clone(),
            transaction: self.transaction.clone(),
            from: to.plus_millis(-self.range),
            to,
            columns: self.columns,
        }
    }

    pub(super) fn heatmap(&self, now: Timestamp) -> Query {
        let to = self.moment.or(now);
        Query::Heatmap {
            service: self.service.clone(),
            transaction: self.transaction.clone(),
            from: to.plus_millis(-self.range),
            to,
            columns: self.columns,
        }
    }
}

#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    at: Timestamp,
    version: u64,
    waiting: bool,
}

/// One slot: the question last asked and the answer that is shown.
#[derive(Debug)]
pub(super) struct Slot<T> {
    asked: Option<Asked>,
    answer: Option<Result<T, String>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { asked: None, answer: None }
    }
}

impl<T> Slot<T> {
    /// Whether the question is to be asked now; if so it counts as asked. What was answered about something else is
    /// dropped, so that nothing stands under a wrong title.
    pub(super) fn ask(&mut self, question: &Question, now: Timestamp, version: u64) -> bool {
        let due = match &self.asked {
            None => true,
            Some(asked) if asked.question != *question => true,
            Some(asked) => {
                let passed = now.as_millis().saturating_sub(asked.at.as_millis());
                let live = question.moment == Moment::Live && asked.version != version;
                if asked.waiting { passed >= LOST } else { live && passed >= question.patience() }
            }
        };
        if due {
            if self.asked.as_ref().is_none_or(|asked| !asked.question.same_thing(question)) {
                self.answer = None;
            }
            self.asked = Some(Asked { question: question.clone(), at: now, version, waiting: true });
        }
        due
    }

    /// Takes the answer to what was asked last.
    pub(super) fn take(&mut self, answer: Result<T, String>) {
        if let Some(asked) = &mut self.asked {
            asked.waiting = false;
            self.answer = Some(answer);
        }
    }

    /// Forgets everything; true if an answer was still awaited.
    pub(super) fn clear(&mut self) -> bool {
        self.answer = None;
        self.asked.take().is_some_and(|asked| asked.waiting)
    }

    pub(super) fn answer(&self) -> Option<&Result<T, String>> {
        self.answer.as_ref()
    }

    pub(super) fn waiting(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.waiting)
    }
}

/// Signals as lines of charts.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) rate: Vec<Sample>,
    pub(super) errors: Vec<Sample>,
    pub(super) p50: Vec<Sample>,
    pub(super) p95: Vec<Sample>,
    pub(super) p99: Vec<Sample>,
    pub(super) within: Vec<Sample>,
    pub(super) attained: Option<f64>,
    /// The answer itself, for files; none when the lines come from the snapshot's short history.
    pub(super) series: Option<Arc<SignalSeries>>,
}

impl Lines {
    pub(super) fn new(series: Arc<SignalSeries>) -> Self {
        let line = |values: &[f64]| -> Vec<Sample> {
            series.times.iter().zip(values).map(|(t, v)| Sample { t: *t, v: *v }).collect()
        };
        Self {
            rate: line(&series.rate),
            errors: line(&series.errors),
            p50: line(&series.p50),
            p95: line(&series.p95),
            p99: line(&series.p99),
            within: line(&series.attainment),
            attained: series.attained,
            series: Some(series),
        }
    }

    /// The same with what is known by now, newer than any answer: charts and figures beside them then say the same.
    pub(super) fn up_to_now(&self, snapshot: &Snapshot, service: &str, transaction: Option<&str>) -> Self {
        let Some(view) = snapshot.service(service) else { return Self::default() };
        let narrowed = transaction.and_then(|name| view.transaction(name));
        let s = &view.signals;
        let now = |whole: &Signal, part: fn(&TransactionView) -> Option<f64>| match transaction {
            None => whole.value,
            Some(_) => narrowed.and_then(part),
        };
        let with = |samples: &[Sample], value: Option<f64>| {
            let mut samples = samples.to_vec();
            let newer = samples.last().is_some_and(|last| last.t < snapshot.taken);
            samples.extend(value.filter(|_| newer).map(|v| Sample { t: snapshot.taken, v }));
            samples
        };
        Self {
            rate: with(&self.rate, now(&s.rate, |t| t.rate)),
            errors: with(&self.errors, now(&s.errors, |t| t.errors)),
            p50: with(&self.p50, now(&s.p50, |t| t.p50)),
            p95: with(&self.p95, now(&s.p95, |t| t.p95)),
            p99: with(&self.p99, now(&s.p99, |t| t.p99)),
            within: self.within.clone(),
            attained: self.attained,
            series: None,
        }
    }

    /// What the snapshot itself remembers: it can be drawn at once, before any answer.
    pub(super) fn of_history(snapshot: &Snapshot, service: &str, transaction: Option<&str>) -> Self {
        let Some(view) = snapshot.service(service) else { return Self::default() };
        let line = |values: &[f64]| history(snapshot, values);
        match transaction {
            None => {
                let signals = &view.signals;
                Self {
                    rate: line(&signals.rate.history),
                    errors: line(&signals.errors.history),
                    p50: line(&signals.p50.history),
                    p95: line(&signals.p95.history),
                    p99: line(&signals.p99.history),
                    ..Self::default()
                }
            }
            Some(name) => view.transaction(name).map_or_else(Self::default, |t| Self {
                rate: line(&t.rate_history),
                p99: line(&t.p99_history),
                ..Self::default()
            }),
        }
    }
}

/// A latency heatmap, ready to be drawn.
#[derive(Debug, Default)]
pub(super) struct Heat {
    pub(super) bounds: Vec<f64>,
    pub(super) columns: Vec<HeatColumn>,
}

impl Heat {
    /// Only buckets around those that hold something, and around the limit: room is for what happens.
    pub(super) fn new(map: &quarterdeck_services::Heatmap, limit: Option<f64>) -> Self {
        let step = quarterdeck_kernel::time::millis(map.step);
        let holds =
            |bucket: usize| map.counts.iter().any(|counts| counts.get(bucket).is_some_and(|c| *c > 0.0));
        let limited = limit.and_then(|limit| map.bounds.iter().position(|bound| limit <= *bound));
        let full: Vec<usize> = (0..map.bounds.len()).filter(|b| holds(*b) || limited == Some(*b)).collect();
        let from = full.first().map_or(0, |first| first.saturating_sub(1));
        let to = full.last().map_or(map.bounds.len(), |last| (last + 2).min(map.bounds.len()));
        let columns = map.times.iter().zip(&map.counts);
        Self {
            bounds: map.bounds[from..to].to_vec(),
            // The engine names a column by its end, the widget by its beginning.
            columns: columns
                .map(|(t, counts)| HeatColumn {
                    at: t.plus_millis(-step),
                    counts: counts.get(from..to).unwrap_or_default().to_vec(),
                })
                .collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.columns.iter().any(|column| column.counts.iter().any(|count| count.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn question(service: &str) -> Question {
        Question {
            service: service.to_owned(),
            transaction: None,
            range: 900_000,
            moment: Moment::Live,
            columns: 90,
        }
    }

    #[test]
    fn empty_buckets_at_the_ends_take_no_room() {
        let counts = vec![vec![0.0, 0.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0], vec![f64::NAN; 8], vec![1.0]];
        let bounds = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, f64::INFINITY];
        let times = vec![NOW; 3];
        let map = quarterdeck_services::Heatmap { bounds, times, counts, ..Default::default() };
        assert_eq!(Heat::new(&map, None).bounds, [1.0, 2.0, 4.0, 8.0, 16.0]);
        let heat = Heat::new(&map, Some(20.0));
        assert_eq!(heat.bounds, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
        assert_eq!(heat.columns[0].counts.len(), 7);
        let nothing = quarterdeck_services::Heatmap::default();
        assert!(Heat::new(&nothing, Some(1.0)).is_empty());
    }

    #[test]
    fn what_is_live_is_asked_again_but_not_too_often() {
        let mut slot = Slot::default();
        let orders = question("orders");
        assert!(slot.ask(&orders, NOW, 1));
        assert!(!slot.ask(&orders, NOW.plus_millis(5_000), 2), "the answer is still awaited");
        slot.take(Ok(1));
        assert!(!slot.ask(&orders, NOW.plus_millis(1_000), 2), "too soon");
        assert!(!slot.ask(&orders, NOW.plus_millis(9_000), 1), "nothing new");
        assert!(slot.ask(&orders, NOW.plus_millis(3_000), 2));
        assert_eq!(slot.answer(), Some(&Ok(1)), "the old answer stays until the new one comes");
        assert!(
            slot.ask(&orders, NOW.plus_millis(40_000), 2),
            "an answer that never came is asked for again"
        );
    }

    #[test]
    fn what_is_rewound_is_asked_once() {
        let mut slot = Slot::<u8>::default();
        let past = Question { moment: Moment::At(NOW), ..question("orders") };
        assert!(slot.ask(&past, NOW, 1));
        slot.take(Err("no".to_owned()));
        assert!(!slot.ask(&past, NOW.plus_millis(60_000), 9));
    }

    #[test]
    fn an_answer_never_stands_under_another_title() {
        let mut slot = Slot::default();
        slot.ask(&question("orders"), NOW, 1);
        slot.take(Ok(1));
        assert!(slot.ask(&question("risk"), NOW, 1));
        assert_eq!((slot.answer(), slot.waiting()), (None, true));
        assert!(slot.clear());
        slot.take(Ok(2));
        assert_eq!(slot.answer(), None, "nothing was asked");
    }
}

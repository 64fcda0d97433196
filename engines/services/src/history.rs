//! The near past of figures, and longer looks back for charts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::time::millis;
use quarterdeck_kernel::{Reason, Timestamp, suggest};

use crate::buckets::Buckets;
use crate::catalogue::Plan;
use crate::model::{Heatmap, SignalSeries};
use crate::overrides::Overrides;
use crate::readings::{Depth, Readings, Requests, Times, read};
use crate::source::Source;

/// Points asked for at most at once.
const MAX_COLUMNS: usize = 2000;

/// The last values of one figure at even distances, the newest last; always full, with NaN where nothing is known.
#[derive(Clone, Debug)]
pub(crate) struct Track(VecDeque<f64>);

impl Track {
    pub(crate) fn new(points: usize) -> Self {
        Self(std::iter::repeat_n(f64::NAN, points).collect())
    }

    /// Moves on by some points.
    pub(crate) fn advance(&mut self, by: usize) {
        for _ in 0..by.min(self.0.len()) {
            self.0.pop_front();
            self.0.push_back(f64::NAN);
        }
    }

    /// Sets the newest point.
    pub(crate) fn set(&mut self, value: Option<f64>) {
        if let Some(last) = self.0.back_mut() {
            *last = value.unwrap_or(f64::NAN);
        }
    }

    pub(crate) fn shared(&self) -> Arc<[f64]> {
        self.0.iter().copied().collect()
    }
}

/// What a look back is about: a service, and one of its transactions.
pub(crate) type About<'a> = (&'a str, Option<&'a str>);

/// From, to, and how many points.
pub(crate) type Span = (Timestamp, Timestamp, usize);

fn times((from, to, columns): Span) -> Result<Times, Reason> {
    if to <= from {
        return Err(Reason(format!("{from} to {to} is not a range of time")));
    }
    let columns = i64::try_from(columns.clamp(1, MAX_COLUMNS)).unwrap_or(1);
    let length = millis(to.since(from));
    let step = (length / columns).max(1000);
    // Columns end on multiples of their width, so that they do not flicker as time goes on.
    let last = to.as_millis().div_euclid(step) * step;
    let first = last - ((length / step).clamp(1, columns) - 1) * step;
    let at = Timestamp::from_millis;
    Ok(Times { from: at(first), to: at(last), step: Duration::from_millis(step.unsigned_abs()) })
}

fn requests<'a>(readings: &'a Readings, (service, transaction): About<'_>) -> Option<&'a Requests> {
    let reading = readings.get(service)?;
    match transaction {
        None => Some(&reading.whole),
        Some(name) => reading.transactions.get(name),
    }
}

/// Fails when no moment knows what is asked about.
fn known(all: &[Readings], plan: &Plan, about: About<'_>) -> Result<(), Reason> {
    if all.iter().any(|r| requests(r, about).is_some()) || plan.catalogue.contains_key(about.0) {
        return Ok(());
    }
    let names = all.last().map(|r| r.keys().map(|k| &**k).collect::<Vec<_>>()).unwrap_or_default();
    let near = suggest::nearest(about.0, names).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
    Err(Reason(format!("nothing is known of service {:?} in this range{near}", about.0)))
}

fn failed(problems: &[String]) -> Result<(), Reason> {
    problems.first().map_or(Ok(()), |p| Err(Reason(p.clone())))
}

/// See [`crate::handle::Handle::series`].
pub(crate) fn series(
    plan: &Plan,
    source: &dyn Source,
    overrides: &Overrides,
    about: About<'_>,
    span: Span,
) -> Result<SignalSeries, Reason> {
    let times = times(span)?;
    let window = times.step.max(plan.signals.window);
    let (all, problems) = read(plan, source, times, window, Depth::Requests);
    failed(&problems)?;
    known(&all, plan, about)?;
    let threshold = threshold(plan, overrides, about);
    let apdex = threshold.unwrap_or_else(|| apdex_threshold(plan, about.0));
    let mut out = SignalSeries { threshold, ..SignalSeries::default() };
    let nothing = Requests::default();
    for (t, readings) in times.iter().zip(&all) {
        let requests = requests(readings, about).unwrap_or(&nothing);
        let buckets = &requests.buckets;
        let unknown = |v: Option<f64>| v.unwrap_or(f64::NAN);
        out.times.push(t);
        out.rate.push(unknown(requests.rate));
        out.errors.push(unknown(requests.errors()));
        out.p50.push(unknown(buckets.quantile(0.5)));
        out.p95.push(unknown(buckets.quantile(0.95)));
        out.p99.push(unknown(buckets.quantile(0.99)));
        out.apdex.push(unknown(buckets.apdex(apdex)));
        out.attainment.push(unknown(threshold.and_then(|t| buckets.within(t)).map(|part| part * 100.0)));
    }
    let whole = Times::at(span.1);
    let (all, _) = read(plan, source, whole, span.1.since(span.0), Depth::Latency);
    let buckets = all.first().and_then(|r| requests(r, about)).map(|r| &r.buckets);
    out.attained = threshold.zip(buckets).and_then(|(t, b)| b.within(t)).map(|part| part * 100.0);
    Ok(out)
}

/// See [`crate::handle::Handle::heatmap`].
pub(crate) fn heatmap(
    plan: &Plan,
    source: &dyn Source,
    about: About<'_>,
    span: Span,
) -> Result<Heatmap, Reason> {
    let times = times(span)?;
    // Columns that are narrower than the window share its requests, each its part of them.
    let window = times.step.max(plan.signals.window);
    let part = times.step.as_secs_f64() / window.as_secs_f64();
    let (all, problems) = read(plan, source, times, window, Depth::Latency);
    failed(&problems)?;
    known(&all, plan, about)?;
    let columns: Vec<Option<&Buckets>> =
        all.iter().map(|r| requests(r, about).map(|r| &r.buckets).filter(|b| !b.is_empty())).collect();
    let mut bounds: Vec<f64> =
        columns.iter().flatten().flat_map(|b| b.widths()).map(|(bound, _)| bound).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let column = |buckets: &Option<&Buckets>| -> Vec<f64> {
        let Some(buckets) = buckets else { return vec![f64::NAN; bounds.len()] };
        let widths: Vec<(f64, f64)> = buckets.widths().collect();
        let count = |bound: &f64| widths.iter().find(|(b, _)| b == bound).map_or(0.0, |(_, c)| c * part);
        bounds.iter().map(count).collect()
    };
    let counts = columns.iter().map(column).collect();
    Ok(Heatmap { counts, times: times.iter().collect(), step: times.step, bounds })
}

/// The service level's threshold, in milliseconds: of the transaction; for a service as a whole there is none.
fn threshold(plan: &Plan, overrides: &Overrides, (service, transaction): About<'_>) -> Option<f64> {
    overrides.in_force(plan, service).transactions.get(transaction?)?.threshold
}

/// The Apdex threshold of a service, in milliseconds.
pub(crate) fn apdex_threshold(plan: &Plan, service: &str) -> f64 {
    let own = plan.catalogue.get(service).and_then(|s| s.apdex);
    own.unwrap_or(plan.signals.apdex).as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_move_on_and_stay_full() {
        let mut track = Track::new(3);
        track.set(Some(1.0));
        track.advance(1);
        track.set(Some(2.0));
        track.set(Some(3.0));
        assert_eq!(format!("{:?}", track.shared()), "[NaN, 1.0, 3.0]");
        track.advance(usize::MAX);
        assert_eq!(format!("{:?}", track.shared()), "[NaN, NaN, NaN]");
    }

    #[test]
    fn columns_end_on_multiples_of_their_width() {
        let at = Timestamp::from_millis;
        let t = times((at(1_000_400), at(1_060_400), 6)).unwrap();
        assert_eq!((t.from, t.to, t.step), (at(1_010_000), at(1_060_000), Duration::from_secs(10)));
        assert_eq!(t.iter().count(), 6);
        let t = times((at(0), at(60_000), 6)).unwrap();
        assert_eq!((t.from, t.to), (at(10_000), at(60_000)));
        assert!(times((at(5), at(5), 10)).is_err());
        assert_eq!(times((at(0), at(3_000), 100_000)).unwrap().step, Duration::from_secs(1));
    }
}

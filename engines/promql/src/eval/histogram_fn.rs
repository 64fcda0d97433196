//! Functions of histograms, native and classic.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use quarterdeck_kernel::Labels;

use super::aggregate::group::{Grouper, Labelled, Mixer, Streamed};
use super::bucket::{self, ClassicBucket};
use super::column::{Cell, Column, Columns};
use super::stream::{Names, Stream};
use super::{Evaluated, Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::{Call, Expr};
use crate::histogram::{self, Histogram};

/// The label with a classic bucket's upper bound.
const BOUND: &str = "le";

/// The columns that make up one histogram: with the same labels but `le`.
#[derive(Default)]
struct Family {
    native: Option<usize>,
    classic: Vec<(f64, usize)>,
    drop_name: bool,
}

impl Family {
    fn sort(&mut self) {
        self.classic.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
}

/// Histograms and the columns that they are made of.
struct Histograms {
    families: Vec<(Labels, Family)>,
    columns: Columns,
}

/// Upper bounds of buckets: series share the texts of their bounds, so each is read once.
#[derive(Default)]
struct Bounds {
    place: usize,
    known: HashMap<usize, (Arc<str>, Option<f64>), BuildHasherDefault<Mixer>>,
}

impl Bounds {
    /// The bound of a series, or what it has instead.
    fn of(&mut self, series: &impl Labelled) -> Result<f64, String> {
        let is_bound = |label: &(&Arc<str>, &Arc<str>)| &**label.0 == BOUND;
        let text = match series.label(self.place).filter(is_bound) {
            Some((_, text)) => text,
            None => {
                let found = (0..).map_while(|i| Some((i, series.label(i)?))).find(|(_, l)| is_bound(l));
                let (place, (_, text)) = found.ok_or_else(String::new)?;
                self.place = place;
                text
            }
        };
        let entry = self.known.entry(text.as_ptr().addr());
        let (_, upper) = entry.or_insert_with(|| (Arc::clone(text), parse_bound(text)));
        upper.ok_or_else(|| text.to_string())
    }
}

#[derive(Default)]
struct Families {
    list: Vec<(Labels, Family)>,
    found: HashMap<Labels, usize>,
}

impl Families {
    fn of(&mut self, labels: Labels, drop_name: bool) -> &mut Family {
        let index = *self.found.entry(labels).or_insert_with_key(|labels| {
            self.list.push((labels.clone(), Family { drop_name, ..Family::default() }));
            self.list.len() - 1
        });
        &mut self.list[index].1
    }
}

impl Evaluator<'_> {
    pub(super) fn histogram_part(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let part: fn(&Histogram) -> f64 = match call.function.name {
            "histogram_avg" => |h| h.sum / h.count,
            "histogram_count" => |h| h.count,
            "histogram_sum" => |h| h.sum,
            "histogram_stdvar" => Histogram::variance,
            _ => |h| h.variance().sqrt(),
        };
        let columns = self.vector(&call.args[0], steps)?;
        self.release(&columns);
        let mut out = Vec::with_capacity(columns.len());
        for column in columns.iter().filter(|c| c.histograms.is_some()) {
            let mut result = Column::empty(column.labels.clone(), steps.count);
            result.drop_name = column.drop_name;
            for i in 0..steps.count {
                if let Cell::Histogram(h) = column.cell(i) {
                    result.set_float(i, part(h));
                }
            }
            if result.has_any() {
                out.push(result);
            }
        }
        self.hold(&out)?;
        self.drop_names(out, span)
    }

    pub(super) fn histogram_quantile(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Evaluated> {
        let q = self.scalar(&call.args[0], steps)?;
        let arg = &call.args[1];
        let histograms = self.histograms(arg, steps)?;
        let arg_span = arg.span;
        for q in &q {
            self.check_quantile(*q, call.args[0].span);
        }
        self.per_histogram(&histograms, span, arg_span, steps, |i, source, metric| {
            let q = q[i];
            match source {
                Source::Native(h) => {
                    let value = histogram::quantile(q, h);
                    if h.sum.is_nan() && (0.0..=1.0).contains(&q) {
                        let result = if value.is_nan() { "is NaN" } else { "is skewed higher" };
                        self.info_note(
                            arg_span,
                            format!(
                                "input to histogram_quantile has NaN observations, result {result} for metric name {metric:?}"
                            ),
                        );
                    }
                    value
                }
                Source::Classic(buckets) => {
                    let (value, forced) = bucket::quantile(q, buckets);
                    if forced {
                        self.info_note(
                            arg_span,
                            format!(
                                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {metric:?}"
                            ),
                        );
                    }
                    value
                }
            }
        })
    }

    pub(super) fn histogram_fraction(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Evaluated> {
        let lower = self.scalar(&call.args[0], steps)?;
        let upper = self.scalar(&call.args[1], steps)?;
        let arg_span = call.args[2].span;
        let histograms = self.histograms(&call.args[2], steps)?;
        self.per_histogram(&histograms, span, arg_span, steps, |i, source, metric| match source {
            Source::Native(h) => {
                if h.sum.is_nan() {
                    self.info_note(
                        arg_span,
                        format!(
                            "input to histogram_fraction has NaN observations, which are excluded from all fractions for metric name {metric:?}"
                        ),
                    );
                }
                histogram::fraction(lower[i], upper[i], h)
            }
            Source::Classic(buckets) => bucket::fraction(lower[i], upper[i], buckets),
        })
    }

    /// Applies a function to every histogram at every step.
    fn per_histogram(
        &self,
        Histograms { families, columns }: &Histograms,
        span: Span,
        arg_span: Span,
        steps: Steps,
        mut f: impl FnMut(usize, Source<'_>, &str) -> f64,
    ) -> Evaluation<Evaluated> {
        let mut out = Vec::with_capacity(families.len());
        let mut buckets: Vec<ClassicBucket> = vec![];
        for (labels, family) in families {
            self.budget.check()?;
            let metric = labels.name();
            let mut result = Column::empty(labels.clone(), steps.count);
            result.drop_name = family.drop_name;
            for i in 0..steps.count {
                let native = family.native.map(|n| columns[n].cell(i));
                buckets.clear();
                for &(upper, c) in &family.classic {
                    if let Cell::Float(count) = columns[c].cell(i) {
                        buckets.push(ClassicBucket { upper, count });
                    }
                }
                match native {
                    Some(Cell::Histogram(_)) if !buckets.is_empty() => self.warn(
                        arg_span,
                        format!("vector contains a mix of classic and native histograms for metric name {metric:?}"),
                    ),
                    Some(Cell::Histogram(h)) => result.set_float(i, f(i, Source::Native(h), metric)),
                    _ if !buckets.is_empty() => result.set_float(i, f(i, Source::Classic(&mut buckets), metric)),
                    _ => {}
                }
            }
            if result.has_any() {
                out.push(result);
            }
        }
        self.release(columns);
        self.hold(&out)?;
        Ok(Evaluated::Vector(self.drop_names(out, span)?))
    }

    /// The histograms that an instant vector is made of.
    fn histograms(&self, arg: &Expr, steps: Steps) -> Evaluation<Histograms> {
        if let Some(stream) = self.stream(arg, steps)? {
            return self.classic_histograms(&stream, arg, steps);
        }
        let columns = self.vector(arg, steps)?;
        Ok(Histograms { families: self.families(&columns, arg.span), columns })
    }

    /// As [`Self::histograms`], of series as they are read: no bucket has labels made for it alone.
    fn classic_histograms(
        &self,
        stream: &Stream<'_, '_>,
        arg: &Expr,
        steps: Steps,
    ) -> Evaluation<Histograms> {
        let mut names = Names::new(stream);
        let mut grouper = Grouper::by(self, &[BOUND], true, names.lost());
        let mut families: Vec<Family> = vec![];
        let mut bounds = Bounds::default();
        let (mut columns, mut others) = (vec![], vec![]);
        let nobody = Labels::default();
        stream.each(|n, row| {
            names.add(n);
            match bounds.of(&Streamed { stream, n }) {
                Ok(upper) => {
                    let family = grouper.group(&Streamed { stream, n });
                    if family == families.len() {
                        let drop_name = stream.drops_name() && !names.lost();
                        families.push(Family { drop_name, ..Family::default() });
                    }
                    families[family].classic.push((upper, columns.len()));
                    self.budget.take(steps.count as u64)?;
                    columns.push(Column::floats(nobody.clone(), row.to_vec()));
                }
                Err(_) => others.push(n),
            }
            Ok(())
        })?;
        self.note_peak();
        names.check(arg.unwrapped().span)?;
        for n in others {
            let bound = bounds.of(&Streamed { stream, n }).err().unwrap_or_default();
            self.warn_bound(arg.span, &bound, if names.lost() { "" } else { stream.metric(n) });
        }
        families.iter_mut().for_each(Family::sort);
        Ok(Histograms { families: grouper.groups.into_iter().zip(families).collect(), columns })
    }

    fn warn_bound(&self, span: Span, bound: &str, metric: &str) {
        self.warn(
            span,
            format!(
                "bucket label \"le\" is missing or has a malformed value of {bound:?} for metric name {metric:?}"
            ),
        );
    }

    fn families(&self, columns: &[Column], span: Span) -> Vec<(Labels, Family)> {
        let mut families = Families::default();
        for (i, column) in columns.iter().enumerate() {
            let bound = column.labels.get(BOUND);
            let has_floats = column.floats.iter().any(|v| !super::column::is_absent(*v));
            if column.histograms.is_some() {
                // A native histogram keeps an le label it may have: it means nothing there.
                families.of(column.labels.clone(), column.drop_name).native = Some(i);
            }
            if !has_floats {
                continue;
            }
            match bound.and_then(parse_bound) {
                Some(upper) => {
                    families.of(column.labels.without(BOUND), column.drop_name).classic.push((upper, i));
                }
                None => {
                    self.warn_bound(span, bound.unwrap_or_default(), column.labels.name());
                }
            }
        }
        for (_, family) in &mut families.list {
            family.sort();
        }
        families.list
    }
}

/// Where a histogram comes from.
enum Source<'a> {
    Native(&'a Histogram),
    Classic(&'a mut Vec<ClassicBucket>),
}

fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok().filter(|v: &f64| !v.is_nan())
}

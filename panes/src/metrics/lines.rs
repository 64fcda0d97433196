//! The series of an answer, ready to be drawn and listed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Sample, Timestamp};
use quarterdeck_widgets::format::scale_for;
use quarterdeck_widgets::table::{CellPainter, Order, Rows};
use quarterdeck_widgets::{Role, Scale, Unit};

use crate::world::EvaluatedSeries;

/// One series. Its texts are made when they are first wanted: of fifty thousand rows a screen shows sixty, and what sorts
/// and filters the others works in the background.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The letter of its query.
    pub(super) letter: char,
    /// Its labels.
    pub(super) labels: Labels,
    /// Its points, oldest first.
    pub(super) samples: Vec<Sample>,
    last: f64,
    least: f64,
    most: f64,
    key: OnceLock<String>,
    short: OnceLock<String>,
}

impl Line {
    fn new(letter: char, expr: &str, series: EvaluatedSeries) -> Self {
        let samples: Vec<Sample> = series.points.into_iter().map(|(t, v)| Sample { t, v }).collect();
        let (mut last, mut least, mut most) = (f64::NAN, f64::NAN, f64::NAN);
        for sample in samples.iter().filter(|s| !s.v.is_nan()) {
            last = sample.v;
            // `min` and `max` prefer a number to NaN.
            (least, most) = (least.min(sample.v), most.max(sample.v));
        }
        let key = match series.labels.is_empty() {
            true => OnceLock::from(format!("{letter}{expr}")),
            false => OnceLock::new(),
        };
        Self { letter, labels: series.labels, samples, last, least, most, key, short: OnceLock::new() }
    }

    /// Names it for good: the letter and all labels.
    pub(super) fn key(&self) -> &str {
        self.key.get_or_init(|| format!("{}{}", self.letter, self.labels))
    }

    /// All of its labels, as PromQL writes them; the expression where there are none.
    pub(super) fn full(&self) -> &str {
        &self.key()[self.letter.len_utf8()..]
    }

    /// The value at a time: that of the point there or last before it, if that is not a gap away.
    pub(super) fn at(&self, time: Timestamp, gap: i64) -> f64 {
        let before = self.samples.partition_point(|s| s.t <= time);
        let Some(sample) = before.checked_sub(1).and_then(|i| self.samples.get(i)) else { return f64::NAN };
        let age = time.as_millis().saturating_sub(sample.t.as_millis());
        if gap > 0 && age > gap { f64::NAN } else { sample.v }
    }

    /// The colour of the series at a place.
    pub(super) const fn role(index: usize) -> Role {
        Role::Series((index % 8) as u8)
    }
}

/// All series of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// In the order of the queries, then as they were answered.
    pub(super) all: Vec<Line>,
    /// Labels that all of them carry, as PromQL writes them; empty when there are none or just one series.
    pub(super) common: String,
    /// Names of the labels that they do not share.
    differing: Vec<String>,
    /// Whether they come from several queries.
    pub(super) several: bool,
    /// What they are measured in.
    pub(super) unit: Unit,
    /// The one scale of all values; none before the first answer.
    pub(super) scale: Option<Scale>,
    /// Points further apart than this many milliseconds are a gap.
    pub(super) gap: i64,
}

impl Lines {
    /// The series of each query: its letter, its expression, its answer.
    pub(super) fn new(parts: Vec<(char, &str, Vec<EvaluatedSeries>)>, unit: Unit, gap: i64) -> Self {
        let several = parts.iter().filter(|(.., series)| !series.is_empty()).count() > 1;
        let mut all = Vec::with_capacity(parts.iter().map(|(.., series)| series.len()).sum());
        for (letter, expr, series) in parts {
            all.extend(series.into_iter().map(|s| Line::new(letter, expr, s)));
        }
        let (common, differing) = apart(&all);
        let values = all.iter().flat_map(|l| [l.least, l.most]);
        let scale = Some(scale_for(values, &unit).fine());
        Self { all, common, differing, several, unit, scale, gap }
    }

    /// The one label that sets them apart, if it is one.
    pub(super) fn by(&self) -> Option<&str> {
        match &*self.differing {
            [label] if label != METRIC_NAME => Some(label),
            _ => None,
        }
    }

    /// What sets a series apart from the others.
    pub(super) fn short<'a>(&self, line: &'a Line) -> &'a str {
        if line.labels.is_empty() || self.differing.is_empty() {
            return line.full();
        }
        line.short.get_or_init(|| match &*self.differing {
            [label] => line.labels.get(label).unwrap_or("(none)").to_owned(),
            names => plain(&line.labels, names),
        })
    }
}

/// How many series are looked at to find out which labels vary most.
const SAMPLED: usize = 1000;

/// The labels that all share, as PromQL writes them, and the names of the others, those that vary most first. One series alone is not apart
/// from anything.
fn apart(all: &[Line]) -> (String, Vec<String>) {
    let [first, rest @ ..] = all else { return Default::default() };
    if rest.is_empty() {
        return Default::default();
    }
    let mut shared: Vec<(&str, &str)> = first.labels.iter().collect();
    let mut names: BTreeSet<&str> = shared.iter().map(|(name, _)| *name).collect();
    for line in rest {
        shared.retain(|(name, value)| line.labels.get(name) == Some(*value));
        for (name, _) in line.labels.iter() {
            // Most have been seen.
            if !names.contains(name) {
                names.insert(name);
            }
        }
    }
    for (name, _) in &shared {
        names.remove(name);
    }
    // What varies most tells most: it comes first. A sample of the series is enough to know.
    let every = all.len() / SAMPLED + 1;
    let values = |name: &str| {
        let seen: BTreeSet<Option<&str>> =
            all.iter().step_by(every).map(|line| line.labels.get(name)).collect();
        seen.len()
    };
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_cached_key(|name| (std::cmp::Reverse(values(name)), *name));
    let common = first.labels.filter(|name| shared.iter().any(|(n, _)| *n == name));
    let common = if common.is_empty() { String::new() } else { common.to_string() };
    (common, names.into_iter().map(str::to_owned).collect())
}

/// `name a=1 b=2`: the labels of these names, without the noise of quotes.
fn plain(labels: &Labels, names: &[String]) -> String {
    let name = names.iter().find(|name| *name == METRIC_NAME).and_then(|_| labels.get(METRIC_NAME));
    let pairs = names.iter().filter(|name| *name != METRIC_NAME);
    let pairs = pairs.filter_map(|name| Some(format!("{name}={}", labels.get(name)?)));
    let all: Vec<String> = name.map(str::to_owned).into_iter().chain(pairs).collect();
    if all.is_empty() { "(none)".to_owned() } else { all.join("  ") }
}

/// The series as rows of a table.
#[derive(Clone, Debug)]
pub(super) struct SeriesRows {
    pub(super) lines: Arc<Lines>,
    /// The time cursor.
    pub(super) at: Option<Timestamp>,
    /// Whether rows carry the sign of their line on the graph.
    pub(super) signs: bool,
    /// The rows that are drawn, in the order of the graph, where colours do not tell them apart.
    pub(super) numbers: Vec<usize>,
}

impl SeriesRows {
    fn value(&self, row: usize, column: usize) -> f64 {
        let line = &self.lines.all[row];
        match (self.signs, column) {
            (true, 1) => self.at.map_or(f64::NAN, |at| line.at(at, self.lines.gap)),
            (true, 3) => line.least,
            (true, 4) => line.most,
            _ => line.last,
        }
    }
}

impl Rows for SeriesRows {
    fn len(&self) -> usize {
        self.lines.all.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        self.lines.all[row].key().into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        match column {
            0 => self.lines.all[row].full().into(),
            _ => match &self.lines.scale {
                Some(scale) => scale.value(self.value(row, column)).into(),
                None => quarterdeck_widgets::format::UNKNOWN.into(),
            },
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        match column {
            0 => Order::Text(self.lines.all[row].full().into()),
            _ => Order::Number(self.value(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        if column > 0 {
            let role = if column == 1 { Role::Text } else { Role::Muted };
            let text = self.text(row, column);
            cell.role(&text, if self.signs { role } else { Role::Text });
            return;
        }
        let line = &self.lines.all[row];
        let number = self.numbers.iter().position(|r| *r == row).map(|n| (n + 1).to_string());
        let sign = match &number {
            Some(number) if number.len() == 1 => number.as_str(),
            Some(_) => " ",
            None => "━",
        };
        let letter = line.letter.to_string();
        let look = cell.look();
        let (colour, text) = (look.style(Line::role(row)), look.style(Role::Text));
        let muted = look.style(Role::Muted);
        let mut spans = Vec::with_capacity(5);
        if self.signs {
            spans.extend([(sign, colour), (" ", text)]);
        }
        if self.lines.several {
            spans.extend([(letter.as_str(), muted), (" ", text)]);
        }
        spans.push((self.lines.short(line), text));
        cell.spans(&spans);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)], values: &[f64]) -> EvaluatedSeries {
        let points =
            values.iter().enumerate().map(|(i, v)| (Timestamp::from_millis(i as i64 * 1000), *v)).collect();
        EvaluatedSeries { labels: Labels::from_pairs(labels.iter().copied()), points }
    }

    #[test]
    fn names_tell_what_sets_series_apart() {
        let up = |job, instance| series(&[(METRIC_NAME, "up"), ("job", job), ("instance", instance)], &[1.0]);
        let lines = Lines::new(vec![('A', "up", vec![up("a", "1"), up("b", "1")])], Unit::None, 0);
        assert_eq!(lines.all.iter().map(|l| lines.short(l)).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((lines.common.as_str(), lines.by()), ("up{instance=\"1\"}", Some("job")));
        let lines = Lines::new(vec![('A', "up", vec![up("a", "1"), up("b", "2")])], Unit::None, 0);
        assert_eq!(lines.short(&lines.all[1]), "instance=2  job=b");
        let path = |instance, path| series(&[("instance", instance), ("path", path)], &[1.0]);
        let all = vec![path("1", "/a"), path("1", "/b"), path("2", "/c")];
        let lines = Lines::new(vec![('A', "up", all)], Unit::None, 0);
        assert_eq!(lines.short(&lines.all[2]), "path=/c  instance=2", "what varies most comes first");
        let one = Lines::new(vec![('A', "1 + 1", vec![series(&[], &[2.0])])], Unit::None, 0);
        assert_eq!((one.short(&one.all[0]), one.common.as_str()), ("1 + 1", ""));
    }

    #[test]
    fn gaps_are_unknown_and_not_the_value_before() {
        let line = Line::new('A', "x", series(&[], &[1.0, f64::NAN, 3.0]));
        assert_eq!((line.last, line.least, line.most), (3.0, 1.0, 3.0));
        let at = |ms| line.at(Timestamp::from_millis(ms), 1500);
        assert_eq!(at(500), 1.0);
        assert!(at(1500).is_nan() && at(-1).is_nan() && at(9000).is_nan());
    }
}

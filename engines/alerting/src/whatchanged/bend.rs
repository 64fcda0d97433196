//! Where a metric bent: changes of its level, or the moment at which it began to climb.
//!
//! Samples are freed of single spikes (median of three), then split where two levels explain them much better than one,
//! and again within each half. Where instead a flat line that begins to climb explains the whole better than any step,
//! its knee is the change. What counts is measured against the metric's own noise, that of differences between
//! neighbours, which a change of level does not disturb.

use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::sample::Sample;

use super::factors::length;

/// Samples looked at; of more the last.
pub const MAX_SAMPLES: usize = 1000;
/// Fewer say nothing.
pub const MIN_SAMPLES: usize = 8;
/// Shortest stretch that is a level.
const MIN_LEVEL: usize = 3;
/// Cuts looked at most, before those that belong together or are worth nothing are given up.
const MAX_CHANGES: usize = 8;
/// A change is at least so many times the noise.
const MIN_SIZE: f64 = 3.0;
/// A change is at least this part of the larger level.
const MIN_PART: f64 = 0.1;
/// A change so long after an entry is no longer put down to it.
const LONGEST_DELAY: Duration = Duration::from_secs(600);
/// Stairs up to so far apart are one change, blurred by a window.
const LONGEST_WINDOW: Duration = Duration::from_secs(75);
/// How well a change fits halves after this delay; a window of one minute blurs a step about so much.
const HALF_FIT: f64 = 90.0;

/// Which way is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// More is worse: latency, errors.
    #[default]
    Up,
    /// Less is worse: hit rates, throughput.
    Down,
    /// Any change counts.
    Either,
}

/// How a metric changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// From one level to another.
    Step,
    /// It began to climb or fall.
    Knee,
}

/// One change of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first sample of the new.
    pub at: Timestamp,
    /// The last sample of the old.
    pub last: Timestamp,
    /// Step or knee.
    pub form: Form,
    /// Level before.
    pub from: f64,
    /// Level after; at the end of a climb.
    pub to: f64,
    /// How many times the noise it is.
    pub size: f64,
    /// When the metric went back to about where it had been, if it did.
    pub until: Option<Timestamp>,
}

impl Change {
    /// In words: `29 → 84 ms at 14:30:09`, in UTC.
    #[must_use]
    pub fn words(&self, unit: &str) -> String {
        let clock = self.at.to_string();
        let clock = clock.get(11..19).unwrap_or_default();
        format!("{} → {} at {clock}Z", figure(self.from), with_unit(self.to, unit))
    }
}

/// A change of a metric at the moment of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Bend {
    /// The metric's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The change.
    pub change: Change,
    /// How long after the entry it was seen.
    pub delay: Duration,
}

impl Bend {
    /// The change as seen from an entry at `at`; none when it came before it, or too long after.
    #[must_use]
    pub fn near(change: &Change, at: Timestamp, name: &str, unit: &str) -> Option<Self> {
        // A change lies somewhere between two samples; an entry between the two may have made it.
        if at > change.at {
            return None;
        }
        let delay = change.at.since(at);
        if delay > LONGEST_DELAY {
            return None;
        }
        Some(Self { name: name.to_owned(), unit: unit.to_owned(), change: *change, delay })
    }

    /// How well it fits, from 1 at the very moment towards 0.
    #[must_use]
    pub fn fit(&self) -> f64 {
        (-(self.delay.as_secs_f64() / HALF_FIT) * std::f64::consts::LN_2).exp()
    }

    /// In words: "p99 of orders went from 29 to 84 ms 6 s after it".
    #[must_use]
    pub fn words(&self) -> String {
        let Change { from, to, form, .. } = self.change;
        let when = match self.delay.as_secs() {
            0 => "at that moment".to_owned(),
            _ => format!("{} after it", length(self.delay)),
        };
        let to = with_unit(to, &self.unit);
        match form {
            Form::Step => format!("{} went from {} to {to} {when}", self.name, figure(from)),
            Form::Knee if self.change.to > from => {
                format!("{} began to climb from {} to {to} {when}", self.name, figure(from))
            }
            Form::Knee => format!("{} began to fall from {} to {to} {when}", self.name, figure(from)),
        }
    }
}

/// Whether samples are enough to say anything.
#[must_use]
pub fn enough(samples: &[Sample]) -> bool {
    samples.iter().filter(|s| s.v.is_finite()).count() >= MIN_SAMPLES
}

/// Whether samples end before they could show a change at `at`: a level takes a few of them.
#[must_use]
pub fn too_early(samples: &[Sample], at: Timestamp) -> bool {
    samples.iter().rev().filter(|s| s.v.is_finite()).take_while(|s| s.t >= at).count() <= MIN_LEVEL
}

/// Where samples, in order of time, changed for the worse; in order of time.
#[must_use]
pub fn changes(samples: &[Sample], worse: Direction) -> Vec<Change> {
    let usable: Vec<Sample> = samples.iter().copied().filter(|s| s.v.is_finite()).collect();
    let usable = &usable[usable.len().saturating_sub(MAX_SAMPLES)..];
    if usable.len() < MIN_SAMPLES {
        return Vec::new();
    }
    let values = without_spikes(usable);
    let noise = noise(usable);
    let sums = Sums::new(&values);
    let cuts = split(&sums, values.len(), noise);
    let found = match knee(usable, &values, &sums, &cuts, noise) {
        Some(knee) => vec![knee],
        None => steps(usable, &values, &cuts, noise),
    };
    let found = with_ends(found);
    let fits = |c: &Change| match worse {
        Direction::Up => c.to > c.from,
        Direction::Down => c.to < c.from,
        Direction::Either => true,
    };
    found.into_iter().filter(fits).collect()
}

/// Each change with the moment at which a later one took most of it back.
fn with_ends(mut found: Vec<Change>) -> Vec<Change> {
    for place in 0..found.len() {
        let change = found[place];
        let back = |later: &&Change| (later.to - change.from).abs() <= 0.3 * (change.to - change.from).abs();
        found[place].until = found[place + 1..].iter().find(back).map(|later| later.at);
    }
    found
}

/// Each sample as the median of itself and its neighbours.
fn without_spikes(samples: &[Sample]) -> Vec<f64> {
    let at = |i: usize| samples[i.min(samples.len() - 1)].v;
    let middle = |i: usize| {
        let (a, b, c) = (at(i.saturating_sub(1)), at(i), at(i + 1));
        a.min(b).max(a.max(b).min(c))
    };
    (0..samples.len()).map(middle).collect()
}

/// The standard deviation of the noise, from the median of differences between neighbours; never quite nothing, so that
/// rounding is no change.
fn noise(samples: &[Sample]) -> f64 {
    let differences = samples.windows(2).map(|w| (w[1].v - w[0].v).abs());
    // A difference of two has the noise of both; the median of a normal distribution's size is 1/1.4826 of its deviation.
    let of_one = median(differences.collect()) * 1.4826 / std::f64::consts::SQRT_2;
    let (low, high) = samples.iter().fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(s.v), h.max(s.v)));
    let scale = samples.iter().map(|s| s.v.abs()).sum::<f64>() / samples.len() as f64;
    of_one.max((high - low) * 0.01).max(scale * 0.005).max(f64::MIN_POSITIVE)
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Sums up to each value, for the mean and the squared error of any stretch at once.
struct Sums {
    plain: Vec<f64>,
    squared: Vec<f64>,
}

impl Sums {
    fn new(values: &[f64]) -> Self {
        // Around the mean, so that large values with small changes keep their figures.
        let middle = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (mut plain, mut squared) = (vec![0.0], vec![0.0]);
        let (mut a, mut b) = (0.0, 0.0);
        for value in values.iter().map(|v| v - middle) {
            a += value;
            b += value * value;
            plain.push(a);
            squared.push(b);
        }
        Self { plain, squared }
    }

    /// The squared error of one level over `from..to`.
    fn error(&self, from: usize, to: usize) -> f64 {
        let (sum, count) = (self.plain[to] - self.plain[from], (to - from) as f64);
        (self.squared[to] - self.squared[from] - sum * sum / count).max(0.0)
    }
}

/// Where one level over `from..to` is best cut in two, and how much that gains; none where two levels are not much better.
fn best_cut(sums: &Sums, from: usize, to: usize, noise: f64) -> Option<(f64, usize)> {
    if to - from < 2 * MIN_LEVEL {
        return None;
    }
    let one = sums.error(from, to);
    let best = (from + MIN_LEVEL..=to - MIN_LEVEL)
        .map(|cut| (one - sums.error(from, cut) - sums.error(cut, to), cut))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    // Noise alone gains about twice the logarithm of the length; neighbours that share samples twice that.
    let needed = noise * noise * (12.0 + 4.0 * ((to - from) as f64).ln());
    (best.0 > needed).then_some(best)
}

/// Cuts everything where two levels are much better than one, and again within the parts, the greatest gain first: a
/// noisy stretch must not use up the cuts that real changes need.
fn split(sums: &Sums, count: usize, noise: f64) -> Vec<usize> {
    let part = |from: usize, to: usize| (from, to, best_cut(sums, from, to, noise));
    let mut parts = vec![part(0, count)];
    let mut cuts = Vec::new();
    while cuts.len() < MAX_CHANGES {
        let gain = |p: &(usize, usize, Option<(f64, usize)>)| p.2.map_or(f64::NEG_INFINITY, |(gain, _)| gain);
        let best = (0..parts.len()).max_by(|a, b| gain(&parts[*a]).total_cmp(&gain(&parts[*b])));
        let Some((from, to, Some((_, cut)))) = best.map(|place| parts.swap_remove(place)) else { break };
        cuts.push(cut);
        parts.push(part(from, cut));
        parts.push(part(cut, to));
    }
    cuts.sort_unstable();
    cuts
}

/// Cuts that belong to one change, as first and last: a rate over a window climbs to its new level over that window and
/// is cut into stairs.
fn groups(samples: &[Sample], values: &[f64], cuts: &[usize]) -> Vec<(usize, usize)> {
    let edge = |i: usize| if i == 0 { 0 } else { cuts.get(i - 1).copied().unwrap_or(values.len()) };
    let level = |i: usize| median(values[edge(i)..edge(i + 1)].to_vec());
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for (index, &cut) in cuts.iter().enumerate() {
        let rises = level(index + 1) > level(index);
        match groups.last_mut() {
            Some((_, last))
                if samples[cut].t.since(samples[*last].t) <= LONGEST_WINDOW
                    && rises == (level(index) > level(index - 1)) =>
            {
                *last = cut;
            }
            _ => groups.push((cut, cut)),
        }
    }
    groups
}

/// The changes at groups of cuts that are worth telling: the weakest is given up, one after the other, and levels are
/// taken anew over what then belongs together.
fn steps(samples: &[Sample], values: &[f64], cuts: &[usize], noise: f64) -> Vec<Change> {
    let mut groups = groups(samples, values, cuts);
    loop {
        let found: Vec<Change> =
            (0..groups.len()).map(|i| step(samples, values, &groups, i, noise)).collect();
        let weakest = found
            .iter()
            .enumerate()
            .filter(|(_, c)| {
                let part = (c.to - c.from).abs() / c.from.abs().max(c.to.abs()).max(f64::MIN_POSITIVE);
                c.size < MIN_SIZE || part < MIN_PART
            })
            .min_by(|a, b| a.1.size.total_cmp(&b.1.size));
        match weakest {
            Some((index, _)) => groups.remove(index),
            None => return found,
        };
    }
}

/// The change at one group of cuts, from the medians on both sides.
fn step(samples: &[Sample], values: &[f64], groups: &[(usize, usize)], index: usize, noise: f64) -> Change {
    let (cut, over) = groups[index];
    let begin = if index == 0 { 0 } else { groups[index - 1].1 };
    let end = groups.get(index + 1).map_or(values.len(), |g| g.0);
    let (from, to) = (median(values[begin..cut].to_vec()), median(values[over..end].to_vec()));
    // Noise often grows with the level: that of either side counts, where there is enough of it.
    let sides = [&samples[begin..cut], &samples[over..end]];
    let local = sides.iter().filter(|side| side.len() >= MIN_SAMPLES).map(|side| self::noise(side));
    let size = (to - from).abs() / local.fold(noise, f64::max);
    // It began where it left the old level, which may be before or after the best cut.
    let left = from + (to - from) * 0.2;
    let gone = |v: f64| if to > from { v > left } else { v < left };
    let mut first = cut;
    while first > begin + 1 && gone(values[first - 1]) {
        first -= 1;
    }
    while first < end - 1 && !gone(values[first]) {
        first += 1;
    }
    let (at, last) = (samples[first].t, samples[first.saturating_sub(1)].t);
    Change { at, last, form: Form::Step, from, to, size, until: None }
}

/// The moment at which a flat line begins to climb or fall, where that explains the samples better than steps do.
fn knee(samples: &[Sample], values: &[f64], sums: &Sums, cuts: &[usize], noise: f64) -> Option<Change> {
    let count = values.len();
    // A climb is cut into stairs that all go the same way.
    let mut edges = vec![0];
    edges.extend(cuts);
    edges.push(count);
    let means: Vec<f64> =
        edges.windows(2).map(|w| values[w[0]..w[1]].iter().sum::<f64>() / (w[1] - w[0]) as f64).collect();
    let same_way = means.windows(2).all(|w| w[1] > w[0]) || means.windows(2).all(|w| w[1] < w[0]);
    if cuts.len() < 2 || !same_way {
        return None;
    }
    let stairs: f64 = edges.windows(2).map(|w| sums.error(w[0], w[1])).sum();
    let (error, knot, level, rise) = hinges(samples, values)
        .enumerate()
        .filter(|(knot, _)| (MIN_LEVEL..count - MIN_LEVEL).contains(knot))
        .map(|(knot, (error, level, rise))| (error, knot, level, rise))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    if error >= stairs || rise.abs() / noise < MIN_SIZE {
        return None;
    }
    let (at, last) = (samples[knot].t, samples[knot.saturating_sub(1)].t);
    let size = rise.abs() / noise;
    Some(Change { at, last, form: Form::Knee, from: level, to: level + rise, size, until: None })
}

/// For each sample as the knot of "one level, then a slope": the squared error, the level, the rise up to the end. Least
/// squares on a regressor that is zero up to the knot; its sums follow from those of the samples behind the knot.
fn hinges<'a>(samples: &'a [Sample], values: &'a [f64]) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
    let count = values.len() as f64;
    let times: Vec<f64> = samples.iter().map(|s| s.t.since(samples[0].t).as_secs_f64()).collect();
    let mean_y = values.iter().sum::<f64>() / count;
    let yy: f64 = values.iter().map(|v| (v - mean_y).powi(2)).sum();
    // Sums of t, t², y and t·y over all samples from each one on.
    let mut behind = vec![[0.0; 4]; values.len() + 1];
    for i in (0..values.len()).rev() {
        let (t, y, next) = (times[i], values[i] - mean_y, behind[i + 1]);
        behind[i] = [next[0] + t, next[1] + t * t, next[2] + y, next[3] + t * y];
    }
    (0..values.len()).map(move |knot| {
        let ([t, tt, y, ty], origin) = (behind[knot], times[knot]);
        let size = (values.len() - knot) as f64;
        let x = t - size * origin;
        let xx = tt - 2.0 * origin * t + size * origin * origin - x * x / count;
        // Values are around their mean already.
        let xy = ty - origin * y;
        let slope = if xx > 0.0 { xy / xx } else { 0.0 };
        let rise = slope * (times.last().copied().unwrap_or(0.0) - origin);
        ((yy - slope * xy).max(0.0), mean_y - slope * x / count, rise)
    })
}

/// A figure with at most three significant digits.
fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        m if m >= 99.95 || m == 0.0 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() { figure(value) } else { format!("{} {unit}", figure(value)) }
}

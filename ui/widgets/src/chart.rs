//! Charts of time series.
//!
//! Honest ones: axes are labelled and carry the unit, gaps are gaps, thresholds are lines, and what happened on the
//! timeline stands on the time axis where it happened. The time cursor and the [`Viewport`] are the caller's, so that
//! all charts of a screen can share them.

mod axis;
mod draw;
mod legend;
mod raster;
mod viewport;

pub use axis::{time_ticks, value_ticks};
pub use viewport::Viewport;

use std::borrow::Cow;

use quarterdeck_kernel::{Entry, Sample, Timestamp};

use crate::{Role, Unit};

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// As the legend has it.
    pub name: Cow<'a, str>,
    /// Samples, oldest first. A value that is not a number is a gap.
    pub samples: &'a [Sample],
    /// How it is drawn; none takes the next series colour.
    pub role: Option<Role>,
}

impl<'a> Series<'a> {
    /// A series in the next colour.
    pub fn new(name: impl Into<Cow<'a, str>>, samples: &'a [Sample]) -> Self {
        Self { name: name.into(), samples, role: None }
    }

    /// The same in a given role: a forecast in `muted`, a broken one in `critical`.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }
}

/// A limit, drawn as a line with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold<'a> {
    /// Where.
    pub value: f64,
    /// At its end: `limit 50 ms`.
    pub label: Cow<'a, str>,
    /// Mostly `warning` or `critical`.
    pub role: Role,
}

/// What lines are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// Braille dots: two by four to a cell.
    #[default]
    Braille,
    /// Block elements: one series, or a stack, is filled to an eighth of a cell; several are drawn in half cells.
    Block,
}

/// How the names and values of the series are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legend {
    /// Not at all.
    None,
    /// All in one row under the chart, with the value at the cursor, or the last.
    #[default]
    Row,
    /// One row per series, with last, least and most; at most this many rows.
    Table(u16),
}

/// A chart, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What is drawn; the first is in front.
    pub series: &'a [Series<'a>],
    /// The time shown.
    pub viewport: Viewport,
    /// What values are measured in.
    pub unit: Unit,
    /// Whether the value axis is logarithmic; values that are not positive are gaps then.
    pub log: bool,
    /// Whether the value axis starts at zero when all values are positive.
    pub from_zero: bool,
    /// Whether series stand on top of each other.
    pub stacked: bool,
    /// What lines are made of.
    pub marker: Marker,
    /// Limits.
    pub thresholds: &'a [Threshold<'a>],
    /// What happened.
    pub marks: &'a [Entry],
    /// The shared time cursor.
    pub cursor: Option<Timestamp>,
    /// The legend.
    pub legend: Legend,
    /// Samples further apart than this many milliseconds are not connected; 0 connects all.
    pub gap: i64,
    /// Whether small values keep three significant digits, see [`Scale::fine`](crate::Scale::fine).
    pub fine: bool,
}

impl<'a> Chart<'a> {
    /// A linear Braille chart from zero, with a legend of one row.
    #[must_use]
    pub fn new(series: &'a [Series<'a>], viewport: Viewport, unit: Unit) -> Self {
        Self {
            series,
            viewport,
            unit,
            log: false,
            from_zero: true,
            stacked: false,
            marker: Marker::Braille,
            thresholds: &[],
            marks: &[],
            cursor: None,
            legend: Legend::Row,
            gap: 0,
            fine: false,
        }
    }

    fn role_of(&self, index: usize) -> Role {
        self.series[index].role.unwrap_or(Role::Series((index % 8) as u8))
    }
}

/// The samples within a time range, with one more at either side so that lines reach the edges.
fn within(samples: &[Sample], viewport: Viewport) -> &[Sample] {
    let from = samples.partition_point(|s| s.t < viewport.from()).saturating_sub(1);
    let to = (samples.partition_point(|s| s.t <= viewport.to()) + 1).min(samples.len());
    samples.get(from..to).unwrap_or_default()
}

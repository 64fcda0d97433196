//! Charts as files.

use quarterdeck_kernel::{Sample, Timestamp};
use quarterdeck_services::{ServiceView, SignalSeries};
use quarterdeck_ui::Context;
use quarterdeck_widgets::Unit;

use super::asked::Lines;
use super::charts::{parts, viewport};
use super::view::View;
use crate::World;
use crate::world::{Plot, PlotFormat, PlotSeries};

/// Pixels of a picture: that of a slide at half its width.
const SIZE: (u32, u32) = (1280, 560);

/// A chart as a question for its picture; none when it has nothing to show.
pub(super) fn plot(
    cx: &Context<'_, World>,
    view: View,
    lines: &Lines,
    service: &ServiceView,
    transaction: Option<&str>,
) -> Option<Plot> {
    let parts = parts(view, lines, service, transaction);
    let known = |samples: &[Sample]| samples.iter().any(|s| s.v.is_finite());
    if !parts.lines.iter().any(|(_, samples)| known(samples)) {
        return None;
    }
    let view = if view == View::Heatmap { View::Latency } else { view };
    let shown = viewport(cx);
    let step = parts
        .lines
        .iter()
        .find_map(|(_, s)| s.windows(2).next())
        .map_or(0, |two| two[1].t.as_millis() - two[0].t.as_millis());
    let what = transaction.map_or_else(|| service.name.to_string(), |t| format!("{} {t}", service.name));
    let marks = quarterdeck_ui::World::marks(cx.world, shown.from(), shown.to(), Some(&service.name));
    Some(Plot {
        title: format!("{what} · {}", view.name()),
        unit: match parts.unit {
            Unit::Millis => "ms",
            Unit::Percent => "%",
            _ => "/s",
        }
        .to_owned(),
        from: shown.from(),
        to: shown.to(),
        step_ms: step,
        width: SIZE.0,
        height: SIZE.1,
        format: PlotFormat::Png,
        series: parts
            .lines
            .iter()
            .map(|(name, samples)| PlotSeries {
                name: (*name).to_owned(),
                points: samples.iter().map(|s| (s.t, s.v)).collect(),
            })
            .collect(),
        thresholds: parts.limits,
        marks: marks.into_iter().map(|entry| (entry.at, entry.summary)).collect(),
    })
}

/// All signals over time, one row per point, times in UTC; what is unknown is empty.
pub(super) fn csv(series: &SignalSeries) -> String {
    let mut out =
        String::from("time,rate_per_second,errors_percent,p50_ms,p95_ms,p99_ms,apdex,attainment_percent\n");
    let columns = [
        &series.rate,
        &series.errors,
        &series.p50,
        &series.p95,
        &series.p99,
        &series.apdex,
        &series.attainment,
    ];
    for (row, time) in series.times.iter().enumerate() {
        out.push_str(&time.to_string());
        for column in columns {
            out.push(',');
            if let Some(value) = column.get(row).filter(|v| v.is_finite()) {
                out.push_str(&value.to_string());
            }
        }
        out.push('\n');
    }
    out
}

/// `orders-post-orders-latency-20260309T143207Z.png`
pub(super) fn name(
    service: &str,
    transaction: Option<&str>,
    what: &str,
    at: Timestamp,
    ending: &str,
) -> String {
    let time: String = at.to_string().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let time = time.split('.').next().unwrap_or_default();
    let about = [Some(service), transaction, Some(what)].into_iter().flatten().map(slug);
    let parts: Vec<String> = about.filter(|part| !part.is_empty()).collect();
    format!("{}-{time}Z.{ending}", parts.join("-"))
}

/// Letters and digits, all else a single dash: safe as a file name anywhere.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(60) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe_anywhere() {
        let at = Timestamp::from_millis(1_773_066_727_000);
        assert_eq!(
            name("orders", Some("POST /orders/../{id}"), "latency", at, "png"),
            "orders-post-orders-id-latency-20260309T143207Z.png"
        );
    }

    #[test]
    fn what_is_unknown_is_empty_in_the_table() {
        let series = SignalSeries {
            times: vec![Timestamp::from_millis(0)],
            rate: vec![1.5],
            errors: vec![f64::NAN],
            p50: vec![2.0],
            ..SignalSeries::default()
        };
        assert_eq!(csv(&series).lines().nth(1), Some("1970-01-01T00:00:00.000Z,1.5,,2,,,,"));
    }
}

//! Answers as files.

use std::collections::BTreeMap;

use quarterdeck_kernel::Timestamp;
use quarterdeck_widgets::chart::Viewport;

use super::lines::{Line, Lines};
use crate::world::{Plot, PlotFormat, PlotSeries};

/// Values as CSV: a row per time and a column per series for a graph; a row per series for a table.
pub(super) fn csv(lines: &Lines, graph: bool) -> String {
    if !graph {
        let mut out = "series,time,value\n".to_owned();
        for line in &lines.all {
            for sample in &line.samples {
                out.push_str(&format!("{},{},{}\n", quoted(line.full()), sample.t, value(sample.v)));
            }
        }
        return out;
    }
    let mut out = "time".to_owned();
    let mut rows: BTreeMap<Timestamp, Vec<Option<f64>>> = BTreeMap::new();
    for (column, line) in lines.all.iter().enumerate() {
        out.push(',');
        out.push_str(&quoted(line.full()));
        for sample in &line.samples {
            rows.entry(sample.t).or_insert_with(|| vec![None; lines.all.len()])[column] = Some(sample.v);
        }
    }
    out.push('\n');
    for (time, values) in rows {
        out.push_str(&time.to_string());
        for known in values {
            out.push(',');
            // An empty field is a gap; 0 would be a lie.
            out.push_str(&known.map(value).unwrap_or_default());
        }
        out.push('\n');
    }
    out
}

fn value(value: f64) -> String {
    quarterdeck_promql::format_float(value)
}

/// A field in quotes where it needs them. What a spreadsheet would take for a formula is made plain text.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// A file name made of what was asked: `rate_orders_total_5m-143002.csv`.
pub(super) fn file_name(query: &str, at: Timestamp, ending: &str) -> String {
    let mut stem = String::new();
    for c in query.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => stem.push(c),
            _ if stem.ends_with('_') || stem.is_empty() => {}
            _ => stem.push('_'),
        }
        if stem.len() >= 48 {
            break;
        }
    }
    let stem = stem.trim_end_matches('_');
    let stem = if stem.is_empty() { "metrics" } else { stem };
    let clock: String = at.to_string().chars().skip(11).take(8).filter(char::is_ascii_digit).collect();
    format!("{stem}-{clock}.{ending}")
}

/// The graph as a picture, with what happened marked.
pub(super) fn plot(
    title: String,
    lines: &Lines,
    drawn: &[usize],
    (viewport, step_ms): (Viewport, i64),
    marks: Vec<(Timestamp, String)>,
    format: PlotFormat,
) -> Plot {
    let divisor = lines.scale.as_ref().map_or(1.0, |s| s.divisor);
    let series = |line: &Line| PlotSeries {
        name: lines.short(line).to_owned(),
        points: line.samples.iter().map(|s| (s.t, s.v / divisor)).collect(),
    };
    Plot {
        title,
        unit: lines.scale.as_ref().map(|s| s.unit.to_string()).unwrap_or_default(),
        from: viewport.from(),
        to: viewport.to(),
        step_ms,
        width: 1600,
        height: 800,
        format,
        series: drawn.iter().filter_map(|row| lines.all.get(*row)).map(series).collect(),
        thresholds: Vec::new(),
        marks,
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_kernel::Labels;
    use quarterdeck_widgets::Unit;

    use super::*;
    use crate::world::EvaluatedSeries;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn gaps_are_empty_fields_and_names_are_quoted() {
        let series = |name: &str, points: Vec<(Timestamp, f64)>| EvaluatedSeries {
            labels: Labels::from_pairs([("a", name)]),
            points,
        };
        let answer =
            vec![series("x", vec![(at(0), 1.0), (at(1000), 2.5)]), series("y,", vec![(at(1000), f64::NAN)])];
        let lines = Lines::new(vec![('A', "up", answer)], Unit::None, 0);
        assert_eq!(
            csv(&lines, true),
            "time,\"{a=\"\"x\"\"}\",\"{a=\"\"y,\"\"}\"\n1970-01-01T00:00:00.000Z,1,\n1970-01-01T00:00:01.000Z,2.5,NaN\n"
        );
        assert_eq!(csv(&lines, false).lines().count(), 4);
        assert_eq!(quoted("=cmd()"), "'=cmd()");
    }

    #[test]
    fn file_names_tell_what_was_asked() {
        assert_eq!(
            file_name("rate(orders_total[5m])", at(52_202_000), "csv"),
            "rate_orders_total_5m-143002.csv"
        );
        assert_eq!(file_name("(!)", at(0), "png"), "metrics-000000.png");
    }
}

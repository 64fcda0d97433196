//! Charts as files: PNG and SVG of a query's answer, drawn through plotters.

use std::sync::Once;

use plotters::prelude::*;
use plotters::style::FontStyle;
use quarterdeck_kernel::Timestamp;
use quarterdeck_panes::world::{Plot, PlotFormat};

/// The widest gap between two points that is still drawn as a line, in steps.
const GAP_STEPS: f64 = 1.5;

/// Okabe and Ito's palette, which the colour-blind can tell apart, without its yellow, which paper swallows.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

/// Draws a chart as the bytes of a file.
///
/// # Errors
/// When plotters cannot draw it, in words.
pub fn draw(plot: &Plot) -> Result<Vec<u8>, String> {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        let bytes = include_bytes!("../assets/font/DejaVuSansMono.ttf");
        for style in [FontStyle::Normal, FontStyle::Bold] {
            if plotters::style::register_font("monospace", style, bytes).is_err() {
                tracing::error!("the embedded font cannot be used for plots");
            }
        }
    });
    let size = (plot.width, plot.height);
    match plot.format {
        PlotFormat::Svg => {
            let mut text = String::new();
            on(&SVGBackend::with_string(&mut text, size).into_drawing_area(), plot)?;
            Ok(text.into_bytes())
        }
        PlotFormat::Png => {
            let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
            on(&BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area(), plot)?;
            encode(size, &pixels).map_err(|e| e.to_string())
        }
    }
}

fn encode((width, height): (u32, u32), pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}

fn on<B: DrawingBackend>(area: &DrawingArea<B, plotters::coord::Shift>, plot: &Plot) -> Result<(), String>
where
    B::ErrorType: 'static,
{
    inner(area, plot).map_err(|e| format!("the chart could not be drawn: {e}"))
}

fn inner<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    plot: &Plot,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    area.fill(&WHITE)?;
    let (from, to) = (plot.from.as_secs_f64(), plot.to.as_secs_f64().max(plot.from.as_secs_f64() + 0.001));
    let (low, high) = bounds(plot);
    let mut chart = ChartBuilder::on(area)
        .caption(&plot.title, ("monospace", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(72)
        .build_cartesian_2d(from..to, low..high)?;
    let clock = |seconds: &f64| {
        let text = Timestamp::from_secs_f64(*seconds).to_string();
        text.get(11..19).unwrap_or_default().to_owned()
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .label_style(("monospace", 12))
        .x_desc("UTC")
        .y_desc(plot.unit.clone())
        .x_labels(8)
        .x_label_formatter(&clock)
        .y_label_formatter(&|v| quarterdeck_promql::format_float((v * 1e6).round() / 1e6))
        .draw()?;
    for (number, series) in plot.series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut label = Some(series.name.clone());
        for part in unbroken(&series.points, plot.step_ms) {
            let points = part.iter().map(|(t, v)| (t.as_secs_f64(), *v));
            let drawn = match part {
                // A lone point between gaps has no line to be seen by.
                [_] => {
                    let dots = points.map(|p| Circle::new(p, 2, colour.filled()));
                    chart.draw_series(dots)?
                }
                _ => chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
            };
            if let Some(label) = label.take() {
                drawn
                    .label(label)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            }
        }
    }
    for (name, value) in &plot.thresholds {
        let line = chart.draw_series([PathElement::new([(from, *value), (to, *value)], RED.mix(0.7))])?;
        line.label(name).legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], RED.mix(0.7)));
    }
    for (at, _) in &plot.marks {
        let x = at.as_secs_f64();
        if (from..=to).contains(&x) {
            chart.draw_series([PathElement::new([(x, low), (x, high)], BLACK.mix(0.35))])?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("monospace", 12))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    area.present()
}

/// The value axis: all finite values and thresholds, zero when it is near, some air above.
fn bounds(plot: &Plot) -> (f64, f64) {
    let values = plot.series.iter().flat_map(|s| s.points.iter().map(|(_, v)| *v));
    let all = values.chain(plot.thresholds.iter().map(|(_, v)| *v)).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let low = if low >= 0.0 && low < high * 0.5 { 0.0 } else { low };
    let air = ((high - low) * 0.05).max(high.abs().max(1.0) * 1e-6);
    (if low == 0.0 { 0.0 } else { low - air }, high + air)
}

/// Cuts points at gaps: a NaN, or two points further apart than a step.
fn unbroken(points: &[(Timestamp, f64)], step_ms: i64) -> Vec<&[(Timestamp, f64)]> {
    let mut parts = Vec::new();
    let mut start = 0;
    for i in 0..=points.len() {
        let ends = i == points.len()
            || !points[i].1.is_finite()
            || (i > start
                && (points[i].0.as_millis() - points[i - 1].0.as_millis()) as f64
                    > step_ms as f64 * GAP_STEPS);
        if ends {
            if i > start {
                parts.push(&points[start..i]);
            }
            start = if i < points.len() && points[i].1.is_finite() { i } else { i + 1 };
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use quarterdeck_panes::world::PlotSeries;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn plot(format: PlotFormat) -> Plot {
        let points =
            (0..60).map(|i| (at(i * 1000), if i == 30 { f64::NAN } else { (i as f64).sin() })).collect();
        Plot {
            title: "sin".to_owned(),
            unit: "ms".to_owned(),
            from: at(0),
            to: at(60_000),
            step_ms: 1000,
            width: 640,
            height: 320,
            format,
            series: vec![PlotSeries { name: "a{b=\"<c>\"}".to_owned(), points }],
            thresholds: vec![("limit".to_owned(), 0.5)],
            marks: vec![(at(20_000), "v2".to_owned())],
        }
    }

    #[test]
    fn gaps_cut_lines_and_lone_points_survive() {
        let points =
            [(at(0), 1.0), (at(10), 2.0), (at(20), f64::NAN), (at(30), 3.0), (at(90), 4.0), (at(100), 5.0)];
        let lengths: Vec<_> = unbroken(&points, 10).iter().map(|p| p.len()).collect();
        assert_eq!(lengths, [2, 1, 2]);
        assert!(unbroken(&[(at(0), f64::NAN)], 10).is_empty());
    }

    #[test]
    fn both_formats_hold_a_picture_of_the_size_asked_for() {
        let svg = String::from_utf8(draw(&plot(PlotFormat::Svg)).unwrap()).unwrap();
        assert!(svg.contains("width=\"640\"") && svg.contains("&lt;c&gt;"), "{svg}");
        let png = draw(&plot(PlotFormat::Png)).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(png[16..24], [0, 0, 2, 128, 0, 0, 1, 64]);
    }

    #[test]
    fn nothing_to_draw_is_still_a_chart() {
        let mut empty = plot(PlotFormat::Svg);
        empty.series.clear();
        empty.thresholds.clear();
        empty.to = empty.from;
        assert!(!draw(&empty).unwrap().is_empty());
    }
}

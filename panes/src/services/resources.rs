//! The page of a service that is known by what it uses and not by what it answers: a host, or a process without requests.

use quarterdeck_kernel::{Moment, Sample};
use quarterdeck_services::ServiceView;
use quarterdeck_ui::{Context, Hit, World as _};
use quarterdeck_widgets::chart::{Chart, Legend, Series, Threshold};
use quarterdeck_widgets::{Role, Unit, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::asked::Question;
use super::layout::below;
use super::{charts, detail};
use crate::World;
use crate::world::{Complaint, Evaluated, Query};

/// The slot of the question.
pub(super) const RESOURCES: &str = "resources";

/// Over how long rates are taken at the least, in seconds: four scrapes of the usual interval.
const LEAST_WINDOW: i64 = 60;

/// One line of a chart.
struct Line {
    name: &'static str,
    /// `$X(metric)` stands for the service's series of a metric, `$W` for the window of rates.
    query: &'static str,
}

/// One chart.
struct Tile {
    title: &'static str,
    unit: Unit,
    /// What the engine's limit on saturation is on.
    limited: bool,
    lines: &'static [Line],
}

const fn line(name: &'static str, query: &'static str) -> Line {
    Line { name, query }
}

/// What a host is, under node_exporter's names.
static HOST: [Tile; 4] = [
    Tile {
        title: "cpu",
        unit: Unit::Percent,
        limited: true,
        lines: &[
            line("busy", "100 - 100 * avg(rate($X(node_cpu_seconds_total|mode=\"idle\")[$W]))"),
            line("waiting for disks", "100 * avg(rate($X(node_cpu_seconds_total|mode=\"iowait\")[$W]))"),
        ],
    },
    Tile {
        title: "memory",
        unit: Unit::Percent,
        limited: true,
        lines: &[
            line(
                "used",
                "100 - 100 * sum($X(node_memory_MemAvailable_bytes)) / sum($X(node_memory_MemTotal_bytes))",
            ),
            line(
                "swap",
                "100 - 100 * sum($X(node_memory_SwapFree_bytes)) / (sum($X(node_memory_SwapTotal_bytes)) > 0)",
            ),
        ],
    },
    Tile {
        title: "disk",
        unit: Unit::BytesPerSecond,
        limited: false,
        lines: &[
            line("read", "sum(rate($X(node_disk_read_bytes_total)[$W]))"),
            line("written", "sum(rate($X(node_disk_written_bytes_total)[$W]))"),
        ],
    },
    Tile {
        title: "network",
        unit: Unit::BytesPerSecond,
        limited: false,
        lines: &[
            line("received", "sum(rate($X(node_network_receive_bytes_total|device!=\"lo\")[$W]))"),
            line("sent", "sum(rate($X(node_network_transmit_bytes_total|device!=\"lo\")[$W]))"),
        ],
    },
];

/// What a process is, under the names of the Prometheus client libraries.
static PROCESS: [Tile; 3] = [
    Tile {
        title: "cpu cores",
        unit: Unit::None,
        limited: false,
        lines: &[line("used", "sum(rate($X(process_cpu_seconds_total)[$W]))")],
    },
    Tile {
        title: "memory",
        unit: Unit::Bytes,
        limited: false,
        lines: &[line("resident", "sum($X(process_resident_memory_bytes))")],
    },
    Tile {
        title: "open files",
        unit: Unit::None,
        limited: false,
        lines: &[line("open", "sum($X(process_open_fds))")],
    },
];

/// Whether this page tells more of a service than charts of requests would: it has resources, and nothing else.
pub(super) fn tells(service: &ServiceView) -> bool {
    let s = &service.signals;
    !service.resources.is_empty()
        && s.p99.limit.is_none()
        && s.errors.limit.is_none()
        && service.conventions.is_empty()
        && service.transactions.is_empty()
        && s.rate.value.is_none()
        && s.rate.history.iter().all(|v| v.is_nan())
}

fn tiles(service: &ServiceView) -> &'static [Tile] {
    let host = service.resources.iter().any(|r| matches!(&*r.name, "load" | "disk" | "received"));
    if host { &HOST } else { &PROCESS }
}

/// The question for all lines of all charts.
pub(super) fn query(question: &Question, service: &ServiceView, now: quarterdeck_kernel::Timestamp) -> Query {
    let to = question.moment.or(now);
    let step = (question.range / i64::try_from(question.columns.max(1)).unwrap_or(1)).max(1000) / 1000 * 1000;
    let window = format!("{}s", (step / 1000).max(LEAST_WINDOW));
    let lines = tiles(service).iter().flat_map(|tile| tile.lines);
    Query::Range {
        exprs: lines.map(|line| fill(line.query, &service.selectors, &window)).collect(),
        from: to.plus_millis(-question.range),
        to,
        step_ms: step,
    }
}

/// A line's query for a service: several selectors stand for the series that fulfil any of them.
fn fill(template: &str, selectors: &[String], window: &str) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(at) = rest.find("$X(") {
        let (before, after) = (&rest[..at], &rest[at + 3..]);
        let Some((inside, behind)) = after.split_once(')') else { break };
        let (metric, more) = inside.split_once('|').unwrap_or((inside, ""));
        let rate = behind.strip_prefix("[$W]");
        // `rate(a or b)` is no PromQL: the rate is taken of each.
        let (before, behind) = match (rate, before.strip_suffix("rate(")) {
            (Some(behind), Some(before)) => (before, behind.strip_prefix(')').unwrap_or(behind)),
            _ => (before, behind),
        };
        let alternatives: Vec<String> = selectors
            .iter()
            .map(|selector| {
                let inner = selector.trim_start_matches('{').trim_end_matches('}');
                let comma = if more.is_empty() { "" } else { "," };
                match rate {
                    Some(_) => format!("rate({metric}{{{inner}{comma}{more}}}[{window}])"),
                    None => format!("{metric}{{{inner}{comma}{more}}}"),
                }
            })
            .collect();
        out.push_str(before);
        out.push_str(&alternatives.join(" or "));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What came of the question: the samples of each line.
#[derive(Debug, Default)]
pub(super) struct Used(Vec<Vec<Sample>>);

impl Used {
    pub(super) fn new(results: Vec<Result<Evaluated, Complaint>>) -> Self {
        // A metric that is not there is a line that is not drawn, not an error.
        let samples = |result: Result<Evaluated, Complaint>| -> Vec<Sample> {
            let series = result.ok().and_then(|e| e.series.into_iter().next());
            series.map(|s| s.points.into_iter().map(|(t, v)| Sample { t, v }).collect()).unwrap_or_default()
        };
        Self(results.into_iter().map(samples).collect())
    }
}

/// Draws the charts side by side where there is width, one below the other where not, and the resources of now under them.
pub(super) fn draw(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    service: &ServiceView,
    used: Option<Result<&Used, &str>>,
) -> Vec<Hit> {
    let tiles = tiles(service);
    let count = u16::try_from(service.resources.len()).unwrap_or(u16::MAX).saturating_add(1);
    let table = count.min(area.height / 3);
    let body = Rect { height: area.height - table, ..area };
    let rest = Rect { y: body.bottom(), height: table, ..area };
    let across = if area.width >= 100 { 2u16 } else { 1 };
    let fits = (body.height / 6).max(1).saturating_mul(across);
    let shown = &tiles[..tiles.len().min(usize::from(fits))];
    let down = u16::try_from(shown.len()).unwrap_or(1).div_ceil(across).max(1);
    let mut hits = Vec::new();
    let mut first_line = 0;
    for (place, tile) in (0u16..).zip(shown) {
        let (column, row) = (place % across, place / across);
        let height = body.height / down + u16::from(row < body.height % down);
        let y = body.y + row * (body.height / down) + row.min(body.height % down);
        let width = if across == 2 { (area.width - 1) / 2 } else { area.width };
        let x = area.x + column * (width + 1);
        let width = if column + 1 == across { area.right() - x } else { width };
        let place = Rect { x, y, width, height };
        if column == 0 && across == 2 {
            rule::rule(cx.look, buffer, Rect { width: area.width, ..place }, "", "");
        }
        let lines = first_line..first_line + tile.lines.len();
        first_line = lines.end;
        hits.extend(draw_tile(
            cx,
            buffer,
            place,
            service,
            tile,
            used.map(|u| u.map(|u| u.0.get(lines.clone()))),
        ));
        if column == 1 {
            rule::join(cx.look, buffer, x - 1, y + 1, y + height);
        }
    }
    if rest.height > 1 {
        rule::rule(cx.look, buffer, rest, "resources", "");
        detail::draw_resources(cx.look, buffer, below(rest, 1), service);
    }
    hits
}

fn draw_tile(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    service: &ServiceView,
    tile: &Tile,
    samples: Option<Result<Option<&[Vec<Sample>]>, &str>>,
) -> Option<Hit> {
    rule::rule(cx.look, buffer, area, tile.title, "");
    let inside = below(area, 1);
    let inside = Rect { x: inside.x + 1.min(inside.width), width: inside.width.saturating_sub(2), ..inside };
    let say = |buffer: &mut Buffer, what: &str, role: Role| {
        text::put(buffer, inside.x, inside.y + inside.height / 3, inside.width, what, cx.look.style(role));
    };
    if inside.height == 0 {
        return None;
    }
    let samples = match samples {
        None if cx.scope.moment == Moment::Live => {
            say(buffer, "asking …", Role::Muted);
            return None;
        }
        Some(Err(why)) => {
            say(buffer, why, Role::Warning);
            return None;
        }
        Some(Ok(samples)) => samples.unwrap_or_default(),
        None => &[],
    };
    let known: Vec<(&Line, &Vec<Sample>)> = tile
        .lines
        .iter()
        .zip(samples)
        .filter(|(_, samples)| samples.iter().any(|s| s.v.is_finite()))
        .collect();
    if known.is_empty() {
        say(buffer, "No samples in this time.", Role::Muted);
        return None;
    }
    let series: Vec<Series<'_>> =
        known.iter().map(|(line, samples)| Series::new(line.name, samples)).collect();
    let limit = service.signals.saturation.limit.filter(|_| tile.limited);
    let threshold = limit.map(|value| Threshold {
        value,
        label: format!("limit {}", tile.unit.full(value)).into(),
        role: Role::Warning,
    });
    let viewport = charts::viewport(cx);
    let marks = cx.world.marks(viewport.from(), viewport.to(), Some(&service.name));
    let mut chart = Chart::new(&series, viewport, tile.unit.clone());
    chart.thresholds = threshold.as_slice();
    chart.marks = &marks;
    chart.cursor = cx.scope.cursor;
    chart.legend = if inside.height >= 5 { Legend::Row } else { Legend::None };
    let plot = chart.draw(cx.look, buffer, inside);
    (!plot.is_empty()).then(|| Hit { area: plot, target: format!("{}{}", charts::TIME, plot.width) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_reads_with_one_selector_and_with_several() {
        let one = ["{job=\"host\"}".to_owned()];
        let three = ["service", "service_name", "job"].map(|label| format!("{{{label}=\"host\"}}"));
        for line in HOST.iter().chain(&PROCESS).flat_map(|tile| tile.lines) {
            for selectors in [&one[..], &three[..]] {
                let query = fill(line.query, selectors, "60s");
                let read = quarterdeck_promql::parse(&query);
                assert!(read.is_ok(), "{query}: {read:?}");
            }
        }
        assert_eq!(
            fill("100 - avg(rate($X(a|mode=\"idle\")[$W])) / sum($X(b))", &one, "60s"),
            "100 - avg(rate(a{job=\"host\",mode=\"idle\"}[60s])) / sum(b{job=\"host\"})"
        );
    }
}

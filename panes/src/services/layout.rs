//! Where things are.

use quarterdeck_widgets::rule;
use ratatui::layout::Rect;

use super::view::View;

/// From this width on, the selected service's detail stands beside the list.
const BESIDE: u16 = 120;
/// From this width on, charts stand beside each other and resources beside transactions.
const SIDE_BY_SIDE: u16 = 100;
/// From this height on, percentiles and heatmap stand together.
const BOTH: u16 = 24;
/// Columns that gauges need.
const GAUGES: u16 = 42;

/// The list of services and the selected one's detail.
pub(super) struct ListLayout {
    pub(super) title: Rect,
    pub(super) list: Rect,
    pub(super) detail: Rect,
    pub(super) divider: Option<u16>,
}

impl ListLayout {
    pub(super) fn new(area: Rect, services: usize) -> Self {
        let title = Rect { height: area.height.min(1), ..area };
        if area.width >= BESIDE && area.height >= 8 {
            let (left, divider, right) = rule::columns(area, area.width * 3 / 5);
            return Self {
                title: Rect { height: 1, ..left },
                list: below(left, 1),
                detail: right,
                divider: Some(divider),
            };
        }
        let body = below(area, 1);
        let wanted = u16::try_from(services).unwrap_or(u16::MAX).saturating_add(2);
        // The detail takes what the list does not need, but never starves it.
        let detail = match body.height {
            0..15 => 0,
            height => height.saturating_sub(wanted).clamp(7, height / 2 + 2),
        };
        let list = Rect { height: body.height - detail, ..body };
        Self { title, list, detail: Rect { y: list.bottom(), height: detail, ..body }, divider: None }
    }
}

/// A line down: its column, its first row, the row below its last.
type Divider = (u16, u16, u16);

/// One service: facts, charts, transactions, resources.
pub(super) struct OneLayout {
    pub(super) facts: Rect,
    /// Each chart with its rule.
    pub(super) charts: Vec<(View, Rect)>,
    pub(super) chart_divider: Option<Divider>,
    pub(super) transactions: Rect,
    pub(super) resources: Rect,
    pub(super) divider: Option<u16>,
}

impl OneLayout {
    /// `chosen` is the chart that is shown where not all fit; `facts` is how many lines tell about the service.
    pub(super) fn new(area: Rect, chosen: View, facts: u16, transactions: usize) -> Self {
        let facts = Rect { height: (1 + facts).min(area.height), ..area };
        let body = below(area, facts.height);
        let side_by_side = area.width >= SIDE_BY_SIDE;
        let wanted = u16::try_from(transactions).unwrap_or(u16::MAX).saturating_add(3);
        let least = if side_by_side { 6 } else { 5 };
        let table = if body.height < 9 { 0 } else { wanted.clamp(least, (body.height * 2 / 5).max(least)) };
        let table = if body.height - table < 6 { 0 } else { table };
        let charts = Rect { height: body.height - table, ..body };
        let rest = Rect { y: charts.bottom(), height: table, ..body };
        let (transactions, divider, resources) = if side_by_side && table > 0 {
            let (left, divider, right) = rule::columns(rest, rest.width - GAUGES);
            (left, Some(divider), right)
        } else {
            (rest, None, Rect { height: 0, ..rest })
        };
        let (charts, chart_divider) = arrange(charts, chosen, side_by_side);
        Self { facts, charts, chart_divider, transactions, resources, divider }
    }
}

fn arrange(area: Rect, chosen: View, side_by_side: bool) -> (Vec<(View, Rect)>, Option<Divider>) {
    if area.height < 2 {
        return (Vec::new(), None);
    }
    if !side_by_side || area.height < 12 {
        return (vec![(chosen, area)], None);
    }
    let (left, divider, right) = rule::columns(area, area.width / 2);
    let (upper, lower) = halves(right);
    let mut charts = Vec::with_capacity(4);
    if area.height >= BOTH {
        let (above, under) = halves(left);
        charts.push((if chosen == View::Within { View::Within } else { View::Latency }, above));
        charts.push((View::Heatmap, under));
    } else {
        charts.push((if chosen.is_latency() { chosen } else { View::Latency }, left));
    }
    charts.extend([(View::Rate, upper), (View::Errors, lower)]);
    (charts, Some((divider, area.y + 1, area.bottom())))
}

fn halves(area: Rect) -> (Rect, Rect) {
    let upper = area.height.div_ceil(2);
    (Rect { height: upper, ..area }, Rect { y: area.y + upper, height: area.height - upper, ..area })
}

/// The area without its first rows.
pub(super) fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_area_or_overlaps() {
        for width in [0, 1, 40, 80, 99, 100, 120, 200] {
            for height in 0..60 {
                let area = Rect { x: 3, y: 2, width, height };
                let list = ListLayout::new(area, 30);
                let one = OneLayout::new(area, View::Latency, 4, 12);
                let mut all = vec![one.facts, one.transactions, one.resources];
                all.extend(one.charts.iter().map(|(_, rect)| *rect));
                for rects in [vec![list.title, list.list, list.detail], all] {
                    let shown: Vec<_> = rects.into_iter().filter(|r| !r.is_empty()).collect();
                    for (i, rect) in shown.iter().enumerate() {
                        assert_eq!(area.intersection(*rect), *rect, "{width}×{height}");
                        let apart = shown[i + 1..].iter().all(|other| other.intersection(*rect).is_empty());
                        assert!(apart, "{rect} overlaps at {width}×{height}");
                    }
                }
            }
        }
    }

    #[test]
    fn more_room_shows_more_charts() {
        let views = |width, height| {
            let layout = OneLayout::new(Rect::new(0, 0, width, height), View::Latency, 4, 12);
            layout.charts.iter().map(|(view, _)| *view).collect::<Vec<_>>()
        };
        assert_eq!(views(80, 20), [View::Latency]);
        assert_eq!(views(120, 36), [View::Latency, View::Rate, View::Errors]);
        assert_eq!(views(200, 56), [View::Latency, View::Heatmap, View::Rate, View::Errors]);
    }
}

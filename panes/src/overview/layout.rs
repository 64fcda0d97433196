//! Where things are.

use quarterdeck_ui::Context;
use quarterdeck_widgets::rule;
use ratatui::layout::Rect;

use super::platform;
use crate::World;

/// From this width on, what is wrong and the timeline stand beside each other.
pub(super) const WIDE: u16 = 112;
/// From this width on, trends are long and owners are told.
pub(super) const WIDEST: u16 = 160;
/// A chart that is lower than this tells nothing.
const CHART: u16 = 8;
/// A chart that is higher than this tells no more.
const CHART_MOST: u16 = 14;

/// The row of the rule above an area.
pub(super) fn above(area: Rect) -> Rect {
    Rect { y: area.y.saturating_sub(1), height: 1, ..area }
}

#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) services: Rect,
    pub(super) firing: Rect,
    /// Charts of the selected service: as many as have room.
    pub(super) charts: Vec<Rect>,
    pub(super) timeline: Rect,
    pub(super) platform: Rect,
    pub(super) divider: Option<u16>,
}

/// The upper `height` rows of an area, and what is left below them.
fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

impl Layout {
    /// Services get the rows that they need. What is left goes to what is wrong and to the timeline; where that is more than
    /// they need, to charts of the selected service and to the platform underneath.
    /// `wrong` is how much is wrong.
    pub(super) fn new(cx: &Context<'_, World>, wrong: usize) -> Self {
        let area = cx.area;
        let body = area.height.saturating_sub(1);
        let wanted = u16::try_from(cx.world.services.services.len()).unwrap_or(u16::MAX).saturating_add(1);
        let count = u16::try_from(wrong.max(1)).unwrap_or(u16::MAX);
        let below_least = if area.width >= WIDE { 7 } else { count.min(4) + 1 + 4 };
        let height = wanted.max(5).min(body.saturating_sub(below_least)).max(body.min(5));
        let services = Rect { y: area.y + 1.min(area.height), height: height.min(body), ..area };
        let rest =
            Rect { y: services.bottom(), height: area.bottom().saturating_sub(services.bottom()), ..area };
        if area.width < WIDE {
            let (firing, timeline) = split(rest, count.saturating_add(1).min(rest.height / 2));
            let none = Rect { height: 0, ..area };
            return Self { services, firing, charts: Vec::new(), timeline, platform: none, divider: None };
        }
        let (left, divider, right) = rule::columns(rest, area.width / 2);
        let firing_rows = count.saturating_add(1).min(left.height);
        // A chart needs its room in full; less is left to what is wrong.
        let room = left.height - firing_rows;
        let charts = (room / CHART).min(3);
        let firing_rows = if charts == 0 { left.height } else { firing_rows };
        let (firing, mut left) = split(left, firing_rows);
        let mut places = Vec::new();
        for n in (1..=charts).rev() {
            let (place, more) = split(left, (left.height / n).min(CHART_MOST));
            places.push(place);
            left = more;
        }
        let told = platform::height(cx);
        let told = if right.height >= told + 10 { told } else { 0 };
        let (timeline, platform) = split(right, right.height - told);
        Self { services, firing, charts: places, timeline, platform, divider: Some(divider) }
    }
}

//! Where things are: trouble above, the list, the detail beside it or below it.

use ratatui::layout::Rect;

/// From this width on the detail stands beside the list.
const BESIDE: u16 = 120;
/// From this height on it stands below the list where it is narrow.
const BELOW: u16 = 19;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) trouble: Rect,
    pub(crate) title: Rect,
    pub(crate) list: Rect,
    /// The selected alert; empty where there is no room.
    pub(crate) detail: Rect,
    /// The column between list and detail.
    pub(crate) divider: Option<u16>,
    /// All but the trouble: an alert that is open, and what floats.
    pub(crate) whole: Rect,
}

impl Layout {
    pub(crate) fn new(area: Rect, troubles: usize) -> Self {
        let trouble = (troubles as u16).min(area.height.saturating_sub(4));
        let row = |from: u16, height: u16| {
            let from = from.min(area.height);
            Rect { y: area.y + from, height: height.min(area.height - from), ..area }
        };
        let whole = row(trouble, area.height);
        let title = row(trouble, 1);
        let body = row(trouble + 1, area.height);
        let (list, detail, divider) = if area.width >= BESIDE {
            let width = (area.width * 2 / 5).min(90);
            let list = Rect { width: area.width - width - 1, ..body };
            let detail = Rect { x: area.right() - width, width, ..body };
            (list, detail, Some(list.right()))
        } else if area.height >= BELOW {
            let height = (body.height / 3).clamp(6, 12);
            let list = Rect { height: body.height - height, ..body };
            (list, Rect { y: list.bottom(), height, ..body }, None)
        } else {
            (body, Rect { height: 0, ..body }, None)
        };
        Self { trouble: row(0, trouble), title, list, detail, divider, whole }
    }

    /// Where the selected one is shown in full: all below the title.
    pub(crate) fn full(&self) -> Rect {
        let Rect { y, height, .. } = self.whole;
        Rect { y: (y + 1).min(self.whole.bottom()), height: height.saturating_sub(1), ..self.whole }
    }
}

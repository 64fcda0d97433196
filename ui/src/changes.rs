//! What differs between two frames.

use ratatui::buffer::{Buffer, Cell, CellDiffOption, CellWidth};
use ratatui::layout::Rect;

/// The cells of a frame that differ from those of the frame before, of the same size, in reading order.
///
/// Nearly all cells of nearly all frames hold a character of one column: those are compared one by one. What a wide character
/// does to its neighbours is left to ratatui.
pub fn changes<'a>(before: &'a Buffer, now: &'a Buffer) -> impl Iterator<Item = (u16, u16, &'a Cell)> {
    debug_assert_eq!(before.area, now.area, "frames of different sizes cannot be compared");
    let (area, width) = (now.area, usize::from(now.area.width).max(1));
    let rows = before.content.chunks_exact(width).zip(now.content.chunks_exact(width));
    (area.y..).zip(rows).flat_map(move |(y, (old, new))| Row { area, y, old, new, at: 0, wide: None })
}

/// What differs within one row.
struct Row<'a> {
    area: Rect,
    y: u16,
    old: &'a [Cell],
    new: &'a [Cell],
    at: usize,
    /// What differs from the first cell on that is not of one column.
    wide: Option<std::vec::IntoIter<(u16, u16, &'a Cell)>>,
}

impl<'a> Iterator for Row<'a> {
    type Item = (u16, u16, &'a Cell);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(wide) = &mut self.wide {
            return wide.next();
        }
        for (at, (old, new)) in self.old.iter().zip(self.new).enumerate().skip(self.at) {
            match differ(old, new) {
                Some(false) => {}
                Some(true) => {
                    self.at = at + 1;
                    return Some((self.area.x + at as u16, self.y, new));
                }
                None => {
                    let wide =
                        wide(Rect { y: self.y, height: 1, ..self.area }, &self.old[at..], &self.new[at..]);
                    return self.wide.insert(wide.into_iter()).next();
                }
            }
        }
        self.at = self.new.len();
        None
    }
}

/// What differs in the last cells of a row, whatever they hold.
fn wide<'a>(row: Rect, old: &[Cell], new: &'a [Cell]) -> Vec<(u16, u16, &'a Cell)> {
    let width = u16::try_from(new.len()).unwrap_or(row.width);
    let area = Rect { x: row.right() - width, width, ..row };
    let part = |cells: &[Cell]| Buffer { area, content: cells.to_vec() };
    let (before, now) = (part(old), part(new));
    before.diff(&now).into_iter().map(|(x, y, _)| (x, y, &new[usize::from(x - area.x)])).collect()
}

/// Whether a cell looks other than before; none where one of the two may take more than its column.
fn differ(old: &Cell, new: &Cell) -> Option<bool> {
    let (before, now) = (old.symbol(), new.symbol());
    let same = match (before.as_bytes(), now.as_bytes()) {
        ([before], [now]) => before == now,
        _ if before == now => narrow(now).then_some(true)?,
        _ => (narrow(before) && narrow(now)).then_some(false)?,
    };
    let ordinary = |cell: &Cell| cell.diff_option == CellDiffOption::None;
    (ordinary(old) && ordinary(new)).then(|| !same || old.style() != new.style())
}

/// Whether a symbol takes one column.
fn narrow(symbol: &str) -> bool {
    // ASCII; arrows, signs, boxes, blocks, Braille.
    let known = matches!(symbol.as_bytes(), [_] | [0xe2, 0x86..=0x8b | 0x94..=0x96 | 0xa0..=0xa3, _]);
    known || symbol.cell_width() == 1
}

#[cfg(test)]
mod tests {
    use quarterdeck_widgets::text;
    use ratatui::style::{Color, Style};

    use super::*;

    /// A screen drawn from a seed: texts of all widths in several styles, one over the other.
    fn screen(mut seed: u64) -> Buffer {
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let texts = ["a", "orders api", "漢字", "│▲…", "⣿⠿ 12", "❤\u{fe0f} ✓", "e\u{301}", "   ", "ﾞｱ", "◆●"];
        let mut buffer = Buffer::empty(Rect::new(3, 2, 12, 5));
        for _ in 0..next(14) {
            let (x, y) = (3 + next(12) as u16, 2 + next(5) as u16);
            let style =
                [Style::new(), Style::new().bold(), Style::new().bg(Color::Rgb(1, 2, 3)).underlined()];
            let (text, style) = (texts[next(10) as usize], style[next(3) as usize]);
            text::put(&mut buffer, x, y, 1 + next(10) as u16, text, style);
        }
        buffer
    }

    #[test]
    fn what_differs_is_what_ratatui_says() {
        for seed in 0..4_000 {
            // From one screen to another, and to one of which most rows are the same.
            let (before, mut after) = (screen(seed), screen(seed + 10_000));
            assert_eq!(changes(&before, &after).collect::<Vec<_>>(), before.diff(&after), "seed {seed}");
            after.content[..48].clone_from_slice(&before.content[..48]);
            assert_eq!(
                changes(&before, &after).collect::<Vec<_>>(),
                before.diff(&after),
                "seed {seed}, some rows alike"
            );
        }
        let same = screen(7);
        assert_eq!(changes(&same, &same.clone()).count(), 0);
    }
}

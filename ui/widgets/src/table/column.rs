//! What columns there are and how wide they get.

/// How wide a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// This many columns of the terminal.
    Fixed(u16),
    /// At least `min`; what is left over is shared out by `weight`, up to `max`.
    Flex {
        /// The least that makes sense.
        min: u16,
        /// The most that makes sense; 0 is no bound.
        max: u16,
        /// Its share of what is left.
        weight: u16,
    },
}

/// Where text stands in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// At the left: names, words.
    #[default]
    Left,
    /// At the right: numbers.
    Right,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Names it in filters (`id:text`), in what is remembered, and for sorting.
    pub id: &'static str,
    /// The heading, with the unit: `RATE /s`.
    pub title: &'static str,
    /// How wide.
    pub width: Width,
    /// Where text stands.
    pub align: Align,
    /// What goes first when there is too little room: columns with higher numbers; 0 always stays.
    pub priority: u8,
    /// Whether a first sort by it is downwards (numbers: most first).
    pub descending: bool,
    /// Whether it is hidden until chosen.
    pub hidden: bool,
}

impl Column {
    /// A column of text that takes its share of the room, at least `min`.
    #[must_use]
    pub const fn flex(id: &'static str, title: &'static str, min: u16) -> Self {
        Self {
            id,
            title,
            width: Width::Flex { min, max: 0, weight: 1 },
            align: Align::Left,
            priority: 0,
            descending: false,
            hidden: false,
        }
    }

    /// A column of fixed width, text at the left.
    #[must_use]
    pub const fn fixed(id: &'static str, title: &'static str, width: u16) -> Self {
        Self { width: Width::Fixed(width), ..Self::flex(id, title, 0) }
    }

    /// A column of numbers: fixed width, at the right, most first.
    #[must_use]
    pub const fn number(id: &'static str, title: &'static str, width: u16) -> Self {
        Self { align: Align::Right, descending: true, ..Self::fixed(id, title, width) }
    }

    /// The same, dropped before columns of lower numbers when there is too little room.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// The same with another share of the room that is left.
    #[must_use]
    pub const fn weight(mut self, share: u16) -> Self {
        if let Width::Flex { min, max, .. } = self.width {
            self.width = Width::Flex { min, max, weight: share };
        }
        self
    }

    /// The same, never wider than this.
    #[must_use]
    pub const fn at_most(mut self, most: u16) -> Self {
        if let Width::Flex { min, weight, .. } = self.width {
            self.width = Width::Flex { min, max: most, weight };
        }
        self
    }

    /// The same, hidden until it is chosen.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn least(&self) -> u16 {
        match self.width {
            Width::Fixed(width) => width,
            Width::Flex { min, .. } => min,
        }
    }
}

/// Columns between two columns.
pub(super) const GAP: u16 = 2;

/// Which of `shown` (indices into `columns`) fit into `room`, and how wide each is: `(index, offset, width)`.
pub(super) fn fit(columns: &[Column], shown: &[usize], room: u16) -> Vec<(usize, u16, u16)> {
    let mut kept: Vec<usize> = shown.to_vec();
    let needed = |kept: &[usize]| -> u32 {
        let widths: u32 = kept.iter().map(|&i| u32::from(columns[i].least())).sum();
        widths + u32::from(GAP) * (kept.len().saturating_sub(1) as u32)
    };
    while kept.len() > 1 && needed(&kept) > u32::from(room) {
        // The last of those with the highest number goes; when only 0 is left, the rightmost.
        let Some(drop) = (0..kept.len()).max_by_key(|&at| (columns[kept[at]].priority, at)) else { break };
        kept.remove(drop);
    }
    let mut widths: Vec<u16> = kept.iter().map(|&i| columns[i].least().min(room)).collect();
    let mut left = u32::from(room).saturating_sub(needed(&kept));
    // Bounded columns give back what they cannot use, so share out until nothing moves.
    while left > 0 {
        let open: Vec<(usize, u32)> = kept
            .iter()
            .enumerate()
            .filter_map(|(at, &i)| match columns[i].width {
                Width::Flex { max, weight, .. } if weight > 0 && (max == 0 || widths[at] < max) => {
                    Some((at, u32::from(weight)))
                }
                _ => None,
            })
            .collect();
        let total: u32 = open.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            break;
        }
        let before = left;
        for (at, weight) in &open {
            let share = (before * weight / total).max(1).min(left);
            let most = match columns[kept[*at]].width {
                Width::Flex { max, .. } if max > 0 => u32::from(max.saturating_sub(widths[*at])),
                _ => u32::MAX,
            };
            let share = share.min(most);
            widths[*at] += share as u16;
            left -= share;
        }
    }
    let mut x = 0;
    kept.iter()
        .zip(widths)
        .map(|(&i, width)| {
            let at = (i, x, width);
            x += width + GAP;
            at
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::flex("name", "NAME", 8).at_most(20),
        Column::number("rate", "RATE", 6),
        Column::number("p99", "P99", 6).priority(2),
        Column::flex("note", "NOTE", 10).priority(1).weight(2),
    ];

    #[test]
    fn what_matters_least_goes_first_when_it_gets_narrow() {
        let ids = |room| -> Vec<usize> { fit(&COLUMNS, &[0, 1, 2, 3], room).iter().map(|c| c.0).collect() };
        assert_eq!(ids(80), [0, 1, 2, 3]);
        assert_eq!(ids(32), [0, 1, 3]);
        assert_eq!(ids(20), [0, 1]);
        assert_eq!(ids(10), [0]);
        assert_eq!(ids(0), [0]);
    }

    #[test]
    fn room_is_used_up_and_bounds_are_kept() {
        let fitted = fit(&COLUMNS, &[0, 1, 2, 3], 80);
        assert_eq!(fitted[0].2, 20);
        let last = fitted[3];
        assert_eq!(last.1 + last.2, 80);
    }
}

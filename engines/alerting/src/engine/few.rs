//! A few numbers, mostly none or one: with a hundred thousand alerts, a list of its own for each is what counts.

use std::ops::Deref;

/// How many are kept in place.
const INLINE: usize = 3;

/// A list of numbers; the first few need no memory of their own.
#[derive(Clone, Debug)]
pub(super) enum Few {
    /// That many of these.
    Inline(u8, [u32; INLINE]),
    /// More.
    #[expect(
        clippy::box_collection,
        reason = "a list in place would make every alert as large as one with many"
    )]
    Many(Box<Vec<u32>>),
}

impl Default for Few {
    fn default() -> Self {
        Self::Inline(0, [0; INLINE])
    }
}

impl Few {
    pub(super) fn push(&mut self, number: u32) {
        match self {
            Self::Inline(len, place) if usize::from(*len) < INLINE => {
                place[usize::from(*len)] = number;
                *len += 1;
            }
            Self::Inline(_, place) => {
                let mut many = place.to_vec();
                many.push(number);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.push(number),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        *self = self.iter().copied().filter(|number| keep(*number)).collect();
    }
}

impl Deref for Few {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        match self {
            Self::Inline(len, place) => &place[..usize::from(*len)],
            Self::Many(many) => many,
        }
    }
}

impl FromIterator<u32> for Few {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut few = Self::default();
        for number in numbers {
            few.push(number);
        }
        few
    }
}

impl<'a> IntoIterator for &'a Few {
    type Item = &'a u32;
    type IntoIter = std::slice::Iter<'a, u32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_however_long() {
        for count in 0..9 {
            let mut few: Few = (0..count).collect();
            assert_eq!(few.to_vec(), (0..count).collect::<Vec<_>>());
            few.retain(|n| n % 2 == 1);
            assert_eq!(few.to_vec(), (0..count).filter(|n| n % 2 == 1).collect::<Vec<_>>());
        }
        assert_eq!(size_of::<Few>(), 16);
    }
}

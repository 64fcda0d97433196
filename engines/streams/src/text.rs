//! Texts of cells, most of which are short: those need no memory of their own.

use std::fmt;
use std::ops::Deref;

/// Bytes that are kept in place.
const SHORT: usize = 22;

/// A text that does not change.
#[derive(Clone)]
pub struct Text(Kept);

#[derive(Clone)]
enum Kept {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // They were a text when they were put there.
            Kept::Short { len, bytes } => {
                std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default()
            }
            Kept::Long(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Self(Kept::Short { len: text.len() as u8, bytes })
            }
            None => Self(Kept::Long(text.into())),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_are_what_they_were_made_from() {
        for length in 0..40 {
            for letter in ["x", "é", "漢", "🚢"] {
                let text = letter.repeat(length);
                assert_eq!(&*Text::from(text.as_str()), text);
                assert_eq!(Text::from(text.as_str()).to_string(), text);
            }
        }
        assert_eq!(size_of::<Text>(), size_of::<crate::rows::Cell>());
    }
}

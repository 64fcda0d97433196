//! Values with their places.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// Where something is in a text: line and column in characters, from 1, and how many characters it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    line: u32,
    column: u32,
    length: u32,
}

impl Location {
    /// No place.
    pub const UNKNOWN: Self = Self { line: 0, column: 0, length: 0 };

    pub(crate) fn new(line: u64, column: u64, length: u64) -> Self {
        let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column), length: number(length) }
    }

    /// The line, from 1; 0 when there is no place.
    #[must_use]
    pub fn line(self) -> usize {
        self.line as usize
    }

    /// The column in characters, from 1; 0 when there is no place.
    #[must_use]
    pub fn column(self) -> usize {
        self.column as usize
    }

    /// How many characters it has; 0 when that is not known.
    #[must_use]
    pub fn length(self) -> usize {
        self.length as usize
    }
}

/// A value with its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is used: of an alias, the place of the alias.
    pub referenced: Location,
}

/// The name of a newtype by which a [`Spanned`] asks for a place; the reader answers with a sequence of line, column,
/// length and value.
pub(crate) const MARK: &str = "$quarterdeck_yaml::Spanned";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let missing = || A::Error::custom("only files have places");
                let mut number = || parts.next_element::<u64>()?.ok_or_else(missing);
                let referenced = Location::new(number()?, number()?, number()?);
                let value = parts.next_element()?.ok_or_else(missing)?;
                Ok(Spanned { value, referenced })
            }
        }

        deserializer.deserialize_newtype_struct(MARK, Parts(PhantomData))
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

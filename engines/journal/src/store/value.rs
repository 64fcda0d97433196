//! What can be bound to a query.

use quarterdeck_kernel::{EntryId, Subject, Timestamp};
use uuid::Uuid;

/// One bound value. Null has a type too, since PostgreSQL wants to know it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `BIGINT`: counts, milliseconds, and truth as 0 and 1.
    Int(Option<i64>),
    /// `DOUBLE PRECISION`.
    Real(Option<f64>),
    /// `TEXT`. PostgreSQL cannot keep a NUL character in it: such characters are replaced by U+FFFD.
    Text(Option<String>),
    /// `BLOB` on SQLite, `BYTEA` on PostgreSQL.
    Blob(Option<Vec<u8>>),
}

/// Bound values of a query, each through [`Value::from`]: `values![id, now, Some("x")]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::store::Value::from($value)),*] };
}

/// What a type's null is.
pub trait Nullable: Into<Value> {
    /// Null, with the type that the column has.
    const NULL: Value;
}

macro_rules! bind {
    ($($type:ty => $variant:ident, $value:ident, $convert:expr;)*) => { $(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::$variant(Some($convert))
            }
        }
        impl Nullable for $type {
            const NULL: Value = Value::$variant(None);
        }
    )* };
}

bind! {
    i64 => Int, v, v;
    i32 => Int, v, v.into();
    u32 => Int, v, v.into();
    u64 => Int, v, i64::try_from(v).unwrap_or(i64::MAX);
    usize => Int, v, i64::try_from(v).unwrap_or(i64::MAX);
    bool => Int, v, v.into();
    Timestamp => Int, v, v.as_millis();
    f64 => Real, v, v;
    &str => Text, v, clean(v.to_owned());
    &String => Text, v, clean(v.clone());
    String => Text, v, clean(v);
    Uuid => Text, v, v.to_string();
    &Subject => Text, v, clean(v.to_string());
    &EntryId => Text, v, clean(v.to_string());
    Vec<u8> => Blob, v, v;
    &[u8] => Blob, v, v.to_vec();
}

impl<T: Nullable> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(T::NULL, Into::into)
    }
}

fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

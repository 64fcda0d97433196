//! Label sets: what tells one time series from another.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// An immutable label set: pairs sorted by name, names unique, no value empty (in Prometheus's data model an
/// empty label value equals an absent label). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Labels {
    /// A set from pairs in any order. Empty values are dropped; of several pairs with one name the last wins.
    pub fn from_pairs<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut list: Vec<(Arc<str>, Arc<str>)> =
            pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        let mut kept: Vec<(Arc<str>, Arc<str>)> = Vec::with_capacity(list.len());
        for pair in list {
            match kept.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                _ => kept.push(pair),
            }
        }
        kept.retain(|(_, value)| !value.is_empty());
        Self(kept.into())
    }

    /// A set from pairs that are sorted by name already, each name once and no value empty: one allocation, no copies.
    pub fn from_sorted(pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The value of a label, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok().map(|i| &*self.0[i].1)
    }

    /// The metric's name (`__name__`), or the empty string.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// All pairs, sorted by name, as shared strings.
    #[must_use]
    pub fn pairs(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.0
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same set with one label set (or, when `value` is empty, removed).
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let rest = self.0.iter().filter(|(n, _)| &**n != name).cloned();
        Self::from_pairs(rest.chain([(Arc::from(name), Arc::from(value))]))
    }

    /// The same set without the named label.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        if self.get(name).is_none() {
            return self.clone();
        }
        self.filter(|n| n != name)
    }

    /// The labels whose names `keep` accepts.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(n, _)| keep(n)).cloned().collect())
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (name, value) in self.0.iter() {
            name.hash(state);
            value.hash(state);
        }
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        Self::from_pairs(iter)
    }
}

/// In PromQL's notation: `http_requests_total{code="200", job="api"}`; a metric name that is not a legacy
/// identifier is quoted inside the braces.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        let legacy = is_legacy_metric_name(name);
        if legacy {
            f.write_str(name)?;
        }
        let mut first = true;
        let mut open = |f: &mut fmt::Formatter<'_>| {
            let lead = if first { "{" } else { ", " };
            first = false;
            f.write_str(lead)
        };
        if !legacy && !name.is_empty() {
            open(f)?;
            write_quoted(f, name)?;
        }
        for (label, value) in self.iter().filter(|(label, _)| *label != METRIC_NAME) {
            open(f)?;
            if is_legacy_label_name(label) {
                f.write_str(label)?;
            } else {
                write_quoted(f, label)?;
            }
            f.write_str("=")?;
            write_quoted(f, value)?;
        }
        if !first {
            f.write_str("}")
        } else if name.is_empty() {
            f.write_str("{}")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            '\n' => f.write_str("\\n")?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// Whether a metric name fits the classic grammar `[a-zA-Z_:][a-zA-Z0-9_:]*` and needs no quotes.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// Whether a label name fits the classic grammar `[a-zA-Z_][a-zA-Z0-9_]*` and needs no quotes.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    is_legacy_metric_name(name) && !name.contains(':')
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self::from_pairs(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_unique_and_without_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.with("a", "").len(), 1);
        assert_eq!(labels.without("b").to_string(), "{a=\"1\"}");
    }

    #[test]
    fn a_later_empty_value_removes_an_earlier_one() {
        assert!(Labels::from_pairs([("a", "1"), ("a", "")]).is_empty());
    }

    #[test]
    fn printed_as_promql_writes_selectors() {
        assert_eq!(Labels::default().to_string(), "{}");
        assert_eq!(Labels::from_pairs([(METRIC_NAME, "up")]).to_string(), "up");
        assert_eq!(
            Labels::from_pairs([(METRIC_NAME, "up"), ("job", "a\"b\n")]).to_string(),
            "up{job=\"a\\\"b\\n\"}"
        );
        assert_eq!(
            Labels::from_pairs([(METRIC_NAME, "my.name"), ("k.x", "v")]).to_string(),
            "{\"my.name\", \"k.x\"=\"v\"}"
        );
    }
}

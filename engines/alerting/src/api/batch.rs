//! A batch of alerts, read from JSON into what the engine takes, in one pass. The texts that many alerts share (names of
//! labels, most values) are kept once: ten thousand alerts would otherwise make a quarter of a million of them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use quarterdeck_alertmanager::wire::parse_time;
use quarterdeck_kernel::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::PostedAlert;

/// Texts longer than this are rarely shared.
const LONGEST: usize = 256;
/// Alerts that room is made for before they are seen.
const FORESEEN: usize = 1024;

/// Reads a list of alerts as the API has them; fields that are not known are passed over.
///
/// # Errors
/// When it is not JSON, or not a list of alerts: what is wrong and where.
pub(super) fn read(body: &[u8]) -> Result<Vec<PostedAlert>, serde_json::Error> {
    let texts = Texts::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let alerts = Batch(&texts).deserialize(&mut json)?;
    json.end()?;
    Ok(alerts)
}

/// Each text once.
#[derive(Default)]
struct Texts(RefCell<HashSet<Arc<str>>>);

impl Texts {
    fn one(&self, text: &str) -> Arc<str> {
        if text.len() > LONGEST {
            return text.into();
        }
        let mut known = self.0.borrow_mut();
        if let Some(known) = known.get(text) {
            return Arc::clone(known);
        }
        let text = Arc::<str>::from(text);
        known.insert(Arc::clone(&text));
        text
    }
}

/// Reads one thing by a function of its visitor's input.
macro_rules! seed {
    ($name:ident, $value:ty) => {
        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
    };
}

struct Batch<'a>(&'a Texts);
seed!(Batch, Vec<PostedAlert>);

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Vec<PostedAlert>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut alerts = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(FORESEEN));
        while let Some(alert) = seq.next_element_seed(One(self.0))? {
            alerts.push(alert);
        }
        Ok(alerts)
    }
}

struct One<'a>(&'a Texts);
seed!(One, PostedAlert);

impl<'de> Visitor<'de> for One<'_> {
    type Value = PostedAlert;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert: an object with labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostedAlert, A::Error> {
        let (mut labels, mut annotations, mut starts_at, mut ends_at, mut url) =
            (None, None, None, None, None);
        let once = |twice: bool, field| if twice { Err(A::Error::duplicate_field(field)) } else { Ok(()) };
        while let Some(field) = map.next_key_seed(Text(self.0))? {
            match field.as_deref().unwrap_or_default() {
                "labels" => {
                    once(labels.is_some(), "labels")?;
                    labels = Some(map.next_value_seed(Pairs(self.0))?);
                }
                "annotations" => {
                    once(annotations.is_some(), "annotations")?;
                    annotations = Some(map.next_value_seed(Pairs(self.0))?);
                }
                "startsAt" => {
                    once(starts_at.is_some(), "startsAt")?;
                    starts_at = Some(moment(map.next_value_seed(Text(self.0))?)?);
                }
                "endsAt" => {
                    once(ends_at.is_some(), "endsAt")?;
                    ends_at = Some(moment(map.next_value_seed(Text(self.0))?)?);
                }
                "generatorURL" => {
                    once(url.is_some(), "generatorURL")?;
                    url = Some(map.next_value_seed(Text(self.0))?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let labels = labels.flatten().ok_or_else(|| A::Error::missing_field("labels"))?;
        Ok(PostedAlert {
            labels,
            annotations: annotations.flatten().unwrap_or_default(),
            starts_at: starts_at.flatten(),
            ends_at: ends_at.flatten(),
            generator_url: url.flatten().filter(|url| !url.is_empty()),
        })
    }
}

fn moment<E: Error>(text: Option<Arc<str>>) -> Result<Option<Timestamp>, E> {
    text.map_or(Ok(None), |text| parse_time(&text).map_err(E::custom))
}

/// Labels or annotations; `null` is none.
struct Pairs<'a>(&'a Texts);
seed!(Pairs, Option<Vec<(Arc<str>, Arc<str>)>>);

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = Option<Vec<(Arc<str>, Arc<str>)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(name) = map.next_key_seed(Text(self.0))? {
            let value = map.next_value_seed(Text(self.0))?;
            let value = value
                .ok_or_else(|| A::Error::custom("a label or annotation is null: it has to be a text"))?;
            pairs.push((name.unwrap_or_default(), value));
        }
        Ok(Some(pairs))
    }
}

/// A text; `null` is none.
struct Text<'a>(&'a Texts);
seed!(Text, Option<Arc<str>>);

impl Visitor<'_> for Text<'_> {
    type Value = Option<Arc<str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(self.0.one(text)))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quarterdeck_alertmanager::wire::PostableAlert;

    use super::*;

    /// As the API's types have it.
    fn plainly(body: &str) -> Option<Vec<PostedAlert>> {
        let alerts: Vec<PostableAlert> = serde_json::from_str(body).ok()?;
        let pairs = |set: std::collections::BTreeMap<String, String>| {
            set.into_iter().map(|(n, v)| (n.into(), v.into())).collect()
        };
        let one = |alert: PostableAlert| PostedAlert {
            labels: pairs(alert.labels),
            annotations: pairs(alert.annotations),
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            generator_url: Some(alert.generator_url).filter(|url| !url.is_empty()).map(Arc::from),
        };
        Some(alerts.into_iter().map(one).collect())
    }

    fn sorted(mut alerts: Vec<PostedAlert>) -> Vec<PostedAlert> {
        for alert in &mut alerts {
            alert.labels.sort();
            alert.annotations.sort();
        }
        alerts
    }

    #[test]
    fn shared_texts_are_one() {
        let body = r#"[{"labels":{"job":"a","x":"b"}},{"labels":{"job":"a"},"annotations":{"b":"job"}}]"#;
        let alerts = read(body.as_bytes()).unwrap();
        assert!(Arc::ptr_eq(&alerts[0].labels[0].0, &alerts[1].labels[0].0));
        assert!(Arc::ptr_eq(&alerts[0].labels[0].1, &alerts[1].labels[0].1));
        assert!(Arc::ptr_eq(&alerts[0].labels[0].0, &alerts[1].annotations[0].1));
    }

    #[test]
    fn what_is_not_a_list_of_alerts_is_refused() {
        for (body, why) in [
            ("{}", "a list of alerts"),
            ("[1]", "an alert"),
            (r#"[{"annotations":{}}]"#, "missing field `labels`"),
            (r#"[{"labels":null}]"#, "missing field `labels`"),
            (r#"[{"labels":{"a":1}}]"#, "a text"),
            (r#"[{"labels":{"a":null}}]"#, "null"),
            (r#"[{"labels":{},"labels":{}}]"#, "duplicate field `labels`"),
            (r#"[{"labels":{},"startsAt":"noon"}]"#, "is not a time"),
            (r#"[{"labels":{}}] 1"#, "trailing"),
            (r#"[{"labels":{"a":"b"}"#, "EOF"),
        ] {
            let error = read(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{body}: {error}");
        }
    }

    proptest! {
        /// The two readers of the same thing agree, whatever they are given.
        #[test]
        fn it_reads_what_the_apis_types_read(
            alerts in proptest::collection::vec(
                (
                    proptest::collection::btree_map("[a-c]{0,2}", "\\PC{0,6}", 0..4),
                    proptest::option::of(proptest::collection::btree_map("[a-c]{0,2}", "\\PC{0,6}", 0..3)),
                    proptest::option::of("|2026-01-0[1-9]T00:00:0[0-9](Z|\\+01:00)?|0001-01-01T00:00:00Z|[0-9T:Z-]{0,20}"),
                    proptest::option::of("[a-z]{0,4}"),
                ),
                0..5,
            ),
            cut in proptest::option::of(0usize..400),
        ) {
            let list: Vec<_> = alerts
                .iter()
                .map(|(labels, annotations, at, url)| serde_json::json!({
                    "labels": labels, "annotations": annotations, "startsAt": at, "endsAt": at,
                    "generatorURL": url, "more": [1, {"x": null}],
                }))
                .collect();
            let mut body = serde_json::Value::from(list).to_string();
            if let Some(cut) = cut {
                let cut = (0..=cut.min(body.len())).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
                body.truncate(cut);
            }
            prop_assert_eq!(read(body.as_bytes()).ok().map(sorted), plainly(&body).map(sorted), "{}", body);
        }
    }
}

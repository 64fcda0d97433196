//! The data's values: structs, maps and slices with Alertmanager's methods.

use std::sync::Arc;

use super::{Alert, Data, Pairs, status};
use crate::functions::{expect, not_of_type};
use crate::json;
use crate::time::Time;
use crate::value::{Map, Object, Value, View, print_list};

/// The label that stands before all others.
const ALERT_NAME: &str = "alertname";

/// The value of a notification.
pub(super) fn of(data: &Data) -> Value {
    let alerts: Vec<Value> = data.alerts.iter().map(alert).collect();
    let fields = [
        ("Receiver", "receiver", Value::text(quote_meta(&data.receiver))),
        ("Status", "status", Value::text(status(data.firing))),
        ("Alerts", "alerts", Value::object(Alerts::new(alerts))),
        ("GroupLabels", "groupLabels", kv(&data.group_labels)),
        ("CommonLabels", "commonLabels", kv(&data.common_labels)),
        ("CommonAnnotations", "commonAnnotations", kv(&data.common_annotations)),
        ("ExternalURL", "externalURL", Value::text(Arc::clone(&data.external_url))),
    ];
    Value::object(Struct::new("*template.Data", fields.into()))
}

fn alert(alert: &Alert) -> Value {
    let starts = Time::utc(alert.starts_at);
    let ends = alert.ends_at.map_or_else(Time::zero, Time::utc);
    let fields = [
        ("Status", "status", Value::text(status(alert.firing))),
        ("Labels", "labels", kv(&alert.labels)),
        ("Annotations", "annotations", kv(&alert.annotations)),
        ("StartsAt", "startsAt", Value::Time(starts)),
        ("EndsAt", "endsAt", Value::Time(ends)),
        ("GeneratorURL", "generatorURL", Value::text(Arc::clone(&alert.generator_url))),
        ("Fingerprint", "fingerprint", Value::text(Arc::clone(&alert.fingerprint))),
    ];
    Value::object(Struct::new("template.Alert", fields.into()))
}

fn kv(pairs: &Pairs) -> Value {
    Value::object(Kv::new(Map::of_texts(pairs.iter().map(|(n, v)| (Arc::clone(n), Arc::clone(v))))))
}

/// Alertmanager writes the receiver as a regular expression that matches its name, in templates and webhooks.
fn quote_meta(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A struct: fields by their names in templates and in JSON.
#[derive(Debug)]
struct Struct {
    type_name: &'static str,
    fields: Vec<(&'static str, &'static str, Value)>,
    weight: usize,
}

impl Struct {
    fn new(type_name: &'static str, fields: Vec<(&'static str, &'static str, Value)>) -> Self {
        let weight = fields.iter().map(|(name, _, value)| name.len() + weight(value)).sum();
        Self { type_name, fields, weight }
    }
}

fn weight(value: &Value) -> usize {
    value.weight(usize::MAX).unwrap_or(usize::MAX / 2)
}

impl Object for Struct {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(known, ..)| *known == name).map(|(_, _, value)| value.clone())
    }

    fn print(&self, out: &mut String) {
        out.push_str(if self.type_name.starts_with('*') { "&{" } else { "{" });
        for (i, (_, _, value)) in self.fields.iter().enumerate() {
            if i > 0 {
                out.push(' ');
            }
            value.print(out);
        }
        out.push('}');
    }

    fn json(&self, out: &mut String) {
        json::entries(self.fields.iter().map(|(_, name, value)| (*name, value)), out);
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

/// Labels or annotations: `template.KV`.
#[derive(Debug)]
struct Kv {
    map: Map,
    weight: usize,
}

impl Kv {
    fn new(map: Map) -> Self {
        let weight = map.entries.iter().map(|(name, value)| name.len() + weight(value)).sum();
        Self { map, weight }
    }

    /// The name of the alert first, the rest by name.
    fn sorted(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        let first = self.map.entries.get_key_value(ALERT_NAME);
        first.into_iter().chain(self.map.entries.iter().filter(|(name, _)| &***name != ALERT_NAME))
    }
}

impl Object for Kv {
    fn type_name(&self) -> &str {
        "template.KV"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let plain = |value: Value| expect(name, args, 0).map(|()| value);
        Some(match name {
            "SortedPairs" => {
                let pairs = self.sorted().map(|(name, value)| {
                    let fields =
                        [("Name", "Name", Value::Text(Arc::clone(name))), ("Value", "Value", value.clone())];
                    Value::object(Struct::new("template.Pair", fields.into()))
                });
                plain(Value::object(PairList { pairs: pairs.collect(), weight: self.weight }))
            }
            "Names" => {
                plain(Value::List(self.sorted().map(|(name, _)| Value::Text(Arc::clone(name))).collect()))
            }
            "Values" => plain(Value::List(self.sorted().map(|(_, value)| value.clone()).collect())),
            "String" => {
                let mut out = String::new();
                self.print(&mut out);
                plain(Value::text(out))
            }
            "Remove" => expect(name, args, 1).and_then(|()| {
                let Some(gone) = args[0].as_list() else { return Err(not_of_type(&args[0], "[]string")) };
                let mut map = self.map.clone();
                for name in gone {
                    if let Some(name) = name.as_text() {
                        map.entries.remove(name);
                    }
                }
                Ok(Value::object(Self::new(map)))
            }),
            _ => return None,
        })
    }

    fn view(&self) -> View<'_> {
        View::Map(&self.map)
    }

    fn print(&self, out: &mut String) {
        for (i, (name, value)) in self.sorted().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            out.push_str(name);
            out.push('=');
            value.print(out);
        }
    }

    fn json(&self, out: &mut String) {
        json::entries(self.map.entries.iter().map(|(name, value)| (&**name, value)), out);
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

/// Sorted pairs: `template.Pairs`.
#[derive(Debug)]
struct PairList {
    pairs: Vec<Value>,
    weight: usize,
}

impl PairList {
    fn all(&self, field: &str) -> Value {
        let of = |pair: &Value| pair.downcast::<Struct>().and_then(|pair| pair.field(field));
        Value::List(self.pairs.iter().filter_map(of).collect())
    }
}

impl Object for PairList {
    fn type_name(&self) -> &str {
        "template.Pairs"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Names" => self.all("Name"),
            "Values" => self.all("Value"),
            "String" => {
                let mut out = String::new();
                self.print(&mut out);
                Value::text(out)
            }
            _ => return None,
        };
        Some(expect(name, args, 0).map(|()| value))
    }

    fn view(&self) -> View<'_> {
        View::List(&self.pairs)
    }

    fn print(&self, out: &mut String) {
        for (i, pair) in self.pairs.iter().filter_map(Value::downcast::<Struct>).enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            for (n, (_, _, value)) in pair.fields.iter().enumerate() {
                if n > 0 {
                    out.push('=');
                }
                value.print(out);
            }
        }
    }

    fn json(&self, out: &mut String) {
        json::list(&self.pairs, out);
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

/// The alerts: `template.Alerts`.
#[derive(Debug)]
struct Alerts {
    all: Vec<Value>,
    firing: Value,
    resolved: Value,
    weight: usize,
}

impl Alerts {
    fn new(all: Vec<Value>) -> Self {
        let of = |wanted: &str| {
            let fits = |alert: &&Value| {
                let status = alert.downcast::<Struct>().and_then(|alert| alert.field("Status"));
                status.and_then(|s| s.as_text().cloned()).is_some_and(|s| &*s == wanted)
            };
            Value::List(all.iter().filter(fits).cloned().collect())
        };
        let (firing, resolved) = (of("firing"), of("resolved"));
        let weight = all.iter().map(weight).sum();
        Self { all, firing, resolved, weight }
    }
}

impl Object for Alerts {
    fn type_name(&self) -> &str {
        "template.Alerts"
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Firing" => self.firing.clone(),
            "Resolved" => self.resolved.clone(),
            _ => return None,
        };
        Some(expect(name, args, 0).map(|()| value))
    }

    fn view(&self) -> View<'_> {
        View::List(&self.all)
    }

    fn print(&self, out: &mut String) {
        print_list(&self.all, out);
    }

    fn json(&self, out: &mut String) {
        json::list(&self.all, out);
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

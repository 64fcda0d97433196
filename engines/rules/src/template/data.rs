//! What a rule's template sees: its dot, and the results of queries.

use quarterdeck_kernel::Labels;
use quarterdeck_templates::{Map, Object, Value, View, json_entries, print_list};

use super::{Environment, Subject};

/// Labels as templates see them.
pub(super) fn labels(labels: &Labels) -> Map {
    Map::of_texts(labels.iter())
}

fn map(labels: Map) -> Value {
    Value::Map(labels.into())
}

/// The dot.
#[derive(Debug)]
pub(super) struct Data {
    fields: [(&'static str, Value); 4],
}

impl Data {
    pub(super) fn new(subject: Subject<'_>, environment: &Environment<'_>) -> Self {
        let value = subject.histogram.map_or(Value::Float(subject.value), Value::text);
        Self {
            fields: [
                ("Labels", map(labels(subject.labels))),
                ("ExternalLabels", map(labels(environment.external_labels))),
                ("ExternalURL", Value::text(environment.external_url)),
                ("Value", value),
            ],
        }
    }
}

impl Object for Data {
    fn type_name(&self) -> &str {
        "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn print(&self, out: &mut String) {
        for (i, (_, value)) in self.fields.iter().enumerate() {
            out.push(if i == 0 { '{' } else { ' ' });
            value.print(out);
        }
        out.push('}');
    }

    fn json(&self, out: &mut String) {
        json_entries(self.fields.iter().map(|(name, value)| (*name, value)), out);
    }

    fn weight(&self) -> usize {
        // Labels are bounded where they come from.
        self.fields.len() * 256
    }
}

/// One element of a query's result.
#[derive(Debug)]
pub(super) struct Sample {
    labels: Value,
    value: Value,
}

impl Sample {
    pub(super) fn new(of: &Labels, value: f64) -> Self {
        Self { labels: map(labels(of)), value: Value::Float(value) }
    }

    pub(super) fn label(&self, name: &str) -> Value {
        let found = self.labels.as_map().and_then(|map| map.entries.get(name));
        found.cloned().unwrap_or_else(|| Value::text(""))
    }

    pub(super) fn value(&self) -> Value {
        self.value.clone()
    }
}

impl Object for Sample {
    fn type_name(&self) -> &str {
        "*template.sample"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Labels" => Some(self.labels.clone()),
            "Value" => Some(self.value.clone()),
            _ => None,
        }
    }

    fn print(&self, out: &mut String) {
        out.push_str("&{");
        self.labels.print(out);
        out.push(' ');
        self.value.print(out);
        out.push('}');
    }

    fn json(&self, out: &mut String) {
        json_entries([("Labels", &self.labels), ("Value", &self.value)], out);
    }

    fn weight(&self) -> usize {
        256
    }
}

/// The result of a query.
#[derive(Debug)]
pub(super) struct QueryResult(pub(super) Vec<Value>);

impl Object for QueryResult {
    fn type_name(&self) -> &str {
        "template.queryResult"
    }

    fn view(&self) -> View<'_> {
        View::List(&self.0)
    }

    fn print(&self, out: &mut String) {
        print_list(&self.0, out);
    }

    fn json(&self, out: &mut String) {
        out.push_str(&Value::List(self.0.as_slice().into()).to_json());
    }

    fn weight(&self) -> usize {
        self.0.len() * 256
    }
}

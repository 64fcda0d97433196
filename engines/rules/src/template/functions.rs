//! The functions that Prometheus alone has; the others are the engine's.

use std::cell::Cell;
use std::sync::Arc;

use quarterdeck_kernel::Timestamp;
use quarterdeck_templates::{
    Common, Functions, Map, Value, expect, not_of_type, query_escape, quoted, text_at, unknown,
};

use super::data::{QueryResult, Sample};
use super::{Environment, Queries};

/// How many queries one template may make.
const MAX_QUERIES: usize = 100;

/// Names and how many arguments each takes; none for any number.
const KNOWN: [(&str, Option<usize>); 14] = [
    ("query", Some(1)),
    ("first", Some(1)),
    ("label", Some(2)),
    ("value", Some(1)),
    ("strvalue", Some(1)),
    ("args", None),
    ("graphLink", Some(1)),
    ("tableLink", Some(1)),
    ("sortByLabel", Some(2)),
    ("now", Some(0)),
    ("pathPrefix", Some(0)),
    ("externalURL", Some(0)),
    ("parseDuration", Some(1)),
    ("urlQueryEscape", Some(1)),
];

fn own(name: &str) -> Option<Option<usize>> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, count)| *count)
}

/// Which functions there are, for parsing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names;

impl Functions for Names {
    fn knows(&self, name: &str) -> bool {
        own(name).is_some() || Common::default().knows(name)
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(unknown(name))
    }
}

/// The functions of one evaluation.
pub(super) struct Library<'a> {
    environment: &'a Environment<'a>,
    queries: &'a dyn Queries,
    made: Cell<usize>,
    common: Common,
}

impl<'a> Library<'a> {
    pub(super) fn new(environment: &'a Environment<'a>, queries: &'a dyn Queries) -> Self {
        Self { environment, queries, made: Cell::new(0), common: Common::default() }
    }

    fn query(&self, text: &str) -> Result<Value, String> {
        self.made.set(self.made.get() + 1);
        if self.made.get() > MAX_QUERIES {
            return Err(format!("more than {MAX_QUERIES} queries in one template"));
        }
        let found = self.queries.query(text)?;
        let samples = found.into_iter().map(|(labels, value)| Value::object(Sample::new(&labels, value)));
        Ok(Value::object(QueryResult(samples.collect())))
    }
}

impl Functions for Library<'_> {
    fn knows(&self, name: &str) -> bool {
        Names.knows(name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let Some(count) = own(name) else { return self.common.call(name, args) };
        if let Some(count) = count {
            expect(name, args, count)?;
        }
        match name {
            "query" => self.query(text_at(args, 0)?),
            "first" => {
                let first = samples(&args[0])?.first().cloned();
                first.ok_or_else(|| "first() called on vector with no elements".to_owned())
            }
            "label" => Ok(sample(&args[1])?.label(text_at(args, 0)?)),
            "value" => Ok(sample(&args[0])?.value()),
            "strvalue" => Ok(sample(&args[0])?.label("__value__")),
            "args" => {
                let entries =
                    args.iter().enumerate().map(|(i, v)| (Arc::from(format!("arg{i}")), v.clone())).collect();
                Ok(Value::Map(Arc::new(Map { entries, texts: false })))
            }
            "graphLink" => Ok(Value::text(link(text_at(args, 0)?, 0))),
            "tableLink" => Ok(Value::text(link(text_at(args, 0)?, 1))),
            "sortByLabel" => {
                let name = text_at(args, 0)?;
                let mut sorted = samples(&args[1])?.to_vec();
                sorted.sort_by_cached_key(|value| {
                    value.downcast::<Sample>().map(|sample| sample.label(name).to_text())
                });
                Ok(Value::object(QueryResult(sorted)))
            }
            "now" => Ok(Value::Float(Timestamp::as_secs_f64(self.environment.now))),
            "pathPrefix" => {
                let path = url::Url::parse(self.environment.external_url).map(|url| url.path().to_owned());
                Ok(Value::text(path.unwrap_or_default().trim_end_matches('/')))
            }
            "externalURL" => Ok(Value::text(self.environment.external_url)),
            "parseDuration" => {
                let written = text_at(args, 0)?;
                quarterdeck_kernel::time::parse_duration(written)
                    .map(|d| Value::Float(d.as_secs_f64()))
                    .map_err(|_| format!("not a valid duration string: {}", quoted(written)))
            }
            "urlQueryEscape" => Ok(Value::text(query_escape(text_at(args, 0)?))),
            name => Err(unknown(name)),
        }
    }
}

fn sample(value: &Value) -> Result<&Sample, String> {
    value.downcast().ok_or_else(|| not_of_type(value, "*template.sample"))
}

/// The elements of a result, also of a part of one.
fn samples(value: &Value) -> Result<&[Value], String> {
    let fits = |list: &&[Value]| list.iter().all(|v| v.downcast::<Sample>().is_some());
    value.as_list().filter(fits).ok_or_else(|| not_of_type(value, "template.queryResult"))
}

fn link(expr: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", query_escape(expr))
}

//! `/api/v1/series`, `labels`, `label/<name>/values`, `metadata`: what there is.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use quarterdeck_kernel::{Labels, Matcher};
use quarterdeck_promql::{Budget, Storage as _, StorageError};
use serde_json::{Map, json};

use super::error::ApiError;
use super::params::Params;
use super::render::{self, comma, success};
use super::{Api, latency};
use crate::Store;
use crate::ingest::MetricType;

const TRUNCATED: &str = "results truncated due to limit";

pub(super) async fn series(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let _timer = latency("series").start();
    let matches = params.matches(&api.0.engine)?;
    if matches.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let ((start, end), limit) = (params.range()?, params.limit("limit")?);
    let found =
        union(&api, matches, move |store, matchers, budget| store.series(matchers, start, end, budget))
            .await?;
    let mut out = String::from("[");
    for (i, labels) in found.iter().take(limit).enumerate() {
        comma(&mut out, i);
        render::labels(&mut out, labels);
    }
    out.push(']');
    Ok(success(&out, &truncated::<Labels>(&found, limit), &[]))
}

pub(super) async fn labels(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let _timer = latency("labels").start();
    let ((start, end), limit) = (params.range()?, params.limit("limit")?);
    let matches = or_everything(params.matches(&api.0.engine)?);
    let found =
        union(&api, matches, move |store, matchers, budget| store.label_names(matchers, start, end, budget))
            .await?;
    Ok(strings(&found, limit))
}

pub(super) async fn label_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let _timer = latency("label_values").start();
    // Clients that know only classic names write others as U__, with each odd character as _HEX_.
    let name = unescape_name(&name);
    if name.is_empty() {
        return Err(ApiError::bad_data(format!("invalid label name: {name:?}")));
    }
    let ((start, end), limit) = (params.range()?, params.limit("limit")?);
    let matches = or_everything(params.matches(&api.0.engine)?);
    let found =
        union(&api, matches, move |store, m, budget| store.label_values(&name, m, start, end, budget))
            .await?;
    Ok(strings(&found, limit))
}

/// No selector selects everything.
fn or_everything(matches: Vec<Vec<Matcher>>) -> Vec<Vec<Matcher>> {
    if matches.is_empty() { vec![Vec::new()] } else { matches }
}

/// What any of the selectors finds, sorted, each once.
async fn union<T: Ord + Send + 'static>(
    api: &Api,
    matches: Vec<Vec<Matcher>>,
    find: impl Fn(&Store, &[Matcher], &Budget) -> Result<Vec<T>, StorageError> + Send + 'static,
) -> Result<Vec<T>, ApiError> {
    let store = api.0.store.clone();
    api.0
        .runner
        .query(None, move |budget| {
            let mut found = BTreeSet::new();
            for matchers in &matches {
                found.extend(find(&store, matchers, budget)?);
            }
            Ok(found.into_iter().collect())
        })
        .await
}

fn strings(found: &[String], limit: usize) -> Response {
    let mut out = String::from("[");
    for (i, text) in found.iter().take(limit).enumerate() {
        comma(&mut out, i);
        render::string(&mut out, text);
    }
    out.push(']');
    success(&out, &truncated(found, limit), &[])
}

fn truncated<T>(found: &[T], limit: usize) -> Vec<String> {
    if found.len() > limit { vec![TRUNCATED.to_owned()] } else { Vec::new() }
}

fn unescape_name(name: &str) -> String {
    let Some(rest) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::new();
    let mut parts = rest.split('_');
    out.push_str(parts.next().unwrap_or_default());
    // "__" is an underscore, "_2e_" a dot; what fits neither was not escaped.
    while let Some(code) = parts.next() {
        let Some(after) = parts.next() else { return name.to_owned() };
        match u32::from_str_radix(code, 16).ok().and_then(char::from_u32) {
            _ if code.is_empty() => out.push('_'),
            Some(c) => out.push(c),
            None => return name.to_owned(),
        }
        out.push_str(after);
    }
    out
}

pub(super) async fn metadata(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let limit = params.limit("limit")?;
    let wanted = params.get("metric");
    let mut data = Map::new();
    for (metric, about) in api.0.store.all_metadata() {
        if data.len() >= limit {
            break;
        }
        if wanted.is_none_or(|wanted| *wanted == *metric) {
            let entry = json!([{ "type": kind(about.kind), "help": about.help, "unit": about.unit }]);
            data.insert(metric.as_ref().to_owned(), entry);
        }
    }
    Ok(success(&serde_json::Value::Object(data).to_string(), &[], &[]))
}

const fn kind(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
        MetricType::Histogram => "histogram",
        MetricType::GaugeHistogram => "gaugehistogram",
        MetricType::Summary => "summary",
        MetricType::Info => "info",
        MetricType::StateSet => "stateset",
        MetricType::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_label_names_are_understood() {
        for (written, name) in [
            ("job", "job"),
            ("U__k_2e_x", "k.x"),
            ("U__a__b", "a_b"),
            ("U__a_zz_b", "U__a_zz_b"),
            ("U__a_2e", "U__a_2e"),
        ] {
            assert_eq!(unescape_name(written), name, "{written}");
        }
    }
}

//! `/api/v1/query`, `query_range`, `query_exemplars`, `format_query`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use quarterdeck_kernel::{Clock as _, SystemClock};
use quarterdeck_promql::{Budget, Engine, EngineOptions, Output, QueryError, Value};

use super::error::ApiError;
use super::params::Params;
use super::render::{self, comma, float, labels, success, time};
use super::{Api, latency};

/// The most points of one series in an answer, as in Prometheus.
const MAX_POINTS: i64 = 11_000;

pub(super) async fn instant(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let _timer = latency("query").start();
    let query = params.required("query")?.to_owned();
    let t = params.time("time")?.unwrap_or_else(|| SystemClock.now());
    let asked = Asked::of(&api, &params)?;
    answer(&api, asked, query, move |engine, query, store, budget| engine.instant(query, store, t, budget))
        .await
}

pub(super) async fn range(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let _timer = latency("query_range").start();
    let query = params.required("query")?.to_owned();
    let required = |name| params.time(name)?.ok_or_else(|| ApiError::parameter(name, "it is missing"));
    let (start, end) = (required("start")?, required("end")?);
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.duration("step")?.ok_or_else(|| ApiError::parameter("step", "it is missing"))?;
    let step_millis = quarterdeck_kernel::time::millis(step).max(1);
    if end.as_millis().saturating_sub(start.as_millis()) / step_millis > MAX_POINTS {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let step = Duration::from_millis(step_millis.unsigned_abs());
    let asked = Asked::of(&api, &params)?;
    answer(&api, asked, query, move |engine, query, store, budget| {
        engine.range(query, store, start, end, step, budget)
    })
    .await
}

/// What a client may ask of any query.
struct Asked {
    engine: Arc<Engine>,
    timeout: Option<Duration>,
    limit: usize,
    stats: bool,
}

impl Asked {
    fn of(api: &Api, params: &Params) -> Result<Self, ApiError> {
        let engine = match params.duration("lookback_delta")? {
            Some(lookback) => {
                Arc::new(Engine::new(EngineOptions { lookback, ..api.0.engine.options().clone() }))
            }
            None => Arc::clone(&api.0.engine),
        };
        Ok(Self {
            engine,
            timeout: params.duration("timeout")?,
            limit: params.limit("limit")?,
            stats: params.get("stats").is_some(),
        })
    }
}

/// Evaluates and renders where blocking is allowed.
async fn answer(
    api: &Api,
    asked: Asked,
    query: String,
    evaluate: impl FnOnce(&Engine, &str, &crate::Store, &Budget) -> Result<Output, QueryError> + Send + 'static,
) -> Result<Response, ApiError> {
    let store = api.0.store.clone();
    let rendered = api.0.runner.query(asked.timeout, move |budget| {
        let mut output = evaluate(&asked.engine, &query, &store, budget)
            .map_err(|error| ApiError::query(&error, &query))?;
        let mut warnings: Vec<String> =
            output.annotations.warnings().map(|annotation| annotation.with_position(&query)).collect();
        let infos: Vec<String> =
            output.annotations.infos().map(|annotation| annotation.with_position(&query)).collect();
        if truncate(&mut output.value, asked.limit) {
            warnings.push("results truncated due to limit".to_owned());
        }
        let stats = asked.stats.then(|| stats(&output));
        Ok(render::answer(&output.value, stats.as_deref(), &warnings, &infos))
    });
    Ok(render::json(rendered.await?))
}

fn truncate(value: &mut Value, limit: usize) -> bool {
    let len = match value {
        Value::Vector(list) => {
            let len = list.len();
            list.truncate(limit);
            len
        }
        Value::Matrix(list) => {
            let len = list.len();
            list.truncate(limit);
            len
        }
        Value::Scalar { .. } | Value::String { .. } => 0,
    };
    len > limit
}

fn stats(output: &Output) -> String {
    let seconds = output.stats.wall.as_secs_f64();
    serde_json::json!({
        "timings": {
            "evalTotalTime": seconds,
            "resultSortTime": 0,
            "queryPreparationTime": 0,
            "innerEvalTime": seconds,
            "execQueueTime": 0,
            "execTotalTime": seconds,
        },
        "samples": {
            "totalQueryableSamples": output.stats.samples,
            "peakSamples": output.stats.peak_samples,
        },
    })
    .to_string()
}

pub(super) async fn exemplars(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let query = params.required("query")?;
    let (start, end) = params.range()?;
    let expr = api.0.engine.parse(query).map_err(|error| ApiError::query(&error.into(), query))?;
    let mut out = String::from("[");
    let mut shown = 0;
    for selector in expr.selectors() {
        for series in api.0.store.exemplars(&selector.matchers, start, end) {
            comma(&mut out, shown);
            shown += 1;
            out.push_str("{\"seriesLabels\":");
            labels(&mut out, &series.labels);
            out.push_str(",\"exemplars\":[");
            for (i, exemplar) in series.exemplars.iter().enumerate() {
                comma(&mut out, i);
                out.push_str("{\"labels\":");
                labels(&mut out, &exemplar.labels);
                out.push_str(",\"value\":");
                float(&mut out, exemplar.v);
                out.push_str(",\"timestamp\":");
                time(&mut out, exemplar.t);
                out.push('}');
            }
            out.push_str("]}");
        }
    }
    out.push(']');
    Ok(success(&out, &[], &[]))
}

pub(super) async fn format(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let query = params.required("query")?;
    let expr = api.0.engine.parse(query).map_err(|error| ApiError::query(&error.into(), query))?;
    let mut out = String::new();
    render::string(&mut out, &expr.to_string());
    Ok(success(&out, &[], &[]))
}

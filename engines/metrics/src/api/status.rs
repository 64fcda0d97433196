//! `/api/v1/status/…`: what this server is and holds.

use axum::extract::State;
use axum::response::Response;
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;
use super::render::success;
use crate::model::Cardinality;

/// The version of Prometheus whose API this is: clients choose by it what they may ask.
const COMPATIBLE: &str = "3.5.0";

fn answer(data: &Value) -> Response {
    success(&data.to_string(), &[], &[])
}

pub(super) async fn buildinfo() -> Response {
    answer(&json!({
        "version": format!("{COMPATIBLE}+quarterdeck.{}", env!("CARGO_PKG_VERSION")),
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

pub(super) async fn runtimeinfo(State(api): State<Api>) -> Result<Response, ApiError> {
    let store = api.0.store.clone();
    let stats = api.0.runner.blocking(move || store.stats()).await?;
    let config = api.0.store.config();
    let retention = if config.retention_bytes > 0 {
        format!("{} or {}B", format_duration(config.retention), config.retention_bytes)
    } else {
        format_duration(config.retention)
    };
    Ok(answer(&json!({
        "startTime": rfc3339(started()),
        "CWD": std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default(),
        "hostname": sysinfo::System::host_name().unwrap_or_default(),
        "serverTime": rfc3339(SystemClock.now()),
        "reloadConfigSuccess": true,
        "lastConfigTime": rfc3339(started()),
        "corruptionCount": stats.damage.len(),
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention,
    })))
}

/// When this process started, as nearly as the first question tells.
fn started() -> Timestamp {
    static STARTED: std::sync::OnceLock<Timestamp> = std::sync::OnceLock::new();
    *STARTED.get_or_init(|| {
        let told = crate::own::process_families()
            .into_iter()
            .find(|family| family.name == "process_start_time_seconds")
            .and_then(|family| family.samples.first().map(|sample| sample.value));
        told.map_or_else(|| SystemClock.now(), Timestamp::from_secs_f64)
    })
}

fn rfc3339(t: Timestamp) -> String {
    t.to_string()
}

pub(super) async fn flags(State(api): State<Api>) -> Response {
    let config = api.0.store.config();
    let query = &api.0.query;
    answer(&json!({
        "query.lookback-delta": format_duration(query.lookback),
        "query.max-concurrency": query.concurrency.to_string(),
        "query.max-samples": query.max_samples.to_string(),
        "query.timeout": format_duration(query.timeout),
        "storage.tsdb.retention.time": format_duration(config.retention),
        "storage.tsdb.retention.size": format!("{}B", config.retention_bytes),
        "web.enable-remote-write-receiver": "true",
    }))
}

pub(super) async fn tsdb(State(api): State<Api>) -> Result<Response, ApiError> {
    let store = api.0.store.clone();
    let stats = api.0.runner.blocking(move || store.stats()).await?;
    let list = |list: &[Cardinality]| -> Vec<Value> {
        list.iter().take(10).map(|line| json!({ "name": line.name, "value": line.count })).collect()
    };
    let pairs: usize =
        stats.by_label.iter().filter(|line| *line.name != *METRIC_NAME).map(|line| line.count).sum();
    Ok(answer(&json!({
        "headStats": {
            "numSeries": stats.active_series,
            "numLabelPairs": pairs,
            "chunkCount": stats.segments,
            "minTime": stats.oldest.map_or(0, Timestamp::as_millis),
            "maxTime": stats.newest.map_or(0, Timestamp::as_millis),
        },
        "seriesCountByMetricName": list(&stats.by_metric),
        "labelValueCountByLabelName": list(&stats.by_label),
        "memoryInBytesByLabelName": [],
        "seriesCountByLabelValuePair": list(&stats.by_pair),
    })))
}

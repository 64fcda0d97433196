//! What Prometheus's HTTP API tells of scraping and configuration.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Health, Labels};
use quarterdeck_metrics::{MetricType, Store};
use quarterdeck_promql::ast::ExprKind;
use quarterdeck_scrape::model::{DroppedTarget, TargetStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::config::Loaded;
use crate::worlds::Parts;

/// What these answers are made of.
#[derive(Clone)]
pub struct Sources {
    /// Newest snapshots.
    pub parts: Arc<Parts>,
    /// The configuration in force.
    pub loaded: watch::Receiver<Arc<Loaded>>,
    /// What metrics say of themselves.
    pub store: Store,
}

/// The routes.
pub fn router(sources: Sources) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/targets/metadata", get(metadata))
        .route("/api/v1/scrape_pools", get(scrape_pools))
        .route("/api/v1/status/config", get(config))
        .with_state(sources)
}

/// What a browser, or a client that tries whether anybody is there, is told.
async fn front() -> &'static str {
    "Quarterdeck: an operations console for the terminal.\n\n\
     /api/v1/...              Prometheus's HTTP API, remote write included\n\
     /metrics                 what the console tells of itself\n\
     /api/quarterdeck/v1/...  actions, timeline, pictures, exports\n\
     /livez /readyz           probes\n"
}

fn success(data: &Value) -> Response {
    Json(json!({ "status": "success", "data": data })).into_response()
}

fn bad_data(error: &str) -> Response {
    let body = json!({ "status": "error", "errorType": "bad_data", "error": error });
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[derive(Deserialize)]
struct TargetParams {
    state: Option<String>,
    #[serde(rename = "scrapePool")]
    pool: Option<String>,
}

async fn targets(State(sources): State<Sources>, Query(params): Query<TargetParams>) -> Response {
    let state = params.state.unwrap_or_default().to_ascii_lowercase();
    let (active, dropped) = match state.as_str() {
        "" | "any" => (true, true),
        "active" => (true, false),
        "dropped" => (false, true),
        // As Prometheus: a state that it does not know selects nothing.
        _ => (false, false),
    };
    let in_pool = |job: &str| params.pool.as_deref().is_none_or(|pool| pool.is_empty() || pool == job);
    let snapshot = sources.parts.targets.get();
    let shown: Vec<Value> =
        snapshot.targets.iter().filter(|t| active && in_pool(&t.job)).map(|t| target(t)).collect();
    let left_out: Vec<Value> =
        snapshot.dropped.iter().filter(|t| dropped && in_pool(&t.job)).map(dropped_target).collect();
    let counts: BTreeMap<&str, usize> =
        snapshot.jobs.iter().filter(|job| in_pool(&job.name)).map(|job| (&*job.name, job.dropped)).collect();
    success(&json!({ "activeTargets": shown, "droppedTargets": left_out, "droppedTargetCounts": counts }))
}

fn target(target: &TargetStatus) -> Value {
    json!({
        "discoveredLabels": target.discovered,
        "labels": target.labels,
        "scrapePool": target.job,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.last_error.as_deref().unwrap_or_default(),
        "lastScrape": target.last_scrape.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string()),
        "lastScrapeDuration": target.duration.map_or(0.0, |took| took.as_secs_f64()),
        "health": match target.health {
            Health::Ok => "up",
            Health::Down => "down",
            _ => "unknown",
        },
        "scrapeInterval": format_duration(target.interval),
        "scrapeTimeout": format_duration(target.timeout),
    })
}

fn dropped_target(target: &DroppedTarget) -> Value {
    json!({ "discoveredLabels": target.discovered, "scrapePool": target.job })
}

#[derive(Deserialize)]
struct MetadataParams {
    match_target: Option<String>,
    metric: Option<String>,
    limit: Option<usize>,
}

/// Metadata are kept by metric, not by target: each target is told those of the metrics that it exposes.
async fn metadata(State(sources): State<Sources>, Query(params): Query<MetadataParams>) -> Response {
    let selector = params.match_target.filter(|text| !text.is_empty());
    let matchers = match selector.as_deref().map(|text| (text, quarterdeck_promql::parse(text))) {
        None => Vec::new(),
        Some((text, Err(error))) => {
            return bad_data(&format!("invalid parameter \"match_target\": {}", error.with_position(text)));
        }
        Some((text, Ok(expr))) => match expr.unwrapped().kind {
            ExprKind::Vector(ref selector) => selector.matchers.clone(),
            _ => return bad_data(&format!("invalid parameter \"match_target\": {text:?} is not a selector")),
        },
    };
    let fits = |labels: &Labels| matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()));
    let snapshot = sources.parts.targets.get();
    let chosen: Vec<Arc<TargetStatus>> = snapshot
        .targets
        .iter()
        .filter(|t| t.health == Health::Ok && fits(&t.labels))
        .take(params.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX))
        .cloned()
        .collect();
    let store = sources.store.clone();
    let told =
        tokio::task::spawn_blocking(move || metadata_of(&store, &chosen, params.metric.as_deref())).await;
    match told {
        Ok(told) => success(&Value::Array(told)),
        Err(error) => {
            tracing::error!(%error, "metadata of targets could not be gathered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn metadata_of(store: &Store, targets: &[Arc<TargetStatus>], metric: Option<&str>) -> Vec<Value> {
    use quarterdeck_kernel::{Matcher, Timestamp};
    use quarterdeck_promql::{Budget, Storage as _};
    let known: BTreeMap<Arc<str>, _> = store.all_metadata().into_iter().collect();
    let mut told = Vec::new();
    for target in targets {
        let matchers =
            [("job", &target.job), ("instance", &target.instance)].map(|(n, v)| Matcher::equal(n, &**v));
        let names =
            store.label_values("__name__", &matchers, Timestamp::MIN, Timestamp::MAX, &Budget::unbounded());
        // Of a histogram's three metrics, its family is told once.
        let mut families: Vec<&str> = names
            .iter()
            .flatten()
            .filter_map(|name| {
                let ends = ["", "_bucket", "_count", "_sum", "_total", "_info", "_created"];
                ends.iter().filter_map(|end| name.strip_suffix(end)).find_map(|n| known.get_key_value(n))
            })
            .map(|(name, _)| &**name)
            .filter(|name| metric.is_none_or(|metric| metric.is_empty() || metric == *name))
            .collect();
        families.sort_unstable();
        families.dedup();
        for family in families {
            let about = &known[family];
            let mut entry = json!({
                "target": target.labels,
                "type": kind(about.kind),
                "help": about.help,
                "unit": about.unit,
            });
            if metric.is_none_or(str::is_empty) {
                entry["metric"] = family.into();
            }
            told.push(entry);
        }
    }
    told
}

fn kind(kind: MetricType) -> Value {
    serde_json::to_value(kind).unwrap_or_default()
}

async fn scrape_pools(State(sources): State<Sources>) -> Response {
    let snapshot = sources.parts.targets.get();
    let mut pools: Vec<&str> = snapshot.jobs.iter().map(|job| &*job.name).collect();
    pools.sort_unstable();
    success(&json!({ "scrapePools": pools }))
}

/// What is scraped, as a prometheus.yml would say it; without credentials, relabelling and discovery, which may hold
/// secrets.
async fn config(State(sources): State<Sources>) -> Response {
    let loaded = sources.loaded.borrow().clone();
    let plan = &loaded.plan;
    let mut yaml = String::from("global:\n  external_labels:");
    yaml.push_str(if plan.external_labels.is_empty() { " {}\n" } else { "\n" });
    for (name, value) in plan.external_labels.iter() {
        let _written = writeln!(yaml, "    {}: {}", json!(name), json!(value));
    }
    yaml.push_str(if plan.jobs.is_empty() { "scrape_configs: []\n" } else { "scrape_configs:\n" });
    for job in &plan.jobs {
        // Texts in JSON's quotes are YAML.
        let _written = writeln!(
            yaml,
            "- job_name: {}\n  honor_labels: {}\n  honor_timestamps: {}\n  scrape_interval: {}\n  scrape_timeout: {}\n  metrics_path: {}\n  scheme: {}",
            json!(job.name),
            job.honor_labels,
            job.honor_timestamps,
            format_duration(job.interval),
            format_duration(job.timeout),
            json!(job.metrics_path),
            job.scheme.as_str()
        );
    }
    success(&json!({ "yaml": yaml }))
}

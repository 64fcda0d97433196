//! The conventions that are built in: what the metrics of common libraries, servers and proxies mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Convention, LatencyUnit, Usage};

/// The conventions in use: configured ones by name, then the built-in ones that none of them replaces.
pub(crate) fn in_use(configured: &BTreeMap<String, Convention>) -> Vec<(Arc<str>, Convention)> {
    let names: BTreeSet<&str> = configured.keys().map(String::as_str).collect();
    let own = configured.iter().map(|(name, c)| (Arc::from(name.as_str()), c.clone()));
    let others = built_in().into_iter().filter(|(name, _)| !names.contains(name));
    own.chain(others.map(|(name, c)| (Arc::from(name), c))).filter(|(_, c)| c.enabled).collect()
}

/// The built-in conventions, those that count first before the others.
#[must_use]
pub fn built_in() -> Vec<(&'static str, Convention)> {
    let mut all = open_telemetry();
    all.extend(clients());
    all.extend(proxies());
    all.extend(resources());
    all
}

/// A convention with a counter or histogram count for requests, and buckets for latency. `failed` selects failures
/// among the requests, alternatives separated by `|` where different label names are common.
fn requests(
    count: &str,
    failed: &[&str],
    buckets: Option<(&str, LatencyUnit)>,
    transaction: &[&str],
) -> Convention {
    let rate = |selector: &str| format!("sum by ($by) (rate({selector}[$window]))");
    let errors: Vec<String> = failed.iter().map(|f| rate(&with(count, f))).collect();
    Convention {
        rate: Some(rate(count)),
        errors: (!errors.is_empty()).then(|| errors.join(" or ")),
        latency: buckets.map(|(name, _)| format!("sum by ($by, le) (increase({name}[$window]))")),
        latency_unit: buckets.map_or(LatencyUnit::Seconds, |(_, unit)| unit),
        transaction: transaction.iter().map(|t| (*t).to_owned()).collect(),
        ..Convention::default()
    }
}

/// A selector with one more condition.
fn with(selector: &str, condition: &str) -> String {
    match selector.strip_suffix('}') {
        Some(open) => format!("{open}, {condition}}}"),
        None => format!("{selector}{{{condition}}}"),
    }
}

fn protocol(name: &str, convention: Convention) -> Convention {
    Convention { protocol: name.to_owned(), ..convention }
}

/// gRPC codes that are the server's fault, as OpenTelemetry has them.
const RPC_FAILED: &str = r#"rpc_grpc_status_code=~"2|4|12|13|14|15""#;

/// Status labels in use among Prometheus client libraries.
const STATUS: [&str; 3] = [r#"code=~"5..""#, r#"status=~"5..""#, r#"status_code=~"5..""#];

/// Path labels in use among Prometheus client libraries.
const PATH: &str = "handler|path|route|endpoint|uri|url";

fn open_telemetry() -> Vec<(&'static str, Convention)> {
    use LatencyUnit::{Millis, Seconds};
    let http = ["http_request_method|method", "http_route|route|path"];
    let rpc = ["rpc_service", "rpc_method"];
    let utf8 = r#"{__name__=~"http\\.server\\.request\\.duration(_seconds)?_"#;
    vec![
        (
            "otel-http",
            requests(
                "http_server_request_duration_seconds_count",
                &[r#"http_response_status_code=~"5..""#],
                Some(("http_server_request_duration_seconds_bucket", Seconds)),
                &http,
            ),
        ),
        (
            "otel-http-utf8",
            requests(
                &format!("{utf8}count\"}}"),
                &[r#""http.response.status_code"=~"5..""#],
                Some((&format!("{utf8}bucket\"}}"), Seconds)),
                &["http.request.method", "http.route"],
            ),
        ),
        (
            "otel-http-before-1.21",
            requests(
                r#"{__name__=~"http_server_duration(_milliseconds)?_count"}"#,
                &[r#"http_status_code=~"5..""#],
                Some((r#"{__name__=~"http_server_duration(_milliseconds)?_bucket"}"#, Millis)),
                &["http_method", "http_route|http_target"],
            ),
        ),
        (
            "otel-rpc",
            protocol(
                "rpc",
                requests(
                    r#"{__name__=~"rpc_server_(call_)?duration_seconds_count"}"#,
                    &[RPC_FAILED],
                    Some((r#"{__name__=~"rpc_server_(call_)?duration_seconds_bucket"}"#, Seconds)),
                    &rpc,
                ),
            ),
        ),
        (
            "otel-rpc-milliseconds",
            protocol(
                "rpc",
                requests(
                    r#"{__name__=~"rpc_server_duration(_milliseconds)?_count"}"#,
                    &[RPC_FAILED],
                    Some((r#"{__name__=~"rpc_server_duration(_milliseconds)?_bucket"}"#, Millis)),
                    &rpc,
                ),
            ),
        ),
        (
            "otel-rpc-utf8",
            protocol(
                "rpc",
                requests(
                    r#"{__name__=~"rpc\\.server\\.(call\\.)?duration(_seconds)?_count"}"#,
                    &[r#""rpc.grpc.status_code"=~"2|4|12|13|14|15""#],
                    Some((r#"{__name__=~"rpc\\.server\\.(call\\.)?duration(_seconds)?_bucket"}"#, Seconds)),
                    &["rpc.service", "rpc.method"],
                ),
            ),
        ),
    ]
}

fn clients() -> Vec<(&'static str, Convention)> {
    use LatencyUnit::Seconds;
    let http = ["method", PATH];
    let buckets = Some(("http_request_duration_seconds_bucket", Seconds));
    vec![
        (
            "grpc-prometheus",
            protocol(
                "rpc",
                requests(
                    "grpc_server_handled_total",
                    &[r#"grpc_code=~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss""#],
                    Some(("grpc_server_handling_seconds_bucket", Seconds)),
                    &["grpc_service", "grpc_method"],
                ),
            ),
        ),
        ("prometheus-client", requests("http_requests_total", &STATUS, buckets, &http)),
        (
            "prometheus-client-histogram",
            requests("http_request_duration_seconds_count", &STATUS, buckets, &http),
        ),
        (
            "micrometer",
            requests(
                "http_server_requests_seconds_count",
                &STATUS,
                Some(("http_server_requests_seconds_bucket", Seconds)),
                &http,
            ),
        ),
    ]
}

fn proxies() -> Vec<(&'static str, Convention)> {
    use LatencyUnit::{Millis, Seconds};
    vec![
        (
            // This console's own gateway.
            "quarterdeck-gateway",
            requests(
                "quarterdeck_gateway_requests_total",
                &[r#"code=~"5..""#],
                Some(("quarterdeck_gateway_request_duration_seconds_bucket", Seconds)),
                &["route"],
            ),
        ),
        (
            "nginx-ingress",
            requests(
                "nginx_ingress_controller_requests",
                &[r#"status=~"5..""#],
                Some(("nginx_ingress_controller_request_duration_seconds_bucket", Seconds)),
                &["method", "host", "path|ingress"],
            ),
        ),
        (
            // The host "*" is the sum over all hosts; the code "total" the sum over all codes.
            "nginx-vts",
            requests(
                r#"nginx_vts_server_requests_total{host!="*", code!="total"}"#,
                &[r#"code="5xx""#],
                Some((r#"nginx_vts_server_request_duration_seconds_bucket{host!="*"}"#, Seconds)),
                &["host"],
            ),
        ),
        (
            // The exporter of stub_status knows no codes; the Lua library of the same metric name does.
            "nginx",
            requests(
                "nginx_http_requests_total",
                &[r#"status=~"5..""#],
                Some(("nginx_http_request_duration_seconds_bucket", Seconds)),
                &["host"],
            ),
        ),
        ("envoy-downstream", {
            let own = r#"envoy_http_conn_manager_prefix!="admin""#;
            let base = requests(
                &format!("envoy_http_downstream_rq_total{{{own}}}"),
                &[],
                Some((&format!("envoy_http_downstream_rq_time_bucket{{{own}}}"), Millis)),
                &["envoy_http_conn_manager_prefix"],
            );
            envoy(base, &format!("envoy_http_downstream_rq_xx{{{own}, envoy_response_code_class=\"5\"}}"))
        }),
        ("envoy-cluster", {
            let base = requests(
                "envoy_cluster_upstream_rq_total",
                &[],
                Some(("envoy_cluster_upstream_rq_time_bucket", Millis)),
                &["envoy_cluster_name"],
            );
            envoy(base, r#"envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}"#)
        }),
    ]
}

/// Envoy counts failures in a metric of their own.
fn envoy(base: Convention, failed: &str) -> Convention {
    Convention { errors: Some(format!("sum by ($by) (rate({failed}[$window]))")), ..base }
}

fn resources() -> Vec<(&'static str, Convention)> {
    let texts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, query)| ((*name).to_owned(), (*query).to_owned())).collect()
    };
    let usage = |entries: &[(&str, &str, &str)]| {
        let one = |(name, unit, query): &(&str, &str, &str)| {
            ((*name).to_owned(), Usage { unit: (*unit).to_owned(), query: (*query).to_owned() })
        };
        entries.iter().map(one).collect()
    };
    let convention = |saturation: &[(&str, &str)], used: &[(&str, &str, &str)]| Convention {
        protocol: "resources".to_owned(),
        saturation: texts(saturation),
        usage: usage(used),
        ..Convention::default()
    };
    vec![
        (
            "process",
            convention(
                &[
                    (
                        "cpu",
                        "100 * sum by ($by) (rate(process_cpu_seconds_total[$window])) \
                         / sum by ($by) (go_sched_gomaxprocs_threads)",
                    ),
                    ("files", "100 * max by ($by) (process_open_fds / process_max_fds)"),
                ],
                &[
                    ("cpu", "cores", "sum by ($by) (rate(process_cpu_seconds_total[$window]))"),
                    ("memory", "bytes", "sum by ($by) (process_resident_memory_bytes)"),
                    ("files", "1", "sum by ($by) (process_open_fds)"),
                ],
            ),
        ),
        (
            "container",
            convention(
                &[
                    (
                        "cpu",
                        "100 * sum by ($by) (rate(container_cpu_usage_seconds_total[$window])) \
                         / sum by ($by) (container_spec_cpu_quota / container_spec_cpu_period)",
                    ),
                    (
                        "memory",
                        "100 * max by ($by) (container_memory_working_set_bytes \
                         / (container_spec_memory_limit_bytes > 0))",
                    ),
                ],
                &[],
            ),
        ),
        (
            "node",
            convention(
                &[
                    (
                        "cpu",
                        "100 - 100 * avg by ($by) (rate(node_cpu_seconds_total{mode=\"idle\"}[$window]))",
                    ),
                    (
                        "memory",
                        "100 - 100 * min by ($by) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
                    ),
                    (
                        "disk",
                        "100 - 100 * min by ($by) (node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay|squashfs\"} \
                         / node_filesystem_size_bytes)",
                    ),
                ],
                &[
                    (
                        "cpu",
                        "cores",
                        "sum by ($by) (rate(node_cpu_seconds_total{mode!~\"idle|iowait\"}[$window]))",
                    ),
                    (
                        "memory",
                        "bytes",
                        "sum by ($by) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)",
                    ),
                    ("load", "1", "max by ($by) (node_load1)"),
                    ("reads", "bytes/s", "sum by ($by) (rate(node_disk_read_bytes_total[$window]))"),
                    ("writes", "bytes/s", "sum by ($by) (rate(node_disk_written_bytes_total[$window]))"),
                    (
                        "received",
                        "bytes/s",
                        "sum by ($by) (rate(node_network_receive_bytes_total{device!=\"lo\"}[$window]))",
                    ),
                    (
                        "sent",
                        "bytes/s",
                        "sum by ($by) (rate(node_network_transmit_bytes_total{device!=\"lo\"}[$window]))",
                    ),
                ],
            ),
        ),
        (
            "pools",
            convention(
                &[
                    ("workers", "100 * max by ($by) (workers_busy / workers)"),
                    ("queue", "100 * max by ($by) (queue_depth / queue_capacity)"),
                    (
                        "connections",
                        "100 * max by ($by) (hikaricp_connections_active / hikaricp_connections_max) \
                         or 100 * max by ($by) (go_sql_in_use_connections / (go_sql_max_open_connections > 0))",
                    ),
                ],
                &[],
            ),
        ),
    ]
}

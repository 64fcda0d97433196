//! What each kind of exposition is understood to say.

use quarterdeck_services::{ServiceView, Snapshot, TransactionView};

use crate::store::{Store, near};

/// 100 requests per second: 50 within 10 ms, 90 within 50 ms, 98 within 100 ms.
const SECONDS: [(&str, f64); 4] = [("0.01", 50.0), ("0.05", 90.0), ("0.1", 98.0), ("+Inf", 100.0)];

/// The same with bounds in milliseconds.
const MILLIS: [(&str, f64); 4] = [("10", 50.0), ("50", 90.0), ("100", 98.0), ("+Inf", 100.0)];

fn only(snapshot: &Snapshot) -> &ServiceView {
    assert_eq!(snapshot.problems, Vec::<String>::new());
    assert_eq!(snapshot.services.len(), 1, "{:?}", snapshot.services);
    &snapshot.services[0]
}

/// Checks a service against what [`SECONDS`] means.
#[track_caller]
fn latencies(service: &ServiceView) {
    near(service.signals.p50.value, 10.0);
    near(service.signals.p95.value, 81.25);
    near(service.signals.p99.value, 100.0);
}

#[track_caller]
fn transaction<'a>(service: &'a ServiceView, name: &str) -> &'a TransactionView {
    let known: Vec<_> = service.transactions.iter().map(|t| &t.name).collect();
    service.transaction(name).unwrap_or_else(|| panic!("{name} is not among {known:?}"))
}

#[test]
fn opentelemetry_http() {
    let mut store = Store::default();
    let labels = |route: &str, code: &str| {
        format!(
            "{{job=\"orders\", instance=\"a:1\", http_request_method=\"POST\", http_route=\"{route}\", \
             http_response_status_code=\"{code}\"}}"
        )
    };
    store.histogram("http_server_request_duration_seconds", &labels("/orders", "201"), &SECONDS);
    store.histogram(
        "http_server_request_duration_seconds",
        &labels("/orders", "503"),
        &[("0.01", 4.0), ("+Inf", 4.0)],
    );
    store.histogram(
        "http_server_request_duration_seconds",
        &labels("/quotes", "200"),
        &[("0.01", 6.0), ("+Inf", 6.0)],
    );
    store.up("{job=\"orders\", instance=\"a:1\"}");
    let snapshot = store.evaluate("");
    let service = only(&snapshot);
    assert_eq!((&*service.name, service.catalogued, service.targets.up), ("orders", false, 1));
    near(service.signals.rate.value, 110.0);
    near(service.signals.errors.value, 100.0 * 4.0 / 110.0);
    let orders = transaction(service, "POST /orders");
    near(orders.rate, 104.0);
    near(orders.errors, 100.0 * 4.0 / 104.0);
    near(orders.p50, 9.629_629_629_629_63);
    let quotes = transaction(service, "POST /quotes");
    near(quotes.errors, 0.0);
    near(quotes.p99, 9.9);
    assert_eq!(service.conventions.iter().map(|c| &**c).collect::<Vec<_>>(), ["otel-http"]);
}

#[test]
fn opentelemetry_http_with_dots_in_names() {
    let mut store = Store::default();
    let labels = "{service_name=\"cart\", 'http.request.method'=\"GET\", 'http.route'=\"/cart\", \
                  'http.response.status_code'=\"200\"}";
    let failed = labels.replace("200", "500");
    store.histogram("http.server.request.duration", labels, &SECONDS);
    store.histogram("http.server.request.duration", &failed, &[("0.01", 1.0), ("+Inf", 1.0)]);
    let snapshot = store.evaluate("");
    let service = only(&snapshot);
    near(service.signals.rate.value, 101.0);
    near(service.signals.errors.value, 100.0 / 101.0);
    near(transaction(service, "GET /cart").rate, 101.0);
}

#[test]
fn opentelemetry_http_of_older_libraries_in_milliseconds() {
    let mut store = Store::default();
    let labels = "{job=\"old\", http_method=\"GET\", http_target=\"/x\", http_status_code=\"200\"}";
    store.histogram("http_server_duration_milliseconds", labels, &MILLIS);
    let snapshot = store.evaluate("");
    let service = only(&snapshot);
    latencies(service);
    near(service.signals.errors.value, 0.0);
    near(transaction(service, "GET /x").p95, 81.25);
}

#[test]
fn opentelemetry_rpc_adds_to_http_of_the_same_service() {
    let mut store = Store::default();
    let rpc = |code: &str| {
        format!(
            "{{job=\"risk\", rpc_service=\"risk.Risk\", rpc_method=\"Check\", rpc_grpc_status_code=\"{code}\"}}"
        )
    };
    store.histogram("rpc_server_duration_milliseconds", &rpc("0"), &MILLIS);
    store.histogram("rpc_server_duration_milliseconds", &rpc("14"), &[("10", 2.0), ("+Inf", 2.0)]);
    store.histogram("rpc_server_duration_milliseconds", &rpc("5"), &[("10", 3.0), ("+Inf", 3.0)]);
    let http =
        "{job=\"risk\", http_request_method=\"GET\", http_route=\"/x\", http_response_status_code=\"200\"}";
    store.histogram("http_server_request_duration_seconds", http, &[("0.01", 10.0), ("+Inf", 10.0)]);
    let snapshot = store.evaluate("");
    let service = only(&snapshot);
    near(service.signals.rate.value, 115.0);
    // NOT_FOUND (5) is the caller's doing, UNAVAILABLE (14) the server's.
    near(service.signals.errors.value, 100.0 * 2.0 / 115.0);
    near(transaction(service, "risk.Risk Check").rate, 105.0);
    near(transaction(service, "GET /x").rate, 10.0);
}

#[test]
fn prometheus_client_libraries() {
    for (status, path) in [("code", "handler"), ("status", "path"), ("status_code", "route")] {
        let mut store = Store::default();
        let labels =
            |code: &str| format!("{{job=\"api\", method=\"GET\", {status}=\"{code}\", {path}=\"/items\"}}");
        store.counter("http_requests_total", &labels("200"), 95.0);
        store.counter("http_requests_total", &labels("404"), 3.0);
        store.counter("http_requests_total", &labels("500"), 2.0);
        store.histogram(
            "http_request_duration_seconds",
            &format!("{{job=\"api\", method=\"GET\", {path}=\"/items\"}}"),
            &SECONDS,
        );
        let snapshot = store.evaluate("");
        let service = only(&snapshot);
        near(service.signals.rate.value, 100.0);
        near(service.signals.errors.value, 2.0);
        latencies(service);
        near(transaction(service, "GET /items").errors, 2.0);
    }
}

#[test]
fn a_counter_and_a_histogram_of_one_service_do_not_add_up() {
    let mut store = Store::default();
    store.counter("http_requests_total", "{job=\"api\", code=\"200\"}", 7.0);
    store.histogram("http_request_duration_seconds", "{job=\"api\", code=\"200\"}", &SECONDS);
    near(only(&store.evaluate("")).signals.rate.value, 7.0);
    let mut store = Store::default();
    store.histogram("http_request_duration_seconds", "{job=\"api\", status=\"2xx\"}", &SECONDS);
    store.histogram("http_request_duration_seconds", "{job=\"api\", status=\"5xx\"}", &[("+Inf", 25.0)]);
    let snapshot = store.evaluate("");
    near(only(&snapshot).signals.rate.value, 125.0);
    near(only(&snapshot).signals.errors.value, 20.0);
}

#[test]
fn grpc_prometheus_and_micrometer() {
    let mut store = Store::default();
    let grpc = |code: &str| {
        format!(
            "{{job=\"g\", grpc_service=\"s.S\", grpc_method=\"M\", grpc_type=\"unary\", grpc_code=\"{code}\"}}"
        )
    };
    store.counter("grpc_server_handled_total", &grpc("OK"), 8.0);
    store.counter("grpc_server_handled_total", &grpc("Internal"), 2.0);
    let handling = "{job=\"g\", grpc_service=\"s.S\", grpc_method=\"M\"}";
    store.histogram("grpc_server_handling_seconds", handling, &SECONDS);
    let java = "{job=\"j\", method=\"GET\", uri=\"/a/{id}\", status=\"200\"}";
    store.histogram("http_server_requests_seconds", java, &SECONDS);
    let snapshot = store.evaluate("");
    let g = snapshot.service("g").unwrap();
    near(g.signals.errors.value, 20.0);
    latencies(g);
    assert_eq!(&*g.transactions[0].name, "s.S M");
    latencies(snapshot.service("j").unwrap());
    assert_eq!(&*snapshot.service("j").unwrap().transactions[0].name, "GET /a/{id}");
}

#[test]
fn nginx_of_all_kinds() {
    let mut store = Store::default();
    for (host, code, rate) in [
        ("shop", "2xx", 90.0),
        ("shop", "5xx", 10.0),
        ("shop", "total", 100.0),
        ("*", "2xx", 90.0),
        ("*", "5xx", 10.0),
    ] {
        let labels = format!("{{job=\"vts\", host=\"{host}\", code=\"{code}\"}}");
        store.counter("nginx_vts_server_requests_total", &labels, rate);
    }
    store.counter("nginx_http_requests_total", "{job=\"stub\"}", 12.0);
    let ingress = "{job=\"ingress\", host=\"shop\", path=\"/\", ingress=\"web\", status=\"502\"}";
    store.counter("nginx_ingress_controller_requests", ingress, 5.0);
    let snapshot = store.evaluate("");
    let service = |name: &str| snapshot.service(name).unwrap();
    near(service("vts").signals.rate.value, 100.0);
    near(service("vts").signals.errors.value, 10.0);
    assert_eq!(service("vts").transactions.iter().map(|t| &*t.name).collect::<Vec<_>>(), ["shop"]);
    near(service("stub").signals.rate.value, 12.0);
    near(service("ingress").signals.errors.value, 100.0);
    assert_eq!(&*service("ingress").transactions[0].name, "shop /");
}

#[test]
fn envoy_downstream_and_clusters() {
    let mut store = Store::default();
    let edge = |prefix: &str| format!("{{job=\"edge\", envoy_http_conn_manager_prefix=\"{prefix}\"}}");
    store.counter("envoy_http_downstream_rq_total", &edge("ingress"), 100.0);
    store.counter("envoy_http_downstream_rq_total", &edge("admin"), 1.0);
    let class = |c: u8| edge("ingress").replace('}', &format!(", envoy_response_code_class=\"{c}\"}}"));
    store.counter("envoy_http_downstream_rq_xx", &class(2), 96.0);
    store.counter("envoy_http_downstream_rq_xx", &class(5), 4.0);
    store.histogram("envoy_http_downstream_rq_time", &edge("ingress"), &MILLIS);
    // The same requests seen on their way on must not count again.
    store.counter("envoy_cluster_upstream_rq_total", "{job=\"edge\", envoy_cluster_name=\"orders\"}", 100.0);
    let mesh = "{job=\"mesh\", envoy_cluster_name=\"orders\"}";
    store.counter("envoy_cluster_upstream_rq_total", mesh, 20.0);
    store.counter(
        "envoy_cluster_upstream_rq_xx",
        "{job=\"mesh\", envoy_cluster_name=\"orders\", envoy_response_code_class=\"5\"}",
        5.0,
    );
    store.histogram("envoy_cluster_upstream_rq_time", mesh, &MILLIS);
    let snapshot = store.evaluate("");
    let edge = snapshot.service("edge").unwrap();
    near(edge.signals.rate.value, 100.0);
    near(edge.signals.errors.value, 4.0);
    latencies(edge);
    let mesh = snapshot.service("mesh").unwrap();
    near(mesh.signals.errors.value, 25.0);
    near(transaction(mesh, "orders").p95, 81.25);
}

#[test]
fn resources_of_processes_nodes_and_pools() {
    let mut store = Store::default();
    store.counter("process_cpu_seconds_total", "{job=\"go\"}", 1.5);
    store.gauge("go_sched_gomaxprocs_threads", "{job=\"go\"}", 4.0);
    store.gauge("process_resident_memory_bytes", "{job=\"go\"}", 64e6);
    store.gauge("process_open_fds", "{job=\"go\"}", 50.0);
    store.gauge("process_max_fds", "{job=\"go\"}", 1000.0);
    for (pool, busy) in [("a", 2.0), ("b", 7.0)] {
        let labels = format!("{{service=\"pool\", pool=\"{pool}\"}}");
        store.gauge("workers_busy", &labels, busy).gauge("workers", &labels, 8.0);
        store.gauge("queue_depth", &labels, 10.0).gauge("queue_capacity", &labels, 100.0);
    }
    store.counter("node_cpu_seconds_total", "{job=\"node\", cpu=\"0\", mode=\"idle\"}", 0.25);
    store.counter("node_cpu_seconds_total", "{job=\"node\", cpu=\"1\", mode=\"idle\"}", 0.75);
    store.gauge("node_memory_MemAvailable_bytes", "{job=\"node\"}", 2e9);
    store.gauge("node_memory_MemTotal_bytes", "{job=\"node\"}", 8e9);
    let snapshot = store.evaluate("");
    let full = |name: &str| {
        let signals = &snapshot.service(name).unwrap().signals;
        (signals.saturated.as_deref().unwrap(), signals.saturation.value)
    };
    assert_eq!(full("go").0, "cpu");
    near(full("go").1, 37.5);
    assert_eq!(full("pool").0, "workers");
    near(full("pool").1, 87.5);
    assert_eq!(full("node").0, "memory");
    near(full("node").1, 75.0);
    let go = snapshot.service("go").unwrap();
    let used = |name: &str| go.resources.iter().find(|r| &*r.name == name).unwrap();
    near(Some(used("cpu").value), 1.5);
    assert_eq!((&*used("cpu").unit, &*used("memory").unit), ("cores", "bytes"));
    near(Some(used("memory").value), 64e6);
    near(used("files").percent, 5.0);
}

#[test]
fn conventions_of_ones_own() {
    let mut store = Store::default();
    store.counter("jobs_done", "{app=\"batch\", kind=\"import\", ok=\"true\"}", 3.0);
    store.counter("jobs_done", "{app=\"batch\", kind=\"import\", ok=\"false\"}", 1.0);
    store.counter("http_requests_total", "{app=\"batch\"}", 50.0);
    let snapshot = store.evaluate(
        r#"
        [services.batch]
        matches = '{app="batch"}'

        [signals.conventions.jobs]
        protocol = "http"
        rate = "sum by ($by) (rate(jobs_done[$window]))"
        errors = 'sum by ($by) (rate(jobs_done{ok="false"}[$window]))'
        transaction = ["kind"]
        "#,
    );
    let service = only(&snapshot);
    near(service.signals.rate.value, 4.0);
    near(service.signals.errors.value, 25.0);
    near(transaction(service, "import").rate, 4.0);
    assert_eq!(service.conventions.iter().map(|c| &**c).collect::<Vec<_>>(), ["jobs"]);
}

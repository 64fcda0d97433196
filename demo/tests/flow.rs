//! The whole platform as tasks of one process, on loopback: orders flow, and latency behaves as queues do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quarterdeck_demo::{Options, Role, Running, start};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use common::{request, samples, sum, wait_for};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

struct Platform {
    runtime: tokio::runtime::Runtime,
    running: Vec<(&'static str, Running)>,
    logs: Sink,
    _data: tempfile::TempDir,
}

impl Platform {
    /// All roles, in the middle of the morning of a day that does not end.
    fn start(order_rate: f64, slot_us: u64) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let data = tempfile::tempdir().unwrap();
        let day_ms = 1_000_000_000;
        let base = Options {
            day_ms,
            epoch_ms: std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 - day_ms as i64 * 3 / 10,
            seed: 11,
            order_rate,
            slot_us,
            // Unoptimised code computes several times slower: less of it keeps queues where a release has them.
            scenarios: 500,
            margin_grid: 16,
            data_dir: Some(data.path().to_owned()),
            ..Options::default()
        };
        let mut platform = Self { runtime, running: Vec::new(), logs: Sink::default(), _data: data };
        let feed = format!("ws://{}/feed", platform.role("market-data", Role::MarketData, base.clone()));
        let url = |address: SocketAddr| Some(format!("http://{address}"));
        let ledger_url = url(platform.role("ledger", Role::Ledger, base.clone()));
        let broker_url = url(platform.role("broker", Role::Broker, base.clone()));
        let base = Options { ledger_url, broker_url, feed_url: Some(feed), ..base };
        let risk_url = url(platform.role("risk", Role::Risk, base.clone()));
        let base = Options { risk_url, ..base };
        let orders_url = url(platform.role("orders", Role::Orders, base.clone()));
        let second = Options { release: "v2".into(), ..base.clone() };
        let orders_v2_url = url(platform.role("orders-v2", Role::Orders, second));
        platform.role("load", Role::Load, Options { orders_url, orders_v2_url, ..base });
        platform
    }

    fn role(&mut self, name: &'static str, role: Role, options: Options) -> SocketAddr {
        let logs = self.logs.clone();
        let running = self.runtime.block_on(start(role, options, logs, CancellationToken::new())).unwrap();
        let address = running.address;
        self.running.push((name, running));
        address
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.running.iter().find(|(known, _)| *known == name).unwrap().1.address
    }

    fn samples(&self, name: &str) -> BTreeMap<String, f64> {
        samples(self.address(name))
    }

    fn post(&self, name: &str, path: &str, body: &str) -> (u16, String) {
        request(self.address(name), &format!("POST {path}"), body).unwrap()
    }

    /// What an order took on average that was answered during `span`, seconds.
    fn latency(&self, span: Duration) -> f64 {
        let before = self.samples("load");
        std::thread::sleep(span);
        let after = self.samples("load");
        let more = |series| sum(&after, series, "") - sum(&before, series, "");
        let answered = more("client_order_duration_seconds_count");
        if answered == 0.0 { 0.0 } else { more("client_order_duration_seconds_sum") / answered }
    }

    fn stop(self) -> Vec<Value> {
        for (name, running) in self.running.into_iter().rev() {
            let ended =
                self.runtime.block_on(async { tokio::time::timeout(common::PATIENCE, running.stop()).await });
            ended.unwrap_or_else(|_| panic!("{name} does not end")).unwrap();
        }
        self.logs.lines()
    }
}

#[test]
fn orders_flow_from_the_clients_to_the_ledger() {
    let platform = Platform::start(40.0, 2_000);
    wait_for("fills are booked", || sum(&platform.samples("ledger"), "ledger_fills_total", "") > 60.0);
    assert_eq!(platform.post("load", "/admin/split", r#"{"v2":0.5}"#).0, 200);
    wait_for("the second version takes orders", || {
        sum(&platform.samples("orders-v2"), "orders_total", r#"version="v2""#) > 20.0
    });
    // With no more orders on their way, what the services counted must agree.
    assert_eq!(platform.post("load", "/admin/rate", r#"{"factor":0}"#).0, 200);
    wait_for("all orders are answered", || {
        let load = platform.samples("load");
        // Once the sender has seen the rate of nought it sends nothing more; before, one order may still be due.
        sum(&load, "client_target_orders_per_second", "") == 0.0
            && sum(&load, "client_orders_in_flight", "") == 0.0
            && sum(&load, "client_orders_total", "") == sum(&load, "client_order_duration_seconds_count", "")
    });
    let [load, first, second, broker, ledger, risk, market] =
        ["load", "orders", "orders-v2", "broker", "ledger", "risk", "market-data"]
            .map(|name| platform.samples(name));
    let orders = |status: &str| sum(&first, "orders_total", status) + sum(&second, "orders_total", status);
    assert_eq!(sum(&load, "client_orders_total", ""), orders(""));
    assert_eq!(orders(r#"status="failed""#), 0.0);
    assert!(orders(r#"status="filled""#) > 20.0);
    assert_eq!(sum(&broker, "fills_total", ""), sum(&ledger, "ledger_fills_total", ""));
    assert_eq!(
        sum(&broker, "http_server_request_duration_seconds_count", r#"http_route="/executions""#),
        sum(&broker, "broker_executions_total", "")
    );
    assert!(sum(&broker, "volume_shares_total", "") >= 100.0);
    assert!(sum(&risk, "risk_checks_total", r#"reason="approved""#) > 20.0);
    assert!(sum(&market, "feed_messages_total", "") > 100.0);
    assert_eq!(sum(&market, "feed_messages_dropped_total", ""), 0.0);
    assert_eq!(sum(&first, "feed_quotes_missed_total", ""), 0.0);
    for page in [&load, &first, &broker, &ledger, &risk, &market] {
        assert!(sum(page, "process_resident_memory_bytes", "") > 1e6);
        assert!(page.contains_key("process_cpu_seconds_total"));
    }
    // Positions that the ledger tells are those that it holds.
    let (_, positions) = request(platform.address("ledger"), "GET /positions", "").unwrap();
    let positions: Vec<Value> = serde_json::from_str(&positions).unwrap();
    let net: i64 = positions.iter().map(|position| position["quantity"].as_i64().unwrap()).sum();
    assert_eq!(net as f64, sum(&ledger, "position_shares", ""));

    let logs = platform.stop();
    let traces = |service: &str, message: &str| -> BTreeSet<String> {
        let wanted = |line: &&Value| line["service"] == service && line["msg"] == message;
        let trace = |line: &Value| line["trace_id"].as_str().unwrap().to_owned();
        logs.iter().filter(wanted).map(trace).collect()
    };
    let booked = traces("ledger", "order booked");
    assert!(booked.len() > 20);
    assert!(booked.is_subset(&traces("broker", "order executed")), "a trace begins anew on its way");
    let done: BTreeSet<String> =
        traces("orders", "order done").union(&traces("orders", "order was slow")).cloned().collect();
    assert!(booked.is_subset(&done), "a trace begins anew on its way");
}

#[test]
fn an_order_can_be_placed_by_hand_and_bad_ones_are_told_why() {
    let platform = Platform::start(5.0, 2_000);
    wait_for("quotes flow", || {
        request(platform.address("orders"), "GET /readyz", "").is_ok_and(|(status, _)| status == 200)
            && sum(&platform.samples("market-data"), "market_price_dollars", "HELM") > 0.0
    });
    let price = sum(&platform.samples("market-data"), "market_price_dollars", "HELM");
    let order = |symbol: &str, quantity: i64, limit: f64| {
        let body = format!(
            r#"{{"client_order_id":"me","account":"anchor","symbol":"{symbol}","side":"buy","quantity":{quantity},"limit":{limit}}}"#
        );
        let (status, body) = platform.post("orders", "/orders", &body);
        let body: Value = serde_json::from_str(&body).unwrap();
        (status, body)
    };
    // One of a few orders could be refused by the venue, not several.
    let taken = (0..5).map(|_| order("HELM", 100, price * 1.02)).find(|(status, _)| *status == 201);
    let (_, view) = taken.expect("an order within all limits is taken");
    assert_eq!((&view["status"], &view["filled"]), (&"filled".into(), &100.into()), "{view}");
    let path = format!("GET /orders/{}", view["id"].as_str().unwrap());
    let (status, again) = request(platform.address("orders"), &path, "").unwrap();
    assert_eq!((status, serde_json::from_str::<Value>(&again).unwrap()), (200, view));
    assert_eq!(request(platform.address("orders"), "GET /orders/none", "").unwrap().0, 404);
    for (symbol, quantity, limit, reason) in [
        ("NOPE", 100, price, "unknown_symbol"),
        ("HELM", 0, price, "quantity"),
        ("HELM", 100, -1.0, "price"),
        ("HELM", 100, price * 1.08, "price_band"),
    ] {
        let (status, view) = order(symbol, quantity, limit);
        assert_eq!((status, view["reason"].as_str()), (422, Some(reason)), "{view}");
    }
    assert_eq!(platform.post("orders", "/orders", "{").0, 400);
    assert_eq!(platform.post("broker", "/admin/slowdown", r#"{"factor":0}"#).0, 400);
    assert_eq!(platform.post("load", "/admin/rate", r#"{"factor":-1}"#).0, 400);

    // What the standard rules watch: the line to the venue, the kill switch, what the house makes, its cache of quotes.
    assert!(sum(&platform.samples("orders"), "trading_pnl_dollars", "") > 0.0);
    assert!(sum(&platform.samples("orders"), "cache_hits_total", r#"cache="quotes""#) > 0.0);
    assert_eq!(platform.post("broker", "/admin/connection", r#"{"connected":false}"#).0, 200);
    assert_eq!(sum(&platform.samples("broker"), "broker_connected", ""), 0.0);
    let (status, view) = order("HELM", 100, price * 1.02);
    assert_eq!((status, view["reason"].as_str()), (502, Some("broker_unavailable")), "{view}");
    assert_eq!(platform.post("broker", "/admin/connection", r#"{"connected":true}"#).0, 200);
    assert_eq!(platform.post("orders", "/admin/kill-switch", r#"{"active":true}"#).0, 200);
    assert_eq!(sum(&platform.samples("orders"), "trading_kill_switch_active", ""), 1.0);
    let (status, view) = order("HELM", 100, price * 1.02);
    assert_eq!((status, view["reason"].as_str()), (422, Some("kill_switch")), "{view}");
    assert_eq!(sum(&platform.samples("risk"), "model_prediction_failures_total", ""), 0.0);

    // The pager takes what Alertmanager's webhook sends.
    assert_eq!(platform.post("load", "/pages", r#"{"status":"firing","groupKey":"g","alerts":[{}]}"#).0, 200);
    let (_, pages) = request(platform.address("load"), "GET /pages", "").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&pages).unwrap()[0]["groupKey"], "g");
    platform.stop();
}

#[test]
fn twice_the_load_and_a_slow_broker_both_show() {
    // One message in 10 ms and about 2.8 messages per order: room for some 35 orders a second.
    let platform = Platform::start(18.0, 10_000);
    wait_for("orders flow", || sum(&platform.samples("load"), "client_orders_total", "") > 5.0);
    // The best of several short looks, so that a pause of the whole machine does not count as the usual.
    let look = Duration::from_secs(1);
    let usual =
        (0..4).map(|_| platform.latency(look)).filter(|took| *took > 0.0).fold(f64::INFINITY, f64::min);
    assert!(usual.is_finite(), "no order was answered in four looks");
    assert_eq!(platform.post("load", "/admin/rate", r#"{"factor":2}"#).0, 200);
    wait_for("twice the load takes half as long again", || platform.latency(look) > 1.5 * usual);

    assert_eq!(platform.post("load", "/admin/rate", r#"{"factor":1}"#).0, 200);
    assert_eq!(platform.post("broker", "/admin/slowdown", r#"{"factor":10}"#).0, 200);
    wait_for("orders back up before the broker", || {
        let (orders, broker) = (platform.samples("orders"), platform.samples("broker"));
        sum(&broker, "queue_depth", r#"pool="sessions""#) > 15.0
            && sum(&orders, "workers_busy", r#"pool="pipeline""#) == 24.0
            && sum(&orders, "queue_depth", r#"pool="pipeline""#) > 5.0
    });
    assert_eq!(platform.post("broker", "/admin/slowdown", r#"{"factor":0.1}"#).0, 200);
    wait_for("the queue is worked off", || {
        sum(&platform.samples("orders"), "queue_depth", r#"pool="pipeline""#) == 0.0
    });
    platform.stop();
}

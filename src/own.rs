//! The console's own metrics, beside those that the metrics engine keeps of itself: named `quarterdeck_<part>_<what>_<unit>`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quarterdeck_alerting::model::{AlertState, SilenceKind, SilenceState};
use quarterdeck_kernel::{Clock, Health, SystemClock};
use quarterdeck_metrics::MetricType::{Counter, Gauge};
use quarterdeck_metrics::gather::Family;
use quarterdeck_metrics::instruments;

use tokio::sync::watch;

use crate::config::Loaded;
use crate::live::Live;
use crate::screen::FRAMES;
use crate::worlds::Parts;

/// Has the parts tell of themselves whenever `/metrics` is asked for, and every few seconds in the store.
pub fn tell(
    parts: Arc<Parts>,
    loaded: watch::Receiver<Arc<Loaded>>,
    requests: Arc<AtomicU64>,
    gateway: Live<quarterdeck_gateway::Handle>,
) {
    instruments::global().collect("console", move || {
        let mut families = console(&parts, requests.load(Ordering::Relaxed));
        families.extend(streams(&parts));
        families.extend(targets(&parts));
        families.extend(alerting(&parts));
        families.extend(gateway.get().iter().flat_map(quarterdeck_gateway::Handle::families));
        families.push(Family::single(
            "quarterdeck_config_last_reload_success_timestamp_seconds",
            Gauge,
            "When the configuration in force was read.",
            loaded.borrow().read_at.as_secs_f64(),
        ));
        families
    });
}

fn console(parts: &Parts, requests: u64) -> Vec<Family> {
    let console = parts.console.get();
    let timeline = parts.timeline.get();
    let mut up = Family::new("quarterdeck_engine_up", Gauge, "1 while the engine runs.");
    let mut restarts =
        Family::new("quarterdeck_engine_restarts_total", Counter, "Starts of the engine after failures.");
    for engine in &console.engines {
        let labels = [("engine", engine.name.as_str())];
        up.add(&labels, f64::from(u8::from(engine.state == "running")));
        restarts.add(&labels, f64::from(engine.restarts));
    }
    let counter = |name: &str, help: &str, value: u64| Family::single(name, Counter, help, value as f64);
    let gauge = |name: &str, help: &str, value: f64| Family::single(name, Gauge, help, value);
    vec![
        up,
        restarts,
        counter("quarterdeck_http_requests_total", "Requests to the console's listener.", requests),
        counter(
            "quarterdeck_timeline_entries_total",
            "Entries that this console wrote on the timeline.",
            timeline.total,
        ),
        gauge("quarterdeck_timeline_running", "Changes under way.", timeline.running as f64),
        gauge(
            "quarterdeck_config_last_reload_successful",
            "0 while the newest configuration is refused and an older one is in force.",
            f64::from(u8::from(console.config_errors.is_empty())),
        ),
        counter(
            "quarterdeck_log_lines_dropped_total",
            "Lines that the own log could not take.",
            console.log_dropped,
        ),
        counter("quarterdeck_screen_frames_total", "Frames painted.", FRAMES.frames()),
        gauge(
            "quarterdeck_screen_key_to_frame_p99_seconds",
            "99th percentile from a key to its painted frame, over the last 256 keys.",
            FRAMES.key_p99_us() as f64 / 1e6,
        ),
    ]
}

fn streams(parts: &Parts) -> Vec<Family> {
    let snapshot = parts.streams.get();
    let counter = |name: &str, help: &str| Family::new(name, Counter, help);
    let mut up = Family::new("quarterdeck_stream_up", Gauge, "1 while the feed's connection stands.");
    let mut messages = counter("quarterdeck_stream_messages_total", "Messages received.");
    let mut bytes = counter("quarterdeck_stream_bytes_total", "Bytes received.");
    let mut dropped =
        counter("quarterdeck_stream_messages_dropped_total", "Messages dropped because the queue was full.");
    let mut missing =
        counter("quarterdeck_stream_messages_missing_total", "Messages that the sequence shows as missing.");
    let mut bad = counter("quarterdeck_stream_messages_bad_total", "Messages that could not be read.");
    let mut reconnects =
        counter("quarterdeck_stream_reconnects_total", "Times the connection was opened again.");
    let mut lag =
        Family::new("quarterdeck_stream_lag_seconds", Gauge, "How old the newest message was when it came.");
    for feed in &snapshot.feeds {
        let labels = [("stream", &*feed.name)];
        let stats = &feed.stats;
        up.add(&labels, f64::from(u8::from(feed.state.connected())));
        messages.add(&labels, stats.messages as f64);
        bytes.add(&labels, stats.bytes as f64);
        dropped.add(&labels, stats.dropped as f64);
        missing.add(&labels, stats.missing as f64);
        bad.add(&labels, stats.bad as f64);
        reconnects.add(&labels, stats.reconnects as f64);
        if let Some(ms) = stats.lag_ms {
            lag.add(&labels, ms / 1e3);
        }
    }
    vec![up, messages, bytes, dropped, missing, bad, reconnects, lag]
}

fn targets(parts: &Parts) -> Vec<Family> {
    let snapshot = parts.targets.get();
    let mut by_health =
        Family::new("quarterdeck_scrape_targets", Gauge, "Targets by how their last scrape went.");
    for health in [Health::Ok, Health::Unknown, Health::Down] {
        let count = snapshot.targets.iter().filter(|t| t.health == health).count();
        by_health.add(&[("health", health.as_str())], count as f64);
    }
    let dropped = snapshot.dropped_count as f64;
    vec![
        by_health,
        Family::single(
            "quarterdeck_scrape_targets_dropped",
            Gauge,
            "Targets that relabelling dropped.",
            dropped,
        ),
    ]
}

fn alerting(parts: &Parts) -> Vec<Family> {
    let view = parts.alerting.get();
    let (alerts, totals, now) = (&view.alerts, view.alerts.stats.totals, SystemClock.now());
    let mut states = Family::new("quarterdeck_alerting_alerts", Gauge, "Alerts by their state.");
    for (state, count) in AlertState::ALL.iter().zip(alerts.stats.states) {
        states.add(&[("state", state.as_str())], count as f64);
    }
    let mut notifications = Family::new(
        "quarterdeck_alerting_notifications_total",
        Counter,
        "Notifications by what came of them; unknown ones were under way when the console died.",
    );
    for (outcome, count) in
        [("delivered", totals.sent), ("failed", totals.failed), ("unknown", totals.unknown)]
    {
        notifications.add(&[("outcome", outcome)], count as f64);
    }
    let mut destinations = Family::new(
        "quarterdeck_alerting_destination_up",
        Gauge,
        "0 while the destination's circuit breaker is not closed: what is sent there fails.",
    );
    for to in &parts.console.get().destinations {
        destinations.add(&[("destination", &*to.destination)], f64::from(u8::from(to.down_since.is_none())));
    }
    // The label is not `service`: what a window silences must not hide the word that it is open.
    let mut maintenance = Family::new(
        "quarterdeck_alerting_maintenance_active",
        Gauge,
        "1 for each service that work is under way on.",
    );
    let mut services: Vec<&str> = alerts
        .silences
        .iter()
        .filter(|silence| silence.state(now) == SilenceState::Active)
        .filter_map(|silence| match &silence.kind {
            SilenceKind::Maintenance(services) => Some(services.iter().map(|s| &**s)),
            _ => None,
        })
        .flatten()
        .collect();
    services.sort_unstable();
    services.dedup();
    for service in services {
        maintenance.add(&[("maintained", service)], 1.0);
    }
    let counter = |name: &str, help: &str, value: u64| Family::single(name, Counter, help, value as f64);
    vec![
        states,
        notifications,
        destinations,
        maintenance,
        counter("quarterdeck_alerting_received_total", "Alerts posted, good and bad.", totals.received),
        counter("quarterdeck_alerting_refused_total", "Alerts that were refused.", totals.refused),
        counter(
            "quarterdeck_alerting_turned_away_total",
            "Requests to alerting that found no room because too much waited.",
            view.turned_away,
        ),
        counter("quarterdeck_alerting_fired_total", "Firings begun.", totals.fired),
        counter(
            "quarterdeck_alerting_acknowledged_total",
            "Firings that somebody took.",
            totals.acknowledged,
        ),
        Family::single(
            "quarterdeck_alerting_saved",
            Gauge,
            "0 while the store does not take what alerting has to remember.",
            f64::from(u8::from(view.unsaved.is_none())),
        ),
    ]
}

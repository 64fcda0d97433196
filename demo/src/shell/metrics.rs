use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of duration buckets, seconds: the semantic conventions' own, closer together where orders live.
const BOUNDS: [f64; 20] = [
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

/// A gauge that holds any number.
pub(crate) type FloatGauge = Gauge<f64, AtomicU64>;
/// A counter of something that is not whole.
pub(crate) type FloatCounter = Counter<f64, AtomicU64>;
/// Durations by labels.
pub(crate) type DurationFamily<L> = Family<L, Histogram>;

/// A histogram of durations in seconds.
pub(crate) fn durations() -> Histogram {
    Histogram::new(BOUNDS)
}

/// A family of histograms of durations in seconds.
pub(crate) fn duration_family<L: Clone + Hash + Eq>() -> DurationFamily<L> {
    Family::new_with_constructor(durations)
}

/// Which trace an exemplar comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TraceLabel {
    pub(crate) trace_id: String,
}

/// Labels of a served request, by OpenTelemetry's semantic conventions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) http_request_method: &'static str,
    pub(crate) http_route: String,
    pub(crate) http_response_status_code: u32,
}

type TracedHistogram = HistogramWithExemplars<TraceLabel>;

/// What the HTTP server of a service measures.
#[derive(Clone)]
pub(crate) struct ServerMetrics {
    duration: Family<RequestLabels, TracedHistogram>,
    pub(crate) active: Gauge,
}

impl ServerMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let duration: Family<RequestLabels, TracedHistogram> =
            Family::new_with_constructor(|| TracedHistogram::new(BOUNDS.into_iter()));
        registry.register_with_unit(
            "http_server_request_duration",
            "Duration of HTTP server requests",
            Unit::Seconds,
            duration.clone(),
        );
        let active = Gauge::default();
        registry.register("http_server_active_requests", "HTTP requests being served", active.clone());
        Self { duration, active }
    }

    pub(crate) fn observe(&self, labels: &RequestLabels, took: Duration, trace_id: String) {
        let exemplar = Some(TraceLabel { trace_id });
        self.duration.get_or_create(labels).observe(
            took.as_secs_f64(),
            exemplar,
            Some(std::time::SystemTime::now()),
        );
    }
}

/// A metric per reason, which must be one of a few words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    pub(crate) reason: &'static str,
}

/// A metric per instrument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SymbolLabel {
    pub(crate) symbol: String,
}

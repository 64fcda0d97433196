//! What the store and this process show of themselves.

use crate::Store;
use crate::gather::Family;
use crate::ingest::MetricType;

/// The store's figures as metric families.
#[must_use]
pub fn store_families(store: &Store) -> Vec<Family> {
    let stats = store.stats();
    let gauge = |name: &str, help: &str, value: f64| Family::single(name, MetricType::Gauge, help, value);
    let counter = |name: &str, help: &str, value: f64| Family::single(name, MetricType::Counter, help, value);
    let mut dropped = Family::new(
        "quarterdeck_metrics_samples_dropped_total",
        MetricType::Counter,
        "Samples that were refused, by reason.",
    );
    for (reason, count) in [
        ("too_old", stats.drops.too_old),
        ("too_new", stats.drops.too_new),
        ("duplicate", stats.drops.duplicate),
        ("unknown_series", stats.drops.unknown_series),
    ] {
        dropped.add(&[("reason", reason)], count as f64);
    }
    vec![
        dropped,
        counter("quarterdeck_metrics_samples_taken_total", "Samples that were taken.", stats.taken as f64),
        counter(
            "quarterdeck_metrics_series_created_total",
            "Series that were made.",
            stats.series_created as f64,
        ),
        counter(
            "quarterdeck_metrics_series_refused_total",
            "Series that were refused because there are too many.",
            stats.drops.refused_series as f64,
        ),
        counter(
            "quarterdeck_metrics_exemplars_dropped_total",
            "Exemplars that newer ones pushed out.",
            stats.drops.exemplars as f64,
        ),
        gauge("quarterdeck_metrics_series", "Series held.", stats.series as f64),
        gauge(
            "quarterdeck_metrics_active_series",
            "Series with samples in memory.",
            stats.active_series as f64,
        ),
        gauge("quarterdeck_metrics_head_samples", "Samples in memory.", stats.head_samples as f64),
        gauge("quarterdeck_metrics_head_bytes", "Bytes of samples in memory.", stats.head_bytes as f64),
        gauge("quarterdeck_metrics_sealed_samples", "Samples in segments.", stats.sealed_samples as f64),
        gauge("quarterdeck_metrics_segments", "Segments.", stats.segments as f64),
        gauge("quarterdeck_metrics_segment_bytes", "Bytes of segments.", stats.segment_bytes as f64),
        gauge("quarterdeck_metrics_log_bytes", "Bytes of the write-ahead log.", stats.log_bytes as f64),
        gauge("quarterdeck_metrics_damaged_files", "Findings of damage.", stats.damage.len() as f64),
        gauge(
            "quarterdeck_metrics_write_failing",
            "1 while the write-ahead log cannot be written.",
            f64::from(u8::from(stats.write_error.is_some())),
        ),
    ]
}

/// This process, under the names that Prometheus's client libraries use; empty where the system does not tell.
#[must_use]
pub fn process_families() -> Vec<Family> {
    if cfg!(target_os = "linux") { linux::process_families().unwrap_or_default() } else { Vec::new() }
}

mod linux {
    use std::fs;

    use crate::gather::Family;
    use crate::host::{TICKS_PER_SECOND, boot_time};
    use crate::ingest::MetricType;

    pub(super) fn process_families() -> Option<Vec<Family>> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The command stands in brackets and may hold anything: count fields from behind the last one.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let field = |n: usize| fields.get(n)?.parse::<f64>().ok();
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
        };
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let gauge = |name: &str, help: &str, value: f64| Family::single(name, MetricType::Gauge, help, value);
        Some(vec![
            Family::single(
                "process_cpu_seconds_total",
                MetricType::Counter,
                "User and system time of this process in seconds.",
                (field(11)? + field(12)?) / TICKS_PER_SECOND,
            ),
            gauge("process_threads", "Threads of this process.", field(17)?),
            gauge(
                "process_start_time_seconds",
                "When this process started, in seconds since 1970.",
                boot_time()? + field(19)? / TICKS_PER_SECOND,
            ),
            gauge("process_virtual_memory_bytes", "Virtual memory in bytes.", bytes("VmSize")?),
            gauge("process_resident_memory_bytes", "Resident memory in bytes.", bytes("VmRSS")?),
            gauge("process_open_fds", "Open file descriptors.", open_files as f64),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_and_the_process_tell_of_themselves() {
        let names: Vec<String> = store_families(&Store::in_memory(crate::MetricsConfig::default()))
            .into_iter()
            .map(|f| f.name)
            .collect();
        assert!(names.iter().all(|name| name.starts_with("quarterdeck_metrics_")), "{names:?}");
        if cfg!(target_os = "linux") {
            let families = process_families();
            let rss = families.iter().find(|f| f.name == "process_resident_memory_bytes").unwrap();
            assert!(rss.samples[0].value > 1e5, "{rss:?}");
        }
    }
}

//! How fast a node_exporter page is read, on one core. The target is 300 MB/s.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench may panic")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quarterdeck_metrics::exposition::{Format, Item, parse};

/// A page with the families, label counts and value shapes of a node_exporter on a machine with 16 cores.
fn node_exporter_page() -> String {
    let mut page = String::new();
    let mut family = |name: &str, kind: &str, lines: &[(String, f64)]| {
        writeln!(page, "# HELP {name} Exposed by the operating system, as the kernel counts it since boot.")
            .unwrap();
        writeln!(page, "# TYPE {name} {kind}").unwrap();
        for (labels, value) in lines {
            writeln!(page, "{name}{labels} {value}").unwrap();
        }
    };
    let cpus: Vec<(String, f64)> = (0..16)
        .flat_map(|cpu| {
            ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"].iter().enumerate().map(
                move |(i, mode)| {
                    (format!("{{cpu=\"{cpu}\",mode=\"{mode}\"}}"), 12345.67 * f64::from(cpu + 1) + i as f64)
                },
            )
        })
        .collect();
    family("node_cpu_seconds_total", "counter", &cpus);
    for i in 0..50 {
        family(
            &format!("node_memory_Field{i}_bytes"),
            "gauge",
            &[(String::new(), 1e9 + f64::from(i) * 4096.0)],
        );
    }
    for name in ["avail_bytes", "size_bytes", "free_bytes", "files", "files_free", "readonly"] {
        let lines: Vec<_> = (0..12)
            .map(|i| {
                (
                    format!(
                        "{{device=\"/dev/nvme0n1p{i}\",fstype=\"ext4\",mountpoint=\"/var/lib/data/{i}\"}}"
                    ),
                    2.5e11,
                )
            })
            .collect();
        family(&format!("node_filesystem_{name}"), "gauge", &lines);
    }
    for name in [
        "receive_bytes",
        "receive_packets",
        "receive_errs",
        "transmit_bytes",
        "transmit_packets",
        "transmit_drop",
    ] {
        let lines: Vec<_> =
            (0..20).map(|i| (format!("{{device=\"veth{i:07x}\"}}"), 98_765_432.0 + f64::from(i))).collect();
        family(&format!("node_network_{name}_total"), "counter", &lines);
    }
    page
}

fn reading(c: &mut Criterion) {
    let page = node_exporter_page();
    let mut group = c.benchmark_group("exposition");
    group.throughput(Throughput::Bytes(page.len() as u64));
    group.bench_function("node_exporter page, text 0.0.4", |b| {
        b.iter(|| {
            let mut sum = 0.0;
            for item in parse(Format::Text, black_box(page.as_bytes())) {
                if let Ok(Item::Sample(sample)) = item {
                    sum += sample.value;
                    black_box(sample.series);
                }
            }
            sum
        });
    });
    let open = format!("{page}# EOF\n");
    group.bench_function("the same page, OpenMetrics", |b| {
        b.iter(|| parse(Format::OpenMetrics, black_box(open.as_bytes())).filter(Result::is_ok).count());
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);

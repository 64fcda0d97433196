//! What the durable timeline costs, on SQLite and, where there is one, on a private PostgreSQL server: an entry appended
//! and synced by one writer, entries appended by 64 writers at once (which share commits), and the verification of a chain.
//!
//! `cargo bench -p quarterdeck-journal`

#![allow(clippy::unwrap_used, reason = "a bench may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quarterdeck_journal::testing::Scratch;
use quarterdeck_journal::timeline::{NewEntry, Timeline};
use quarterdeck_kernel::{Actor, ChangeKind};
use tokio::runtime::Runtime;

/// Writers that append at once.
const WRITERS: u64 = 64;

/// Entries of the chain that is verified.
const CHAIN: u64 = 5_000;

async fn append(timeline: &Timeline, count: u64) {
    for n in 0..count {
        let entry = NewEntry::new(ChangeKind::Operation, Actor::system("bench"), format!("entry {n}"));
        timeline.append(entry).await.unwrap();
    }
}

/// How long it takes until all writers have appended so many entries each.
async fn together(timeline: &Timeline, each: u64) -> Duration {
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let timeline = timeline.clone();
            tokio::spawn(async move { append(&timeline, each).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    begun.elapsed()
}

fn timelines(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for scratch in Scratch::each() {
        let mut group = c.benchmark_group(scratch.name());
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3));

        // A chain of its own, of known length, first: what the others append must not lengthen it.
        let timeline = runtime.block_on(scratch.timeline(&[]));
        runtime.block_on(together(&timeline, CHAIN.div_ceil(WRITERS)));
        group.throughput(Throughput::Elements(CHAIN.div_ceil(WRITERS) * WRITERS));
        group.bench_function("verify", |b| {
            b.iter(|| {
                let report = runtime.block_on(timeline.verify()).unwrap();
                assert!(report.is_sound());
                black_box(report)
            });
        });

        group.throughput(Throughput::Elements(1));
        group.bench_function("append by one", |b| b.iter(|| runtime.block_on(append(&timeline, 1))));

        group.throughput(Throughput::Elements(WRITERS));
        group.bench_function("append by 64", |b| {
            b.iter_custom(|times| runtime.block_on(together(&timeline, times)));
        });
        group.finish();
        runtime.block_on(timeline.db().close());
    }
}

criterion_group!(benches, timelines);
criterion_main!(benches);

//! What a decision costs: the promise is 200 ns.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use quarterdeck_resilience::Outcome;
use quarterdeck_resilience::breaker::{Breaker, Settings};
use quarterdeck_resilience::bulkhead::{self, Bulkhead};
use quarterdeck_resilience::keyed::Keyed;
use quarterdeck_resilience::limit::{Algorithm, AnyLimiter, Limiter, Rate};

fn decisions(c: &mut Criterion) {
    let mut now = Duration::ZERO;
    let mut tick = move || {
        now += Duration::from_micros(1);
        now
    };
    c.bench_function("breaker: ask and tell", |b| {
        let mut breaker = Breaker::new(Settings::default(), Duration::ZERO);
        b.iter(|| {
            let now = tick();
            if let Ok((permit, _)) = breaker.ask(now) {
                black_box(breaker.tell(permit, Outcome::Success, now));
            }
        });
    });
    c.bench_function("bulkhead: enter and leave", |b| {
        let mut bulkhead = Bulkhead::new(bulkhead::Settings::default());
        b.iter(|| {
            let now = tick();
            black_box(bulkhead.enter(now));
            black_box(bulkhead.leave(now));
        });
    });
    for algorithm in
        [Algorithm::TokenBucket, Algorithm::SlidingLog, Algorithm::SlidingCounter, Algorithm::Gcra]
    {
        for (name, count) in [("allowed", 10_000_000), ("refused", 100)] {
            c.bench_function(&format!("{algorithm:?}: {name}"), |b| {
                let rate = Rate::per_second(count);
                let mut limiter = AnyLimiter::new(algorithm, rate, None, Duration::ZERO);
                b.iter(|| black_box(limiter.take(1, tick())));
            });
        }
    }
    c.bench_function("token buckets of 10,000 users", |b| {
        let rate = Rate::per_second(100);
        let mut users: Keyed<u64, AnyLimiter> = Keyed::new(10_000);
        let mut user = 0;
        b.iter(|| {
            let now = tick();
            user = (user + 7_919) % 10_000;
            let make = || AnyLimiter::new(Algorithm::TokenBucket, rate, None, now);
            black_box(users.get(&user, now, make, AnyLimiter::is_idle).take(1, now))
        });
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);

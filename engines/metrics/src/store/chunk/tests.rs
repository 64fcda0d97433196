//! Every bit comes back.

use proptest::prelude::*;
use quarterdeck_kernel::sample::STALE_NAN_BITS;

use super::*;

fn appended(samples: &[(i64, u64)]) -> (Live, Tail) {
    let (mut live, mut tail) = (Live::default(), Tail::default());
    for (t, bits) in samples {
        live.push(&mut tail, *t, *bits);
    }
    (live, tail)
}

fn closed(samples: &[(i64, u64)], try_integers: bool) -> Vec<u8> {
    let (live, tail) = appended(samples);
    close(live.min_t, u16::from(live.count), tail.bytes(), try_integers)
}

fn round_trip(samples: &[(i64, u64)]) {
    let (live, tail) = appended(samples);
    let count = samples.len() as u16;
    assert_eq!(open_samples(live.min_t, count, tail.bytes()).collect::<Vec<_>>(), samples, "open");
    for try_integers in [false, true] {
        let bytes = closed(samples, try_integers);
        assert_eq!(Decoder::new(live.min_t, count, &bytes).collect::<Vec<_>>(), samples, "{try_integers}");
    }
    assert_eq!((live.min_t, live.t, live.count), (samples[0].0, samples[samples.len() - 1].0, count as u8));
}

#[test]
fn extreme_times_and_values_come_back() {
    let values = [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, 0.1, -1.5e-300];
    let mut samples: Vec<(i64, u64)> =
        [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_700_000_000_000, i64::MAX - 1, i64::MAX]
            .into_iter()
            .zip(values.map(f64::to_bits))
            .collect();
    round_trip(&samples);
    samples[3].1 = STALE_NAN_BITS;
    round_trip(&samples);
}

#[test]
fn a_negative_zero_stays_negative() {
    for other in [0.0, -0.0, 1.5, 17.25] {
        let values = [-0.0f64, other, -0.0, 2.5, 0.0];
        round_trip(&(0..).map(|i| i * 1000).zip(values.map(f64::to_bits)).collect::<Vec<_>>());
    }
}

#[test]
fn steady_counters_take_two_bits_and_decimals_are_not_lost() {
    let counter: Vec<_> = (0..120).map(|i| (i * 15_000, (1000.0 + 7.0 * i as f64).to_bits())).collect();
    let bytes = closed(&counter, true);
    assert!(bytes.len() < 50, "{} bytes", bytes.len());
    let decimals: Vec<_> = (0..120).map(|i| (i * 15_000, (12345.67 + 0.31 * i as f64).to_bits())).collect();
    round_trip(&decimals);
    let exact: Vec<_> =
        (0..120i64).map(|i| (i * 15_000, ((1_234_567 + 31 * i) as f64 / 100.0).to_bits())).collect();
    round_trip(&exact);
    assert!(closed(&exact, true).len() < 60);
}

#[test]
fn a_tail_has_little_spare_room() {
    let mut tail = Tail::default();
    for n in 1..=1000usize {
        tail.extend(&[n as u8]);
        assert!(tail.heap_bytes() <= n + n / 32 + 24, "{} bytes for {n}", tail.heap_bytes());
    }
    tail.mark = 900;
    tail.truncate(990);
    tail.drop_before(400);
    assert_eq!((tail.len(), tail.mark, tail.bytes()[0]), (590, 500, 401u16 as u8));
    tail.drop_before(usize::MAX);
    assert_eq!((tail.len(), tail.mark, tail.heap_bytes()), (0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_samples_come_back(
        mut times in proptest::collection::btree_set(any::<i64>(), 1..120),
        seed in any::<u64>(),
        near in any::<bool>(),
    ) {
        if near {
            times = times.iter().map(|t| t % 100_000).collect();
        }
        let mut state = seed;
        let samples: Vec<_> = times.iter().map(|t| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = match state >> 61 {
                0 => state,
                1 => f64::from((state >> 40) as u16).to_bits(),
                2 => (((state >> 40) as i32 as f64) / 100.0).to_bits(),
                3 => STALE_NAN_BITS,
                _ => 42f64.to_bits(),
            };
            (*t, bits)
        }).collect();
        round_trip(&samples);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), min_t in any::<i64>(), count in any::<u16>()) {
        let read = Decoder::new(min_t, count, &bytes).count();
        prop_assert!(read <= usize::from(count));
    }
}

//! Every bit comes back.

use proptest::prelude::*;
use quarterdeck_kernel::sample::STALE_NAN_BITS;

use super::*;

fn round_trip(samples: &[(i64, u64)]) {
    let mut encoder = Encoder::default();
    for (t, bits) in samples {
        encoder.push(*t, *bits);
    }
    assert_eq!(encoder.samples().collect::<Vec<_>>(), samples, "open");
    let quick = encoder.clone().close_quickly().unwrap();
    let smallest = Chunk { bytes: quick.smallest(), ..quick.clone() };
    assert_eq!(quick.samples().collect::<Vec<_>>(), samples, "closed quickly");
    assert_eq!(smallest.samples().collect::<Vec<_>>(), samples, "made smallest");
    let chunk = encoder.close().unwrap();
    assert_eq!(chunk.samples().collect::<Vec<_>>(), samples, "closed");
    assert_eq!((chunk.min_t, chunk.max_t), (samples[0].0, samples[samples.len() - 1].0));
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
fn steady_counters_take_two_bits_and_decimals_are_not_lost() {
    let counter: Vec<_> = (0..120).map(|i| (i * 15_000, (1000.0 + 7.0 * i as f64).to_bits())).collect();
    let chunk = Chunk::from_samples(&counter).unwrap();
    assert!(chunk.bytes.len() < 50, "{} bytes", chunk.bytes.len());
    let decimals: Vec<_> = (0..120).map(|i| (i * 15_000, (12345.67 + 0.31 * i as f64).to_bits())).collect();
    round_trip(&decimals);
    let exact: Vec<_> =
        (0..120i64).map(|i| (i * 15_000, ((1_234_567 + 31 * i) as f64 / 100.0).to_bits())).collect();
    round_trip(&exact);
    assert!(Chunk::from_samples(&exact).unwrap().bytes.len() < 60);
}

#[test]
fn nothing_makes_no_chunk() {
    assert_eq!(Chunk::from_samples(&[]), None);
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

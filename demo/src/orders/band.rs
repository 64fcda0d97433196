use crate::wire::Ticks;

/// How far a limit may be from the market, hundredths of a percent.
pub const BAND_BASIS_POINTS: i64 = 500;

/// Whether a limit is within the band around the reference price, both in ticks. The first version's check: exact.
pub fn within_band_v1(limit: Ticks, reference: Ticks) -> bool {
    (limit - reference).abs() * 10_000 <= reference * BAND_BASIS_POINTS
}

/// The second version's check.
///
/// It was rewritten to compare whole percents, and that rounds: a limit 4.5 % away counts as 5 % and no longer as
/// inside. This is the fault that the second version ships with, for the console to find.
pub fn within_band_v2(limit: Ticks, reference: Ticks) -> bool {
    let percent = (limit - reference).abs() as f64 / reference as f64 * 100.0;
    percent.round() < (BAND_BASIS_POINTS / 100) as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::load::trader::Trader;
    use crate::wire::{Quote, to_ticks};

    #[test]
    fn they_agree_but_between_four_and_a_half_and_five_percent() {
        for (basis_points, v1, v2) in [
            (0, true, true),
            (449, true, true),
            (450, true, false),
            (499, true, false),
            (500, true, false),
            (501, false, false),
        ] {
            for side in [-1, 1] {
                let limit = 100_000 + side * basis_points * 10;
                assert_eq!(within_band_v1(limit, 100_000), v1, "v1, {basis_points} basis points");
                assert_eq!(within_band_v2(limit, 100_000), v2, "v2, {basis_points} basis points");
            }
        }
    }

    #[test]
    fn the_second_version_refuses_about_three_percent_of_what_the_clients_send() {
        for seed in [1, 7, 42] {
            let mut trader = Trader::new(seed);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let quote =
                Quote { symbol: String::new(), bid: 99.04, ask: 99.06, last: 99.06, volume: 0, ts: 0 };
            let market = |symbol: &str| Some(Quote { symbol: symbol.to_owned(), ..quote.clone() });
            let (mut first, mut second) = (0, 0);
            let orders = 20_000;
            for _ in 0..orders {
                let order = trader.next(&mut rng, market).unwrap();
                let (limit, reference) = (to_ticks(order.limit), to_ticks(99.05));
                first += usize::from(!within_band_v1(limit, reference));
                second += usize::from(!within_band_v2(limit, reference));
            }
            let percent = |count: usize| count as f64 * 100.0 / orders as f64;
            let (first, second) = (percent(first), percent(second));
            assert!((0.2..1.0).contains(&first), "seed {seed}: v1 refuses {first} %");
            assert!((2.4..3.9).contains(&second), "seed {seed}: v2 refuses {second} %");
        }
    }
}

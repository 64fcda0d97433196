//! How far apart the points of a chart are.

/// Steps that are taken by themselves, in milliseconds.
const STEPS: [i64; 20] = [
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    604_800_000,
];

/// The most points of one series.
const MOST_POINTS: i64 = 10_000;

/// The distance of points: as set, else about one to every dot of a chart of this many columns.
pub(crate) fn step(span: i64, columns: u16, set: Option<i64>) -> i64 {
    let least = (span / MOST_POINTS).max(1);
    match set {
        Some(step) => step.max(least),
        None => {
            let dots = i64::from(columns.max(10)) * 2;
            let rough = span / dots;
            STEPS.into_iter().find(|step| *step >= rough).unwrap_or(rough).max(least)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_width_and_stay_bounded() {
        assert_eq!(step(900_000, 100, None), 5_000);
        assert_eq!(step(86_400_000, 100, None), 600_000);
        assert_eq!(step(1_000, 0, None), 1_000);
        assert_eq!(step(86_400_000, 100, Some(1)), 8_640);
        assert_eq!(step(86_400_000, 100, Some(60_000)), 60_000);
    }
}

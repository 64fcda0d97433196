//! Functions of time: parts of dates in UTC, and the times of samples.

use quarterdeck_kernel::Labels;

use super::column::{Column, Columns};
use super::{Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::{Call, ExprKind};

/// A moment in the calendar, in UTC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    days_since_1970: i64,
    second_of_day: i64,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const DAYS_BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

fn civil(seconds: i128) -> Civil {
    // At most 2^63 seconds: the days fit easily.
    let (days, second_of_day) = (seconds.div_euclid(86_400) as i64, seconds.rem_euclid(86_400) as i64);
    // Counting years from the 1st of March puts the leap day at the end, and 400 years have always 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_shifted = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_shifted + 2) / 153;
    let day = day_of_shifted - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let leap_day = i64::from(month > 2 && is_leap(year));
    let day_of_year = DAYS_BEFORE[(month - 1) as usize] + leap_day + day;
    Civil { year, month, day, day_of_year, days_since_1970: days, second_of_day }
}

fn part(name: &str, seconds: f64) -> f64 {
    // What does not fit into 63 bits, NaN included, ends up one second after the last moment that does: so it comes
    // out in Prometheus on common machines, and recorded data should not depend on who recorded them.
    let fits = seconds.abs() < 2f64.powi(63);
    let c = civil(if fits { seconds as i128 } else { 1 << 63 });
    (match name {
        "year" => c.year,
        "month" => c.month,
        "day_of_month" => c.day,
        "day_of_year" => c.day_of_year,
        // The 1st of January 1970 was a Thursday.
        "day_of_week" => (c.days_since_1970 + 4).rem_euclid(7),
        "days_in_month" => {
            let index = c.month as usize;
            DAYS_BEFORE[index] - DAYS_BEFORE[index - 1] + i64::from(c.month == 2 && is_leap(c.year))
        }
        "hour" => c.second_of_day / 3600,
        _ => c.second_of_day / 60 % 60,
    }) as f64
}

impl Evaluator<'_> {
    pub(super) fn time_part(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let name = call.function.name;
        match call.args.first() {
            Some(arg) => {
                let columns = self.vector(arg, steps)?;
                self.map_floats(columns, span, |_, v| Some(part(name, v)))
            }
            None => {
                let now =
                    (0..steps.count).map(|i| part(name, (steps.at(i) as f64 / 1000.0).floor())).collect();
                let columns = vec![Column::floats(Labels::default(), now)];
                self.hold(&columns)?;
                Ok(columns)
            }
        }
    }

    pub(super) fn timestamp(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let arg = &call.args[0];
        let columns = if let ExprKind::Vector(selector) = &arg.unwrapped().kind {
            self.timestamp_columns(selector, steps)?
        } else {
            let mut columns = self.vector(arg, steps)?;
            for column in &mut columns {
                for i in (0..steps.count).filter(|i| column.is_present(*i)).collect::<Vec<_>>() {
                    column.set_float(i, steps.at(i) as f64 / 1000.0);
                }
            }
            columns
        };
        self.drop_names(columns, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_far_and_near() {
        let date = |s: f64| ["year", "month", "day_of_month"].map(|p| part(p, s));
        assert_eq!(date(0.0), [1970.0, 1.0, 1.0]);
        assert_eq!(date(1_456_790_399.0), [2016.0, 2.0, 29.0]);
        assert_eq!(date(-1.0), [1969.0, 12.0, 31.0]);
        assert_eq!(part("day_of_year", 1_483_191_420.0), 366.0);
        assert_eq!(part("days_in_month", 1_454_284_800.0), 29.0);
        assert_eq!(part("day_of_week", 0.0), 4.0);
        assert_eq!(part("year", f64::NAN), 292_277_026_596.0);
        assert_eq!(part("month", 1e300), 12.0);
    }
}

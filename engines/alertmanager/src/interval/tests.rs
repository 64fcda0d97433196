use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

#[test]
fn the_end_of_a_time_is_not_in_it() {
    let interval =
        TimeInterval { times: Some(vec![time_range("09:00", "17:00").unwrap()]), ..Default::default() };
    assert!(!interval.contains(at("2024-01-01T08:59:59Z")));
    assert!(interval.contains(at("2024-01-01T09:00:00Z")));
    assert!(interval.contains(at("2024-01-01T16:59:59Z")));
    assert!(!interval.contains(at("2024-01-01T17:00:00Z")));
    let late =
        TimeInterval { times: Some(vec![time_range("23:00", "24:00").unwrap()]), ..Default::default() };
    assert!(late.contains(at("2024-01-01T23:59:59Z")) && !late.contains(at("2024-01-02T00:00:00Z")));
}

#[test]
fn an_empty_list_holds_nothing_and_a_missing_one_everything() {
    let moment = at("2024-01-01T00:00:00Z");
    assert!(TimeInterval::default().contains(moment));
    assert!(!TimeInterval { times: Some(vec![]), ..Default::default() }.contains(moment));
    assert!(!TimeInterval { days_of_month: Some(vec![]), ..Default::default() }.contains(moment));
}

#[test]
fn days_count_from_the_end_of_each_month() {
    let days =
        |text| TimeInterval { days_of_month: Some(vec![day_range(text).unwrap()]), ..Default::default() };
    assert!(days("-1").contains(at("2024-02-29T12:00:00Z")));
    assert!(!days("-1").contains(at("2023-02-27T12:00:00Z")));
    assert!(days("1:-1").contains(at("2023-02-28T12:00:00Z")));
    assert!(!days("30:31").contains(at("2023-02-28T12:00:00Z")));
    assert!(days("28:31").contains(at("2023-02-28T12:00:00Z")));
    assert!(days("-31:-28").contains(at("2023-02-01T12:00:00Z")));
}

#[test]
fn a_zone_keeps_its_daylight_saving() {
    let interval = TimeInterval {
        times: Some(vec![time_range("09:00", "10:00").unwrap()]),
        location: Some(zone("Europe/Berlin").unwrap()),
        ..Default::default()
    };
    assert!(interval.contains(at("2024-03-30T08:30:00Z")));
    assert!(interval.contains(at("2024-03-31T07:30:00Z")));
    assert!(!interval.contains(at("2024-03-31T08:30:00Z")));
}

#[test]
fn names_that_are_not_there_have_no_moments() {
    let intervals: TimeIntervals =
        [(Arc::from("always"), vec![TimeInterval::default()])].into_iter().collect();
    let names = [Arc::from("never"), Arc::from("always")];
    assert_eq!(intervals.active(&names, at("2024-01-01T00:00:00Z")), [&names[1]]);
    assert!(!TimeInterval::default().contains(Timestamp::MAX));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[-a-z0-9:]{0,12}|monday:[a-z]{0,8}|-?[0-9]{1,3}:-?[0-9]{1,3}") {
        for range in [weekday_range(&text), day_range(&text), month_range(&text), year_range(&text)].into_iter().flatten() {
            prop_assert!(range.begin <= range.end || range.end < 0);
        }
        if let Ok(range) = time_range(&text, "24:00") {
            prop_assert!(range.start_minute < range.end_minute);
        }
        let _ = zone(&text);
    }

    #[test]
    fn any_moment_can_be_asked(millis in any::<i64>()) {
        let interval = TimeInterval {
            days_of_month: Some(vec![day_range("-3:-1").unwrap()]),
            location: Some(zone("America/New_York").unwrap()),
            ..Default::default()
        };
        let _ = interval.contains(Timestamp::from_millis(millis));
    }
}

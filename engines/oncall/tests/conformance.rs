//! Rotations over daylight saving: the cases of `$QUARTERDECK_CONFORMANCE/alertmanager/tables/rotation_dst.json`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::{Rotation, Unit};

/// The table, if it is there.
fn table() -> Option<serde_json::Value> {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let file = root.join("alertmanager/tables/rotation_dst.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: no conformance data at {}", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// A local time written as Go writes its arguments: `2020, time.October, 30, 1, 30, 0, 0, loc`.
fn local(text: &str) -> DateTime {
    let months = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let parts: Vec<&str> = text.split(',').map(|p| p.trim().trim_start_matches("time.")).collect();
    let month = months.iter().position(|m| *m == parts[1]).unwrap() + 1;
    let number = |i: usize| parts[i].parse::<i8>().unwrap();
    DateTime::new(parts[0].parse().unwrap(), month.try_into().unwrap(), number(2), number(3), number(4), 0, 0)
        .unwrap()
}

/// What stands between two marks.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

fn instant(zone: &TimeZone, local: DateTime) -> Timestamp {
    Timestamp::from_millis(zone.to_timestamp(local).unwrap().as_millisecond())
}

/// A hand-over as the table writes it: `2020-10-29 01:30:00 -0500 CDT`; the name of the zone adds nothing.
fn handoff(text: &str) -> Timestamp {
    let parts: Vec<&str> = text.split(' ').collect();
    let written = format!("{}T{}{}:{}", parts[0], parts[1], &parts[2][..3], &parts[2][3..]);
    Timestamp::from_millis(written.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

#[test]
fn hand_overs_are_where_the_tables_say() {
    let Some(table) = table() else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for case in table.as_array().unwrap() {
        let text = |field: &str| case[field].as_str().unwrap();
        let rotation = text("rotation");
        let expected: Vec<&str> =
            case["handoffs"].as_array().unwrap().iter().map(|h| h.as_str().unwrap()).collect();
        // The table tells the zone by its offsets alone.
        let zone = if expected[0].contains(" -0") { "America/Chicago" } else { "Australia/Lord_Howe" };
        let zone = TimeZone::get(zone).unwrap();
        let unit = match between(rotation, "Type: Type", ",") {
            "Hourly" => Unit::Hourly,
            "Daily" => Unit::Daily,
            "Weekly" => Unit::Weekly,
            "Monthly" => Unit::Monthly,
            other => panic!("{other}"),
        };
        let length = between(rotation, "ShiftLength: ", ",").parse().unwrap();
        let anchor = local(between(rotation, "time.Date(", ")"));
        let built = Rotation::new(unit, length, anchor, zone.clone());
        let (from, to) = (instant(&zone, local(text("from"))), instant(&zone, local(text("to"))));
        let found = built.handoffs(from, to, 1000);
        let wanted: Vec<Timestamp> = expected.iter().map(|h| handoff(h)).collect();
        if found == wanted {
            passed += 1;
        } else {
            failed.push(format!("{rotation}\n  found  {found:?}\n  wanted {wanted:?}"));
        }
    }
    eprintln!("rotations over daylight saving: {passed} passed, {} failed, 0 skipped", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(passed, 16);
}

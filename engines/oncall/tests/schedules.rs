//! Who is on call: layers, restrictions, overrides, gaps, daylight saving, in words.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod support;

use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::config::{LayerConfig, RestrictionConfig, ScheduleConfig, TimeOfDay, Weekday};
use quarterdeck_oncall::{Override, Rotation, Schedule, Shift, Source, Unit};
use support::{TEAM, at, change, minutes, monday, roster};

fn told(shifts: &[Shift]) -> Vec<String> {
    let line = |s: &Shift| {
        let (from, until) = (s.from.to_string(), s.until.to_string());
        format!("{} {}–{}", s.person.as_deref().unwrap_or("-"), &from[5..16], &until[5..16])
    };
    shifts.iter().map(line).collect()
}

#[test]
fn weeks_change_at_the_same_local_time() {
    let roster = roster(TEAM);
    let primary = &roster.schedules()["primary"];
    let shifts = primary.shifts(at("2026-03-16T08:00:00Z"), at("2026-04-06T07:00:00Z"), &[]);
    assert_eq!(
        told(&shifts),
        ["alice 03-16T08:00–03-23T08:00", "bob 03-23T08:00–03-30T07:00", "alice 03-30T07:00–04-06T07:00"]
    );
}

#[test]
fn who_is_on_call_is_told_in_words() {
    let roster = roster(TEAM);
    let who = roster.who_is_on_call("primary", monday(), &[]).unwrap();
    assert_eq!(who.now.person.as_deref(), Some("alice"));
    assert_eq!(who.now.from, at("2026-01-05T08:00:00Z"));
    assert_eq!(who.now.until, at("2026-01-12T08:00:00Z"));
    assert_eq!(who.next.as_ref().and_then(|n| n.person.as_deref()), Some("bob"));
    assert_eq!(who.why, "alice until Mon 12 Jan 09:00 CET: turn 1 of 2 in layer weeks (weekly), then bob");
    assert_eq!(roster.who_is_on_call("secondary", monday(), &[]), None);
}

#[test]
fn an_override_counts_for_its_time_and_says_why() {
    let roster = roster(TEAM);
    let primary = &roster.schedules()["primary"];
    let mut swap = change("o1", "carol", at("2026-01-06T10:00:00Z"), at("2026-01-06T14:00:00Z"));
    swap.reason = Some("dentist".to_owned());
    swap.replaces = Some("alice".to_owned());
    let overrides = [swap];
    let shifts = primary.shifts(at("2026-01-05T08:00:00Z"), at("2026-01-07T00:00:00Z"), &overrides);
    assert_eq!(
        told(&shifts),
        ["alice 01-05T08:00–01-06T10:00", "carol 01-06T10:00–01-06T14:00", "alice 01-06T14:00–01-07T00:00"]
    );
    let who = primary.who(at("2026-01-06T12:00:00Z"), &overrides);
    assert_eq!(who.why, "carol until Tue 6 Jan 15:00 CET: override by ops-1 for alice (dentist), then alice");
    assert_eq!(who.now.from, at("2026-01-06T10:00:00Z"));
    let before = primary.who(monday(), &overrides);
    assert_eq!(before.next.and_then(|n| n.person).as_deref(), Some("carol"));
}

#[test]
fn an_override_for_somebody_counts_only_while_they_would_be_on_call() {
    let roster = roster(TEAM);
    let primary = &roster.schedules()["primary"];
    let mut swap = change("o1", "carol", at("2026-01-10T00:00:00Z"), at("2026-01-20T00:00:00Z"));
    swap.replaces = Some("bob".to_owned());
    let shifts = primary.shifts(at("2026-01-09T00:00:00Z"), at("2026-01-21T00:00:00Z"), &[swap]);
    assert_eq!(
        told(&shifts),
        ["alice 01-09T00:00–01-12T08:00", "carol 01-12T08:00–01-19T08:00", "alice 01-19T08:00–01-21T00:00"]
    );
}

#[test]
fn the_override_made_last_counts_and_chains() {
    let roster = roster(TEAM);
    let primary = &roster.schedules()["primary"];
    let (from, until) = (at("2026-01-06T00:00:00Z"), at("2026-01-07T00:00:00Z"));
    let first = Override { made: from, ..change("z", "bob", from, until) };
    let second = Override {
        made: from + minutes(1),
        replaces: Some("bob".to_owned()),
        ..change("a", "carol", from + minutes(60), until)
    };
    let shifts = primary.shifts(from, until, &[second, first]);
    assert_eq!(told(&shifts), ["bob 01-06T00:00–01-06T01:00", "carol 01-06T01:00–01-07T00:00"]);
}

#[test]
fn restricted_layers_leave_gaps_that_are_told() {
    let roster = roster(
        r#"
        [persons.alice]
        channels = ["a"]
        [persons.bob]
        channels = ["b"]
        [schedules.office]
        time_zone = "UTC"
        [[schedules.office.layers]]
        name = "days"
        participants = ["alice"]
        [[schedules.office.layers.restrictions]]
        days = ["monday", "tuesday", "wednesday", "thursday", "friday"]
        from = "09:00"
        to = "17:00"
        [[schedules.office.layers]]
        name = "friday nights"
        participants = ["bob"]
        restrictions = [{ days = ["friday"], from = "16:00", to = "02:00" }]
    "#,
    );
    let office = &roster.schedules()["office"];
    let shifts = office.shifts(at("2026-01-09T00:00:00Z"), at("2026-01-12T12:00:00Z"), &[]);
    assert_eq!(
        told(&shifts),
        [
            "- 01-09T00:00–01-09T09:00",
            "alice 01-09T09:00–01-09T16:00",
            "bob 01-09T16:00–01-10T02:00",
            "- 01-10T02:00–01-12T09:00",
            "alice 01-12T09:00–01-12T12:00"
        ],
        "the later layer counts where both have somebody"
    );
    let saturday = office.who(at("2026-01-10T12:00:00Z"), &[]);
    assert_eq!(saturday.why, "nobody: no layer of office covers this time, alice from Mon 12 Jan 09:00 UTC");
    assert_eq!(
        (saturday.now.from, saturday.now.until),
        (at("2026-01-10T02:00:00Z"), at("2026-01-12T09:00:00Z"))
    );
    let friday = office.who(at("2026-01-09T20:00:00Z"), &[]);
    assert_eq!(
        friday.why,
        "bob until Sat 10 Jan 02:00 UTC: alone in layer friday nights, then nobody until alice at Mon 12 Jan 09:00 UTC"
    );
}

#[test]
fn somebody_alone_is_on_call_without_end() {
    let roster = roster(
        "[persons.a]\nchannels = [\"x\"]\n[schedules.s]\nlayers = [{ rotation = \"daily\", participants = [\"a\"] }]",
    );
    let who = roster.who_is_on_call("s", monday(), &[]).unwrap();
    assert!(!who.ends && who.next.is_none());
    assert_eq!(who.why, "a, with no end in sight: alone in layer 1");
    let ended = roster.who_is_on_call("s", Timestamp::MAX, &[]).unwrap();
    assert_eq!(ended.now.person.as_deref(), Some("a"), "no time is too far");
}

#[test]
fn a_layer_counts_between_its_dates() {
    let roster = roster(
        r#"
        [persons.a]
        channels = ["x"]
        [schedules.s]
        time_zone = "America/New_York"
        layers = [{ participants = ["a"], from = "2026-03-01", until = "2026-03-08T02:30" }]
    "#,
    );
    let all = roster.schedules()["s"].shifts(at("2026-02-01T00:00:00Z"), at("2026-04-01T00:00:00Z"), &[]);
    // 02:30 never happened on 8 March: the layer ends when the clock jumped.
    assert_eq!(
        told(&all),
        ["- 02-01T00:00–03-01T05:00", "a 03-01T05:00–03-08T07:00", "- 03-08T07:00–04-01T00:00"]
    );
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/Chicago",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
];
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn unit() -> impl Strategy<Value = Unit> {
    prop_oneof![Just(Unit::Hourly), Just(Unit::Daily), Just(Unit::Weekly), Just(Unit::Monthly)]
}

/// Instants from 2009 to 2030, where many are near a change of a clock.
fn instant() -> impl Strategy<Value = Timestamp> {
    let near = [
        "2011-12-30T10:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-03-08T08:00:00Z",
        "2026-11-01T07:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
    ];
    let around = (0..near.len(), -100_000_000i64..100_000_000);
    prop_oneof![
        (1_230_768_000_000i64..1_893_456_000_000).prop_map(Timestamp::from_millis),
        around.prop_map(move |(i, off)| at(near[i]).plus_millis(off)),
    ]
}

fn rotation() -> impl Strategy<Value = Rotation> {
    (unit(), 1u32..30, 1i8..=12, 1i8..=31, 0i8..24, 0i8..60, 0..ZONES.len()).prop_map(
        |(unit, length, month, day, hour, minute, zone)| {
            let day = day.min(date(2020, month, 1).days_in_month());
            let anchor = date(2020, month, day).at(hour, minute, 0, 0);
            Rotation::new(unit, length, anchor, TimeZone::get(ZONES[zone]).unwrap())
        },
    )
}

fn layer() -> impl Strategy<Value = LayerConfig> {
    let window =
        (prop::collection::vec(0..7usize, 1..5), 0u16..1440, 1u16..=1440).prop_map(|(days, from, to)| {
            let (from, to) = (TimeOfDay::from_minutes(from), TimeOfDay::from_minutes(to));
            RestrictionConfig { days: days.into_iter().map(|d| Weekday::ALL[d]).collect(), from, to }
        });
    let bound = prop::option::of((2010i16..2029, 1i8..=12, 1i8..=28, 0i8..24));
    (
        (unit(), 1u32..10, 1i8..=28, 0u16..1440),
        prop::collection::vec(0..PEOPLE.len(), 1..4),
        prop::collection::vec(window, 0..3),
        (bound.clone(), bound),
    )
        .prop_map(|((rotation, length, day, handoff), people, restrictions, (from, until))| {
            LayerConfig {
                rotation,
                length,
                start: date(2024, 1, day),
                handoff: TimeOfDay::from_minutes(handoff),
                participants: people.into_iter().map(|p| PEOPLE[p].to_owned()).collect(),
                restrictions,
                from: from.map(|(y, m, d, h)| date(y, m, d).at(h, 30, 0, 0)),
                until: until.map(|(y, m, d, h)| date(y, m, d).at(h, 30, 0, 0)),
                ..LayerConfig::default()
            }
        })
}

fn overrides(around: Timestamp) -> impl Strategy<Value = Vec<Override>> {
    let one =
        (-20i64..60, 1i64..40, 0..PEOPLE.len(), prop::option::of(0..PEOPLE.len()), 0i64..9, any::<bool>());
    prop::collection::vec(one, 0..5).prop_map(move |list| {
        let hours = |h: i64| around.plus_millis(h * 3_600_000 + 123);
        let made =
            |(i, (from, length, person, replaces, made, own)): (usize, (_, _, _, Option<usize>, _, _))| {
                Override {
                    replaces: replaces.map(|p| PEOPLE[p].to_owned()),
                    made: Timestamp::from_millis(made),
                    schedule: if own { "primary" } else { "other" }.to_owned(),
                    ..change(&format!("o{i}"), PEOPLE[person], hours(from), hours(from + length))
                }
            };
        list.into_iter().enumerate().map(made).collect()
    })
}

/// Who is on call, worked out without any of the walking: for the instant alone, by going through all turns.
fn by_hand(
    schedule: &Schedule,
    config: &ScheduleConfig,
    at: Timestamp,
    overrides: &[Override],
) -> Option<String> {
    let zone = &schedule.zone;
    let mut person = None;
    for (layer, config) in schedule.layers.iter().zip(&config.layers) {
        let place = |local| {
            // The same rule at the seams, by the library's own means: the later reading of a gap is after the jump.
            let ambiguous = zone.to_ambiguous_timestamp(local);
            let early = ambiguous.earlier().unwrap();
            let late = ambiguous.later().unwrap();
            let gap = zone.to_datetime(early) != local && zone.to_datetime(late) != local;
            let found = if gap {
                let mut jump = early;
                while zone.to_offset(jump) == zone.to_offset(early) {
                    jump += jiff::SignedDuration::from_mins(1);
                }
                jump
            } else {
                early
            };
            Timestamp::from_millis(found.as_millisecond())
        };
        if config.from.is_some_and(|f| at < place(f)) || config.until.is_some_and(|u| at >= place(u)) {
            continue;
        }
        let today = zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap()).date();
        let inside = config.restrictions.is_empty()
            || config.restrictions.iter().any(|w| {
                (-2..=2).any(|offset| {
                    let day = today.checked_add(jiff::Span::new().days(offset)).unwrap();
                    let weekday = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap();
                    let clock = |day: jiff::civil::Date, time: TimeOfDay| {
                        let spill = i64::from(time.minutes() / 1440);
                        let day = day.checked_add(jiff::Span::new().days(spill)).unwrap();
                        let minutes = time.minutes() % 1440;
                        day.at((minutes / 60).try_into().unwrap(), (minutes % 60).try_into().unwrap(), 0, 0)
                    };
                    let end = if w.to <= w.from { day.tomorrow().unwrap() } else { day };
                    w.days.iter().any(|d| d.index() == weekday)
                        && place(clock(day, w.from)) <= at
                        && at < place(clock(end, w.to))
                })
            });
        if inside {
            let turn = layer.rotation.turn(at);
            let count = i64::try_from(layer.participants.len()).unwrap();
            let index = usize::try_from(turn.number.rem_euclid(count)).unwrap();
            person = Some(config.participants[index].clone());
        }
    }
    let mut own: Vec<&Override> = overrides.iter().filter(|o| o.schedule == "primary").collect();
    own.sort_by_key(|o| (o.made, o.id.clone()));
    for o in own {
        let fits = o.replaces.is_none() || o.replaces == person;
        if o.from <= at && at < o.until && fits {
            person = Some(o.person.clone());
        }
    }
    person
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, rng_seed: proptest::test_runner::RngSeed::Fixed(0x0c_a1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn turns_tile_time(rotation in rotation(), at in instant()) {
        let turn = rotation.turn(at);
        prop_assert!(turn.from <= at && at < turn.until, "{turn:?} around {at}");
        let next = rotation.turn(turn.until);
        prop_assert_eq!(next.from, turn.until);
        prop_assert!(next.number > turn.number);
        let before = rotation.turn(turn.from.plus_millis(-1));
        prop_assert_eq!(before.until, turn.from);
        prop_assert!(before.number < turn.number);
        prop_assert_eq!(rotation.turn(turn.from), turn, "the same turn wherever it is asked for");
        prop_assert_eq!(rotation.turn(turn.until.plus_millis(-1)), turn);
    }

    #[test]
    fn shifts_tile_time_and_say_what_every_instant_says(
        (layers, zone, from, hours, overrides) in (prop::collection::vec(layer(), 1..4), 0..ZONES.len(), instant(), 1i64..900)
            .prop_flat_map(|(layers, zone, from, hours)| (Just(layers), Just(zone), Just(from), Just(hours), overrides(from))),
        samples in prop::collection::vec(0.0f64..1.0, 8),
    ) {
        let config = ScheduleConfig { time_zone: ZONES[zone].to_owned(), layers, ..ScheduleConfig::default() };
        let schedule = Schedule::new("primary", &config);
        let to = from.plus_millis(hours * 3_600_000 + 77);
        let shifts = schedule.shifts(from, to, &overrides);
        prop_assert_eq!(shifts.first().map(|s| s.from), Some(from));
        prop_assert_eq!(shifts.last().map(|s| s.until), Some(to));
        for pair in shifts.windows(2) {
            prop_assert_eq!(pair[0].until, pair[1].from, "no gap, no overlap");
        }
        for shift in &shifts {
            prop_assert!(shift.from < shift.until);
            prop_assert_eq!(shift.person.is_none(), shift.source == Source::Gap);
            for instant in [shift.from, shift.until.plus_millis(-1)] {
                let person = by_hand(&schedule, &config, instant, &overrides);
                prop_assert_eq!(person.as_deref(), shift.person.as_deref(), "{} in {:?}", instant, config);
            }
        }
        for part in samples {
            let instant = from.plus_millis(((to.as_millis() - from.as_millis() - 1) as f64 * part) as i64);
            let shift = shifts.iter().find(|s| s.from <= instant && instant < s.until).unwrap();
            let person = by_hand(&schedule, &config, instant, &overrides);
            prop_assert_eq!(person.as_deref(), shift.person.as_deref(), "{} in {:?}", instant, config);
            let who = schedule.who(instant, &overrides);
            prop_assert_eq!(&who.now.person, &shift.person);
            prop_assert!(who.now.from <= instant && instant < who.now.until);
            if let Some(next) = &who.next {
                prop_assert!(next.from >= who.now.until && next.person != who.now.person);
                prop_assert_eq!(&schedule.person_at(next.from, &overrides), &next.person);
            }
            if who.ends {
                prop_assert_ne!(schedule.person_at(who.now.until, &overrides), who.now.person.clone());
            }
        }
    }
}

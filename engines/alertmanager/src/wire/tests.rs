use super::*;
use proptest::prelude::*;

#[test]
fn times_are_rfc_3339_and_the_year_one_is_none() {
    let millis = |text: &str| parse_time(text).map(|at| at.map(Timestamp::as_millis));
    assert_eq!(millis("2024-02-29T12:00:00.1234567Z"), Ok(Some(1_709_208_000_123)));
    assert_eq!(millis("2024-02-29T13:00:00+01:00"), Ok(Some(1_709_208_000_000)));
    assert_eq!(millis("2024-02-29T12:00:00"), Ok(Some(1_709_208_000_000)));
    for none in ["", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "0001-01-01T01:00:00+01:00"] {
        assert_eq!(millis(none), Ok(None), "{none}");
    }
    for bad in [
        "tomorrow",
        "2024-02-30T00:00:00Z",
        "2024-02-29",
        "12",
        "-2024-01-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
    ] {
        assert!(millis(bad).is_err(), "{bad}");
    }
}

#[test]
fn alerts_as_prometheus_and_amtool_send_them() {
    let alerts: Vec<PostableAlert> = serde_json::from_str(
        r#"[{"annotations":{"summary":"s"},"endsAt":"2024-02-29T12:04:00.000Z","startsAt":"2024-02-29T12:00:00.000Z",
             "generatorURL":"http://p:9090/graph","labels":{"alertname":"Down","empty":""}},
            {"labels":{"alertname":"A"},"startsAt":"0001-01-01T00:00:00.000Z","endsAt":null,"annotations":null,"more":1}]"#,
    )
    .unwrap();
    assert_eq!(alerts[0].ends_at.map(Timestamp::as_millis), Some(1_709_208_240_000));
    assert_eq!((alerts[1].starts_at, alerts[1].ends_at), (None, None));
    let labels = alerts[0].check(Timestamp::from_millis(0), None).unwrap();
    assert_eq!(labels.to_string(), "{alertname=\"Down\"}");
}

#[test]
fn malformed_alerts_say_why() {
    let alert = |labels: &[(&str, &str)]| PostableAlert {
        labels: labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        ..PostableAlert::default()
    };
    let (t0, t1) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
    assert_eq!(alert(&[("a", "")]).check(t0, None), Err(AlertError::NoLabels));
    assert_eq!(alert(&[("", "b")]).check(t0, None), Err(AlertError::Name { what: "label" }));
    assert_eq!(alert(&[("a", "b")]).check(t1, Some(t0)), Err(AlertError::Times));
    assert!(alert(&[("a", "b")]).check(t1, Some(t1)).is_ok());
}

#[test]
fn silences_are_checked_as_alertmanager_checks_them() {
    let silence: PostableSilence = serde_json::from_str(
        r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2024-02-29T12:00:00Z",
            "endsAt":"2024-02-29T13:00:00Z","createdBy":"me","comment":"why"}"#,
    )
    .unwrap();
    let now = Timestamp::from_millis(1_709_208_000_000);
    let (matchers, _, ends_at) = silence.check(now).unwrap();
    assert_eq!(matchers.to_string(), "{a=\"b\"}");
    assert_eq!(silence.check(ends_at.plus_millis(1)), Err(SilenceError::Past));
    let with = |change: fn(&mut PostableSilence)| {
        let mut changed = silence.clone();
        change(&mut changed);
        changed.check(now).unwrap_err()
    };
    assert_eq!(with(|s| s.starts_at = None), SilenceError::NoStart);
    assert_eq!(with(|s| s.ends_at = s.starts_at), SilenceError::Times);
    assert_eq!(with(|s| s.matchers.clear()), SilenceError::NoMatchers);
    assert_eq!(with(|s| s.matchers[0].value.clear()), SilenceError::MatchesEmpty);
    assert!(matches!(
        with(|s| {
            s.matchers[0].is_regex = true;
            s.matchers[0].value = "(".to_owned();
        }),
        SilenceError::Matcher { index: 0, .. }
    ));
}

#[test]
fn answers_have_the_fields_of_the_description() {
    let silence = GettableSilence {
        id: "i".to_owned(),
        status: SilenceStatus { state: SilenceState::at(Timestamp::MIN, Timestamp::MAX, Timestamp::MIN) },
        updated_at: Timestamp::from_millis(0).into(),
        annotations: LabelSet::new(),
        comment: "c".to_owned(),
        created_by: "me".to_owned(),
        ends_at: Timestamp::from_millis(1).into(),
        matchers: vec![(&Matcher::equal("a", "b")).into()],
        starts_at: Timestamp::from_millis(0).into(),
    };
    assert_eq!(
        serde_json::to_string(&silence).unwrap(),
        r#"{"id":"i","status":{"state":"active"},"updatedAt":"1970-01-01T00:00:00.000Z","annotations":{},"comment":"c","createdBy":"me","endsAt":"1970-01-01T00:00:00.001Z","matchers":[{"isEqual":true,"isRegex":false,"name":"a","value":"b"}],"startsAt":"1970-01-01T00:00:00.000Z"}"#
    );
}

proptest! {
    #[test]
    fn any_text_is_a_time_or_is_not(text in "\\PC{0,40}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{0,16}[Z+-]?[0-9:]{0,6}") {
        let _ = parse_time(&text);
    }

    #[test]
    fn what_is_written_reads_back(millis in -62_000_000_000_000i64..253_000_000_000_000) {
        let json = serde_json::to_string(&Time(Timestamp::from_millis(millis))).unwrap();
        prop_assert_eq!(serde_json::from_str::<Time>(&json).unwrap().0.as_millis(), millis);
    }
}

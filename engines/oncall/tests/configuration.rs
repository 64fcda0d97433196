//! What the configuration takes, and what it says of mistakes.

mod support;

use std::collections::BTreeSet;

use quarterdeck_kernel::Labels;
use quarterdeck_oncall::config::{OncallConfig, validate};
use quarterdeck_oncall::{Target, Unit};
use support::{TEAM, config, roster};

fn mistakes(text: &str) -> Vec<String> {
    validate::validate(&config(text)).into_iter().map(|(key, d)| format!("{key}: {d}")).collect()
}

#[test]
fn a_full_section_reads_and_is_written_back() {
    let text = r#"
        ahead = "28d"

        [persons.alice]
        name = "Alice Ng"
        channels = ["alice-pager"]
        [persons.bob]
        channels = ["bob-pager", "bob-mail"]
        users = ["bobk", "root"]

        [schedules.primary]
        description = "first in line"
        time_zone = "Europe/Berlin"

        [[schedules.primary.layers]]
        name = "weeks"
        rotation = "weekly"
        length = 2
        start = "2026-01-05"
        handoff = "09:30"
        participants = ["alice", "bob"]
        from = "2026-01-05T09:30"
        until = "2026-12-31"
        restrictions = [{ days = ["monday", "friday"], from = "22:00", to = "06:00" }]

        [policies.default]
        description = "wake somebody"
        delay = "30s"
        steps = [
            { notify = ["schedule:primary", "channel:ops"], wait = "5m" },
            { notify = ["person:bob"] },
        ]
        repeat = 2
        acknowledge_for = "30m"

        [[routes]]
        matchers = ['severity="critical"', 'service=~"orders|risk"']
        policy = "default"
        [[routes]]
        matchers = ['severity="info"']
    "#;
    assert_eq!(mistakes(text), Vec::<String>::new());
    let read = config(text);
    assert_eq!(read.schedules["primary"].layers[0].rotation, Unit::Weekly);
    assert_eq!(read.schedules["primary"].layers[0].handoff.to_string(), "09:30");
    assert_eq!(read.policies["default"].steps[1].notify, [Target::Person("bob".to_owned())]);
    let written = toml::to_string(&read).unwrap();
    assert_eq!(toml::from_str::<OncallConfig>(&written).unwrap(), read, "{written}");
    assert_eq!(mistakes(""), Vec::<String>::new(), "nothing configured is no mistake");
}

#[test]
fn mistakes_name_the_key_the_value_and_what_is_allowed() {
    let person = "[persons.alice]\nchannels = [\"x\"]\n";
    let layer = |rest: &str| {
        format!("{person}[schedules.s]\n[[schedules.s.layers]]\nparticipants = [\"alice\"]\n{rest}")
    };
    let step =
        |rest: &str| format!("{person}[policies.p]\nsteps = [{{ notify = [\"person:alice\"] }}]\n{rest}");
    for (text, expected) in [
        (
            "[persons.bob]".to_owned(),
            "oncall.persons.bob.channels: bob has no channel; name at least one receiver that reaches this person",
        ),
        (
            format!("{person}[persons.bob]\nchannels = [\"x\"]\nusers = [\"alice\"]"),
            "oncall.persons.bob.users: \"alice\" is not of bob alone; it is a user of alice too; leave it to one of them",
        ),
        (
            "[schedules.s]".to_owned(),
            "oncall.schedules.s.layers: s has 0 layers; give it 1 to 100 [[…layers]]",
        ),
        (
            layer("[schedules.t]\ntime_zone = \"Europe/Berlni\"\nlayers = [{ participants = [\"alice\"] }]"),
            "oncall.schedules.t.time_zone: \"Europe/Berlni\" is not a time zone; did you mean Europe/Berlin?",
        ),
        (
            layer("length = 0"),
            "oncall.schedules.s.layers[0].length: 0 is out of range; from 1 to 520 for a rotation that is weekly",
        ),
        (
            format!("{person}[schedules.s]\nlayers = [{{ participants = [\"alic\"] }}]"),
            "oncall.schedules.s.layers[0].participants: \"alic\" is not a person; did you mean alice?",
        ),
        (
            format!("{person}[schedules.s]\nlayers = [{{}}]"),
            "oncall.schedules.s.layers[0].participants: 0 participants take turns; name 1 to 1000 of [oncall.persons]",
        ),
        (
            layer("handoff = \"24:00\""),
            "oncall.schedules.s.layers[0].handoff: 24:00 is no time to hand over; write 00:00",
        ),
        (
            layer("from = \"2026-02-01\"\nuntil = \"2026-01-01\""),
            "oncall.schedules.s.layers[0].until: it ends at 2026-01-01T00:00:00, not after its begin \
             2026-02-01T00:00:00; write a later time",
        ),
        (
            layer("restrictions = [{ from = \"09:00\", to = \"09:00\" }]"),
            "oncall.schedules.s.layers[0].restrictions[0].to: the window ends when it begins, at 09:00; write 00:00 to \
             24:00 for the whole day",
        ),
        (
            layer("restrictions = [{ days = [] }]"),
            "oncall.schedules.s.layers[0].restrictions[0].days: the window has no day; name at least one",
        ),
        ("[policies.p]".to_owned(), "oncall.policies.p.steps: p has 0 steps; give it 1 to 100 steps"),
        (
            format!("{person}[policies.p]\nsteps = [{{ notify = [\"person:alise\"] }}]"),
            "oncall.policies.p.steps[0].notify: \"alise\" is not a person; did you mean alice?",
        ),
        (
            "[policies.p]\nsteps = [{ notify = [\"schedule:primary\"] }]".to_owned(),
            "oncall.policies.p.steps[0].notify: \"primary\" is not a schedule; add it to oncall.schedules or remove it \
             here",
        ),
        (
            "[policies.p]\nsteps = [{ notify = [\"channel:x\"], wait = \"0\" }]".to_owned(),
            "oncall.policies.p.steps[0].wait: 0s is out of range; from 1s to 366d",
        ),
        (step("repeat = 1001"), "oncall.policies.p.repeat: 1001 is out of range; from 0 to 1000"),
        (
            step("acknowledge_for = \"0\""),
            "oncall.policies.p.acknowledge_for: 0s is out of range; from 1s to 366d",
        ),
        (
            "[[routes]]\nmatchers = [\"severity\"]".to_owned(),
            "oncall.routes[0].matchers: \"severity\" is not a condition on a label (one of = != =~ !~ is missing); \
             write it as in severity=\"critical\"",
        ),
        (
            step("[[routes]]\nmatchers = ['a=\"b\"']\npolicy = \"q\""),
            "oncall.routes[0].policy: \"q\" is not a policy; add it to oncall.policies or remove it here",
        ),
        (
            step("[[routes]]\npolicy = \"p\"\n[[routes]]\npolicy = \"p\""),
            "oncall.routes[0].matchers: this route matches every alert, so that no later one is reached; move it to the \
             end or give it matchers",
        ),
        ("ahead = \"1m\"".to_owned(), "oncall.ahead: 1m is out of range; from 1h to 366d"),
        ("max_escalations = 0".to_owned(), "oncall.max_escalations: 0 is out of range; from 1 to 1000000"),
    ] {
        assert_eq!(mistakes(&text), [expected], "{text}");
    }
}

#[test]
fn what_the_types_refuse_says_why() {
    for (text, why) in [
        ("[persons.a]\nemail = \"x\"", "unknown field"),
        ("[policies.p]\nsteps = [{ notify = [\"user:a\"] }]", "person:NAME, schedule:NAME or channel:NAME"),
        ("[policies.p]\nsteps = [{ wait = \"soon\" }]", "is not a duration"),
        ("[schedules.s]\nlayers = [{ handoff = \"9\" }]", "is not a time of day"),
        ("[schedules.s]\nlayers = [{ rotation = \"yearly\" }]", "unknown variant"),
        ("[schedules.s]\nlayers = [{ start = \"2026-02-30\" }]", "day"),
        ("[schedules.s]\nlayers = [{ restrictions = [{ days = [\"mon\"] }] }]", "unknown variant"),
    ] {
        let said = toml::from_str::<OncallConfig>(text).unwrap_err().to_string();
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn channels_must_be_receivers() {
    let receivers: BTreeSet<String> =
        ["alice-pager", "alice-mail", "bob-pager", "carol-page"].map(str::to_owned).into();
    let found: Vec<String> = validate::check_channels(&config(TEAM), &receivers)
        .into_iter()
        .map(|(key, d)| format!("{key}: {d}"))
        .collect();
    assert_eq!(
        found,
        [
            "oncall.persons.carol.channels: \"carol-pager\" is not a receiver; did you mean carol-page?",
            "oncall.policies.default.steps[2].notify: \"ops\" is not a receiver; add it to the receivers of the \
             alerting configuration or remove it here",
        ]
    );
}

#[test]
fn the_first_route_that_matches_counts() {
    let roster = roster(
        r#"
        [policies.day]
        steps = [{ notify = ["channel:a"] }]
        [policies.night]
        steps = [{ notify = ["channel:b"] }]
        [[routes]]
        matchers = ['severity="info"']
        [[routes]]
        matchers = ['service=~"orders|risk"', 'team!="x"']
        policy = "day"
        [[routes]]
        policy = "night"
    "#,
    );
    let policy = |pairs: &[(&str, &str)]| {
        let labels = Labels::from_pairs(pairs.iter().copied());
        roster.policy_for(&labels).map(|l| l.policy.clone())
    };
    assert_eq!(policy(&[("severity", "info"), ("service", "orders")]), None);
    assert_eq!(policy(&[("service", "orders")]).as_deref(), Some("day"), "a missing label is empty");
    assert_eq!(policy(&[("service", "orders"), ("team", "x")]).as_deref(), Some("night"));
    assert_eq!(policy(&[("service", "orders-2")]).as_deref(), Some("night"), "patterns are anchored");
}

use super::*;

fn told(text: &str) -> Vec<String> {
    match parse(text, "r.yml") {
        Ok(file) => panic!("accepted: {file:?}"),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_file_becomes_groups() {
    let file = parse(
        "groups:\n- name: g\n  interval: 30s\n  query_offset: 1m\n  limit: 10\n  labels: {team: a, tier: x}\n  rules:\n  - record: a:b\n    expr: sum(up)\n    labels: {tier: y}\n  - alert: Down\n    expr: up==0\n    for: 5m\n    keep_firing_for: 1m\n    labels: {severity: page, n: 1}\n    annotations: {summary: '{{ $labels.x }}'}\n",
        "r.yml",
    )
    .unwrap();
    let group = &file.groups[0];
    assert_eq!((&*group.name, group.interval, group.limit), ("g", Some(Duration::from_secs(30)), 10));
    assert_eq!(group.query_offset, Some(Duration::from_secs(60)));
    let pairs =
        |rule: &RuleSpec| rule.labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
    assert_eq!(pairs(&group.rules[0]), "team=a tier=y");
    assert_eq!(pairs(&group.rules[1]), "n=1 severity=page team=a tier=x");
    assert_eq!(&*group.rules[1].query, "up == 0");
    assert_eq!(group.rules[1].line, 11);
    assert!(parse("", "r.yml").unwrap().groups.is_empty());
    assert!(parse("groups:\n", "r.yml").unwrap().groups.is_empty());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let rule = |body: &str| format!("groups:\n- name: g\n  rules:\n  - {body}\n");
    for (text, expected) in [
        (rule("record: x\n    expr: 'test +'"), "r.yml:5:18: expr: "),
        (rule("record: x\n    expr: sum(up"), "r.yml:5:17: expr: "),
        (rule("record: x\n    expr: |\n      sum(up)\n        by (job) + nonsense("), "r.yml:7:20: expr: "),
        (rule("record: x\n    expr: rate(up)"), "r.yml:5:16: expr: "),
        (rule("record: x\n    alert: y\n    expr: up"), "r.yml:4:13: the rule has both record and alert"),
        (rule("expr: up"), "r.yml:4:5: the rule has neither record nor alert"),
        (rule("record: x"), "r.yml:4:5: the rule has no expr"),
        (rule("record: x\n    expr: up\n    for: 1m"), "r.yml:6:10: the recording rule \"x\" has for"),
        (rule("record: 'x{a=\"b\"}'\n    expr: up"), "r.yml:4:13: there are braces in the name"),
        (
            rule("alert: x\n    expr: up\n    for: 1 minute"),
            "r.yml:6:10: for: \"1 minute\" is not a duration",
        ),
        (
            rule("alert: x\n    expr: up\n    labels: {__name__: a}"),
            "r.yml:6:24: \"__name__\" is not a lawful label name",
        ),
        (
            rule("alert: x\n    expr: up\n    annotations: {a: 'b {{ nothing }}'}"),
            "r.yml:6:28: annotation \"a\": function \"nothing\" not defined",
        ),
        (rule("alert: x\n    exp: up"), "r.yml:5:5: unknown field \"exp\"; did you mean \"expr\"?"),
        ("groups:\n- name: g\n- name: g\n".to_owned(), "r.yml:3:9: the group name \"g\" is used twice"),
        ("groups:\n- rules: []\n".to_owned(), "r.yml:2:3: the group has no name"),
        ("groups: 3\n".to_owned(), "r.yml:1:9: "),
    ] {
        let found = told(&text);
        assert!(found[0].starts_with(expected), "{text}\nexpected {expected}\nfound {found:?}");
    }
}

#[test]
fn rules_that_are_there_twice_are_noted() {
    let file = parse(
        "groups:\n- name: g\n  rules:\n  - {record: x, expr: up}\n  - {record: x, expr: vector(1)}\n",
        "r.yml",
    )
    .unwrap();
    assert!(
        file.notes[0].to_string().starts_with("r.yml:5:1: the rule \"x\" is there twice"),
        "{:?}",
        file.notes
    );
}

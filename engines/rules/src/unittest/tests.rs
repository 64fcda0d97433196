use super::*;

fn run(rules: &str, tests: &str) -> Report {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("r.yml"), rules).unwrap();
    run_text(&format!("rule_files: [r.yml]\n{tests}"), "t.yml", dir.path())
}

const RULES: &str = "groups:\n- name: second\n  rules: [{record: b, expr: a + 1}]\n- name: first\n  rules:\n  - {record: a, expr: m}\n  - {alert: High, expr: m > 2, for: 1m, labels: {l: x}, annotations: {s: '{{ $value }} {{ $externalLabels.e }}'}}\n";

#[test]
fn expectations_that_hold_pass() {
    let report = run(
        RULES,
        "group_eval_order: [first, second]\ntests:\n- interval: 1m\n  external_labels: {e: ext}\n  input_series:\n  - {series: 'm{j=\"1\"}', values: '1 3x3'}\n  promql_expr_test:\n  - {expr: b, eval_time: 0, exp_samples: [{labels: 'b{j=\"1\"}', value: 2}]}\n  alert_rule_test:\n  - {eval_time: 90s, alertname: High}\n  - {eval_time: 2m, alertname: High, exp_alerts: [{exp_labels: {j: 1, l: x}, exp_annotations: {s: 3 ext}}]}\n",
    );
    assert!(report.passed(), "{report}");
    assert!(report.to_string().ends_with("ok    t.yml (3 expectations)\n"));
}

#[test]
fn differences_are_readable() {
    let report = run(
        RULES,
        "tests:\n- name: wrong\n  input_series:\n  - {series: m, values: '3x3'}\n  promql_expr_test:\n  - {expr: a, eval_time: 1m, exp_samples: [{labels: a, value: 4}]}\n  alert_rule_test:\n  - {eval_time: 2m, alertname: High, exp_alerts: []}\n",
    );
    assert_eq!(
        report.to_string(),
        "t.yml: wrong\n    alertname High, time 2m:\n      (nothing expected)\n      + alert {alertname=\"High\", l=\"x\"}\n      +   s: \"3 \"\n    expr \"a\", time 1m:\n      - a 4\n      + a 3\nFAIL  t.yml: 2 of 2 expectations\n"
    );
}

#[test]
fn what_cannot_be_run_is_told() {
    for (rules, tests, expected) in [
        ("groups:\n- name: g\n  rules: [{record: x, expr: 'up +'}]\n", "tests: []\n", "r.yml:3:"),
        (RULES, "group_eval_order: [a, a]\n", "group name repeated in evaluation order: a"),
        (RULES, "tests:\n- input_series: [{series: 'up{', values: 1}]\n", "input_series \"up{ 1\""),
        (
            RULES,
            "tests:\n- alert_rule_test: [{eval_time: 1m}]\n",
            "misses required attribute alertname at eval_time 1m",
        ),
        (RULES, "test: []\n", "unknown field \"test\"; did you mean \"tests\"?"),
    ] {
        let report = run(rules, tests);
        assert!(!report.passed() && report.to_string().contains(expected), "{report}");
    }
}

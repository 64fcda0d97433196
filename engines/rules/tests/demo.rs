//! The rules that ship with the demo do what they say.

#[test]
fn the_demos_rules_are_proven() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/demo/rules_test.yml");
    let report = quarterdeck_rules::unittest::run_file(tests.as_ref());
    assert!(report.passed() && report.notes.is_empty(), "{report}");
    let checks: usize = report.groups.iter().map(|group| group.checks).sum();
    assert!(checks >= 12, "every rule has an expectation: {report}");
}

//! The rules that ship do what they say.

use std::path::Path;

fn proven(tests: &str, expectations: usize) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(tests);
    let report = quarterdeck_rules::unittest::run_file(&tests);
    assert!(report.passed() && report.notes.is_empty(), "{report}");
    let checks: usize = report.groups.iter().map(|group| group.checks).sum();
    assert!(checks >= expectations, "every rule has an expectation: {report}");
}

#[test]
fn the_demos_rules_are_proven() {
    proven("demo/rules_test.yml", 12);
}

#[test]
fn the_standard_rules_are_proven() {
    proven("rules/trading_test.yml", 45);
}

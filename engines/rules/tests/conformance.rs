//! promtool's own test files: the verdicts must be promtool's.

use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join("prometheus-rules");
    folder.is_dir().then_some(folder)
}

/// Test files and whether promtool 3.5 finds all as expected.
const TESTS: [(&str, bool); 14] = [
    ("at-modifier-test.yml", true),
    ("bad-input-series.yml", false),
    ("bad-promql.yml", false),
    ("bad-rules-error-test.yml", false),
    ("bad-rules-syntax-test.yml", false),
    ("failing.yml", false),
    ("long-period.yml", true),
    ("negative-offset-test.yml", true),
    ("no-test-group-interval.yml", true),
    ("rules_run.yml", false),
    ("rules_run_extrafields.yml", true),
    ("rules_run_fuzzy.yml", false),
    ("rules_run_no_fuzzy.yml", false),
    ("unittest.yml", true),
];

#[test]
fn verdicts_of_test_files() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: there is no conformance folder; set QUARTERDECK_CONFORMANCE");
        return;
    };
    let mut wrong = Vec::new();
    // Times other than 1970 came after 3.5; files that use them pass as they do there.
    for (name, passes) in TESTS.into_iter().chain([("start-time-test.yml", true)]) {
        let report = quarterdeck_rules::unittest::run_file(&folder.join(name));
        if report.passed() != passes {
            wrong.push(format!("{name} should {}:\n{report}", if passes { "pass" } else { "fail" }));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn half_of_the_cases_of_mixed_files_fail() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: there is no conformance folder; set QUARTERDECK_CONFORMANCE");
        return;
    };
    for name in ["rules_run.yml", "rules_run_fuzzy.yml"] {
        let report = quarterdeck_rules::unittest::run_file(&folder.join(name));
        let passed: Vec<bool> = report.groups.iter().map(|group| group.failures.is_empty()).collect();
        assert_eq!(passed, [true, false], "{name}: {report}");
    }
}

#[test]
fn verdicts_of_rule_files() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: there is no conformance folder; set QUARTERDECK_CONFORMANCE");
        return;
    };
    for (name, lawful) in [
        ("at-modifier.yml", true),
        ("bad-rules-error.yml", true),
        ("bad-rules-syntax.yml", false),
        ("negative-offset.yml", true),
        ("rules.yml", true),
        ("unittest.yml", false),
    ] {
        let loaded = quarterdeck_rules::file::load(&folder.join(name));
        assert_eq!(loaded.is_ok(), lawful, "{name}: {loaded:?}");
    }
}

//! The program on conformance data of others: `$QUARTERDECK_CONFORMANCE`, `../shared/conformance` if that is not set.

mod support;

use std::path::{Path, PathBuf};

use quarterdeck_metrics::exposition::{Format, validate};
use support::Home;

/// A folder of the conformance data, if it is there.
fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no conformance data at {}", folder.display());
    None
}

#[test]
fn promql_files_pass_through_the_program() {
    let Some(folder) = folder("promql") else { return };
    let home = Home::new();
    let (code, out, error) = home.run(&["test", "promql", &folder.display().to_string()]);
    assert_eq!(code, 0, "{out}{error}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.contains(" passed") && last.contains("0 failed"), "the last line sums it up: {last}");
    eprintln!("promql: {last}");
}

#[test]
fn a_failing_case_is_told_by_file_and_line() {
    let home = Home::new();
    std::fs::create_dir(home.path("cases")).expect("a folder");
    home.file("cases/sums.test", "load 1m\n  a 1 2 3\n\neval instant at 2m sum(a)\n  {} 4\n");
    let (code, out, error) = home.run(&["test", "promql", &home.path("cases").display().to_string()]);
    assert_eq!(code, 3, "{out}{error}");
    assert!(out.contains("sums.test") && out.contains(":4"), "{out}");
    let (code, _, error) = home.run(&["test", "promql", &home.path("nowhere").display().to_string()]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("nowhere"), "{error}");
}

/// Whether a case of the OpenMetrics suite should be accepted.
fn should_parse(case: &Path) -> bool {
    let text = std::fs::read_to_string(case.join("test.json")).expect("test.json");
    let test: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    test["shouldParse"].as_bool().expect("shouldParse")
}

#[test]
fn openmetrics_pages_are_accepted_and_refused_as_they_should_be() {
    let Some(folder) = folder("openmetrics/parsers") else { return };
    let mut wrong = Vec::new();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for case in std::fs::read_dir(folder).expect("the cases").flatten().map(|e| e.path()) {
        if !case.join("test.json").exists() {
            continue;
        }
        let page = std::fs::read(case.join("metrics")).expect("a page");
        let accepted = validate(Format::OpenMetrics, &page).is_ok();
        if accepted != should_parse(&case) {
            wrong.push(format!("{} was {}", case.display(), if accepted { "accepted" } else { "refused" }));
        }
        if should_parse(&case) { &mut good } else { &mut bad }.push(case.join("metrics"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!good.is_empty() && !bad.is_empty());

    // The command says the same of some of each, by its exit code.
    let home = Home::new();
    good.sort();
    let accepted: Vec<String> = good.iter().take(20).map(|p| p.display().to_string()).collect();
    let mut args = vec!["check"];
    args.extend(accepted.iter().map(String::as_str));
    let (code, out, error) = home.run(&args);
    assert_eq!(code, 0, "{error}");
    assert_eq!(out.lines().filter(|l| l.starts_with("ok  ")).count(), accepted.len(), "{out}");
    // A page without its end mark is taken for the older format: only those that end well tell of this one.
    bad.retain(|p| std::fs::read(p).is_ok_and(|page| page.trim_ascii_end().ends_with(b"# EOF")));
    bad.sort();
    for page in bad.iter().step_by(bad.len().div_ceil(8)) {
        let (code, _, error) = home.run(&["check", &page.display().to_string()]);
        assert_eq!(code, 3, "{}: {error}", page.display());
        assert!(error.starts_with(&page.display().to_string()), "{error}");
    }
}

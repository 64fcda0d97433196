//! Runs the promqltest files where they are present.

use std::path::PathBuf;

use quarterdeck_promql::testing::run_dir;

/// Evals with native histograms that are known to pass: fewer is a regression.
const NATIVE_FLOOR: usize = 630;

#[test]
fn promqltest_files() {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = root.join("promql");
    if !folder.is_dir() {
        eprintln!("skipped: no conformance data at {}", folder.display());
        return;
    }
    let summary = run_dir(&folder).unwrap();
    println!("{summary}");
    let native: usize = summary.files.iter().map(|f| f.passed_native).sum();
    let plain: usize = summary.files.iter().map(|f| f.passed).sum();
    println!("without native histograms {plain} passed, with native histograms {native} passed");
    assert!(summary.files.iter().all(|f| f.error.is_none()), "{summary}");
    let failed = summary.files.iter().flat_map(|f| &f.failures).filter(|f| !f.native).count();
    assert_eq!(failed, 0, "evals without native histograms failed:\n{summary}");
    assert!(
        native >= NATIVE_FLOOR,
        "{native} evals with native histograms passed, {NATIVE_FLOOR} did before"
    );
}

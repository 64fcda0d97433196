//! What several tests need.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part of it, and helpers of tests may fail the test"
)]

use std::path::PathBuf;

/// A file of the conformance data; says so when it is not there.
pub(crate) fn conformance(path: &str) -> Option<String> {
    let file = conformance_path(path)?;
    Some(std::fs::read_to_string(file).unwrap())
}

/// Where a file or directory of the conformance data is; says so when it is not there.
pub(crate) fn conformance_path(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    println!("SKIPPED: {} is not there; QUARTERDECK_CONFORMANCE says where the data is", found.display());
    None
}

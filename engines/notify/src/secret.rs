//! Secrets, read when they are needed.

use std::io::Read;
use std::path::Path;

use quarterdeck_alertmanager::config::SecretSource;
use quarterdeck_kernel::Secret;

use crate::failure::Failure;

/// The longest secret, in bytes.
const MOST: u64 = 1 << 20;

/// The secret; of a file, without the white space around it. Blocks.
pub(crate) fn read(source: &SecretSource) -> Result<Secret, Failure> {
    match source {
        SecretSource::Inline(secret) => Ok(secret.clone()),
        SecretSource::File(path) => text(path).map(|text| Secret::new(text.trim())),
    }
}

/// A file's text, which somebody may be just about to write anew.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::later(format!("cannot read {}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let mut out = String::new();
    let length = file.take(MOST + 1).read_to_string(&mut out).map_err(|e| failed(e.to_string()))?;
    if length as u64 > MOST {
        return Err(failed(format!("it is longer than {MOST} bytes")));
    }
    Ok(out)
}

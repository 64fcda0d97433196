//! `prometheus.yml`, unmodified: everything that Prometheus 3.5 accepts loads; what this version does not use is
//! said, and a job whose discovery it does not have is shown as unavailable. Nothing refuses the file but what
//! Prometheus itself would refuse.

mod convert;
mod expand;
mod file;
mod http;
mod size;

use std::path::{Path, PathBuf};

use quarterdeck_kernel::Diagnostic;

use crate::config::Plan;
use crate::discovery::glob;

/// A file that is larger than this is refused, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Reads a file and the files that it names under `scrape_config_files`.
///
/// # Errors
/// Every mistake with file, line and column; the plan that runs should stay then.
pub fn load(path: &Path) -> Result<Plan, Vec<Diagnostic>> {
    let text = read(path)?;
    let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
    parse(&text, &path.to_string_lossy(), &base)
}

/// Reads the text of a `prometheus.yml`. `name` is what messages call it; relative paths are taken from `base`.
///
/// # Errors
/// Every mistake with file, line and column.
pub fn parse(text: &str, name: &str, base: &Path) -> Result<Plan, Vec<Diagnostic>> {
    let file: file::File = quarterdeck_yaml::parse(text, name).map_err(|mistake| vec![mistake])?;
    let mut conversion = convert::Conversion::new(&file, text, name, base);
    conversion.jobs(file.scrape_configs.unwrap_or_default(), text, name);
    for pattern in file.scrape_config_files.unwrap_or_default() {
        for path in matching(&pattern.value, base) {
            let source = path.to_string_lossy().into_owned();
            match read(&path).and_then(|text| {
                let jobs: file::JobsFile =
                    quarterdeck_yaml::parse(&text, &source).map_err(|mistake| vec![mistake])?;
                Ok((text, jobs))
            }) {
                Ok((text, jobs)) => {
                    conversion.jobs(jobs.scrape_configs.unwrap_or_default(), &text, &source);
                }
                Err(mistakes) => conversion.mistakes.extend(mistakes),
            }
        }
    }
    conversion.finish()
}

/// The files a pattern names: by glob in its last part, or the one path itself, so that a missing file is told.
fn matching(pattern: &str, base: &Path) -> Vec<PathBuf> {
    let path = base.join(pattern);
    if pattern.contains(['*', '?', '[']) { glob::expand(&path) } else { vec![path] }
}

fn read(path: &Path) -> Result<String, Vec<Diagnostic>> {
    let fail = |why: String| {
        let mut diagnostic = Diagnostic::new(why);
        diagnostic.source = path.to_string_lossy().into_owned();
        vec![diagnostic]
    };
    let size = std::fs::metadata(path).map_err(|e| fail(format!("cannot be read: {e}")))?.len();
    if size > MAX_FILE {
        return Err(fail(format!("has {size} bytes, more than the {MAX_FILE} that are read")));
    }
    std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))
}

#[cfg(test)]
mod tests;

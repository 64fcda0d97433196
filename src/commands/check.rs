//! `quarterdeck check`: are these files right?

use std::path::{Path, PathBuf};

use quarterdeck_kernel::Diagnostic;
use quarterdeck_metrics::exposition;

use crate::cli::Global;
use crate::config::{Loaded, Origin};
use crate::exit::Failure;
use crate::paths::Paths;

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or is not right; every finding has been printed.
pub fn run(global: &Global, files: &[PathBuf]) -> Result<(), Failure> {
    let mut wrong = 0;
    if files.is_empty() {
        let paths = Paths::new(global, "")?;
        let loaded = Loaded::start(global, &paths)?;
        let files: Vec<String> = loaded.files.iter().map(|f| f.display().to_string()).collect();
        println!(
            "ok  {}",
            if files.is_empty() { "no file: defaults are in use".to_owned() } else { files.join(", ") }
        );
        notes(&loaded);
    }
    for file in files {
        match check(global, file) {
            Ok(note) => println!("ok  {}{note}", file.display()),
            Err(found) => {
                wrong += 1;
                for diagnostic in found {
                    eprintln!("{diagnostic}");
                }
            }
        }
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::NotRight("1 file is not right".to_owned())),
        n => Err(Failure::NotRight(format!("{n} files are not right"))),
    }
}

/// Checks one file by what its name says it is; gives a remark.
fn check(global: &Global, file: &Path) -> Result<String, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let alone = |message: String| vec![Diagnostic { source: name.clone(), ..Diagnostic::new(message) }];
    match ending {
        "toml" => {
            let paths = Paths::new(global, "").map_err(|e| alone(e.to_string()))?;
            let loaded = Loaded::read(&Origin::of_file(global, &paths, file))?;
            notes(&loaded);
            // An overlay that nobody picks today must be right on the day that somebody does.
            for environment in overlays(file) {
                let global = Global { environment: Some(environment), ..global.clone() };
                Loaded::read(&Origin::of_file(&global, &paths, file))?;
            }
            Ok(String::new())
        }
        "yml" | "yaml" if is_rule_file(file) => {
            let rules = quarterdeck_rules::file::load(file)?;
            for note in &rules.notes {
                eprintln!("{note}");
            }
            let count: usize = rules.groups.iter().map(|group| group.rules.len()).sum();
            Ok(format!(" ({count} rules in {} groups)", rules.groups.len()))
        }
        "yml" | "yaml" => {
            let plan = quarterdeck_scrape::prometheus::load(file)?;
            for note in &plan.notes {
                eprintln!("{name}: {note}");
            }
            for job in plan.jobs.iter().filter(|j| !j.unavailable.is_empty()) {
                eprintln!("{name}: job {} is not available here: {}", job.name, job.unavailable.join("; "));
            }
            Ok(format!(" ({} jobs)", plan.jobs.len()))
        }
        _ => {
            let bytes = std::fs::read(file).map_err(|e| alone(e.to_string()))?;
            let format = if bytes.trim_ascii_end().ends_with(b"# EOF") {
                exposition::Format::OpenMetrics
            } else {
                exposition::Format::Text
            };
            let page = exposition::validate(format, &bytes).map_err(|e| {
                let text = String::from_utf8_lossy(&bytes);
                vec![Diagnostic::new(e.to_string()).at(name.clone(), &text, 0..0)]
            })?;
            Ok(format!(" ({} families, {} samples)", page.families, page.samples))
        }
    }
}

fn is_rule_file(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| quarterdeck_rules::file::is_rule_file(&text))
}

/// The environments that a file has an overlay for.
fn overlays(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let root: toml::Table = text.parse().unwrap_or_default();
    let environments = root.get("environments").and_then(toml::Value::as_table);
    environments.into_iter().flat_map(toml::Table::keys).cloned().collect()
}

fn notes(loaded: &Loaded) {
    for note in &loaded.plan.notes {
        eprintln!("{note}");
    }
}

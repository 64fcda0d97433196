//! `quarterdeck deploy check`: are these strategy files right?

use std::path::{Path, PathBuf};

use quarterdeck_deploy::strategy::{Templates, read};
use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::time::format_duration;

use crate::commands::say;
use crate::exit::Failure;

/// Checks every file; templates of one can be used by the others.
pub(super) fn run(files: &[PathBuf]) -> Result<(), Failure> {
    let mut templates = Templates::default();
    let mut read_in = Vec::new();
    let mut wrong = 0;
    let mut tell = |found: Vec<Diagnostic>| {
        wrong += 1;
        for diagnostic in found {
            eprintln!("{}", quarterdeck_widgets::text::clean(&diagnostic.to_string()));
        }
    };
    for file in files {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => match templates.add(&text, &name) {
                Ok(count) => read_in.push((file, name, text, count)),
                Err(found) => tell(found),
            },
            Err(error) => {
                let message = format!("it cannot be read: {error}");
                tell(vec![Diagnostic { source: name, ..Diagnostic::new(message) }]);
            }
        }
    }
    for (file, name, text, count) in read_in {
        if Templates::only(&text, &name).is_ok_and(|only| only) {
            say(&format!("ok  {name} ({count} analysis templates)"));
            continue;
        }
        match read(&text, &name, &stem(file), &templates) {
            Ok(found) => {
                for warning in &found.warnings {
                    eprintln!("{}", quarterdeck_widgets::text::clean(&warning.to_string()));
                }
                let longest = match found.strategy.longest(1) {
                    Some(longest) => format!("at most {}", format_duration(longest)),
                    None => "waits for a key".to_owned(),
                };
                say(&format!("ok  {name} ({}, {longest})", found.strategy.kind.as_str()));
                if !found.unused.is_empty() {
                    say(&format!("    not used here: {}", found.unused.join(", ")));
                }
            }
            Err(found) => tell(found),
        }
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::NotRight("1 file is not right".to_owned())),
        n => Err(Failure::NotRight(format!("{n} files are not right"))),
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

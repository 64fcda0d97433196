//! promtool's unit tests of rules, in simulated time on a store in memory.

mod backend;
mod compare;
mod raw;
mod run;

use std::fmt;
use std::path::Path;

use quarterdeck_kernel::Diagnostic;

use crate::file::RuleFile;
use quarterdeck_templates::glob;

/// What came of the tests of one file.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The file.
    pub file: String,
    /// What is wrong with the file or the rule files that it names: nothing has been run then.
    pub mistakes: Vec<Diagnostic>,
    /// What each test group found, in order.
    pub groups: Vec<GroupReport>,
    /// What looks unintended: patterns of rule files that name none.
    pub notes: Vec<String>,
}

/// What came of one group of tests.
#[derive(Clone, Debug)]
pub struct GroupReport {
    /// Its name, or its place in the file.
    pub name: String,
    /// How many expectations there were.
    pub checks: usize,
    /// What was not as expected, each with a difference for people.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether all is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.mistakes.is_empty() && self.groups.iter().all(|group| group.failures.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{}: note: {note}", self.file)?;
        }
        for mistake in &self.mistakes {
            writeln!(f, "{mistake}")?;
        }
        for group in self.groups.iter().filter(|group| !group.failures.is_empty()) {
            writeln!(f, "{}: {}", self.file, group.name)?;
            for failure in &group.failures {
                for line in failure.lines() {
                    writeln!(f, "    {line}")?;
                }
            }
        }
        let checks: usize = self.groups.iter().map(|group| group.checks).sum();
        let failed: usize = self.groups.iter().map(|group| group.failures.len()).sum();
        match (self.mistakes.is_empty(), failed) {
            (false, _) => writeln!(f, "FAIL  {}: it cannot be run", self.file),
            (true, 0) => writeln!(f, "ok    {} ({checks} expectations)", self.file),
            (true, n) => writeln!(f, "FAIL  {}: {n} of {checks} expectations", self.file),
        }
    }
}

/// Runs the tests of a file. Rule files are looked for beside it.
#[must_use]
pub fn run_file(path: &Path) -> Report {
    let name = path.to_string_lossy().into_owned();
    match std::fs::read_to_string(path) {
        Ok(text) => run_text(&text, &name, path.parent().unwrap_or(Path::new(""))),
        Err(error) => {
            let told =
                Diagnostic { source: name.clone(), ..Diagnostic::new(format!("cannot be read: {error}")) };
            Report { file: name, mistakes: vec![told], ..Report::default() }
        }
    }
}

/// Runs the tests in a text; `name` is what messages call it, rule files are relative to `base`.
#[must_use]
pub fn run_text(text: &str, name: &str, base: &Path) -> Report {
    let mut report = Report { file: name.to_owned(), ..Report::default() };
    let file: raw::File = match quarterdeck_yaml::parse(text, name) {
        Ok(file) => file,
        Err(mistake) => {
            report.mistakes.push(mistake);
            return report;
        }
    };
    let mut rules: Vec<RuleFile> = Vec::new();
    for pattern in &file.rule_files {
        let path = base.join(pattern);
        let found =
            if glob::is_pattern(pattern) || !path.is_file() { glob::expand(&path) } else { vec![path] };
        if found.is_empty() {
            report.notes.push(format!("no file matches {pattern:?} of rule_files"));
        }
        for path in found {
            match crate::file::load(&path) {
                Ok(loaded) => rules.push(loaded),
                Err(mistakes) => report.mistakes.extend(mistakes),
            }
        }
    }
    if let Some(twice) = raw::repeated(&file.group_eval_order) {
        let told = format!("group name repeated in evaluation order: {twice}");
        report.mistakes.push(Diagnostic { source: name.to_owned(), ..Diagnostic::new(told) });
    }
    if !report.mistakes.is_empty() {
        return report;
    }
    for (index, tests) in file.tests.iter().flatten().enumerate() {
        let name =
            tests.name.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| format!("test {}", index + 1));
        let (checks, failures) = run::run(tests, &file, &rules);
        report.groups.push(GroupReport { name, checks, failures });
    }
    report
}

#[cfg(test)]
mod tests;

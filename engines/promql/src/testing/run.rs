//! Running test files and counting.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;

use super::script::{Command, Eval, Expected, ScriptError, Text, When};
use super::{MemoryStorage, compare, pin, script};
use crate::annotations::Annotation;
use crate::engine::{Engine, EngineOptions, Output};
use crate::error::QueryError;
use crate::storage::Budget;
use crate::value::{Point, Value, VectorSample};

/// An evaluation that did not give what its file expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line of the eval command, counted from 1.
    pub line: usize,
    /// The query.
    pub query: String,
    /// What was different.
    pub message: String,
    /// Whether native histograms are among the data it selects.
    pub native: bool,
}

/// The outcome of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// File name.
    pub name: String,
    /// Evals that gave what is expected, without native histograms.
    pub passed: usize,
    /// The same with native histograms.
    pub passed_native: usize,
    /// Evals that did not.
    pub failures: Vec<Failure>,
    /// Why the file could not be read to its end.
    pub error: Option<String>,
}

/// The outcome of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// One per file, by name.
    pub files: Vec<FileSummary>,
}

impl Summary {
    /// How many evals passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.files.iter().map(|f| f.passed + f.passed_native).sum()
    }

    /// How many failed; a file that cannot be read counts as one more.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.files.iter().map(|f| f.failures.len() + usize::from(f.error.is_some())).sum()
    }
}

/// A line per failure and per file; the last line is `N passed, M failed`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            for failure in &file.failures {
                let Failure { line, query, message, native } = failure;
                let kind = if *native { " [native histograms]" } else { "" };
                writeln!(f, "{}:{line}: {query}: {message}{kind}", file.name)?;
            }
            if let Some(error) = &file.error {
                writeln!(f, "{}: {error}", file.name)?;
            }
            writeln!(
                f,
                "{}: {} passed, {} failed",
                file.name,
                file.passed + file.passed_native,
                file.failures.len()
            )?;
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}

/// Runs all `.test` files of a folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn run_dir(folder: &Path) -> std::io::Result<Summary> {
    let mut paths = vec![];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "test") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut summary = Summary::default();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read(&path)?;
        summary.files.push(run_text(&name, &String::from_utf8_lossy(&text)));
    }
    Ok(summary)
}

/// Runs one file's text.
#[must_use]
pub fn run_text(name: &str, text: &str) -> FileSummary {
    let mut summary = FileSummary { name: name.to_owned(), ..FileSummary::default() };
    if let Err(error) = run_commands(text, &mut summary) {
        summary.error = Some(error.to_string());
    }
    summary
}

fn run_commands(text: &str, summary: &mut FileSummary) -> Result<(), ScriptError> {
    let engine = Engine::new(EngineOptions {
        experimental_functions: true,
        duration_expressions: true,
        delayed_name_removal: true,
        type_and_unit_labels: true,
        ..EngineOptions::default()
    });
    let mut storage = MemoryStorage::default();
    for command in script::parse(text)? {
        match command {
            Command::Clear => storage = MemoryStorage::default(),
            Command::Load { line, step, lines, native_too } => {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                storage
                    .load(step, &lines, native_too)
                    .map_err(|e| ScriptError { line, message: e.to_string() })?;
            }
            Command::Eval(eval) => {
                let native = is_native(&engine, &storage, &eval);
                match run_eval(&engine, &storage, &eval) {
                    Ok(()) if native => summary.passed_native += 1,
                    Ok(()) => summary.passed += 1,
                    Err(message) => {
                        let Eval { line, query, .. } = *eval;
                        summary.failures.push(Failure { line, query, message, native });
                    }
                }
            }
        }
    }
    Ok(())
}

fn is_native(engine: &Engine, storage: &MemoryStorage, eval: &Eval) -> bool {
    engine
        .parse(&eval.query)
        .is_ok_and(|expr| expr.selectors().iter().any(|s| storage.has_histograms(&s.matchers)))
}

fn run_eval(engine: &Engine, storage: &MemoryStorage, eval: &Eval) -> Result<(), String> {
    match eval.when {
        When::Range(start, end, step) => {
            let found = range(engine, storage, &eval.query, start, end, step);
            let Some(output) = checked(eval, found)? else { return Ok(()) };
            match &output.value {
                Value::Matrix(matrix) => compare::compare_matrix(eval, matrix),
                other => Err(format!("a matrix was expected, found {other:?}")),
            }
        }
        When::Instant(t) => {
            run_instant(engine, storage, eval, &eval.query, t)?;
            for (query, t) in pinned(engine, &eval.query, t) {
                run_instant(engine, storage, eval, &query, t)
                    .map_err(|e| format!("pinned, as {query} at {t} ms: {e}"))?;
            }
            Ok(())
        }
    }
}

/// The query with every selector pinned to `t`, and the moments to evaluate it at.
fn pinned(engine: &Engine, query: &str, t: i64) -> Vec<(String, i64)> {
    let Ok(mut expr) = engine.parse(query) else { return vec![] };
    if pin::cannot_be_pinned(&expr) {
        return vec![];
    }
    pin::pin(&mut expr, t);
    let times = if t == 0 { vec![-1000, 0, 1000] } else { vec![-10 * t, 0, t / 5, t, 10 * t] };
    times.into_iter().map(|at| (expr.to_string(), at)).collect()
}

/// As an instant query, and as a range query around the moment.
fn run_instant(
    engine: &Engine,
    storage: &MemoryStorage,
    eval: &Eval,
    query: &str,
    t: i64,
) -> Result<(), String> {
    let found = engine.instant(query, storage, Timestamp::from_millis(t), &Budget::unbounded());
    let Some(output) = checked(eval, found)? else { return Ok(()) };
    compare::instant(eval, &output.value, eval.expected.ordered)?;
    if eval.expected.ordered || !matches!(output.value, Value::Vector(_) | Value::Scalar { .. }) {
        return Ok(());
    }
    let minute = 60_000;
    let ranged = range(engine, storage, query, t - minute, t + minute, minute)
        .map_err(|e| format!("as a range query: {e}"))?;
    let Value::Matrix(matrix) = &ranged.value else { return Err("a range query gave no matrix".to_owned()) };
    let at = |p: &&Point| p.t.as_millis() == t;
    let samples: Vec<VectorSample> = matrix
        .iter()
        .filter_map(|s| {
            Some(VectorSample { labels: s.labels.clone(), point: s.points.iter().find(at)?.clone() })
        })
        .collect();
    let value = match (&output.value, samples.first()) {
        (Value::Scalar { t, .. }, Some(s)) => {
            Value::Scalar { t: *t, v: s.point.v.as_float().unwrap_or(f64::NAN) }
        }
        _ => Value::Vector(samples),
    };
    compare::instant(eval, &value, false).map_err(|e| format!("as a range query: {e}"))
}

fn range(
    engine: &Engine,
    storage: &MemoryStorage,
    query: &str,
    start: i64,
    end: i64,
    step: i64,
) -> Result<Output, QueryError> {
    let step = Duration::from_millis(step.unsigned_abs());
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
    engine.range(query, storage, start, end, step, &Budget::unbounded())
}

/// Checks failure and annotations. `None` when the query failed as it should.
fn checked(eval: &Eval, found: Result<Output, QueryError>) -> Result<Option<Output>, String> {
    let expected = &eval.expected;
    match found {
        Err(e) if expected.fail => {
            let message = e.to_string();
            if expected.fail_message.iter().all(|t| t.matches(&message)) {
                Ok(None)
            } else {
                Err(format!("expected the error {:?}, found {message:?}", expected.fail_message))
            }
        }
        Err(e) => Err(format!("error: {e}")),
        Ok(_) if expected.fail => Err("expected an error".to_owned()),
        Ok(output) => {
            check_annotations(expected, &output)?;
            Ok(Some(output))
        }
    }
}

fn check_annotations(expected: &Expected, output: &Output) -> Result<(), String> {
    let messages = |list: Vec<&Annotation>| list.iter().map(|a| a.message.clone()).collect::<Vec<_>>();
    let warnings = messages(output.annotations.warnings().collect());
    let infos = messages(output.annotations.infos().collect());
    one_level("warning", expected.warn, expected.no_warn, &expected.warn_messages, &warnings)?;
    one_level("info", expected.info, expected.no_info, &expected.info_messages, &infos)
}

fn one_level(
    kind: &str,
    wanted: bool,
    unwanted: bool,
    texts: &[Text],
    found: &[String],
) -> Result<(), String> {
    if wanted && found.is_empty() {
        return Err(format!("expected a {kind}"));
    }
    if unwanted && !found.is_empty() {
        return Err(format!("unexpected {kind}: {}", found.join("; ")));
    }
    if texts.is_empty() {
        return Ok(());
    }
    if let Some(missing) = texts.iter().find(|t| !found.iter().any(|f| t.matches(f))) {
        return Err(format!("expected the {kind} {missing:?}, found {found:?}"));
    }
    match found.iter().find(|f| !texts.iter().any(|t| t.matches(f))) {
        Some(other) => Err(format!("unexpected {kind}: {other}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_run_and_counted() {
        let text = "
load 5m
  up{job=\"a\"} 0+10x10
  up{job=\"b\"} 1

# A comment.
eval instant at 50m up
  up{job=\"a\"} 100

eval instant at 50m sum(up)
  {} 99

eval range from 0 to 10m step 5m up{job=\"a\"}
  up{job=\"a\"} 0 10 20

eval_fail instant at 0 sum(up
  expected_fail_message unexpected end of input in the arguments of sum; write \",\" or \")\" here

eval instant at 0 1 + 1
  2
";
        let summary = run_text("x.test", text);
        assert_eq!((summary.passed, summary.failures.len()), (4, 1), "{summary:?}");
        assert_eq!(summary.failures[0].line, 10);
        assert_eq!(summary.failures[0].message, "expected {} 99, found 100");
        let text = Summary { files: vec![summary] }.to_string();
        assert!(text.ends_with("\n4 passed, 1 failed"), "{text}");
    }

    #[test]
    fn a_file_that_is_none_says_where() {
        assert_eq!(run_text("x", "load 5m\n\nfoo").error.as_deref(), Some("line 3: unknown command \"foo\""));
    }
}

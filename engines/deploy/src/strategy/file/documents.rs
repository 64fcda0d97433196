//! The documents of a file, and what each is.

use std::collections::BTreeMap;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use quarterdeck_yaml::{at, parse};

use super::raw::{BODY, Body, Head, Keys, KeysOfSpec, RolloutDocument, Template, TemplateDocument};

/// Longest file, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Documents in a file.
const MAX_DOCUMENTS: usize = 100;

/// What a file has.
#[derive(Default)]
pub(super) struct Documents {
    /// Its strategy, and the name of the document.
    pub body: Option<(Body, Option<String>)>,
    /// Its templates, by name.
    pub templates: BTreeMap<String, Template>,
    /// Keys that are read over.
    pub unused: Vec<String>,
}

/// Reads all documents of a file.
pub(super) fn read(text: &str, source: &str) -> Result<Documents, Vec<Diagnostic>> {
    let mut found = Documents::default();
    if text.len() > MAX_BYTES {
        let told = Diagnostic::new(format!("the file has {} bytes", text.len()));
        return Err(vec![Diagnostic {
            source: source.to_owned(),
            ..told.advise("a strategy has at most 1 MiB")
        }]);
    }
    let documents = split(text);
    if documents.len() > MAX_DOCUMENTS {
        let told = Diagnostic::new(format!("the file has {} documents", documents.len()));
        return Err(vec![Diagnostic { source: source.to_owned(), ..told.advise("at most 100 are read") }]);
    }
    let mut problems = Vec::new();
    for document in documents {
        if let Err(problem) = one(&document, source, &mut found) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// Documents by the lines between them; each with as many empty lines before it as there are in the file, so that places
/// stay true.
fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (number, line) in text.lines().enumerate() {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push("\n".repeat(number + 1));
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    documents.retain(|document| document.lines().any(says_something));
    documents
}

fn one(text: &str, source: &str, found: &mut Documents) -> Result<(), Diagnostic> {
    let head: Head = parse(text, source)?;
    let name = head.metadata.name.as_ref().map(|name| name.value.clone());
    let Some(kind) = head.kind else {
        let keys: Keys = parse(text, source)?;
        for key in &keys.0 {
            if !BODY.contains(&key.value.as_str()) {
                let advice = match nearest(&key.value, BODY) {
                    Some(name) => format!("did you mean {name:?}?"),
                    None => format!("allowed here: {}", BODY.join(", ")),
                };
                let told = Diagnostic::new(format!("unknown key {:?}", key.value)).advise(advice);
                return Err(at(told, source, key.referenced));
            }
        }
        let body: Body = parse(text, source)?;
        return found.take(body, name, source);
    };
    match kind.value.as_str() {
        "Rollout" => {
            let keys: KeysOfSpec = parse(text, source)?;
            let read_over = keys.spec.0.iter().filter(|key| !BODY.contains(&key.value.as_str()));
            found.unused.extend(read_over.map(|key| format!("spec.{}", key.value)));
            let document: RolloutDocument = parse(text, source)?;
            found.take(document.spec, name, source)
        }
        "AnalysisTemplate" | "ClusterAnalysisTemplate" => {
            let document: TemplateDocument = parse(text, source)?;
            let Some(name) = name else {
                let told = Diagnostic::new("the template has no name").advise("write metadata.name");
                return Err(at(told, source, kind.referenced));
            };
            if found.templates.insert(name.clone(), document.spec).is_some() {
                let told = Diagnostic::new(format!("the template {name:?} is there twice"));
                return Err(at(told, source, kind.referenced));
            }
            Ok(())
        }
        other => {
            let told = Diagnostic::new(format!("{other:?} is no kind of document that is read here"))
                .advise("Rollout and AnalysisTemplate are, and strategies without a kind");
            Err(at(told, source, kind.referenced))
        }
    }
}

impl Documents {
    fn take(&mut self, mut body: Body, name: Option<String>, source: &str) -> Result<(), Diagnostic> {
        let place = body.strategy.as_ref().map(|strategy| strategy.referenced).unwrap_or_default();
        if self.body.is_some() {
            let told = Diagnostic::new("the file has two strategies").advise("write one file for each");
            return Err(at(told, source, place));
        }
        for (name, template) in std::mem::take(&mut body.analysis) {
            if self.templates.insert(name.clone(), template).is_some() {
                return Err(at(
                    Diagnostic::new(format!("the template {name:?} is there twice")),
                    source,
                    place,
                ));
            }
        }
        self.body = Some((body, name));
        Ok(())
    }
}

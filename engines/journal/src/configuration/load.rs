//! Putting the layers together and reading them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use serde::de::DeserializeOwned;

use super::de::{Context, De};
use super::expand::expand;
use super::merge::{merge, set_variable};
use super::parse::parse;
use super::tree::{Node, Place, Source, Table, Value};

/// What variables that set something begin with.
const PREFIX: &str = "QUARTERDECK_";
/// The table of overlays.
const ENVIRONMENTS: &str = "environments";
/// How many errors are looked for.
const ERRORS: usize = 64;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    layers: Vec<Layer>,
    environment: Option<String>,
    variables: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
enum Layer {
    Text { name: String, text: String },
    File { path: PathBuf, optional: bool },
}

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The configuration.
    pub value: T,
    /// Every file that it depends on, also those that do not exist but would be read if they did.
    pub files: Vec<PathBuf>,
    /// The environments that it has overlays for.
    pub environments: Vec<String>,
}

impl Sources {
    /// Nothing yet, and no variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Over what is there, a text; `name` stands for it in errors.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.layers.push(Layer::Text { name: name.into(), text: text.into() });
        self
    }

    /// Over what is there, a file that must exist.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.layers.push(Layer::File { path: path.into(), optional: false });
        self
    }

    /// Over what is there, a file if it exists.
    #[must_use]
    pub fn optional_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.layers.push(Layer::File { path: path.into(), optional: true });
        self
    }

    /// With the overlays of an environment: `production`, `staging`, …
    #[must_use]
    pub fn environment(mut self, name: Option<String>) -> Self {
        self.environment = name;
        self
    }

    /// With these variables.
    #[must_use]
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// With the variables of this process.
    #[must_use]
    pub fn process_variables(self) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.variables(std::env::vars_os().filter_map(text))
    }
}

struct Loading {
    files: BTreeSet<PathBuf>,
    environments: BTreeSet<String>,
    overlaid: bool,
    errors: Vec<Diagnostic>,
}

/// Reads the configuration. Nothing is changed by it: on errors, keep what you have.
///
/// # Errors
/// Every mistake that can be told apart, by file and line.
pub fn load<T: DeserializeOwned>(sources: &Sources) -> Result<Loaded<T>, Vec<Diagnostic>> {
    let mut loading = Loading {
        files: BTreeSet::new(),
        environments: BTreeSet::new(),
        overlaid: sources.environment.is_none(),
        errors: Vec::new(),
    };
    let mut root = assemble(sources, &mut loading);
    if !loading.overlaid
        && let Some(name) = &sources.environment
    {
        let known = || loading.environments.iter().map(String::as_str);
        let near = nearest(name, known()).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
        let list = known().collect::<Vec<_>>().join(", ");
        let list = if list.is_empty() { "there is none".to_owned() } else { format!("there are {list}") };
        loading.errors.push(
            Diagnostic::new(format!("the environment {name:?} has no overlay"))
                .advise(format!("{near}{list}")),
        );
    }
    if loading.errors.is_empty() {
        expand(&mut root, &sources.variables, &mut loading.errors);
    }
    if !loading.errors.is_empty() {
        return Err(sorted(loading.errors));
    }
    root.number(&mut 0);
    let (value, secrets) = deserialize(&root, &sources.variables).map_err(sorted)?;
    loading.files.extend(secrets);
    Ok(Loaded {
        value,
        files: loading.files.into_iter().collect(),
        environments: loading.environments.into_iter().collect(),
    })
}

fn assemble(sources: &Sources, loading: &mut Loading) -> Node {
    let nowhere = Arc::new(Source { name: String::new(), text: String::new() });
    let place = Place { source: nowhere, span: 0..0 };
    let mut root = Node { id: 0, place, value: Value::Table(Table::default()) };
    for layer in &sources.layers {
        match layer {
            Layer::Text { name, text } => add(&mut root, name, text, sources, loading),
            Layer::File { path, optional } => {
                let found = read(path, *optional, loading);
                if let Some(text) = &found {
                    add(&mut root, &path.display().to_string(), text, sources, loading);
                }
                let Some(environment) = &sources.environment else { continue };
                let overlay = beside(path, environment);
                if let Some(text) = read(&overlay, true, loading) {
                    loading.overlaid = true;
                    loading.environments.insert(environment.clone());
                    add(&mut root, &overlay.display().to_string(), &text, sources, loading);
                }
            }
        }
    }
    if let Value::Table(table) = &mut root.value {
        for (name, text) in &sources.variables {
            // Names without a section are the command line's.
            let path = name.strip_prefix(PREFIX).filter(|path| path.contains("__"));
            if let Some(path) = path
                && let Err(error) = set_variable(table, name, path, text.clone())
            {
                loading.errors.push(error);
            }
        }
    }
    root
}

/// Adds a text's layer and that of its table for the environment.
fn add(root: &mut Node, name: &str, text: &str, sources: &Sources, loading: &mut Loading) {
    let (mut node, errors) = parse(name, text);
    loading.errors.extend(errors);
    let environments = match &mut node.value {
        Value::Table(table) => table.remove(ENVIRONMENTS),
        _ => None,
    };
    if root.place.source.name.is_empty() {
        // A key missing from the root is told of the first file.
        root.place = Place { span: 0..0, ..node.place.clone() };
    }
    merge(root, node);
    let Some(entry) = environments else { return };
    let Value::Table(overlays) = entry.node.value else {
        let error = Diagnostic::new("environments is not a table").advise("write [environments.NAME]");
        loading.errors.push(entry.node.place.mark(error));
        return;
    };
    for overlay in overlays.0 {
        loading.environments.insert(overlay.key.clone());
        if !matches!(overlay.node.value, Value::Table(_)) {
            let error = Diagnostic::new(format!("the environment {:?} is not a table", overlay.key));
            loading.errors.push(overlay.node.place.mark(error.advise("write [environments.NAME]")));
        } else if sources.environment.as_deref() == Some(&overlay.key) {
            loading.overlaid = true;
            merge(root, overlay.node);
        }
    }
}

fn read(path: &Path, optional: bool, loading: &mut Loading) -> Option<String> {
    loading.files.insert(path.to_path_buf());
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(e) if optional && e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => {
            let error = Diagnostic::new(format!("the file cannot be read: {e}"));
            loading.errors.push(Diagnostic { source: path.display().to_string(), ..error });
            None
        }
    }
}

/// `quarterdeck.toml` and `production` make `quarterdeck.production.toml`.
fn beside(path: &Path, environment: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(|| "toml".into(), |e| e.to_string_lossy());
    path.with_file_name(format!("{stem}.{environment}.{extension}"))
}

/// Tries again and again, each time without the value that was wrong, so as to find every error.
fn deserialize<T: DeserializeOwned>(
    root: &Node,
    variables: &BTreeMap<String, String>,
) -> Result<(T, Vec<PathBuf>), Vec<Diagnostic>> {
    let (mut omitted, mut errors) = (HashSet::new(), Vec::new());
    for _ in 0..ERRORS {
        let cx = Context {
            variables,
            omitted: &omitted,
            unknown: std::cell::RefCell::default(),
            files: std::cell::RefCell::default(),
        };
        let result = T::deserialize(De { node: root, cx: &cx });
        let Context { unknown, files, .. } = cx;
        for error in unknown.into_inner() {
            tell(&mut errors, error.diagnostic());
        }
        let error = match result {
            Ok(value) if errors.is_empty() => return Ok((value, files.into_inner())),
            Ok(_) => break,
            Err(error) => error.within(root),
        };
        let id = error.node.unwrap_or(root.id);
        // A key that was left out on purpose is not missing: its own error has been told.
        let left_out = error
            .missing
            .zip(find(root, id))
            .and_then(|(key, node)| match &node.value {
                Value::Table(table) => table.get(key),
                _ => None,
            })
            .is_some_and(|node| omitted.contains(&node.id));
        if !left_out {
            tell(&mut errors, error.diagnostic());
        }
        if id == root.id || !omitted.insert(id) {
            break;
        }
    }
    Err(errors)
}

fn tell(errors: &mut Vec<Diagnostic>, error: Diagnostic) {
    if !errors.contains(&error) {
        errors.push(error);
    }
}

fn find(node: &Node, id: usize) -> Option<&Node> {
    if node.id == id {
        return Some(node);
    }
    match &node.value {
        Value::Array(items) => items.iter().find_map(|n| find(n, id)),
        Value::Table(table) => table.0.iter().find_map(|e| find(&e.node, id)),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) | Value::Loose(_) => None,
    }
}

fn sorted(mut errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    errors.sort_by(|a, b| (&a.source, a.line, a.column).cmp(&(&b.source, b.line, b.column)));
    errors
}

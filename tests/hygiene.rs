//! What keeps the house in order: links, layers, sizes of files, and what the program prints about itself.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::Home;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files below a folder with an ending, without what is built.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// What a Markdown text links to, fenced code left out.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push(rest[..end].split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

/// A heading as the anchor that links name.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for document in files(root(), ".md") {
        let text = read(&document);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let target =
                if file.is_empty() { document.clone() } else { document.with_file_name("").join(file) };
            let there = target.exists()
                && (place.is_empty()
                    || read(&target)
                        .lines()
                        .any(|l| l.starts_with('#') && anchor(l.trim_start_matches('#')) == place));
            if !there {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Places that the architecture page names in code marks are there.
#[test]
fn the_architecture_page_names_what_there_is() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let tops: BTreeSet<String> = std::fs::read_dir(root())
        .expect("the root")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    let missing: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && word.split('/').next().is_some_and(|top| tops.contains(top)))
        // What is generated into docs/ is looked after by `quarterdeck docs --check`.
        .filter(|word| {
            !word.contains(['*', ' ', '<']) && !word.starts_with("docs/") && !root().join(word).exists()
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for crate_name in members() {
        assert!(text.contains(&format!("`{crate_name}`")), "{crate_name} is on the architecture page");
    }
}

/// The dependencies of a crate that are ours, from its manifest.
fn own_dependencies(manifest: &Path) -> (String, Vec<String>) {
    let table: toml::Table = read(manifest).parse().unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
    let name = table["package"]["name"].as_str().expect("a name").to_owned();
    let own =
        table.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    (name, own.filter(|d| d.starts_with("quarterdeck")).cloned().collect())
}

fn manifests() -> Vec<PathBuf> {
    let mut all = files(root(), "Cargo.toml");
    // The fuzz targets are a workspace of their own, which looks into every crate.
    all.retain(|manifest| !manifest.starts_with(root().join("fuzz")));
    all
}

fn members() -> Vec<String> {
    manifests().iter().map(|m| own_dependencies(m).0).collect()
}

#[test]
fn imports_only_go_down() {
    // What each crate may use. A new crate is refused until it has its line here and on the architecture page.
    let lawful = |name: &str| -> Option<&[&str]> {
        Some(match name {
            "quarterdeck-kernel"
            | "quarterdeck-demo"
            | "quarterdeck-resilience"
            | "quarterdeck-templates" => &[],
            "quarterdeck-journal"
            | "quarterdeck-promql"
            | "quarterdeck-widgets"
            | "quarterdeck-oncall"
            | "quarterdeck-yaml" => &["kernel"],
            "quarterdeck-alertmanager" => &["kernel", "yaml"],
            "quarterdeck-metrics" => &["kernel", "promql"],
            "quarterdeck-streams" => &["kernel", "metrics", "resilience"],
            "quarterdeck-scrape" => &["kernel", "metrics", "yaml"],
            "quarterdeck-services" => &["kernel", "metrics", "promql"],
            "quarterdeck-gateway" => &["kernel", "journal", "metrics", "resilience"],
            "quarterdeck-deploy" => {
                &["kernel", "journal", "metrics", "promql", "resilience", "gateway", "services", "yaml"]
            }
            "quarterdeck-rules" => &["kernel", "metrics", "promql", "templates", "yaml"],
            "quarterdeck-notify" => &["kernel", "alertmanager", "resilience", "templates"],
            "quarterdeck-alerting" => &[
                "kernel",
                "journal",
                "metrics",
                "promql",
                "rules",
                "alertmanager",
                "notify",
                "oncall",
                "templates",
            ],
            "quarterdeck-ui" => &["kernel", "widgets"],
            "quarterdeck-panes" => &[
                "kernel",
                "widgets",
                "ui",
                "metrics",
                "promql",
                "scrape",
                "streams",
                "services",
                "rules",
                "journal",
                "alerting",
                "alertmanager",
                "oncall",
                "gateway",
                "deploy",
                "resilience",
            ],
            _ => return None,
        })
    };
    for manifest in manifests() {
        let (name, own) = own_dependencies(&manifest);
        // The program composes everything; the fuzz and bench crates, if any, may too.
        if name == "quarterdeck" {
            continue;
        }
        let allowed = lawful(&name).unwrap_or_else(|| panic!("{name} has no line in this test"));
        for dependency in own {
            let short = dependency.trim_start_matches("quarterdeck-");
            assert!(allowed.contains(&short), "{name} must not use {dependency}: it may use {allowed:?}");
        }
    }
}

#[test]
fn source_files_stay_small_and_nothing_is_ignored() {
    let mut sizes = Vec::new();
    for file in files(root(), ".rs") {
        let text = read(&file);
        let name = file.strip_prefix(root()).expect("a file of ours").display().to_string();
        let lines = text.lines().count();
        assert!(lines <= 900, "{name} has {lines} lines: split it by responsibility");
        assert!(!text.contains(concat!("#[", "ignore")), "{name} leaves a test out");
        sizes.push(lines);
    }
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    assert!(median <= 160, "the median file has {median} lines");
}

#[test]
fn completions_manual_and_schema_are_printed() {
    let home = Home::new();
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef"), ("fish", "complete -c quarterdeck")] {
        let (code, out, error) = home.run(&["completions", shell]);
        assert_eq!(code, 0, "{error}");
        assert!(out.contains(mark) && out.contains("screenshot"), "{shell}: {out}");
    }
    let (code, manual, _) = home.run(&["man"]);
    assert_eq!(code, 0);
    assert!(manual.contains(".TH quarterdeck") && manual.contains("data\\-dir"), "{manual}");

    let (code, schema, _) = home.run(&["config", "schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("a schema in JSON");
    for section in ["listen", "metrics", "scrape", "streams", "services", "signals", "ui", "log", "store"] {
        assert!(schema["properties"].get(section).is_some(), "{section} is in the schema");
    }
}

#[test]
fn the_default_configuration_is_accepted_as_it_is_printed() {
    let home = Home::new();
    let (code, text, _) = home.run(&["config", "default"]);
    assert_eq!(code, 0);
    let file = home.file("default.toml", &text).display().to_string();
    let (code, out, error) = home.run(&["check", &file]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    let (code, paths, _) = home.run(&["config", "paths"]);
    assert_eq!(code, 0);
    assert!(paths.contains(&home.path("config").display().to_string()), "{paths}");
    assert!(paths.contains(&home.path("data").display().to_string()), "{paths}");
}

#[test]
fn no_document_or_source_tells_of_the_machine_it_was_made_on() {
    // Spelled in halves, so that this file does not hold what it looks for.
    let banned = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for ending in [".rs", ".md", ".toml", ".in"] {
        for file in files(root(), ending) {
            let text = read(&file);
            for word in banned {
                assert!(!text.contains(word), "{} holds {word}", file.display());
            }
        }
    }
}

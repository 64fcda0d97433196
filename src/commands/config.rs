//! `quarterdeck config`: schema, defaults, paths.

use serde_json::Value;

use crate::cli::{ConfigCommand, Global};
use crate::config::Config;
use crate::exit::Failure;
use crate::paths::Paths;

/// The commented default configuration.
pub const DEFAULT: &str = include_str!("../../assets/quarterdeck.toml");

/// Runs the command.
///
/// # Errors
/// When no home directory is known.
pub fn run(global: &Global, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Schema => println!("{}", quarterdeck_journal::configuration::schema::<Config>()),
        ConfigCommand::Default => print!("{DEFAULT}"),
        ConfigCommand::Paths => {
            let paths = Paths::new(global, "")?;
            println!("configuration  {}", paths.config_file.display());
            println!("keymap         {}", paths.config_dir.join("keymap.toml").display());
            println!("themes         {}", paths.config_dir.join("themes").display());
            println!("data           {}", paths.data_dir.display());
            println!("log            {}", paths.data_dir.join("log").join("quarterdeck.log").display());
            println!("runtime        {}", paths.runtime_dir.display());
        }
    }
    Ok(())
}

/// The reference of the configuration as a page: every section and key of the schema.
pub fn reference() -> String {
    let schema: Value =
        serde_json::from_str(&quarterdeck_journal::configuration::schema::<Config>()).unwrap_or_default();
    let mut page = Page { root: &schema, text: String::new(), open: Vec::new() };
    page.text.push_str(
        "# Configuration\n\nWritten from the program; do not edit. `quarterdeck config default` prints a commented file with \
         every default, `quarterdeck config schema` the JSON Schema.\n",
    );
    page.section("", &schema);
    page.text
}

/// Writes sections of a schema as tables, one after the other.
struct Page<'a> {
    root: &'a Value,
    text: String,
    /// Definitions that are being written: a type that holds itself is written once.
    open: Vec<String>,
}

impl<'a> Page<'a> {
    fn section(&mut self, path: &str, schema: &'a Value) {
        let Some(properties) = schema["properties"].as_object() else { return };
        let title = if path.is_empty() { "Top level".to_owned() } else { format!("`[{path}]`") };
        self.text.push_str(&format!("\n## {title}\n"));
        if let Some(about) = schema["description"].as_str().filter(|_| !path.is_empty()) {
            self.text.push_str(&format!("\n{}\n", one_line(about)));
        }
        let mut rows = String::new();
        let mut sections = Vec::new();
        for (key, property) in properties {
            let (kind, inner) = self.kind(property);
            let about = property["description"].as_str().unwrap_or_default();
            let default = match &property["default"] {
                Value::Null | Value::Object(_) => String::new(),
                value => format!("`{value}`"),
            };
            match inner {
                Some((suffix, inner)) => sections
                    .push((format!("{path}{}{key}{suffix}", if path.is_empty() { "" } else { "." }), inner)),
                None => rows.push_str(&format!("| `{key}` | {kind} | {default} | {} |\n", one_line(about))),
            }
        }
        if !rows.is_empty() {
            self.text.push_str("\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
            self.text.push_str(&rows);
        }
        for (path, inner) in sections {
            let name = inner["$ref"].as_str().unwrap_or_default().to_owned();
            if !name.is_empty() && self.open.contains(&name) {
                continue;
            }
            self.open.push(name);
            let resolved = self.resolve(inner);
            self.section(&path, resolved);
            self.open.pop();
        }
    }

    /// What a property holds, and the section that it opens: with `.NAME` for a table of tables, `[]` for a list of them.
    fn kind(&self, property: &'a Value) -> (String, Option<(&'static str, &'a Value)>) {
        let bare = self.bare(property);
        let resolved = self.resolve(bare);
        if resolved["properties"].is_object() {
            return (String::new(), Some(("", bare)));
        }
        if resolved["additionalProperties"].is_object() {
            let inner = self.bare(&resolved["additionalProperties"]);
            if self.resolve(inner)["properties"].is_object() {
                return (String::new(), Some((".NAME", inner)));
            }
            return (format!("table of {}", self.kind(inner).0), None);
        }
        if resolved["items"].is_object() {
            let inner = self.bare(&resolved["items"]);
            if self.resolve(inner)["properties"].is_object() {
                return (String::new(), Some(("[]", inner)));
            }
            return (format!("list of {}", self.kind(inner).0), None);
        }
        let choices = resolved["oneOf"].as_array().or_else(|| resolved["anyOf"].as_array());
        let has =
            |key: &str| choices.into_iter().flatten().any(|c| self.resolve(c)["properties"][key].is_object());
        if has("env") && has("file") {
            return ("secret: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned(), None);
        }
        let words: Vec<String> = ["enum", "oneOf", "anyOf"]
            .iter()
            .flat_map(|word| resolved[*word].as_array().into_iter().flatten())
            .filter_map(|choice| choice.as_str().or_else(|| choice["const"].as_str()))
            .map(|word| format!("`{word}`"))
            .collect();
        if !words.is_empty() {
            return (words.join(", "), None);
        }
        let kind = match &resolved["type"] {
            Value::String(one) => one.clone(),
            Value::Array(several) => {
                let names: Vec<&str> =
                    several.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect();
                names.join(" or ")
            }
            _ => "value".to_owned(),
        };
        let kind = match kind.as_str() {
            "string" => "text",
            "boolean" => "true or false",
            "integer" => "whole number",
            other => other,
        };
        (kind.to_owned(), None)
    }

    /// The one alternative that is not null, where there is one.
    fn bare(&self, property: &'a Value) -> &'a Value {
        let choices = property["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let real: Vec<&Value> = choices.iter().filter(|c| c["type"] != "null").collect();
        match real.as_slice() {
            [one] => one,
            _ => property,
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let target = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

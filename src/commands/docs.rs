//! `quarterdeck docs`: the reference, written from what the code says.

use std::path::Path;
use std::sync::Arc;

use quarterdeck_kernel::ActionSpec;
use quarterdeck_panes::World;
use quarterdeck_ui::shell::Options;
use quarterdeck_ui::{Shell, reference};

use crate::config::Config;
use crate::exit::Failure;

/// Writes the reference, or only compares it with what is there.
///
/// # Errors
/// When a file cannot be written, or differs.
pub fn run(dir: &Path, check: bool) -> Result<(), Failure> {
    let actions = crate::actions::specs(true);
    let world = crate::worlds::Parts::default().world(
        0,
        Default::default(),
        &(Arc::new(Listed(actions.clone())) as _),
        &mut crate::worlds::Leading::default(),
    );
    let shell: Shell<World> = Shell::new(Arc::new(world), quarterdeck_panes::all(), Options::default())
        .map_err(|wrong| {
            Failure::Failed(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
    let pages = [
        ("keys.md", reference::keys_markdown(&shell)),
        ("actions.md", reference::actions_markdown(&actions)),
        ("configuration.md", super::config::reference()),
        (
            "configuration.schema.json",
            format!("{}\n", quarterdeck_journal::configuration::schema::<Config>()),
        ),
        ("commands.md", commands()),
    ];
    let mut differ = Vec::new();
    for (name, text) in pages {
        let file = dir.join(name);
        if check {
            if std::fs::read_to_string(&file).ok().as_deref() != Some(&text) {
                differ.push(name);
            }
        } else {
            std::fs::write(&file, text).map_err(|e| Failure::Failed(format!("{}: {e}", file.display())))?;
        }
    }
    if differ.is_empty() {
        Ok(())
    } else {
        Err(Failure::NotRight(format!(
            "{} in {} is not what the code says; run: cargo run -- docs {}",
            differ.join(", "),
            dir.display(),
            dir.display()
        )))
    }
}

/// The registry's specs alone: for what needs no engine.
struct Listed(Vec<ActionSpec>);

impl quarterdeck_panes::world::Actions for Listed {
    fn specs(&self) -> &[ActionSpec] {
        &self.0
    }

    fn available(
        &self,
        _action: &str,
        _subject: Option<&quarterdeck_kernel::Subject>,
    ) -> Result<(), quarterdeck_kernel::Reason> {
        Ok(())
    }

    fn preview(&self, _invocation: &quarterdeck_kernel::Invocation) -> Vec<String> {
        Vec::new()
    }
}

/// Every command's help.
fn commands() -> String {
    use clap::CommandFactory;
    let mut text = String::from("# Commands\n\nWritten from the program; do not edit.\n");
    let mut root = crate::cli::Cli::command().term_width(100);
    root.build();
    section(&mut text, &root, "quarterdeck");
    text
}

fn section(text: &mut String, command: &clap::Command, path: &str) {
    let help = command.clone().term_width(100).render_long_help();
    let help = help.to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## {path}\n\n```\n{}\n```\n", lines.join("\n").trim_end()));
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        section(text, sub, &format!("{path} {}", sub.get_name()));
    }
}

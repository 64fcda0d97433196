//! The references in the documentation, made from the live keymap and the registry.

use quarterdeck_kernel::{ActionSpec, ArgKind, Danger};

use crate::commands;
use crate::keymap::{Binding, Run};
use crate::keys::label_chord;
use crate::pane::World;
use crate::shell::Shell;

/// Every key in every context, as Markdown.
#[must_use]
pub fn keys_markdown<W: World>(shell: &Shell<W>) -> String {
    let mut out =
        String::from("# Keys\n\nMade from the default keymap. `!` marks what asks before it is done.\n");
    section(
        &mut out,
        shell,
        "Everywhere",
        "These work in every pane unless the pane binds the key itself.",
        "global",
    );
    for pane in shell.specs() {
        section(&mut out, shell, pane.title, pane.description, pane.id);
    }
    section(
        &mut out,
        shell,
        "Lists",
        "Palette, help and choosers; whatever types a character narrows the list.",
        "list",
    );
    section(&mut out, shell, "Confirmations", "The focus is on Cancel.", "confirm");
    section(&mut out, shell, "Prompts", "Lines that ask for an argument or a reason.", "prompt");
    out
}

fn section<W: World>(out: &mut String, shell: &Shell<W>, title: &str, intro: &str, context: &str) {
    let bindings = shell.keymap().context(context);
    if bindings.is_empty() {
        return;
    }
    out.push_str(&format!(
        "\n## {title}\n\n{intro} Context `{context}`.\n\n| key | does | command |\n| --- | --- | --- |\n"
    ));
    let mut seen: Vec<&Run> = Vec::new();
    for binding in bindings {
        if seen.contains(&&binding.run) {
            continue;
        }
        seen.push(&binding.run);
        let same = bindings.iter().filter(|b| b.run == binding.run && b.args == binding.args);
        let keys: Vec<String> = same.map(|b| format!("`{}`", cell(&label_chord(&b.chord)))).collect();
        let (danger, does) = describe(shell, binding);
        out.push_str(&format!(
            "| {}{danger} | {} | `{}` |\n",
            keys.join(", "),
            cell(&does),
            binding.run.id()
        ));
    }
}

fn describe<W: World>(shell: &Shell<W>, binding: &Binding) -> (&'static str, String) {
    match &binding.run {
        Run::Action(id) => match shell.world().actions().iter().find(|a| a.id == id) {
            Some(spec) => (if spec.danger > Danger::Safe { " !" } else { "" }, spec.description.to_owned()),
            None => ("", binding.title.clone()),
        },
        Run::Command(id) => {
            let panes = shell.specs();
            let own = panes.iter().flat_map(|p| p.commands.iter()).find(|c| c.id == *id);
            let spec = own.or_else(|| commands::find(id));
            ("", spec.map_or_else(|| binding.title.clone(), |c| c.description.to_owned()))
        }
        Run::Go(_) => ("", format!("Go to {}.", binding.title)),
        Run::Pinned(digit) => ("", format!("Go to the pane with the digit {digit} in the tab line.")),
    }
}

/// Every action, as Markdown.
#[must_use]
pub fn actions_markdown(actions: &[ActionSpec]) -> String {
    let mut out = String::from(
        "# Actions\n\nEverything an operator can do: by key, from the palette, or with `quarterdeck act ID [SUBJECT] [key=value …]`.\n",
    );
    let mut sorted: Vec<&ActionSpec> = actions.iter().collect();
    sorted.sort_by_key(|a| a.id);
    for action in sorted {
        out.push_str(&format!("\n## `{}`\n\n{}\n\n", action.id, cell(action.description)));
        let danger = match action.danger {
            Danger::Safe => "safe: allowed in read-only mode",
            Danger::Disruptive => "disruptive: asks for a yes",
            Danger::Destructive => "destructive: asks for the target's name",
        };
        out.push_str(&format!("- Danger: {danger}\n"));
        if let Some(kind) = action.subject {
            out.push_str(&format!("- Acts on: `{kind}:…`\n"));
        }
        if let Some(inverse) = action.inverse {
            out.push_str(&format!("- Undone by: `{inverse}`\n"));
        }
        for arg in &action.args {
            let needed = if arg.required { "needed" } else { "may be left out" };
            let kind = match &arg.kind {
                ArgKind::Text => "text".to_owned(),
                ArgKind::Number => "number".to_owned(),
                ArgKind::Duration => "duration such as 15m".to_owned(),
                ArgKind::Bool => "true or false".to_owned(),
                ArgKind::Choice(words) => format!("one of {}", words.join(", ")),
            };
            out.push_str(&format!("- `{}` ({kind}; {needed}): {}\n", arg.name, arg.description));
        }
    }
    out
}

/// Text that must not end a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

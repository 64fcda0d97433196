//! Lays an operator's keymap over the defaults and checks the whole.

use std::collections::BTreeMap;

use quarterdeck_kernel::Diagnostic;

use super::parse::{self, Section, Source, Written, unknown};
use super::{Binding, DEFAULT_KEYMAP, Keymap, Origin, Run, Vocabulary};
use crate::commands;
use crate::keys::{Key, label_chord, parse_chord, print_chord};
use crate::pane::PaneSpec;

impl Keymap {
    /// The defaults: the shell's and the panes'.
    ///
    /// # Errors
    /// What is wrong in a pane's spec: keys that are none, or that are bound twice.
    pub fn defaults(vocabulary: &Vocabulary<'_>) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut keymap = Self::default();
        let source = Source { name: "default-keymap.toml", text: DEFAULT_KEYMAP };
        for (context, section) in parse::parse(source, &vocabulary.contexts(), &mut errors) {
            let bindings = vocabulary.resolve(source, &context, section.keys, Origin::Default, &mut errors);
            keymap.contexts.insert(context, bindings);
        }
        let global = keymap.contexts.entry("global".to_owned()).or_default();
        for pane in vocabulary.panes {
            let chord = vec![Key::char('g'), Key::char(pane.go)];
            if let Some(other) = global.iter().find(|b| b.chord == chord) {
                let message = format!("panes {} and {} both go by {:?}", other.title, pane.title, pane.go);
                errors.push(Diagnostic::new(message).advise("give one of them another letter"));
            }
            global.push(default(chord, Run::Go(pane.id), pane.title.to_owned()));
        }
        for digit in 1..=9u8 {
            let chord = vec![Key::char(char::from(b'0' + digit))];
            global.push(default(chord, Run::Pinned(digit.into()), format!("pane {digit}")));
        }
        let global = keymap.context("global").to_vec();
        for pane in vocabulary.panes {
            let bindings = of_pane(pane, &global, vocabulary, &mut errors);
            keymap.contexts.insert(pane.id.to_owned(), bindings);
        }
        if errors.is_empty() { Ok(keymap) } else { Err(errors) }
    }

    /// The defaults with an operator's keymap laid over them. `name` is the file's name, for errors.
    ///
    /// # Errors
    /// Everything that is wrong in it, with its place. Nothing of it takes effect then.
    pub fn build(vocabulary: &Vocabulary<'_>, name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut keymap = Self::defaults(vocabulary)?;
        let mut errors = Vec::new();
        let source = Source { name, text };
        for (context, section) in parse::parse(source, &vocabulary.contexts(), &mut errors) {
            let defaults = keymap.contexts.remove(&context).unwrap_or_default();
            let merged = vocabulary.merge(source, &context, section, defaults, &mut errors);
            keymap.contexts.insert(context, merged);
        }
        if errors.is_empty() { Ok(keymap) } else { Err(errors) }
    }
}

fn default(chord: Vec<Key>, run: Run, title: String) -> Binding {
    Binding { chord, run, args: BTreeMap::new(), title, origin: Origin::Default }
}

/// The default keys of a pane. Mistakes in it are the pane author's; they are told all the same.
fn of_pane(
    pane: &'static PaneSpec,
    global: &[Binding],
    vocabulary: &Vocabulary<'_>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Binding> {
    let commands = pane.commands.iter().flat_map(|command| {
        command.keys.iter().map(|keys| (*keys, Run::Command(command.id), command.title.to_owned()))
    });
    let actions = pane.actions.iter().map(|(id, keys)| {
        let title = vocabulary.actions.iter().find(|a| a.id == *id).map_or(*id, |a| a.title);
        (*keys, Run::Action((*id).to_owned()), title.to_owned())
    });
    let mut bindings: Vec<Binding> = Vec::new();
    for (keys, run, title) in commands.chain(actions) {
        if let Some(hidden) = parse_chord(keys).ok().and_then(|chord| begun_by(global, &chord)) {
            let (long, other) = (print_chord(&hidden.chord), hidden.run.id());
            let message = format!("pane {}: {keys:?} of {} hides {long:?} of {other}", pane.id, run.id());
            errors.push(Diagnostic::new(message).advise("bind another key"));
            continue;
        }
        match parse_chord(keys) {
            Ok(chord) => match bindings.iter().find(|b| clash(&b.chord, &chord)) {
                Some(other) => errors.push(Diagnostic::new(format!(
                    "pane {}: {keys:?} of {} clashes with {:?} of {}",
                    pane.id,
                    run.id(),
                    print_chord(&other.chord),
                    other.run.id()
                ))),
                None => bindings.push(default(chord, run, title)),
            },
            Err(error) => errors.push(Diagnostic::new(format!("pane {}: {}: {error}", pane.id, run.id()))),
        }
    }
    bindings
}

/// The longer binding that a chord would hide.
fn begun_by<'a>(bindings: &'a [Binding], chord: &[Key]) -> Option<&'a Binding> {
    bindings.iter().find(|b| b.chord.len() > chord.len() && b.chord.starts_with(chord))
}

/// Whether one chord hides the other: they are equal, or one begins the other.
fn clash(a: &[Key], b: &[Key]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

impl Vocabulary<'_> {
    fn contexts(&self) -> Vec<&'static str> {
        commands::CONTEXTS.iter().map(|(name, _)| *name).chain(self.panes.iter().map(|p| p.id)).collect()
    }

    fn merge(
        &self,
        source: Source<'_>,
        context: &str,
        section: Section,
        defaults: Vec<Binding>,
        errors: &mut Vec<Diagnostic>,
    ) -> Vec<Binding> {
        let Section { replaces, keys, prepend, append } = section;
        let unbound: Vec<Vec<Key>> =
            prepend.iter().filter(|w| w.run == "none").map(|w| w.chord.clone()).collect();
        let mut merged = self.resolve(source, context, prepend, Origin::Operator, errors);
        let base =
            if replaces { self.resolve(source, context, keys, Origin::Operator, errors) } else { defaults };
        for binding in base {
            let hidden = merged.iter().any(|b| clash(&b.chord, &binding.chord));
            if !hidden && !unbound.contains(&binding.chord) {
                merged.push(binding);
            }
        }
        for binding in self.resolve(source, context, append, Origin::Operator, errors) {
            if merged.iter().all(|b| !clash(&b.chord, &binding.chord)) {
                merged.push(binding);
            }
        }
        merged
    }

    fn resolve(
        &self,
        source: Source<'_>,
        context: &str,
        written: Vec<Written>,
        origin: Origin,
        errors: &mut Vec<Diagnostic>,
    ) -> Vec<Binding> {
        let mut bindings: Vec<Binding> = Vec::new();
        for entry in written {
            if let Some(other) = bindings.iter().find(|b| clash(&b.chord, &entry.chord)) {
                let (new, old) = (label_chord(&entry.chord), label_chord(&other.chord));
                let message = if new == old {
                    format!("{new} is bound twice in {context}: to {} and to {}", other.run.id(), entry.run)
                } else {
                    format!("{new} and {old} cannot both be bound in {context}: one begins the other")
                };
                errors.push(source.at(Diagnostic::new(message).advise("keep one of them"), entry.on_at));
                continue;
            }
            if entry.run == "none" {
                continue;
            }
            match self.find(context, &entry.run) {
                Ok((run, title)) => {
                    if let (Run::Action(id), false) = (&run, entry.args.is_empty()) {
                        self.check_args(source, id, &entry, errors);
                    }
                    let title = entry.title.unwrap_or(title);
                    bindings.push(Binding { chord: entry.chord, run, args: entry.args, title, origin });
                }
                Err(diagnostic) => errors.push(source.at(diagnostic, entry.run_at)),
            }
        }
        bindings
    }

    fn check_args(&self, source: Source<'_>, id: &str, entry: &Written, errors: &mut Vec<Diagnostic>) {
        let Some(action) = self.actions.iter().find(|a| a.id == id) else { return };
        let names: Vec<&str> = action.args.iter().map(|a| a.name).collect();
        for name in entry.args.keys().filter(|name| !names.contains(&name.as_str())) {
            errors.push(source.at(unknown(&format!("argument of {id}"), name, &names), entry.run_at.clone()));
        }
    }

    /// What an id means in a context, with its title.
    fn find(&self, context: &str, id: &str) -> Result<(Run, String), Diagnostic> {
        let layer = matches!(context, "list" | "confirm" | "prompt");
        let own = commands::CONTEXTS
            .iter()
            .filter(|(name, _)| if layer { *name == context } else { *name == "global" });
        if let Some(command) = own.flat_map(|(_, commands)| commands.iter()).find(|c| c.id == id) {
            return Ok((Run::Command(command.id), command.title.to_owned()));
        }
        if layer {
            let allowed: Vec<&str> = commands::CONTEXTS
                .iter()
                .filter(|(name, _)| *name == context)
                .flat_map(|(_, commands)| commands.iter().map(|c| c.id))
                .chain(["none"])
                .collect();
            return Err(unknown(&format!("command of {context}"), id, &allowed));
        }
        if let Some(pane) = id.strip_prefix("go.").and_then(|go| self.panes.iter().find(|p| p.id == go)) {
            return Ok((Run::Go(pane.id), pane.title.to_owned()));
        }
        if let Some(digit) =
            id.strip_prefix("pin.").and_then(|d| d.parse().ok()).filter(|d| (1..=9).contains(d))
        {
            return Ok((Run::Pinned(digit), format!("pane {digit}")));
        }
        if let Some(action) = self.actions.iter().find(|a| a.id == id) {
            return Ok((Run::Action(action.id.to_owned()), action.title.to_owned()));
        }
        for pane in self.panes {
            if let Some(command) = pane.commands.iter().find(|c| c.id == id) {
                if pane.id == context {
                    return Ok((Run::Command(command.id), command.title.to_owned()));
                }
                let message = format!("{id} works in {} only, this is {context}", pane.id);
                return Err(Diagnostic::new(message).advise(format!("bind it under [{}]", pane.id)));
            }
        }
        let go: Vec<String> = self.panes.iter().map(|p| format!("go.{}", p.id)).collect();
        let own = self.panes.iter().filter(|p| p.id == context).flat_map(|p| p.commands.iter().map(|c| c.id));
        let allowed: Vec<&str> = commands::GLOBAL
            .iter()
            .map(|c| c.id)
            .chain(own)
            .chain(self.actions.iter().map(|a| a.id))
            .chain(go.iter().map(String::as_str))
            .chain(["none"])
            .collect();
        Err(unknown("command or action", id, &allowed))
    }
}

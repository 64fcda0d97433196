//! What floating lists hold: palette, help, choosers, the log of messages.

use std::collections::BTreeMap;

use quarterdeck_kernel::{ActionSpec, Severity, SubjectKind};

use super::{Shell, ToastKind, layer::range_entries};
use crate::commands;
use crate::keymap::{Binding, Run};
use crate::keys::label_chord;
use crate::layers::picker::{Choice, Entry, OR, Purpose};
use crate::layers::{Layer, Picker};
use crate::pane::{CommandSpec, World};

/// How many things the palette offers to go to at most.
const SUBJECTS: usize = 20_000;

impl<W: World> Shell<W> {
    /// Opens a list.
    pub(super) fn pick(&mut self, purpose: Purpose) {
        let picker = Picker::new(purpose, self.entries(purpose));
        let picker = match purpose {
            Purpose::Theme => {
                let now = self.look.theme().name.clone();
                self.look_before = Some(self.look.theme().clone());
                picker.at(|c| matches!(c, Choice::Theme(i) if self.themes[*i].name == now))
            }
            Purpose::Range => picker.at(|c| *c == Choice::Range(self.scope.range)),
            Purpose::Service => picker.at(|c| *c == Choice::Service(self.scope.service.clone())),
            Purpose::Palette | Purpose::Help | Purpose::Messages => picker,
        };
        self.layers.push(Layer::Pick(picker));
    }

    /// Brings lists and previews that float up to date with a new world.
    pub(super) fn refresh_layers(&mut self) {
        // Lists of everything are long: once a second is often enough for something that is being read.
        let due = (self.now.as_millis() - self.refreshed.as_millis()).abs() >= 1_000;
        if due {
            self.refreshed = self.now;
        }
        let mut layers = std::mem::take(&mut self.layers);
        for layer in &mut layers {
            match layer {
                Layer::Pick(picker)
                    if due && matches!(picker.purpose, Purpose::Palette | Purpose::Service) =>
                {
                    picker.refresh(self.entries(picker.purpose));
                }
                Layer::Confirm(confirm) => confirm.preview = self.world.preview(&confirm.draft.invocation),
                Layer::Pick(_) | Layer::Ask(_) | Layer::Leave(_) => {}
            }
        }
        self.layers = layers;
    }

    fn entries(&self, purpose: Purpose) -> Vec<Entry> {
        match purpose {
            Purpose::Palette => self.palette_entries(),
            Purpose::Help => self.help_entries(),
            Purpose::Theme => self.theme_entries(),
            Purpose::Service => self.service_entries(),
            Purpose::Range => range_entries(),
            Purpose::Messages => self.message_entries(),
        }
    }

    fn keys_of(&self, id: &str) -> String {
        self.keymap.label_of(&self.contexts(), id).unwrap_or_default()
    }

    fn command_entry(&self, group: &str, command: &CommandSpec, run: Run) -> Entry {
        let mut entry = Entry::new(group, command.title, Choice::Run(run, BTreeMap::new()));
        entry.detail = command.description.to_owned();
        entry.keys = self.keys_of(command.id);
        entry.also = command.id.to_owned();
        entry.danger = self.action_of(command).map_or(entry.danger, |action| action.danger);
        entry
    }

    fn action_entry(&self, group: &str, spec: &ActionSpec, args: BTreeMap<String, String>) -> Entry {
        let mut entry = Entry::new(group, spec.title, Choice::Run(Run::Action(spec.id.to_owned()), args));
        let subject = self.subject_for(spec, None, None);
        let refusal = self.refusal(spec, subject.as_ref());
        entry.dimmed = refusal.is_some();
        let on = subject.ok().flatten().map(|s| format!("{}: ", s.id)).unwrap_or_default();
        entry.detail = refusal.unwrap_or_else(|| format!("{on}{}", spec.description));
        entry.keys = self.keys_of(spec.id);
        entry.also = spec.id.to_owned();
        entry.danger = spec.danger;
        entry
    }

    fn palette_entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let offered = self.world.actions().iter().filter(|spec| self.offered(spec));
        entries.extend(offered.map(|spec| self.action_entry("actions", spec, BTreeMap::new())));
        let front = self.front();
        let own = front.commands.iter().filter(|c| self.command_offered(c));
        entries.extend(own.map(|c| self.command_entry(front.title, c, Run::Command(c.id))));
        for spec in self.specs() {
            let run = Run::Go(spec.id);
            let mut entry = Entry::new("panes", spec.title, Choice::Run(run.clone(), BTreeMap::new()));
            entry.detail = spec.description.to_owned();
            entry.keys = self.keys_of(&run.id());
            entry.also = run.id();
            entries.push(entry);
        }
        let global = commands::GLOBAL.iter().filter(|c| c.id != "shell.palette" && self.command_offered(c));
        entries.extend(global.map(|c| self.command_entry("console", c, Run::Command(c.id))));
        for subject in self.world.subjects().into_iter().take(SUBJECTS) {
            let kind = subject.kind.as_str();
            let home = self.world.home_of(&subject);
            let title = self.stations.iter().find(|s| s.spec.id == home).map_or(home, |s| s.spec.title);
            let mut entry = Entry::new("go to", subject.id.clone(), Choice::Open(subject));
            entry.detail = format!("{kind}, in {title}");
            entry.also = kind.to_owned();
            entries.push(entry);
        }
        self.recents_first(entries)
    }

    fn recents_first(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let id = |entry: &Entry| match &entry.choice {
            Choice::Run(run, _) => run.id(),
            Choice::Open(subject) => subject.to_string(),
            _ => String::new(),
        };
        let mut first = Vec::new();
        for recent in &self.recents {
            if let Some(at) = entries.iter().position(|e| id(e) == *recent) {
                let mut entry = entries.remove(at);
                "recent".clone_into(&mut entry.group);
                first.push(entry);
            }
        }
        first.extend(entries);
        first
    }

    fn help_entries(&self) -> Vec<Entry> {
        let contexts = self.contexts();
        let mut entries = Vec::new();
        let front = self.front().title;
        for (context, group) in [(contexts[0], front), (contexts[1], "everywhere")] {
            // Keys that do the same share a row.
            let mut rows: Vec<(&Binding, Vec<String>)> = Vec::new();
            for binding in self.keymap.context(context) {
                let hidden = self.keymap.lookup(&contexts, &binding.chord);
                if !matches!(hidden, crate::keymap::Lookup::Bound(found) if found == binding) {
                    continue;
                }
                let keys = label_chord(&binding.chord);
                let same = |row: &&mut (&Binding, _)| row.0.run == binding.run && row.0.args == binding.args;
                match rows.iter_mut().find(same) {
                    Some((_, all)) => all.push(keys),
                    None => rows.push((binding, vec![keys])),
                }
            }
            for (binding, keys) in rows {
                entries.extend(self.help_entry(group, binding, keys.join(OR)));
            }
        }
        entries
    }

    fn help_entry(&self, group: &str, binding: &Binding, keys: String) -> Option<Entry> {
        let mut entry = match &binding.run {
            Run::Action(id) => {
                let spec = self.action(id).filter(|spec| self.offered(spec))?;
                self.action_entry(group, spec, binding.args.clone())
            }
            Run::Command(id) => {
                let command = self.command_spec(id).filter(|c| self.command_offered(c))?;
                self.command_entry(group, command, binding.run.clone())
            }
            Run::Go(id) => {
                let spec = self.stations.iter().find(|s| s.spec.id == *id)?.spec;
                let mut entry =
                    Entry::new("go to", spec.title, Choice::Run(binding.run.clone(), BTreeMap::new()));
                entry.detail = spec.description.to_owned();
                entry
            }
            Run::Pinned(digit) => {
                let id = self.pinned.get(digit - 1)?;
                let spec = self.stations.iter().find(|s| s.spec.id == *id)?.spec;
                let mut entry =
                    Entry::new("by digit", spec.title, Choice::Run(binding.run.clone(), BTreeMap::new()));
                entry.detail = spec.description.to_owned();
                entry
            }
        };
        entry.keys = keys;
        if binding.origin == crate::keymap::Origin::Operator {
            entry.label.clone_from(&binding.title);
        }
        Some(entry)
    }

    fn theme_entries(&self) -> Vec<Entry> {
        let themes = self.themes.iter().enumerate().map(|(index, theme)| {
            let mut entry = Entry::new("", theme.name.clone(), Choice::Theme(index));
            entry.detail.clone_from(&theme.description);
            entry
        });
        themes.collect()
    }

    fn service_entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::new("", "all services", Choice::Service(None))];
        let services = self.world.subjects().into_iter().filter(|s| s.kind == SubjectKind::Service);
        entries.extend(services.map(|s| Entry::new("", s.id.clone(), Choice::Service(Some(s.id)))));
        entries
    }

    fn message_entries(&self) -> Vec<Entry> {
        let dropped = self.toasts.dropped();
        let older = (dropped > 0)
            .then(|| Entry::new("", format!("{dropped} older messages were let go"), Choice::Nothing));
        let entries = self.toasts.log().map(|toast| {
            let mut entry = Entry::new("", toast.text.clone(), Choice::Nothing);
            let kind = match toast.kind {
                ToastKind::Running(_) => "running",
                ToastKind::Done => "done",
                ToastKind::Told(Severity::Info) => "info",
                ToastKind::Told(Severity::Warning) => "warning",
                ToastKind::Told(Severity::Critical) => "failed",
            };
            entry.keys = self.look.when(toast.at, self.now);
            entry.detail = kind.to_owned();
            entry
        });
        entries.chain(older).collect()
    }
}

//! Where inputs go: to the topmost layer, to a pane that is being typed in, or through the keymap.

use quarterdeck_kernel::{Severity, Timestamp};
use uuid::Uuid;

use super::{SMALLEST, Shell, ToastKind};
use crate::host::{HostEffect, Input};
use crate::keymap::{Lookup, Run};
use crate::keys::{Key, KeyCode, label_chord};
use crate::pane::{Event, World};

/// How long an action is shown as running without an outcome, in milliseconds.
const OUTCOME_WAIT: i64 = 120_000;

/// Global commands that work while a layer floats or a pane is typed in.
const ALWAYS: [&str; 2] = ["shell.redraw", "shell.suspend"];

impl<W: World> Shell<W> {
    pub(super) fn take(&mut self, input: Input<W>) {
        match input {
            Input::Key(key) => {
                self.asked = true;
                self.key(key);
                self.asked = false;
            }
            Input::Mouse { click, at } => {
                self.asked = true;
                self.mouse_at(click, at);
                self.asked = false;
            }
            Input::Paste(text) => self.paste(&text),
            Input::Resize(columns, rows) => self.size = (columns, rows),
            // Nothing of the frame depends on focus: a terminal in the back may still be on a wall.
            Input::Focus(_) => {}
            Input::World(world) => self.take_world(world),
            Input::Rewound { at, world } => self.take_rewound(at, world),
            Input::Answer { pane, slot, generation, answer } => self.answer(pane, slot, generation, answer),
            Input::Outcome { invocation, result } => {
                self.toasts.finish(invocation);
                let title = self.running.remove(&invocation);
                match (result, title) {
                    (Ok(done), _) => self.toast(ToastKind::Done, &done.message),
                    (Err(why), Some((title, _))) => self.tell(Severity::Critical, &format!("{title}: {why}")),
                    (Err(why), None) => self.tell(Severity::Critical, &why),
                }
            }
            Input::Tell(severity, text) => self.tell(severity, &text),
            Input::Ring(severity, text) => {
                self.tell(severity, &text);
                self.ring();
            }
            // A clock that is set back must not keep toasts for hours: time only moves with it, both ways.
            Input::Tick(now) => {
                self.now = now;
                self.give_up_waiting();
            }
        }
    }

    /// An action without an outcome for this long is no longer shown as running.
    fn give_up_waiting(&mut self) {
        let overdue = |since: &Timestamp| self.now.as_millis() - since.as_millis() > OUTCOME_WAIT;
        let late: Vec<Uuid> =
            self.running.iter().filter(|(_, (_, s))| overdue(s)).map(|(id, _)| *id).collect();
        for id in late {
            self.toasts.finish(id);
            if let Some((title, _)) = self.running.remove(&id) {
                self.tell(Severity::Warning, &format!("{title}: no outcome yet; the timeline will tell it"));
            }
        }
    }

    fn take_world(&mut self, world: std::sync::Arc<W>) {
        self.world = world;
        let before = std::mem::replace(&mut self.status, self.world.status());
        self.hear();
        for (engine, why) in self.status.engines_down.clone() {
            if before.engines_down.iter().all(|(known, _)| *known != engine) {
                self.tell(Severity::Critical, &format!("{engine} does not run: {why}"));
            }
        }
        self.world_changed();
        self.refresh_layers();
        self.retitle();
    }

    fn key(&mut self, key: Key) {
        if self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1 {
            // What cannot be seen must not be done; leaving is always possible.
            if let Lookup::Bound(binding) = self.keymap.lookup(&["global"], &[key])
                && matches!(binding.run, Run::Command("shell.quit" | "shell.suspend" | "shell.redraw"))
            {
                let run = binding.run.clone();
                self.run(&run, &Default::default());
            }
            return;
        }
        if !self.layers.is_empty() {
            if !self.layer_key(key) {
                self.always(key);
            }
            return;
        }
        if self.stations[self.front].pane.typing() {
            self.key_while_typing(key);
            return;
        }
        if key == Key::plain(KeyCode::Esc) && !self.pending.is_empty() {
            self.pending.clear();
            return;
        }
        self.pending.push(key);
        let found = match self.keymap.lookup(&self.contexts(), &self.pending) {
            Lookup::Bound(binding) => Some((binding.run.clone(), binding.args.clone())),
            Lookup::Begins(_) => {
                self.pending_since = if self.pending.len() == 1 { self.now } else { self.pending_since };
                return;
            }
            Lookup::Unbound => None,
        };
        let pressed = std::mem::take(&mut self.pending);
        match found {
            Some((run, args)) => self.run(&run, &args),
            None if pressed.len() > 1 => {
                self.tell(Severity::Info, &format!("{} is not bound", label_chord(&pressed)));
            }
            None => {}
        }
    }

    fn key_while_typing(&mut self, key: Key) {
        let held = key.modifiers.ctrl && !key.modifiers.alt || matches!(key.code, KeyCode::F(_));
        if held && let Lookup::Bound(binding) = self.keymap.lookup(&["global"], &[key]) {
            let run = binding.run.clone();
            // Ctrl-C gives up what is typed; it does not take the console along.
            if run == Run::Command("shell.quit") {
                self.deliver(self.front, Event::Key(Key::plain(KeyCode::Esc)));
            } else {
                self.run(&run, &Default::default());
            }
            return;
        }
        self.deliver(self.front, Event::Key(key));
    }

    fn always(&mut self, key: Key) {
        if let Lookup::Bound(binding) = self.keymap.lookup(&["global"], &[key])
            && let Run::Command(id) = binding.run
            && ALWAYS.contains(&id)
        {
            self.run(&Run::Command(id), &Default::default());
        }
    }

    fn paste(&mut self, text: &str) {
        if !self.layers.is_empty() {
            self.layer_paste(text);
        } else if self.stations[self.front].pane.typing() {
            self.deliver(self.front, Event::Paste(text));
        } else {
            // Pasted text must never be read as keys.
            self.tell(Severity::Info, "nothing here takes pasted text: open a filter or the palette first");
        }
    }

    /// Sets the terminal's title when what it tells has changed.
    pub(super) fn retitle(&mut self) {
        let status = &self.status;
        let worst = [Severity::Critical, Severity::Warning]
            .into_iter()
            .filter_map(|s| status.firing.get(&s).filter(|n| **n > 0).map(|n| format!("{n} {}", s.as_str())))
            .next();
        let environment =
            if status.production { status.environment.to_uppercase() } else { status.environment.clone() };
        let parts =
            [worst, Some(self.front().title.to_owned()), Some(environment), Some("quarterdeck".to_owned())];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect();
        let title = quarterdeck_widgets::text::clean(&parts.join(" · ")).into_owned();
        if title != self.title {
            self.title.clone_from(&title);
            self.out.push(HostEffect::SetTitle(title));
        }
    }
}

//! Keys that go to the topmost layer.

use std::time::Duration;

use quarterdeck_kernel::time::{format_duration, parse_duration};

use super::Shell;
use super::effect::RANGE;
use super::time::RANGES;
use crate::keymap::{Lookup, Run};
use crate::keys::Key;
use crate::layers::picker::{Choice, Entry, Purpose};
use crate::layers::{Ask, Button, Confirm, Layer, Leave, Line, Picker, validate};
use crate::pane::World;

impl<W: World> Shell<W> {
    /// Gives a key to the topmost layer; false when that has no use for it.
    pub(super) fn layer_key(&mut self, key: Key) -> bool {
        match self.layers.pop() {
            None => false,
            Some(Layer::Pick(picker)) => self.picker_key(picker, key),
            Some(Layer::Ask(ask)) => self.ask_key(ask, key),
            Some(Layer::Confirm(confirm)) => self.confirm_key(confirm, key),
            Some(Layer::Leave(leave)) => self.leave_key(leave, key),
        }
    }

    pub(super) fn layer_paste(&mut self, text: &str) {
        match self.layers.last_mut() {
            Some(Layer::Pick(picker)) => {
                picker.paste(text);
                offer_typed_range(picker);
            }
            Some(Layer::Ask(ask)) => {
                ask.line.insert(text);
                (ask.picked, ask.error) = (None, None);
            }
            // Names of what is to be destroyed are typed, not pasted; reasons may be.
            Some(Layer::Confirm(Confirm { reason: Some(line), .. })) => line.insert(text),
            Some(Layer::Confirm(_) | Layer::Leave(_)) | None => {}
        }
        self.preview_theme();
    }

    /// The layer's command for a key. Keys that type are text where text is typed.
    fn layer_command(&self, context: &str, key: Key, typing: bool) -> Option<&'static str> {
        if typing && key.text().is_some() {
            return None;
        }
        match self.keymap.lookup(&[context], &[key]) {
            Lookup::Bound(binding) => match binding.run {
                Run::Command(id) => Some(id),
                _ => None,
            },
            _ => None,
        }
    }

    fn picker_key(&mut self, mut picker: Picker, key: Key) -> bool {
        let page = isize::try_from(self.size.1 / 2).unwrap_or(10);
        match self.layer_command("list", key, true) {
            Some("list.up") => picker.step(-1),
            Some("list.down") => picker.step(1),
            Some("list.page-up") => picker.step(-page),
            Some("list.page-down") => picker.step(page),
            Some("list.first") => picker.step(isize::MIN),
            Some("list.last") => picker.step(isize::MAX),
            Some("list.close") => {
                self.end_preview(false);
                return true;
            }
            Some("list.accept") => {
                self.accept(picker);
                return true;
            }
            _ => {
                let taken = picker.edit(key);
                if taken {
                    offer_typed_range(&mut picker);
                }
                self.layers.push(Layer::Pick(picker));
                self.preview_theme();
                return taken;
            }
        }
        self.layers.push(Layer::Pick(picker));
        self.preview_theme();
        true
    }

    pub(super) fn accept(&mut self, picker: Picker) {
        let Some(entry) = picker.chosen().cloned() else {
            self.layers.push(Layer::Pick(picker));
            return;
        };
        match entry.choice {
            // Why it cannot be had stands beside it: stay, so that it can be read.
            _ if entry.dimmed => self.layers.push(Layer::Pick(picker)),
            Choice::Nothing => self.layers.push(Layer::Pick(picker)),
            Choice::Run(run, args) => {
                if picker.purpose == Purpose::Palette {
                    self.note_recent(run.id());
                    self.save();
                }
                self.run(&run, &args);
            }
            Choice::Open(subject) => {
                self.note_recent(subject.to_string());
                self.save();
                self.go(subject);
            }
            Choice::Service(service) => self.set_service(service),
            Choice::Range(range) => self.set_range(range),
            Choice::Theme(_) => self.end_preview(true),
        }
    }

    /// Shows the theme that is selected in the theme list.
    pub(super) fn preview_theme(&mut self) {
        let Some(Layer::Pick(picker)) = self.layers.last() else { return };
        if let Some(Entry { choice: Choice::Theme(index), .. }) = picker.chosen()
            && let Some(theme) = self.themes.get(*index)
        {
            self.look = self.look.with_theme(theme.clone());
        }
    }

    /// Ends the live preview of themes: the chosen one stays, or the one before comes back.
    pub(super) fn end_preview(&mut self, keep: bool) {
        if let Some(before) = self.look_before.take()
            && !keep
        {
            self.look = self.look.with_theme(before);
        }
        if keep {
            self.chosen.theme = true;
            self.save();
        }
    }

    fn ask_key(&mut self, mut ask: Ask, key: Key) -> bool {
        let command = self.layer_command("prompt", key, true);
        match command {
            Some("prompt.close") => return true,
            Some("prompt.accept") => {
                let value = ask.line.text().trim().to_owned();
                match validate(&ask.arg, &value) {
                    Ok(()) => {
                        ask.draft.invocation.args.insert(ask.arg.name.to_owned(), value);
                        self.advance(ask.draft);
                        return true;
                    }
                    Err(why) => ask.error = Some(why),
                }
            }
            Some(step @ ("prompt.complete" | "prompt.older" | "prompt.newer")) => {
                let matching: Vec<String> = ask.matching().into_iter().map(str::to_owned).collect();
                if !matching.is_empty() {
                    let last = matching.len() - 1;
                    let next = match (ask.picked, step) {
                        (None, "prompt.older") => last,
                        (None, _) => 0,
                        (Some(at), "prompt.older") => at.checked_sub(1).unwrap_or(last),
                        (Some(at), _) => {
                            if at >= last {
                                0
                            } else {
                                at + 1
                            }
                        }
                    };
                    if ask.picked.is_none() {
                        // From now on the list is walked through; it must not narrow to what is filled in.
                        ask.completions.clone_from(&matching);
                    }
                    ask.line = Line::new(&matching[next]);
                    (ask.picked, ask.error) = (Some(next), None);
                }
            }
            _ => {
                let taken = ask.line.edit(key);
                if taken {
                    (ask.picked, ask.error) = (None, None);
                }
                self.layers.push(Layer::Ask(ask));
                return taken;
            }
        }
        self.layers.push(Layer::Ask(ask));
        true
    }

    fn confirm_key(&mut self, mut confirm: Confirm, key: Key) -> bool {
        if confirm.reason.is_some() {
            return self.reason_key(confirm, key);
        }
        let by_name = confirm.by_name();
        let command = self.layer_command("confirm", key, by_name);
        match command {
            Some("confirm.no") => return true,
            Some("confirm.yes") if !by_name => {
                self.dispatch(confirm.draft);
                return true;
            }
            Some("confirm.press") => {
                let sure = if by_name { confirm.name_matches() } else { confirm.focus == Button::Yes };
                if sure {
                    self.dispatch(confirm.draft);
                    return true;
                }
                // Enter on an untouched dialog is Cancel; on a wrong name it is a mistake worth telling.
                if !by_name || confirm.typed.is_empty() {
                    return true;
                }
                confirm.wrong = true;
            }
            Some("confirm.switch") if by_name => confirm.reason = Some(reason_of(&confirm)),
            Some("confirm.switch") => {
                confirm.focus = if confirm.focus == Button::Cancel { Button::Yes } else { Button::Cancel };
            }
            Some("confirm.reason") if !by_name => confirm.reason = Some(reason_of(&confirm)),
            _ => {
                let taken = by_name && confirm.typed.edit(key);
                confirm.wrong = false;
                self.layers.push(Layer::Confirm(confirm));
                return taken;
            }
        }
        self.layers.push(Layer::Confirm(confirm));
        true
    }

    fn reason_key(&mut self, mut confirm: Confirm, key: Key) -> bool {
        let mut taken = true;
        match self.layer_command("prompt", key, true) {
            Some("prompt.close") => confirm.reason = None,
            Some("prompt.accept" | "prompt.complete") => {
                let text = confirm.reason.take().map(|line| line.text().trim().to_owned());
                confirm.draft.invocation.reason = text.filter(|t| !t.is_empty());
            }
            _ => taken = confirm.reason.as_mut().is_some_and(|line| line.edit(key)),
        }
        self.layers.push(Layer::Confirm(confirm));
        taken
    }

    fn leave_key(&mut self, mut leave: Leave, key: Key) -> bool {
        match self.layer_command("confirm", key, false) {
            Some("confirm.no") => return true,
            Some("confirm.yes") => self.leave(),
            Some("confirm.press") if leave.focus == Button::Yes => self.leave(),
            Some("confirm.press") => {}
            Some("confirm.switch") => {
                leave.focus = if leave.focus == Button::Cancel { Button::Yes } else { Button::Cancel };
                self.layers.push(Layer::Leave(leave));
            }
            _ => {
                self.layers.push(Layer::Leave(leave));
                return false;
            }
        }
        true
    }
}

fn reason_of(confirm: &Confirm) -> Line {
    Line::new(confirm.draft.invocation.reason.as_deref().unwrap_or_default())
}

/// In the range list any duration may be typed.
fn offer_typed_range(picker: &mut Picker) {
    if picker.purpose != Purpose::Range {
        return;
    }
    let typed = picker.line.text().trim().to_owned();
    let mut entries = range_entries();
    if let Ok(duration) = parse_duration(&typed) {
        let range = quarterdeck_kernel::time::millis(duration).clamp(*RANGE.start(), *RANGE.end());
        if !RANGES.contains(&range) {
            let mut entry = Entry::new(
                "as typed",
                format_duration(Duration::from_millis(range.unsigned_abs())),
                Choice::Range(range),
            );
            entry.also = typed;
            entries.insert(0, entry);
        }
    }
    picker.refresh(entries);
    picker.selected = 0;
}

/// The ranges to choose from.
pub(super) fn range_entries() -> Vec<Entry> {
    RANGES
        .iter()
        .map(|range| {
            let span = Duration::from_millis(range.unsigned_abs());
            Entry::new("", format_duration(span), Choice::Range(*range))
        })
        .collect()
}

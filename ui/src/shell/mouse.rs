//! What the mouse does: the same as keys would.

use ratatui::layout::{Position, Rect};

use super::{SMALLEST, Shell};
use crate::keymap::Run;
use crate::layers::{Button, Layer, Picker};
use crate::pane::{Click, Event, World};

/// Two presses on one cell within this time are a double click, in milliseconds.
const DOUBLE: i64 = 400;
/// Entries that one notch of the wheel moves a list by.
const NOTCH: isize = 3;

/// What can be clicked in the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Pane(usize),
    Command(&'static str),
    Hint(String),
    Entry(usize),
    Button(Button),
}

impl<W: World> Shell<W> {
    pub(super) fn mouse_at(&mut self, click: Click, at: (u16, u16)) {
        if self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1 {
            return;
        }
        let click = self.doubled(click, at);
        let under = |area: &Rect| area.contains(Position::new(at.0, at.1));
        let target = self.targets.iter().rev().find(|(area, _)| under(area)).map(|(_, t)| t.clone());
        if !self.layers.is_empty() {
            self.mouse_on_layer(click, target);
            return;
        }
        self.pending.clear();
        match target {
            Some(Target::Pane(index)) if click == Click::Press => {
                let effects = self.move_to(index, true);
                self.finish(effects);
                return;
            }
            Some(Target::Command(id)) if click == Click::Press => {
                self.run(&Run::Command(id), &Default::default());
                return;
            }
            Some(Target::Hint(id)) if click == Click::Press => {
                let binding = self.keymap.binding_of(&self.contexts(), &id).cloned();
                if let Some(binding) = binding {
                    self.run(&binding.run, &binding.args);
                }
                return;
            }
            _ => {}
        }
        let station = &self.stations[self.front];
        if let Some(hit) = station.hits.iter().rev().find(|h| under(&h.area)).cloned() {
            let within = (at.0 - hit.area.x, at.1 - hit.area.y);
            self.deliver(self.front, Event::Hit { target: &hit.target, click, at: within });
        }
    }

    fn doubled(&mut self, click: Click, at: (u16, u16)) -> Click {
        if click != Click::Press {
            return click;
        }
        let double = self.last_click.is_some_and(|(when, where_)| {
            where_ == at && (0..=DOUBLE).contains(&(self.now.as_millis() - when.as_millis()))
        });
        self.last_click = (!double).then_some((self.now, at));
        if double { Click::Double } else { click }
    }

    fn mouse_on_layer(&mut self, click: Click, target: Option<Target>) {
        if let (Click::Press, Some(Target::Button(button))) = (click, &target) {
            self.press(*button);
            return;
        }
        let Some(Layer::Pick(picker)) = self.layers.last_mut() else { return };
        match (click, target) {
            (Click::ScrollDown, _) => picker.step(NOTCH),
            (Click::ScrollUp, _) => picker.step(-NOTCH),
            (Click::Press, Some(Target::Entry(place))) => picker.selected = place,
            (Click::Double, Some(Target::Entry(place))) => {
                picker.selected = place;
                if let Some(Layer::Pick(picker)) = self.layers.pop() {
                    let picker: Picker = picker;
                    self.accept(picker);
                    return;
                }
            }
            _ => {}
        }
        self.preview_theme();
    }

    /// A button of the topmost dialog was clicked.
    fn press(&mut self, button: Button) {
        match (self.layers.pop(), button) {
            (Some(Layer::Confirm(confirm)), Button::Yes) if !confirm.by_name() => {
                self.dispatch(confirm.draft);
            }
            (Some(Layer::Leave(_)), Button::Yes) => self.leave(),
            (Some(Layer::Confirm(_) | Layer::Leave(_)), Button::Cancel) => {}
            (Some(other), _) => self.layers.push(other),
            (None, _) => {}
        }
    }
}

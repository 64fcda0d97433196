//! Draws the whole screen.

use quarterdeck_kernel::Danger;
use quarterdeck_widgets::rule::rule;
use quarterdeck_widgets::{Role, text};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;

use super::mouse::Target;
use super::{PENDING_DELAY, SMALLEST, Shell};
use crate::frame::header::Header;
use crate::frame::hints::Hint;
use crate::frame::tabs::Tab;
use crate::frame::{headline, hints, pending, tabs, toasts};
use crate::keymap::{Lookup, Run};
use crate::keys::label_chord;
use crate::layers::Layer;
use crate::layers::draw::border_hints;
use crate::pane::{Context, Status, World};

/// The last line of defence: whatever got past the toolkit's sanitiser (a pane that wrote cells itself) never reaches
/// the terminal.
fn purge(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        // Letters of ASCII; boxes, blocks, signs and Braille (U+2500 to U+28FF): most of any frame, and all harmless.
        let plain = matches!(symbol.as_bytes(), [b' '..=b'~'] | [0xe2, 0x94..=0xa3, _]);
        if !plain && !text::is_clean(symbol) {
            cell.set_char('?');
        }
    }
}

impl<W: World> Shell<W> {
    /// Draws everything into a buffer, which is also where the mouse will act.
    pub fn draw(&mut self, buffer: &mut Buffer) {
        let area = buffer.area;
        self.size = (area.width, area.height);
        self.targets.clear();
        let mut blank = Cell::EMPTY;
        blank.set_style(self.look.base());
        let Cell { fg, bg, modifier, .. } = blank;
        for cell in &mut buffer.content {
            *cell = Cell::EMPTY;
            (cell.fg, cell.bg, cell.modifier) = (fg, bg, modifier);
        }
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            self.draw_too_small(buffer, area);
        } else {
            self.draw_frame(buffer, area);
        }
        purge(buffer);
        self.look.settle(buffer);
    }

    fn draw_too_small(&self, buffer: &mut Buffer, area: Rect) {
        let (columns, rows) = SMALLEST;
        let told = format!(
            "quarterdeck needs {columns}×{rows}, this terminal is {}×{}: make it larger, or a smaller font.",
            area.width, area.height
        );
        let lines = text::wrap(&told, usize::from(area.width.saturating_sub(2).max(1)));
        let top = area.y + area.height.saturating_sub(u16::try_from(lines.len()).unwrap_or(0)) / 2;
        for (y, line) in (top..area.bottom()).zip(&lines) {
            text::put_centred(buffer, area.x, y, area.width, line, self.look.style(Role::Text));
        }
    }

    fn draw_frame(&mut self, buffer: &mut Buffer, area: Rect) {
        let row = |y: u16| Rect { y, height: 1, ..area };
        let status = self.status.clone();
        let front = self.front().id;
        let header = Header {
            status: &status,
            scope: &self.scope,
            now: self.now,
            frozen_since: self.frozen_since(),
            busy: self.flights.visible(front, self.now),
        };
        header.draw(&self.look, buffer, row(area.y));
        self.draw_tabs(buffer, row(area.y + 1));
        let mut top = area.y + 2;
        // What leads must be true even while the view is frozen.
        if let Some(sentence) = &status.headline {
            let go = || sentence.subject.as_ref().and_then(|_| self.help_of("shell.headline"));
            let help = sentence.helps.and_then(|id| self.help_of(id)).or_else(go);
            headline::draw(sentence, help, &self.look, buffer, row(top));
            self.targets.push((row(top), Target::Command("shell.headline")));
            top += 1;
        }
        let bottom = area.bottom() - 2;
        rule(&self.look, buffer, row(bottom), "", "");
        self.draw_pane(buffer, Rect { y: top, height: bottom - top, ..area });
        self.draw_hints(buffer, row(area.bottom() - 1), &status);
        let middle = Rect { y: area.y + 1, height: bottom - area.y - 1, ..area };
        toasts::draw(
            self.toasts.shown(self.now),
            self.now,
            &self.look,
            buffer,
            Rect { y: top, height: bottom - top, ..area },
        );
        if !self.pending.is_empty() && self.now.as_millis() - self.pending_since.as_millis() >= PENDING_DELAY
        {
            self.draw_pending(buffer, middle);
        }
        self.draw_layers(buffer, Rect { y: area.y + 1, height: area.height - 2, ..area });
    }

    /// The live key of what helps, with its title.
    fn help_of(&self, id: &str) -> Option<(String, String)> {
        let binding = self.keymap.binding_of(&self.contexts(), id)?;
        let leads_to = match &binding.run {
            Run::Action(id) => Some(self.action(id)?),
            Run::Command(id) => self.command_spec(id).and_then(|command| self.action_of(command)),
            Run::Go(_) | Run::Pinned(_) => None,
        };
        let danger = match leads_to {
            Some(spec) if !self.offered(spec) => return None,
            Some(spec) if spec.danger > Danger::Safe => "!",
            _ => "",
        };
        Some((format!("{}{danger}", label_chord(&binding.chord)), binding.title.to_lowercase()))
    }

    fn draw_tabs(&mut self, buffer: &mut Buffer, area: Rect) {
        let order = self.tabs();
        let tab = |(index, digit): &(usize, Option<usize>)| Tab {
            digit: *digit,
            title: self.stations[*index].spec.title,
            active: *index == self.front,
        };
        let list: Vec<Tab> = order.iter().map(tab).collect();
        let mut hints = Vec::new();
        let go =
            self.keymap.context("global").iter().find(|b| b.chord.len() > 1 && matches!(b.run, Run::Go(_)));
        hints.extend(go.map(|b| format!("{} go to", b.chord[0].label())));
        hints.extend(self.keymap.label_of(&self.contexts(), "shell.palette").map(|k| format!("{k} palette")));
        for (place, index) in tabs::draw(&list, &hints, &self.look, buffer, area) {
            self.targets.push((place, Target::Pane(order[index].0)));
        }
    }

    fn draw_pane(&mut self, buffer: &mut Buffer, area: Rect) {
        let world = super::seen(&self.world, self.frozen.as_ref(), self.rewound.as_ref(), &self.scope);
        let station = &mut self.stations[self.front];
        station.area = area;
        let cx = Context { world: &**world, scope: &self.scope, look: &self.look, area };
        station.hits = station.pane.view(&cx, buffer, area);
    }

    fn draw_hints(&mut self, buffer: &mut Buffer, area: Rect, status: &Status) {
        // What floats tells its own keys in its border; those of the pane do not work meanwhile.
        if !self.layers.is_empty() {
            return;
        }
        if !self.pending.is_empty() {
            let pieces = [
                (label_chord(&self.pending), self.look.style(Role::Key)),
                (" waits for the next key".to_owned(), self.look.style(Role::Muted)),
            ];
            text::put_spans(buffer, area.x + 1, area.y, area.width.saturating_sub(2), &pieces);
            return;
        }
        let list = self.hints(status);
        for (place, id) in hints::draw(&list, &self.look, buffer, area) {
            self.targets.push((place, Target::Hint(id)));
        }
    }

    /// What works here, now, most useful first.
    pub(crate) fn hints(&self, status: &Status) -> Vec<Hint> {
        let contexts = self.contexts();
        let typing = self.stations[self.front].pane.typing();
        let hint = |id: &str, title: &str, dangerous: bool, stays: bool| {
            let binding = self.keymap.binding_of(&contexts, id)?;
            // While text is typed, keys that type are text.
            let works = !typing || binding.chord.first().is_some_and(|key| key.text().is_none());
            let keys = label_chord(&binding.chord);
            works.then(|| Hint { keys, title: title.to_lowercase(), dangerous, id: id.to_owned(), stays })
        };
        let spec = self.front();
        let commands = self.with_pane(self.front, |pane, cx| pane.hints(cx));
        let mut list: Vec<Hint> = Vec::new();
        let command = |id: &str| {
            let command = self.command_spec(id).filter(|c| self.command_offered(c))?;
            let dangerous = self.action_of(command).is_some_and(|action| action.danger > Danger::Safe);
            hint(id, command.title, dangerous, false)
        };
        // The first thing that Enter does, then what can be done about it, then the rest.
        list.extend(commands.first().and_then(|id| command(id)));
        if !typing {
            for (id, _) in spec.actions {
                let Some(action) = self.action(id).filter(|a| self.offered(a)) else { continue };
                let subject = self.subject_for(action, None, None);
                if self.refusal(action, subject.as_ref()).is_none() {
                    list.extend(hint(id, action.title, action.danger > Danger::Safe, false));
                }
            }
        }
        list.extend(commands.iter().skip(1).filter_map(|id| command(id)));
        if typing {
            return list;
        }
        if self.scope.service.is_some() {
            list.extend(hint("scope.clear", "all services", false, true));
        }
        if status.headline.is_some() {
            list.extend(hint("shell.headline", "headline", false, false));
        }
        let freeze = if self.scope.frozen { "resume" } else { "freeze" };
        list.extend(hint("shell.freeze", freeze, false, self.scope.frozen));
        if self.scope.cursor.is_some() || self.scope.moment != quarterdeck_kernel::Moment::Live {
            list.extend(hint("time.rewind", "rewind", false, false));
            list.extend(hint("time.live", "live", false, true));
        }
        list.extend(hint("shell.help", "help", false, true));
        list
    }

    fn draw_pending(&self, buffer: &mut Buffer, area: Rect) {
        let Lookup::Begins(bindings) = self.keymap.lookup(&self.contexts(), &self.pending) else { return };
        let offered = |run: &Run| match run {
            Run::Action(id) => self.action(id).is_some_and(|spec| self.offered(spec)),
            Run::Command(id) => self.command_spec(id).is_none_or(|command| self.command_offered(command)),
            Run::Go(_) | Run::Pinned(_) => true,
        };
        let next: Vec<(String, String)> = bindings
            .into_iter()
            .filter(|b| offered(&b.run))
            .map(|b| (label_chord(&b.chord[self.pending.len()..]), b.title.clone()))
            .collect();
        pending::draw(&label_chord(&self.pending), &next, &self.look, buffer, area);
    }

    /// What the border of a layer tells of its keys.
    fn layer_hints(&self, layer: &Layer) -> String {
        let (context, commands) = layer.keys();
        let keys = |id: &str| self.keymap.label_of(&[context], id).unwrap_or_default();
        let hints: Vec<(String, &str)> = commands.iter().map(|(id, title)| (keys(id), *title)).collect();
        border_hints(&hints, &self.look)
    }

    fn draw_layers(&mut self, buffer: &mut Buffer, area: Rect) {
        let yes = self.keymap.label_of(&["confirm"], "confirm.yes").unwrap_or_default();
        // Only the topmost layer can be clicked.
        let mut targets = Vec::new();
        for layer in &self.layers {
            let hints = self.layer_hints(layer);
            let button = |(place, button)| (place, Target::Button(button));
            targets = match layer {
                Layer::Pick(picker) => {
                    let places = picker.draw(&hints, &self.look, buffer, area);
                    places.into_iter().map(|(place, entry)| (place, Target::Entry(entry))).collect()
                }
                Layer::Ask(ask) => {
                    ask.draw(&hints, &self.look, buffer, area);
                    Vec::new()
                }
                Layer::Confirm(confirm) => {
                    confirm.draw(&hints, &yes, &self.look, buffer, area).into_iter().map(button).collect()
                }
                Layer::Leave(leave) => {
                    leave.draw(&hints, &yes, &self.look, buffer, area).into_iter().map(button).collect()
                }
            };
        }
        self.targets.extend(targets);
    }
}

//! Carries out what keys, palette and help run.

use std::collections::BTreeMap;

use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Moment, Phase, Severity, Subject, SubjectKind};
use quarterdeck_widgets::GlyphSet;

use super::{Shell, time};
use crate::host::HostEffect;
use crate::keymap::Run;
use crate::layers::picker::Purpose;
use crate::layers::{Button, Layer, Leave};
use crate::pane::{CommandSpec, Effect, Event, Scope, World};

/// How many choices the palette offers first because they were made before.
const RECENT: usize = 12;
/// How far back undo looks for the operator's newest change, in milliseconds: a week.
const UNDO_REACH: i64 = 604_800_000;

impl<W: World> Shell<W> {
    pub(super) fn run(&mut self, run: &Run, args: &BTreeMap<String, String>) {
        match run {
            Run::Go(pane) => self.show(pane),
            Run::Pinned(digit) => match self.pinned.get(digit - 1) {
                Some(id) => self.show(id),
                None => self.tell(Severity::Info, &format!("no pane has the digit {digit}")),
            },
            Run::Action(id) => self.begin_action(id, None, args.clone(), None),
            Run::Command(id) => self.command(id),
        }
    }

    fn command(&mut self, id: &'static str) {
        if self.command_spec(id).is_some_and(|command| self.refuses(command)) {
            return;
        }
        match id {
            "shell.palette" => self.pick(Purpose::Palette),
            "shell.help" => self.pick(Purpose::Help),
            "shell.messages" => self.pick(Purpose::Messages),
            "shell.back" => {
                let effects = self.back();
                self.finish(effects);
            }
            "shell.forward" => {
                let effects = self.move_forward();
                self.finish(effects);
            }
            "shell.freeze" => self.freeze(!self.scope.frozen),
            "shell.undo" => self.undo(),
            "shell.next" => self.step_tab(true),
            "shell.previous" => self.step_tab(false),
            "shell.pin" => self.toggle_pin(),
            "shell.headline" => match self.status.headline.as_ref().and_then(|h| h.subject.clone()) {
                Some(subject) => self.go(subject),
                None => self.tell(Severity::Info, "nothing leads: all is well"),
            },
            "shell.copy" => self.copy_subject(),
            "shell.redraw" => self.out.push(HostEffect::Redraw),
            "shell.suspend" => self.out.push(HostEffect::Suspend),
            "shell.quit" => self.quit(),
            "scope.choose" => self.pick(Purpose::Service),
            "scope.clear" => self.set_service(None),
            "scope.follow" => match self.selected() {
                Some(subject) if subject.kind == SubjectKind::Service => self.set_service(Some(subject.id)),
                _ => self.tell(Severity::Info, "select a service first"),
            },
            "range.choose" => self.pick(Purpose::Range),
            "range.shorter" => self.set_range(time::next_range(self.scope.range, false)),
            "range.longer" => self.set_range(time::next_range(self.scope.range, true)),
            "time.back" => self.set_scope(time::move_cursor(&self.scope, self.now, -1)),
            "time.forward" => self.set_scope(time::move_cursor(&self.scope, self.now, 1)),
            "time.back-far" => self.set_scope(time::move_cursor(&self.scope, self.now, -10)),
            "time.forward-far" => self.set_scope(time::move_cursor(&self.scope, self.now, 10)),
            "time.rewind" if self.scope.cursor.is_some() => self.set_scope(time::rewind(&self.scope)),
            "time.rewind" => self.tell(Severity::Info, "move the time cursor first, then rewind to it"),
            "time.live" => self.set_scope(time::live(&self.scope)),
            "look.theme" => self.pick(Purpose::Theme),
            "look.utc" => {
                self.look = self.look.clone().with_utc(!self.look.utc());
                self.chosen.utc = true;
                let zone = self.look.zone_name(self.now);
                self.tell(Severity::Info, &format!("times are in {zone} now"));
                self.save();
            }
            "look.ascii" => {
                let ascii = self.look.glyphs() == GlyphSet::Ascii;
                let glyphs = if ascii { GlyphSet::Unicode } else { GlyphSet::Ascii };
                self.look = self.look.clone().with_glyphs(glyphs);
                self.chosen.ascii = true;
                self.save();
            }
            "look.wide" => {
                self.set_wide(!self.wide);
                self.chosen.wide = true;
                self.save();
            }
            "look.mouse" => {
                self.mouse = !self.mouse;
                self.chosen.mouse = true;
                self.out.push(HostEffect::Mouse(self.mouse));
                let told = if self.mouse {
                    "the mouse works here now"
                } else {
                    "the mouse belongs to the terminal now"
                };
                self.tell(Severity::Info, told);
                self.save();
            }
            // Whatever the shell does not know belongs to the pane: keymaps let nothing else through.
            pane => self.deliver(self.front, Event::Command(pane)),
        }
    }

    /// Refuses a command whose action is not offered, and says so: a form that is filled in only to be refused helps
    /// nobody.
    pub(super) fn refuses(&mut self, command: &CommandSpec) -> bool {
        let refused = !self.command_offered(command);
        if refused {
            self.tell(Severity::Info, &format!("read-only: {} is not offered here", command.title));
        }
        refused
    }

    pub(super) fn selected(&self) -> Option<Subject> {
        self.with_pane(self.front, |pane, cx| pane.selection(cx))
    }

    pub(super) fn set_wide(&mut self, wide: bool) {
        self.wide = wide;
        self.look = self.look.clone().with_ambiguous_wide(wide);
    }

    pub(super) fn set_service(&mut self, service: Option<String>) {
        self.set_scope(Scope { service, ..self.scope.clone() });
    }

    pub(super) fn set_range(&mut self, range: i64) {
        if range == self.scope.range {
            let span = format_duration(std::time::Duration::from_millis(range.unsigned_abs()));
            self.tell(
                Severity::Info,
                &format!("{span} is the last range of this kind; type any other in the range list"),
            );
        }
        self.set_scope(Scope { range, ..self.scope.clone() });
        self.save();
    }

    /// Esc without anything floating: the nearest thing that can be left, one at a time.
    pub(super) fn back(&mut self) -> Vec<(usize, Effect<W>)> {
        if self.cancel_visible() {
            self.tell(Severity::Info, "query given up");
            Vec::new()
        } else if self.scope.cursor.is_some() || self.scope.moment != Moment::Live {
            self.look_at(time::live(&self.scope))
        } else {
            self.move_back()
        }
    }

    fn copy_subject(&mut self) {
        match self.selected() {
            Some(subject) => {
                self.out.push(HostEffect::Copy(subject.to_string()));
                self.tell(Severity::Info, &format!("copied {subject}"));
            }
            None => self.tell(Severity::Info, "nothing is selected"),
        }
    }

    fn undo(&mut self) {
        if let Some(subject) = self.selected().filter(|s| s.kind == SubjectKind::Entry) {
            self.begin_action("timeline.undo", Some(subject), BTreeMap::new(), None);
            return;
        }
        let entries = self.world.marks(self.now.plus_millis(-UNDO_REACH), self.now.plus_millis(1), None);
        let mine = entries.iter().rev().find(|e| {
            // Pressed again, it goes further back: what undid something is not undone by it.
            e.undo.is_some()
                && e.undone_by.is_none()
                && e.invocation.as_ref().is_none_or(|i| i.undoes.is_none())
                && matches!(e.phase, Phase::Done | Phase::Interrupted)
                && e.actor.user == self.actor.user
        });
        match mine {
            Some(entry) => {
                let subject = Subject::new(SubjectKind::Entry, entry.id.to_string());
                self.begin_action("timeline.undo", Some(subject), BTreeMap::new(), None);
            }
            None => self.tell(Severity::Info, "none of your changes of the last week can be undone"),
        }
    }

    fn quit(&mut self) {
        match self.quit_asks.clone() {
            Some(why) => self.layers.push(Layer::Leave(Leave { why, focus: Button::Cancel })),
            None => self.leave(),
        }
    }

    pub(super) fn leave(&mut self) {
        self.save();
        self.out.push(HostEffect::Quit);
    }

    /// Notes what was chosen in the palette, so that it comes first the next time.
    pub(super) fn note_recent(&mut self, id: String) {
        self.recents.retain(|r| *r != id);
        self.recents.push_front(id);
        self.recents.truncate(RECENT);
    }
}

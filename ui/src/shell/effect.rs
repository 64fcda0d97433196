//! Events to panes, and what they want done in answer.

use std::collections::VecDeque;

use quarterdeck_kernel::{Moment, Severity, Subject, SubjectKind, Timestamp};

use super::Shell;
use crate::host::HostEffect;
use crate::pane::{Context, Effect, Event, Scope, World};

/// Effects carried out for one event at most: panes that send each other back and forth end here.
const MOST: usize = 256;

/// How far back charts may reach, in milliseconds: ten seconds to ten years.
pub(super) const RANGE: std::ops::RangeInclusive<i64> = 10_000..=315_360_000_000;

impl<W: World> Shell<W> {
    /// Gives an event to a pane and carries out what it wants done.
    pub(super) fn deliver(&mut self, index: usize, event: Event<'_, W>) {
        let mut queue: VecDeque<(usize, Effect<W>)> =
            self.update(index, event).into_iter().map(|effect| (index, effect)).collect();
        let mut done = 0;
        while let Some((pane, effect)) = queue.pop_front() {
            done += 1;
            if done > MOST {
                let lost = queue.len() + 1;
                self.tell(
                    Severity::Warning,
                    &format!(
                        "{} asked for too much at once: {lost} requests dropped",
                        self.stations[pane].spec.title
                    ),
                );
                return;
            }
            for more in self.carry_out(pane, effect) {
                queue.push_back(more);
            }
        }
    }

    fn update(&mut self, index: usize, event: Event<'_, W>) -> Vec<Effect<W>> {
        let world = super::seen(&self.world, self.frozen.as_ref(), self.rewound.as_ref(), &self.scope);
        let station = &mut self.stations[index];
        let cx = Context { world: &**world, scope: &self.scope, look: &self.look, area: station.area };
        station.pane.update(event, &cx)
    }

    fn carry_out(&mut self, index: usize, effect: Effect<W>) -> Vec<(usize, Effect<W>)> {
        let pane = self.stations[index].spec.id;
        match effect {
            Effect::Dispatch { action, subject, args } => {
                self.begin_action(&action, subject, args, Some(index));
            }
            Effect::Query { slot, query } => self.ask(pane, slot, query),
            Effect::Cancel(slot) => self.cancel(pane, slot),
            Effect::Go(subject) => {
                let home = self.seen().home_of(&subject);
                return self.open_in(home, &subject);
            }
            Effect::Open { pane, subject } => return self.open_in(pane, &subject),
            Effect::Show(id) => match self.stations.iter().position(|s| s.spec.id == id) {
                Some(other) => return self.move_to(other, true),
                None => self.tell(Severity::Warning, &format!("there is no pane {id:?}")),
            },
            Effect::Command(id) => {
                let front = self.front;
                let command = self.stations[front].spec.commands.iter().find(|command| command.id == id);
                if command.is_none_or(|command| self.refuses(command)) {
                    return Vec::new();
                }
                let effects = self.update(front, Event::Command(id));
                return effects.into_iter().map(|effect| (front, effect)).collect();
            }
            Effect::Back if self.asked => return self.back(),
            Effect::Back => return self.move_back(),
            Effect::Scope(scope) => return self.look_at(scope),
            Effect::Copy(text) if self.asked => {
                let lines = text.lines().count();
                let told = if lines > 1 { format!("copied {lines} lines") } else { format!("copied {text}") };
                self.out.push(HostEffect::Copy(text));
                self.tell(Severity::Info, &told);
            }
            // Nothing but the operator's hand reaches the clipboard.
            Effect::Copy(_) => {}
            Effect::Export { name, content } => self.out.push(HostEffect::Export { name, content }),
            Effect::Toast(severity, text) => self.tell(severity, &text),
        }
        Vec::new()
    }

    /// Brings a pane to the front and opens a subject in it.
    fn open_in(&mut self, pane: &str, subject: &Subject) -> Vec<(usize, Effect<W>)> {
        let Some(index) = self.stations.iter().position(|s| s.spec.id == pane) else {
            self.tell(Severity::Warning, &format!("no pane shows {subject}"));
            return Vec::new();
        };
        let mut more = self.move_to(index, true);
        // A pane is shown, not opened in itself.
        if subject.kind != SubjectKind::Pane {
            let opened = self.update(index, Event::Open(subject));
            more.extend(opened.into_iter().map(|effect| (index, effect)));
        }
        more
    }

    /// Brings a pane to the front; what panes want in answer comes back. With `remember`, back returns here.
    pub(super) fn move_to(&mut self, index: usize, remember: bool) -> Vec<(usize, Effect<W>)> {
        if remember {
            self.remember_place();
        }
        self.pending.clear();
        if self.front != index {
            self.front = index;
            self.retitle();
            return self.shown(index);
        }
        Vec::new()
    }

    /// Tells a pane that it came to the front, and what it missed while it was not.
    fn shown(&mut self, index: usize) -> Vec<(usize, Effect<W>)> {
        let now = (self.seen().version(), self.scope.clone());
        let before = self.stations[index].seen.replace(now.clone());
        let mut effects = self.update(index, Event::Shown);
        if before.as_ref().is_some_and(|(_, scope)| *scope != now.1) {
            effects.extend(self.update(index, Event::Scope));
        }
        if before.is_some_and(|(version, _)| version != now.0) {
            effects.extend(self.update(index, Event::World));
        }
        effects.into_iter().map(|effect| (index, effect)).collect()
    }

    pub(super) fn tell_front_shown(&mut self) {
        let effects = self.shown(self.front);
        self.finish(effects);
    }

    /// Carries out effects that came back from a step.
    pub(super) fn finish(&mut self, effects: Vec<(usize, Effect<W>)>) {
        let mut queue = VecDeque::from(effects);
        let mut done = 0;
        while let Some((pane, effect)) = queue.pop_front() {
            done += 1;
            if done > MOST {
                return;
            }
            queue.extend(self.carry_out(pane, effect));
        }
    }

    /// Changes what is looked at and tells the pane at the front.
    pub(super) fn look_at(&mut self, scope: Scope) -> Vec<(usize, Effect<W>)> {
        let range = scope.range.clamp(*RANGE.start(), *RANGE.end());
        let scope = Scope { range, ..scope };
        if scope == self.scope {
            return Vec::new();
        }
        if scope.frozen != self.scope.frozen {
            self.frozen = scope.frozen.then(|| (self.world.clone(), self.now));
        }
        if scope.moment != self.scope.moment {
            self.rewound = None;
            if let Moment::At(at) = scope.moment {
                self.out.push(HostEffect::Rewind(at));
            }
        }
        self.scope = scope;
        let seen = self.seen().version();
        self.stations[self.front].seen = Some((seen, self.scope.clone()));
        let front = self.front;
        self.update(front, Event::Scope).into_iter().map(|effect| (front, effect)).collect()
    }

    pub(super) fn set_scope(&mut self, scope: Scope) {
        let effects = self.look_at(scope);
        self.finish(effects);
    }

    /// The world of a moment that was asked for; dropped when the screen shows another moment by now.
    pub(super) fn take_rewound(&mut self, at: Timestamp, world: std::sync::Arc<W>) {
        if self.scope.moment == Moment::At(at) {
            self.stations[self.front].seen = Some((world.version(), self.scope.clone()));
            self.rewound = Some((at, world));
            self.deliver(self.front, Event::World);
        }
    }

    /// A new world: told to the pane at the front unless the view is frozen or rewound.
    pub(super) fn world_changed(&mut self) {
        if self.frozen.is_none() && self.rewound.is_none() {
            let version = self.world.version();
            let front = self.front;
            if self.stations[front].seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
                self.stations[front].seen = Some((version, self.scope.clone()));
                self.deliver(front, Event::World);
            }
        }
    }

    pub(super) fn freeze(&mut self, frozen: bool) {
        self.set_scope(Scope { frozen, ..self.scope.clone() });
        if !frozen {
            self.world_changed();
        }
    }

    /// Since when the view is frozen.
    pub(crate) fn frozen_since(&self) -> Option<Timestamp> {
        self.frozen.as_ref().map(|(_, at)| *at)
    }
}

//! What is told in passing, and the log of it.

use std::collections::VecDeque;

use quarterdeck_kernel::{Severity, Timestamp};
use uuid::Uuid;

use super::Shell;
use crate::pane::World;

/// How many are kept in the log.
const KEPT: usize = 200;
/// How many are shown at once.
const SHOWN: usize = 3;

/// What a toast tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An action runs.
    Running(Uuid),
    /// An action is done.
    Done,
    /// Anything else.
    Told(Severity),
}

/// Something told in passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// What it tells of.
    pub kind: Kind,
    /// The sentence.
    pub text: String,
    /// When it was told.
    pub at: Timestamp,
}

impl Toast {
    /// How long it stays on the screen, in milliseconds: longer when it matters and when there is more to read.
    fn lasts(&self) -> i64 {
        let reading = i64::try_from(self.text.chars().count()).unwrap_or(0) * 25;
        match self.kind {
            Kind::Running(_) => i64::MAX,
            Kind::Done | Kind::Told(Severity::Info) => 3_000 + reading,
            Kind::Told(Severity::Warning) => 5_000 + reading,
            Kind::Told(Severity::Critical) => 10_000 + reading,
        }
    }

    fn goes(&self) -> Timestamp {
        self.at.plus_millis(self.lasts())
    }
}

/// Toasts on the screen and in the log.
#[derive(Debug, Default)]
pub(super) struct Toasts {
    log: VecDeque<Toast>,
    dropped: u64,
}

impl Toasts {
    pub(super) fn push(&mut self, toast: Toast) {
        if self.log.len() == KEPT {
            self.log.pop_back();
            self.dropped += 1;
        }
        self.log.push_front(toast);
    }

    /// Newest first.
    pub(super) fn log(&self) -> impl Iterator<Item = &Toast> {
        self.log.iter()
    }

    /// How many the log has let go.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Those on the screen now, newest first.
    pub(super) fn shown(&self, now: Timestamp) -> impl Iterator<Item = &Toast> {
        self.log.iter().filter(move |t| t.goes() > now).take(SHOWN)
    }

    /// When the next of them goes.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.shown(now).filter(|t| !matches!(t.kind, Kind::Running(_))).map(Toast::goes).min()
    }

    /// Takes away those on the screen; the log keeps them.
    pub(super) fn finish(&mut self, invocation: Uuid) {
        self.log.retain(|t| t.kind != Kind::Running(invocation));
    }
}

impl<W: World> Shell<W> {
    /// Tells the operator something in passing. The same words twice in a row on the screen are told once.
    pub(crate) fn tell(&mut self, severity: Severity, text: &str) {
        self.toast(Kind::Told(severity), text);
    }

    pub(super) fn toast(&mut self, kind: Kind, text: &str) {
        let again =
            self.toasts.log.front().is_some_and(|t| t.kind == kind && t.text == text && t.goes() > self.now);
        if again {
            self.toasts.log.pop_front();
        }
        self.toasts.push(Toast { kind, text: text.to_owned(), at: self.now });
    }
}

//! One run per invocation id, however often it is dispatched.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use quarterdeck_kernel::Invocation;
use quarterdeck_kernel::action::Done;
use tokio::sync::watch;
use uuid::Uuid;

use super::error::DispatchError;

/// How many invocations may be under way at once.
const RUNNING: usize = 1024;
/// How many answers are remembered for repetitions; older ones are found on the timeline.
const REMEMBERED: usize = 1024;

pub(super) type Answer = Result<Done, DispatchError>;

/// Invocations under way, and the newest answers.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<Uuid, Known>,
    finished: VecDeque<Uuid>,
}

#[derive(Debug)]
struct Known {
    invocation: Invocation,
    answer: watch::Receiver<Option<Answer>>,
}

/// What to do with an invocation.
pub(super) enum Entrance {
    /// Run it, and send the answer.
    Run(watch::Sender<Option<Answer>>, watch::Receiver<Option<Answer>>),
    /// It runs or has run: wait for the answer.
    Wait(watch::Receiver<Option<Answer>>),
    /// Do not run it.
    Refuse(DispatchError),
}

impl InFlight {
    pub(super) fn enter(&self, invocation: &Invocation) -> Entrance {
        let mut state = self.0.lock();
        if let Some(known) = state.known.get(&invocation.id) {
            return if same(&known.invocation, invocation) {
                Entrance::Wait(known.answer.clone())
            } else {
                Entrance::Refuse(DispatchError::Reused(known.invocation.action.clone()))
            };
        }
        if state.known.len() - state.finished.len() >= RUNNING {
            let text = format!("{RUNNING} actions are under way: wait until some are done");
            return Entrance::Refuse(DispatchError::Unavailable(quarterdeck_kernel::Reason(text)));
        }
        let (sender, answer) = watch::channel(None);
        let known = Known { invocation: invocation.clone(), answer: answer.clone() };
        state.known.insert(invocation.id, known);
        Entrance::Run(sender, answer)
    }

    /// Takes note that an invocation has its answer. Only what was tried is remembered: what was refused may be
    /// dispatched again when things have changed.
    pub(super) fn leave(&self, id: Uuid, answer: &Answer) {
        let mut state = self.0.lock();
        let tried = matches!(answer, Ok(_) | Err(DispatchError::Failed { .. }));
        if !tried {
            state.known.remove(&id);
            return;
        }
        state.finished.push_back(id);
        if state.finished.len() > REMEMBERED
            && let Some(oldest) = state.finished.pop_front()
        {
            state.known.remove(&oldest);
        }
    }

    /// How many are under way.
    pub(super) fn running(&self) -> usize {
        let state = self.0.lock();
        state.known.len() - state.finished.len()
    }
}

/// Whether a repetition asks for the same as the first time.
pub(super) fn same(a: &Invocation, b: &Invocation) -> bool {
    a.action == b.action && a.subject == b.subject && a.args == b.args
}

//! What goes into the shell and what comes out of it, as data.

use std::sync::Arc;

use quarterdeck_kernel::action::Done;
use quarterdeck_kernel::{Invocation, Timestamp};
use uuid::Uuid;

use crate::keys::Key;
use crate::pane::{Click, World};

/// Everything that can happen to the shell.
pub enum Input<W: World> {
    /// A key was pressed.
    Key(Key),
    /// The mouse acted at a column and row of the screen.
    Mouse {
        /// What was done; [`Click::Double`] is found out by the shell.
        click: Click,
        /// Column and row, from 0.
        at: (u16, u16),
    },
    /// Text was pasted.
    Paste(String),
    /// The terminal has a new size: columns and rows.
    Resize(u16, u16),
    /// The terminal's window came to the front or went to the back.
    Focus(bool),
    /// What is true now.
    World(Arc<W>),
    /// What was true at a moment, in answer to [`HostEffect::Rewind`].
    Rewound {
        /// The moment asked for.
        at: Timestamp,
        /// What was true then.
        world: Arc<W>,
    },
    /// The answer to a [`HostEffect::Query`].
    Answer {
        /// The pane that asked.
        pane: &'static str,
        /// The slot asked for.
        slot: &'static str,
        /// The generation asked with.
        generation: u64,
        /// The answer, or what went wrong in words for the operator.
        answer: Result<W::Answer, String>,
    },
    /// What came of a [`HostEffect::Dispatch`].
    Outcome {
        /// [`Invocation::id`]
        invocation: Uuid,
        /// What happened, or what went wrong in words for the operator.
        result: Result<Done, String>,
    },
    /// Something to tell the operator that no key asked for: a reload, an export that is done.
    Tell(quarterdeck_kernel::Severity, String),
    /// The same, with the terminal's bell.
    Ring(quarterdeck_kernel::Severity, String),
    /// Time has passed.
    Tick(Timestamp),
}

/// What the host must do for the shell.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and the host takes them apart at once")]
pub enum HostEffect<W: World> {
    /// Do this action, then answer with [`Input::Outcome`].
    Dispatch(Invocation),
    /// Ask in the background, then answer with [`Input::Answer`].
    Query {
        /// The pane that asks.
        pane: &'static str,
        /// Its slot.
        slot: &'static str,
        /// To be given back with the answer.
        generation: u64,
        /// The question.
        query: W::Query,
    },
    /// Give up a query; its answer would be dropped.
    CancelQuery {
        /// The pane that asked.
        pane: &'static str,
        /// Its slot.
        slot: &'static str,
        /// The generation asked with.
        generation: u64,
    },
    /// Put together what was true at this moment, then answer with [`Input::Rewound`]. Until then the newest is shown.
    Rewind(Timestamp),
    /// Put this text into the operator's clipboard (OSC 52).
    Copy(String),
    /// Write a file for the operator, then tell where it went with [`Input::Tell`].
    Export {
        /// The name offered.
        name: String,
        /// Content.
        content: Vec<u8>,
    },
    /// The terminal's title.
    SetTitle(String),
    /// Ring the terminal's bell.
    Bell,
    /// Turn mouse reports on or off.
    Mouse(bool),
    /// Draw everything again, from nothing.
    Redraw,
    /// Stop the process as Ctrl-Z does, and draw everything again when it goes on.
    Suspend,
    /// Keep this text for the next run; [`crate::Shell::restore`] takes it.
    SaveState(String),
    /// Leave the screen.
    Quit,
}

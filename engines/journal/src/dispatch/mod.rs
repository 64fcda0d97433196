//! The dispatcher: the one way to change anything.
//!
//! Engines register an [`ActionSpec`](quarterdeck_kernel::ActionSpec) with an [`Execute`]; keys, palette, command
//! line, HTTP, schedules and undo hand an [`Invocation`](quarterdeck_kernel::Invocation) to
//! [`Dispatcher::dispatch`], which checks it, runs it, and answers when it is durable.
//!
//! # What is promised
//! - An action whose effect is in the store ([`Stored`]) is one transaction with its timeline entry: after
//!   `kill -9` or a power cut either both are there or neither.
//! - An action whose effect is outside ([`External`]) has its intent on the timeline, synced, before it begins, and
//!   its outcome after. A crash between the two leaves an intent without outcome: [`Dispatcher::recover`] writes
//!   "interrupted" after it and asks the engine what became of it.
//! - The answer comes after the entry is durable. The same invocation (by id) runs once: dispatched again, it gets
//!   the first answer, also after a restart.
//! - A panic in an action is caught, undone as far as the store goes, and recorded as a failure.

mod builtin;
mod dispatcher;
mod error;
mod execute;
mod inflight;
mod recover;
mod registry;
mod run;
mod validate;

pub use builtin::specs;
pub use dispatcher::Dispatcher;
pub use error::{ArgumentError, DispatchError, RegisterError};
pub use execute::{
    BoxFuture, Execute, External, Failure, How, Outcome, Reconciled, Redirect, Stored, Unrecorded,
};
pub use registry::Registry;
pub use validate::{boolean, duration, number};

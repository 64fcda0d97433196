//! The shell: one frame around all panes, and everything that keys, palette, help and confirmations do.
//!
//! [`Shell`] is a pure state machine: [`Shell::handle`] takes an [`Input`] and returns what the host must do,
//! [`Shell::draw`] fills a buffer. It knows no engine, only the kernel's vocabulary and what a [`pane::World`] tells.
//! [`run`] is the event loop around it, over any backend and any stream of events; [`terminal`] is the real terminal.
//!
//! A host makes a [`Shell`] from a first world and the panes, gives it what was remembered ([`Shell::restore`]) and the
//! operator's keymap ([`Shell::set_keymap`]), and hands it to [`run::run`] with a screen, events, signals, worlds and
//! inputs. It is called with [`HostEffect`]s that only it can carry out: dispatch, query, cancel, export, save; answers
//! and outcomes go back in as [`Input`]s. A screenshot is [`Shell::draw`] into a buffer, without any of that.

pub mod changes;
pub mod commands;
mod frame;
pub mod host;
pub mod keymap;
pub mod keys;
mod layers;
pub mod listing;
pub mod pane;
pub mod reference;
pub mod run;
pub mod shell;
pub mod terminal;

pub use host::{HostEffect, Input};
pub use keymap::Keymap;
pub use keys::{Key, KeyCode, Modifiers};
pub use pane::{
    Click, CommandSpec, Context, Effect, Event, Headline, Hit, Pane, PaneSpec, Scope, Status, World,
};
pub use shell::{Options, Shell};

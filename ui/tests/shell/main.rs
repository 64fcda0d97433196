//! Drives the shell as an operator does: keys in, screens and host effects out.

mod actions;
mod journeys;
mod keymaps;
mod looping;
mod reference;
mod screens;
mod storms;
mod support;
mod terminals;

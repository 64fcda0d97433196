//! Go text/template and html/template, as Prometheus and Alertmanager users write them.
//!
//! A [`Template`] is parsed text, with the templates that it defines; a [`Set`] holds templates that call each other by
//! name. Values are a [`Value`]; what a program hands in with fields and methods implements [`Object`]; functions beside
//! Go's own come from [`Functions`]. [`notification`] has the data, functions and default templates of Alertmanager.
//!
//! Parsing and running are bounded in depth, steps, work and size of the result ([`Limits`]); nothing that a template
//! says can make them panic. Errors have Go's words.

mod ast;
mod builtins;

mod error;
mod escape;
mod exec;
mod functions;
pub mod glob;
mod html;
mod json;
mod lex;
pub mod notification;
mod number;
mod parse;
mod printf;
mod quote;
mod set;
mod time;
mod value;

pub use error::Error;
pub use exec::Limits;
pub use functions::{
    Common, Functions, NoFunctions, expect, not_of_type, query_escape, quoted, text_at, unknown,
};
pub use json::entries as json_entries;
pub use number::shortest as float_text;
pub use set::{Escape, MAX_TEMPLATE, Set, Template};
pub use time::Time;
pub use value::{Map, Object, Value, View, print_list};

/// The longest text that a function may make, in bytes: beyond, it fails whatever the limits are.
const MAX_TEXT: usize = 16 << 20;

#[cfg(test)]
mod tests;

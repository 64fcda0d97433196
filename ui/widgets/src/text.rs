//! The only way from a string to the screen.
//!
//! Whatever comes from outside (log lines, labels, names, errors) is cleaned here, once: no escape sequence, control
//! or bidirectional control reaches a cell, combining marks are capped, and width is what the terminal will make it.

mod clean;
mod put;
mod wrap;

pub use clean::{clean, clean_bytes, is_clean};
pub use put::{cell, cut, fill, put, put_centred, put_line, put_right, put_spans, width};
pub use wrap::wrap;

pub(crate) use put::graphemes;

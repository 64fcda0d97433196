//! Tables: filter, sort, columns to choose, selection by identity, and any number of rows.
//!
//! The pane owns the rows (anything that is [`Rows`]) and a [`TableState`]; what is shown in which order is an
//! [`Arrangement`], made by the pure function [`arrange`]: at once for small tables, in the background for large ones
//! ([`TableState::refresh`] says which). Drawing asks for visible cells only.

mod arrange;
mod cell;
mod column;
mod draw;
mod filter;
mod state;

pub use arrange::{Arrangement, Order, Rows, Spec, arrange};
pub use cell::CellPainter;
pub use column::{Align, Column, Width};
pub use draw::{Table, TableHit};
pub use filter::Filter;
pub use state::{Direction, Sort, TableState};

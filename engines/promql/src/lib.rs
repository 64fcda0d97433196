//! PromQL with the semantics of Prometheus 3.5: lexer, parser with positions, evaluator.
//!
//! [`parse`] turns text into an [`Expr`] whose every node knows its bytes, or into a [`ParseError`] that says what
//! is wrong, where, and what to do. [`Engine`] evaluates over anything that implements [`Storage`], at one moment or
//! over a range, within a [`Budget`] of samples and time, and reports doubtful data as [`Annotations`] with
//! positions. [`complete`] says what may stand at a cursor. [`testing`] runs files of the promqltest format.

pub mod annotations;
pub mod ast;
mod complete;
mod engine;
mod error;
mod eval;
pub mod functions;
pub mod histogram;
mod lexer;
mod number;
mod parser;
mod print;
mod span;
pub mod storage;
pub mod testing;
mod value;

pub use annotations::{Annotation, Annotations, Level};
pub use ast::Expr;
pub use complete::{Completion, CompletionKind, Context, complete, context};
pub use engine::{Engine, EngineOptions, Output, Stats};
pub use error::{ParseError, QueryError};
pub use eval::labels_hash;
pub use histogram::Histogram;
pub use number::{format_duration, format_float, format_general};
pub use parser::{ParseOptions, parse, parse_with};
pub use span::Span;
pub use storage::{Budget, Found, SeriesData, Storage, StorageError};
pub use value::{Point, PointValue, Series, Value, ValueType, VectorSample};

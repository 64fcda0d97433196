//! YAML files into values. The text becomes one tree first, and values are read from the tree: so the parser is compiled
//! once, and not again for every type of every setting. A setting that wants its place is a [`Spanned`]; a mistake is a
//! [`Diagnostic`] with its place and what is allowed there.

mod error;
mod node;
mod read;
mod spanned;

use quarterdeck_kernel::Diagnostic;
use serde::de::DeserializeOwned;

pub use spanned::{Location, Spanned};

/// How deep mappings and lists may nest.
pub const MAX_DEPTH: usize = 100;

/// The stack for reading a text, in bytes; what is not used takes no memory. Each level takes much of it, more than the
/// thread of a caller may have left.
const STACK: usize = 64 << 20;

/// Reads a text; an empty one is an empty mapping. `source` is what messages call it.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse<T: DeserializeOwned + Default + Send>(text: &str, source: &str) -> Result<T, Diagnostic> {
    with_room(|| {
        let tree = node::tree(text, source)?;
        T::deserialize(read::Reader(&tree)).map_err(|mistake| mistake.diagnostic(source))
    })
    .unwrap_or_else(|error| {
        Err(Diagnostic {
            source: source.to_owned(),
            ..Diagnostic::new(format!("no thread to read it: {error}"))
        })
    })
}

/// Does something on a thread with stack for [`MAX_DEPTH`] levels.
///
/// # Errors
/// That no thread could be started.
///
/// # Panics
/// As `work` does.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    let room = std::thread::Builder::new().name("yaml".to_owned()).stack_size(STACK);
    std::thread::scope(|scope| {
        let working = room.spawn_scoped(scope, work)?;
        Ok(working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// A diagnostic at a place in a file.
#[must_use]
pub fn at(diagnostic: Diagnostic, source: &str, place: Location) -> Diagnostic {
    Diagnostic {
        source: source.to_owned(),
        line: place.line(),
        column: place.column(),
        length: place.length(),
        ..diagnostic
    }
}

//! Layered configuration with errors that say where.
//!
//! Layers, each over the one before: the file; its `[environments.NAME]` table; `quarterdeck.NAME.toml` beside it;
//! variables `QUARTERDECK_SECTION__KEY`. Tables merge key by key, everything else is replaced as a whole. `${VAR}`
//! and `${VAR:-default}` are expanded inside string values after parsing, so that no variable can break the syntax;
//! `$${` stands for `${`. Secrets are written as [`SecretRef`].
//!
//! Every key and value keeps its file, line and column through all of this, and any error of any serde type becomes
//! a [`Diagnostic`](quarterdeck_kernel::Diagnostic) there. Keys that a struct does not know are errors, whether or
//! not it says `deny_unknown_fields`. As many errors as can be told apart are told at once.

mod de;
mod error;
mod expand;
mod load;
mod merge;
mod parse;
mod secret;
mod tree;
mod watch;

pub use load::{Loaded, Sources, load};
pub use secret::{SecretRef, SecretSource};
pub use watch::Watcher;

/// The JSON Schema of a configuration type, as text.
#[must_use]
pub fn schema<T: schemars::JsonSchema>() -> String {
    serde_json::to_string_pretty(&schemars::schema_for!(T)).unwrap_or_default()
}

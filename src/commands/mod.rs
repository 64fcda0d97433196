//! What each command does.

pub mod act;
pub mod check;
pub mod client;
pub mod config;
pub mod docs;
pub mod query;
pub mod screenshot;
pub mod test;
pub mod timeline;

use std::io;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit::Failure;

/// Prints shell completions.
pub fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "quarterdeck", &mut io::stdout());
}

/// Prints the manual page.
///
/// # Errors
/// When standard output takes no more.
pub fn man() -> Result<(), Failure> {
    clap_mangen::Man::new(Cli::command())
        .render(&mut io::stdout())
        .map_err(|e| Failure::Failed(format!("the manual page cannot be written: {e}")))
}

//! What each command does.

pub mod act;
pub mod check;
pub mod client;
pub mod config;
pub mod deploy;
pub mod docs;
pub mod export;
pub mod import;
mod pinned;
pub mod query;
pub mod screenshot;
pub mod test;
pub mod timeline;

use std::io::{self, Write};

use clap::CommandFactory;
use quarterdeck_widgets::text::clean;

use crate::cli::Cli;
use crate::exit::Failure;

/// Prints a line that may hold text from outside: nothing in it steers the terminal.
fn say(line: &str) {
    say_exactly(&clean(line));
}

/// Prints a line for programs, as it is.
fn say_exactly(line: &str) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        // Whoever read this has gone: `head` has seen enough. Anything else is a failure that nobody could be told of.
        std::process::exit(i32::from(error.kind() != io::ErrorKind::BrokenPipe));
    }
}

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

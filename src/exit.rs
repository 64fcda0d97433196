//! How the program ends: every way has a number and a message that says what to do.

use std::process::ExitCode;

use quarterdeck_widgets::text::clean;

/// Why the program ends other than well. The numbers are told by `--help` ([`crate::cli::EXIT_CODES`]).
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Anything without a number of its own.
    #[error("{0}")]
    Failed(String),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// What was checked is not right; the findings have been printed.
    #[error("{0}")]
    NotRight(String),
    /// An action was refused.
    #[error("{0}")]
    Refused(String),
    /// No console answers.
    #[error("{0}")]
    NoConsole(String),
    /// The data directory cannot be used.
    #[error("{0}")]
    Data(String),
    /// What was waited for has not ended in time.
    #[error("{0}")]
    TimedOut(String),
}

impl Failure {
    /// The number that the process ends with.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotRight(_) => 3,
            Self::Refused(_) => 4,
            Self::NoConsole(_) => 5,
            Self::Data(_) => 6,
            Self::TimedOut(_) => 7,
        }
    }
}

/// Prints why, if it failed, and gives the exit code.
pub fn report(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                // What a file or another program said may stand in it: nothing of that steers the terminal.
                let lines: Vec<_> = text.lines().map(clean).collect();
                eprintln!("quarterdeck: {}", lines.join("\n"));
            }
            ExitCode::from(failure.code())
        }
    }
}

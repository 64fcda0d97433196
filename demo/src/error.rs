use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a part of the platform could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The role asked for does not exist.
    #[error("unknown role `{found}`: use one of {allowed}")]
    UnknownRole {
        /// What was asked for.
        found: String,
        /// The roles there are.
        allowed: String,
    },
    /// The arguments of a role do not parse.
    #[error("{0}")]
    Arguments(#[from] clap::Error),
    /// A role needs an argument that was not given.
    #[error("role {role} needs {argument}")]
    MissingArgument {
        /// The role.
        role: &'static str,
        /// The argument, as typed.
        argument: &'static str,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The ledger's database failed.
    #[error("ledger database {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A child process could not be started.
    #[error("cannot start {name}: {source}")]
    Spawn {
        /// The child.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A child process ended or did not answer before it was ready.
    #[error("{name} is not ready: {reason}")]
    NotReady {
        /// The child.
        name: String,
        /// What was seen.
        reason: String,
    },
    /// Anything else that the operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

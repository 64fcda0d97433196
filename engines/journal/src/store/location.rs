//! Where the store is.

use std::fmt;
use std::path::PathBuf;

use quarterdeck_kernel::Secret;

/// A store's place: a file of this machine, or a PostgreSQL server by URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, which may hold a password.
    Postgres(Secret),
}

impl Location {
    /// `postgres://…` and `postgresql://…` are servers, anything else is a path (`sqlite:` before it is dropped).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Self::Postgres(Secret::new(text));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        Self::Sqlite(path.into())
    }
}

/// The path, or the URL without user, password and parameters.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let url = url.expose();
                let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
                let rest = rest.split(['?', '#']).next().unwrap_or_default();
                // A password may hold an unescaped @: everything up to the last one is left out.
                let shown = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                write!(f, "postgres://{shown}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_told_apart_and_never_show_a_password() {
        assert_eq!(Location::parse("/var/x.db"), Location::Sqlite("/var/x.db".into()));
        assert_eq!(Location::parse("sqlite:///var/x.db"), Location::Sqlite("/var/x.db".into()));
        let server = Location::parse("postgres://me:s3c@ret@db:5432/ops?password=s3cret");
        assert_eq!(server.to_string(), "postgres://db:5432/ops");
        assert!(!format!("{server:?}").contains("s3c"));
    }
}

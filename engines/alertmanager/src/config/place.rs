//! Checks of settings, and mistakes with their place and what is allowed there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::time::DurationError;
use quarterdeck_yaml::{Location, Spanned};

use super::raw::Placed;
use crate::duration;

/// What is found while a file is checked.
pub(super) struct Check<'a> {
    source: &'a str,
    base: &'a Path,
    /// What is wrong.
    pub(super) mistakes: Vec<Diagnostic>,
    /// What is lawful but should be known.
    pub(super) notes: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    pub(super) fn new(source: &'a str, base: &'a Path) -> Self {
        Self { source, base, mistakes: Vec::new(), notes: Vec::new() }
    }

    /// A mistake at a place; `what` is Alertmanager's own reason where it has one.
    pub(super) fn refuse(&mut self, place: Location, what: impl Into<String>, advice: impl Into<String>) {
        self.mistakes.push(quarterdeck_yaml::at(Diagnostic::new(what).advise(advice), self.source, place));
    }

    /// Something to know at a place.
    pub(super) fn note(&mut self, place: Location, what: impl Into<String>, advice: impl Into<String>) {
        self.notes.push(quarterdeck_yaml::at(Diagnostic::new(what).advise(advice), self.source, place));
    }

    /// A path, relative ones joined to the file's folder.
    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// That at most one of two settings is there; false when both are.
    pub(super) fn not_both(&mut self, a: (&str, Option<Location>), b: (&str, Option<Location>)) -> bool {
        let (Some(_), Some(place)) = (a.1, b.1) else { return true };
        let what = format!("at most one of {} & {} must be configured", a.0, b.0);
        self.refuse(place, what, "remove one of them");
        false
    }

    /// A duration in Prometheus's notation.
    pub(super) fn duration(&mut self, setting: &Placed<String>) -> Option<Duration> {
        self.read_duration(setting, duration::parse)
    }

    /// A duration in Go's notation.
    pub(super) fn go_duration(&mut self, setting: &Placed<String>) -> Option<Duration> {
        self.read_duration(setting, duration::parse_go)
    }

    fn read_duration(
        &mut self,
        setting: &Placed<String>,
        parse: fn(&str) -> Result<Duration, DurationError>,
    ) -> Option<Duration> {
        let setting = setting.as_ref()?;
        match parse(&setting.value) {
            Ok(duration) => Some(duration),
            Err(DurationError { found }) => {
                let what = format!("not a valid duration string: {found:?}");
                self.refuse(setting.referenced, what, "write a number and a unit, as in 30s, 5m or 1h30m");
                None
            }
        }
    }
}

/// Where a setting is, if it is there.
pub(super) fn place<T>(setting: &Placed<T>) -> Option<Location> {
    setting.as_ref().map(|setting| setting.referenced)
}

/// Where a text is, if it is there and not empty.
pub(super) fn filled(setting: &Placed<String>) -> Option<Location> {
    setting.as_ref().filter(|setting| !setting.value.is_empty()).map(|setting| setting.referenced)
}

/// A text, empty when it is not there.
pub(super) fn text(setting: &Placed<String>) -> &str {
    setting.as_ref().map_or("", |setting| setting.value.as_str())
}

/// The entries of a list, none when it is not there.
pub(super) fn list<T>(setting: &Placed<Vec<T>>) -> &[T] {
    setting.as_ref().map_or(&[], |setting| setting.value.as_slice())
}

/// The value of a setting, by default what the type has by default.
pub(super) fn value<T: Copy>(setting: &Option<Spanned<T>>, default: T) -> T {
    setting.as_ref().map_or(default, |setting| setting.value)
}

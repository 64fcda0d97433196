//! Scalars of a strategy file as numbers, durations and limits; what is wrong is collected with its place.

use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::time::parse_duration;
use quarterdeck_yaml::{Location, at};

use super::raw::Word;
use crate::strategy::Limit;

/// What is wrong with a file, and what is strange.
pub(super) struct Problems<'a> {
    source: &'a str,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn error(&mut self, place: Location, message: impl Into<String>, advice: impl Into<String>) {
        self.errors.push(at(Diagnostic::new(message).advise(advice), self.source, place));
    }

    pub(super) fn warn(&mut self, place: Location, message: impl Into<String>, advice: impl Into<String>) {
        self.warnings.push(at(Diagnostic::new(message).advise(advice), self.source, place));
    }

    /// A whole number in a range; none (and said so) when it is not.
    pub(super) fn number(
        &mut self,
        word: &Word,
        what: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = word.value.trim().parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (from, to) = (range.start(), range.end());
            let allowed = if *to == u32::MAX { format!("{from} or more") } else { format!("{from} to {to}") };
            self.error(
                word.referenced,
                format!("{what} is {:?}", word.value),
                format!("write a whole number, {allowed}"),
            );
        }
        number
    }

    /// A limit of an analysis: a whole number, or -1 for none.
    pub(super) fn limit(&mut self, word: Option<&Word>, what: &str, default: i64) -> i64 {
        let Some(word) = word else { return default };
        match word.value.trim().parse() {
            Ok(limit) if (-1..=i64::from(u32::MAX)).contains(&limit) => limit,
            _ => {
                let advice = "write a whole number, or -1 for no limit";
                self.error(word.referenced, format!("{what} is {:?}", word.value), advice);
                default
            }
        }
    }

    /// Seconds as a number, or a duration with its unit; at most a year.
    pub(super) fn duration(&mut self, word: &Word, what: &str) -> Option<Duration> {
        let text = word.value.trim();
        let plain = text.parse().ok().map(Duration::from_secs);
        let duration = plain.or_else(|| parse_duration(text).ok());
        let duration = duration.filter(|duration| *duration <= Duration::from_secs(365 * 86_400));
        if duration.is_none() {
            let advice = "write seconds, or a number with a unit, as in 90s or 1h30m; at most 365d";
            self.error(word.referenced, format!("{what} is {:?}", word.value), advice);
        }
        duration
    }

    /// A number of replicas, or a percentage of them.
    pub(super) fn replicas(&mut self, word: &Word, what: &str) -> Option<Limit> {
        let text = word.value.trim();
        let limit = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Limit::Percent),
            None => text.parse().ok().filter(|count| *count <= MAX_REPLICAS).map(Limit::Count),
        };
        if limit.is_none() {
            let advice = "write a number of replicas, or a percentage up to 100%";
            self.error(word.referenced, format!("{what} is {:?}", word.value), advice);
        }
        limit
    }
}

/// Replicas of a version.
pub(super) const MAX_REPLICAS: u32 = 1000;

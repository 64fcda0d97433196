//! Full OpenMetrics validation: what the specification asks of a page beyond its grammar.

mod family;
mod groups;
mod histogram;

use std::collections::HashSet;

use quarterdeck_kernel::{Labels, Timestamp};

use super::error::ParseError;
use super::format::Format;
use super::item::Item;
use super::parser::Parser;
use family::Family;

/// What a lawful page holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageSummary {
    /// Metric families.
    pub families: usize,
    /// Samples.
    pub samples: usize,
    /// Exemplars.
    pub exemplars: usize,
}

/// Checks a page: its grammar; for OpenMetrics every rule of names, types, values, order and grouping; for the text
/// format that no series, no type and no label stands twice and types come first.
///
/// # Errors
/// The first mistake.
pub fn validate(format: Format, page: &[u8]) -> Result<PageSummary, ParseError> {
    let mut parser = Parser::new(format, page, true);
    let mut validator = Validator::default();
    loop {
        let at = parser.offset();
        let Some(item) = parser.next() else { break };
        let item = item?;
        let result = match format {
            Format::OpenMetrics => validator.item(&item),
            Format::Text => validator.text_item(&item),
        };
        result.map_err(|message| parser.error_in_line_at(at, message))?;
    }
    validator.finish().map_err(|message| parser.error_in_line_at(parser.offset(), message))?;
    Ok(validator.summary)
}

/// The families of a page so far.
#[derive(Debug, Default)]
struct Validator {
    /// Every name that a family of the page has taken, suffixes of its type included.
    taken: HashSet<String>,
    current: Option<Family>,
    /// Of a page in the text format: names with samples, and series with their times.
    sampled: HashSet<String>,
    seen: HashSet<(Labels, Option<Timestamp>)>,
    summary: PageSummary,
}

impl Validator {
    /// The text format asks less: each series once at a time, each type once and before its samples.
    fn text_item(&mut self, item: &Item<'_>) -> Result<(), String> {
        match item {
            Item::Sample(sample) => {
                self.summary.samples += 1;
                let labels = sample.to_labels().map_err(|error| error.to_string())?;
                let name = labels.name();
                // Buckets, sums and counts belong to the family without their suffix.
                let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
                for family in base.into_iter().chain([name]) {
                    self.sampled.insert(family.to_owned());
                }
                let at = sample.timestamp;
                if !self.seen.insert((labels, at)) {
                    return Err(format!("{} stands twice", sample.series));
                }
                Ok(())
            }
            Item::Type { name, .. } => {
                self.summary.families += 1;
                if !self.taken.insert(name.to_string()) {
                    return Err(format!("# TYPE of {name:?} stands twice"));
                }
                if self.sampled.contains(&**name) {
                    return Err(format!("# TYPE of {name:?} stands after its samples: put it before them"));
                }
                Ok(())
            }
            Item::Help { .. } | Item::Unit { .. } => Ok(()),
        }
    }

    fn item(&mut self, item: &Item<'_>) -> Result<(), String> {
        match item {
            Item::Type { name, kind } => self.enter(name)?.set_kind(*kind),
            Item::Help { name, .. } => self.enter(name)?.set_help(),
            Item::Unit { name, unit } => self.enter(name)?.set_unit(unit),
            Item::Sample(sample) => {
                let name = sample.name();
                let belongs = self.current.as_ref().is_some_and(|family| family.owns(&name));
                if !belongs {
                    self.finish()?;
                    self.current = Some(Family::new(name.into_owned()));
                }
                self.summary.samples += 1;
                self.summary.exemplars += usize::from(sample.exemplar.is_some());
                match &mut self.current {
                    Some(family) => family.sample(sample),
                    None => Ok(()),
                }
            }
        }
    }

    fn enter(&mut self, name: &str) -> Result<&mut Family, String> {
        if self.current.as_ref().is_none_or(|family| family.name != name) {
            self.finish()?;
            self.current = None;
        }
        Ok(self.current.get_or_insert_with(|| Family::new(name.to_owned())))
    }

    fn finish(&mut self) -> Result<(), String> {
        let Some(family) = self.current.take() else { return Ok(()) };
        self.summary.families += 1;
        for name in family.finish()? {
            if self.taken.contains(&name) {
                return Err(format!(
                    "name {name:?} is taken by an earlier family: keep each family together, named apart"
                ));
            }
            self.taken.insert(name);
        }
        Ok(())
    }
}

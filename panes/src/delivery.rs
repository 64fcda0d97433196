//! What became of a notification, in words.

use quarterdeck_alerting::model::{AttemptRecord, Outcome};
use quarterdeck_widgets::{Glyph, Role};

/// A sign, how much it matters, and words.
pub(crate) fn outcome(record: &AttemptRecord) -> (Glyph, Role, String) {
    let again = if record.possibly_duplicate { ", possibly duplicate" } else { "" };
    match record.outcome.as_ref().map(|o| &o.outcome) {
        None => (Glyph::Running, Role::Running, format!("under way{again}")),
        Some(Outcome::Delivered) => (Glyph::Done, Role::Muted, format!("delivered{again}")),
        Some(Outcome::Failed(why)) => (Glyph::Failed, Role::Critical, format!("failed: {why}{again}")),
        Some(Outcome::Unknown) => (Glyph::Warning, Role::Warning, format!("outcome unknown{again}")),
    }
}

//! The ladder of an escalation: who was paged when, who is next, and how long until then.

use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::EscalationView;
use quarterdeck_oncall::model::StepState;
use quarterdeck_oncall::words::list;
use quarterdeck_widgets::{Glyph, Look, Role, format};

use crate::lines::Details;

/// Pages shown at most.
const PAGES: usize = 12;

/// Tells an escalation step by step.
pub(crate) fn tell(details: &mut Details, escalation: &EscalationView, look: &Look, now: Timestamp) {
    let round = match escalation.rounds {
        0 | 1 => String::new(),
        rounds => format!("round {} of {rounds}", escalation.round),
    };
    details.section(format!("escalation {}", escalation.policy), round);
    details.wrapped(&escalation.words(now), Role::Text, 3);
    for step in &escalation.steps {
        let left = |at: Timestamp| format!("in {}", format::countdown(at.as_millis() - now.as_millis()));
        let (glyph, role, when) = match step.state {
            StepState::Done(at) => (Glyph::Done, Role::Muted, look.when(at, now)),
            StepState::Current(at) => (Glyph::Running, Role::Running, look.when(at, now)),
            StepState::Passed => (Glyph::Missing, Role::Muted, "reached nobody".to_owned()),
            StepState::Due(at) => (Glyph::Unknown, Role::Text, left(at)),
            StepState::Ahead => (Glyph::Unknown, Role::Faint, String::new()),
        };
        let targets = list(&step.targets);
        let who = if step.who.is_empty() { String::new() } else { list(&step.who) };
        let whom = if who.is_empty() || who == targets { targets } else { format!("{who} ({targets})") };
        let number = format!(" {}  ", step.number);
        details.pieces([
            (look.glyph(glyph), role),
            (&number, Role::Muted),
            (&format!("{whom:<24}  "), role),
            (&when, role),
        ]);
    }
    let skipped = escalation.pages.len().saturating_sub(PAGES);
    for page in &escalation.pages[skipped..] {
        let names: Vec<String> = page
            .recipients
            .iter()
            .map(|to| to.person.clone().unwrap_or_else(|| to.channel.clone()))
            .collect();
        let again = page.resent.map_or("", |_| ", sent once more after a restart");
        details.pieces([
            (&look.when(page.at, now), Role::Faint),
            (&format!(" page {} to {}{again}", page.number, list(&names)), Role::Muted),
        ]);
    }
    let dropped = escalation.dropped_pages + skipped;
    if dropped > 0 {
        details.pieces([(&format!("and {dropped} earlier pages"), Role::Faint)]);
    }
}

//! The ladder of an escalation: who was paged when and whether it reached them, who is next, and how long until then.

use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::EscalationView;
use quarterdeck_oncall::escalation::{Outcome, PageState, Recipient};
use quarterdeck_oncall::model::{StepState, StepView};
use quarterdeck_oncall::words::list;
use quarterdeck_widgets::{Glyph, Look, Role, format, text};

use crate::lines::Details;

/// Earlier pages shown at most.
const PAGES: usize = 12;
/// Recipients of one page shown at most.
const RECIPIENTS: usize = 16;
/// The least width of the names in the ladder, so that times stand under each other.
const NAMES: usize = 24;

/// Tells an escalation step by step.
pub(crate) fn tell(details: &mut Details, escalation: &EscalationView, look: &Look, now: Timestamp) {
    let round = match escalation.rounds {
        0 | 1 => String::new(),
        rounds => format!("round {} of {rounds}", escalation.round),
    };
    details.section(format!("escalation {}", escalation.policy), round);
    details.wrapped(&escalation.words(now), Role::Text, 3);
    let mut told: Vec<u32> = Vec::new();
    for (index, step) in escalation.steps.iter().enumerate() {
        let of_step = |page: &&PageState| page.step == Some(index) && page.round + 1 == escalation.round;
        let pages: Vec<&PageState> = escalation.pages.iter().filter(of_step).collect();
        rung(details, step, pages.last().copied(), look, now);
        for page in pages {
            told.push(page.number);
            recipients(details, page, look, now);
        }
    }
    let rest: Vec<&PageState> = escalation.pages.iter().filter(|p| !told.contains(&p.number)).collect();
    let skipped = rest.len().saturating_sub(PAGES);
    for page in &rest[skipped..] {
        let why = match page.step {
            Some(step) => format!(" step {} of round {}", step + 1, page.round + 1),
            None => format!(" {}", page.cause.words()),
        };
        details.pieces([(&look.when(page.at, now), Role::Faint), (&why, Role::Muted)]);
        recipients(details, page, look, now);
    }
    let dropped = escalation.dropped_pages + skipped;
    if dropped > 0 {
        details.pieces([(&format!("and {dropped} earlier pages"), Role::Faint)]);
    }
}

fn rung(details: &mut Details, step: &StepView, page: Option<&PageState>, look: &Look, now: Timestamp) {
    let left = |at: Timestamp| format!("in {}", format::countdown(at.as_millis() - now.as_millis()));
    let (glyph, role, when) = match (step.state, page) {
        // What was paged is as good as what came of it.
        (StepState::Done(at) | StepState::Current(at), Some(page)) => {
            let (glyph, role) = sum(page);
            (glyph, role, look.when(at, now))
        }
        (StepState::Done(at) | StepState::Current(at), None) => {
            (Glyph::Done, Role::Muted, look.when(at, now))
        }
        (StepState::Passed, _) => (Glyph::Missing, Role::Muted, "reached nobody".to_owned()),
        (StepState::Due(at), _) => (Glyph::Unknown, Role::Text, left(at)),
        (StepState::Ahead, _) => (Glyph::Unknown, Role::Faint, String::new()),
    };
    let targets = list(&step.targets);
    let who = if step.who.is_empty() { String::new() } else { list(&step.who) };
    let whom = if who.is_empty() || who == targets { targets } else { format!("{who} ({targets})") };
    let number = format!(" {}  ", step.number);
    details.pieces([
        (look.glyph(glyph), role),
        (&number, Role::Muted),
        (&padded(&whom, NAMES), role),
        ("  ", role),
        (&when, role),
    ]);
}

/// What came of a page as a whole: that it reached somebody is what counts.
fn sum(page: &PageState) -> (Glyph, Role) {
    let any = |wanted: fn(&Recipient) -> bool| page.recipients.iter().any(wanted);
    if any(|to| matches!(to.outcome, Some(Outcome::Delivered(_)))) {
        (Glyph::Done, Role::Text)
    } else if any(|to| to.outcome.is_none()) {
        (Glyph::Running, Role::Running)
    } else if any(|to| matches!(to.outcome, Some(Outcome::Failed(..)))) {
        (Glyph::Failed, Role::Critical)
    } else {
        (Glyph::Missing, Role::Muted)
    }
}

/// What came of a page for each of whom it was sent to.
fn recipients(details: &mut Details, page: &PageState, look: &Look, now: Timestamp) {
    for to in page.recipients.iter().take(RECIPIENTS) {
        let (glyph, role, outcome) = outcome(to, look, now);
        let name = match &to.person {
            Some(person) if *person != to.channel => format!("{person} by {}", to.channel),
            _ => to.channel.clone(),
        };
        let again = page.resent.map_or("", |_| ", possibly twice (sent again after a restart)");
        let (before, name) = ("     ", format!("{}  ", padded(&name, NAMES - 2)));
        // Why something failed is read whole.
        let room = details.width().saturating_sub(text::width(before) + text::width(&name) + 2);
        let mut lines = text::wrap(&format!("{outcome}{again}"), room.max(16)).into_iter();
        let first = lines.next().unwrap_or_default();
        details.pieces([
            (before, Role::Text),
            (look.glyph(glyph), role),
            (" ", role),
            (&name, Role::Text),
            (&first, role),
        ]);
        for line in lines.take(3) {
            let indent = " ".repeat(text::width(before) + 2 + text::width(&name));
            details.pieces([(&indent, Role::Text), (&line, role)]);
        }
    }
    let more = page.recipients.len().saturating_sub(RECIPIENTS);
    if more > 0 {
        details.pieces([(&format!("     and {more} more"), Role::Faint)]);
    }
}

fn outcome(to: &Recipient, look: &Look, now: Timestamp) -> (Glyph, Role, String) {
    match &to.outcome {
        None => (Glyph::Running, Role::Running, "on its way".to_owned()),
        Some(Outcome::Delivered(at)) => {
            (Glyph::Done, Role::Muted, format!("delivered {}", look.when(*at, now)))
        }
        Some(Outcome::Failed(at, why)) => {
            let why = crate::trouble::plain(why);
            (Glyph::Failed, Role::Critical, format!("failed {}: {why}", look.when(*at, now)))
        }
        Some(Outcome::Withdrawn(_)) => (Glyph::Missing, Role::Muted, "over before it was known".to_owned()),
    }
}

fn padded(name: &str, width: usize) -> String {
    let missing = width.saturating_sub(text::width(name));
    format!("{name}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quarterdeck_kernel::Severity;
    use quarterdeck_oncall::escalation::{Cause, State};
    use quarterdeck_oncall::model::NextView;

    use super::*;
    use crate::lines::Line;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_773_066_727_000 + seconds * 1000)
    }

    fn recipient(person: &str, channel: &str, outcome: Option<Outcome>) -> Recipient {
        Recipient { person: Some(person.into()), channel: channel.into(), because: String::new(), outcome }
    }

    fn told(outcomes: [Option<Outcome>; 2]) -> Vec<String> {
        let [first, second] = outcomes;
        let step = |number: usize, who: &str, state| StepView {
            number,
            targets: vec![who.to_owned()],
            who: vec![who.to_owned()],
            wait: Duration::from_secs(300),
            state,
        };
        let page = PageState {
            number: 1,
            at: at(-108),
            step: Some(0),
            round: 0,
            cause: Cause::Step,
            recipients: vec![recipient("ops-1", "pager", first), recipient("ops-1", "mail", second)],
            resent: None,
        };
        let escalation = EscalationView {
            key: "k".to_owned(),
            title: "t".to_owned(),
            severity: Severity::Critical,
            service: None,
            policy: "trading".to_owned(),
            opened: at(-108),
            state: State::Paging,
            owner: None,
            steps: vec![
                step(1, "ops-1", StepState::Current(at(-108))),
                step(2, "ops-2", StepState::Due(at(192))),
            ],
            round: 1,
            rounds: 1,
            pages: vec![page],
            dropped_pages: 0,
            next: Some(NextView { at: at(192), what: "paging ops-2".to_owned() }),
        };
        let mut details = Details::new(80);
        let look = Look::default();
        tell(&mut details, &escalation, &look, at(0));
        let text = |line: &Line| match line {
            Line::Section(title, _) => title.clone(),
            Line::Text(pieces) | Line::Signed(_, _, pieces) => {
                pieces.iter().map(|(piece, _)| piece.as_str()).collect()
            }
        };
        details.lines.iter().map(text).collect()
    }

    #[test]
    fn a_step_is_what_came_of_its_page_and_the_next_counts_down() {
        let lines = told([Some(Outcome::Delivered(at(-107))), None]);
        assert!(lines[2].starts_with("✔ 1  ops-1") && lines[2].ends_with("14:30:19"), "{lines:#?}");
        assert!(
            lines[3].contains("✔ ops-1 by pager") && lines[3].ends_with("delivered 14:30:20"),
            "{lines:#?}"
        );
        assert!(lines[4].contains("⟳ ops-1 by mail") && lines[4].ends_with("on its way"), "{lines:#?}");
        assert!(lines[5].starts_with("◌ 2  ops-2") && lines[5].ends_with("in 3:12"), "{lines:#?}");
    }

    #[test]
    fn a_page_that_reached_nobody_says_why() {
        let failed = || Some(Outcome::Failed(at(-100), "Connection refused (os error 111)".to_owned()));
        let lines = told([failed(), failed()]);
        assert!(lines[2].starts_with("✖ 1  ops-1"), "{lines:#?}");
        let why = "✖ ops-1 by pager          failed 14:30:27: nothing listens there";
        assert!(lines[3].contains(why), "{lines:#?}");
        assert!(told([None, failed()])[2].starts_with("⟳"), "somebody may still be reached");
    }
}

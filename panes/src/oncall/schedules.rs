//! Schedules: who is on call, who is next, and why; the shifts ahead, overrides.

use std::borrow::Cow;

use quarterdeck_oncall::ScheduleView;
use quarterdeck_ui::Context;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, format};

use super::rows::ViewRows;
use crate::World;
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 6] = [
    Column::flex("schedule", "SCHEDULE", 10).weight(2).at_most(24),
    Column::flex("now", "ON CALL NOW", 12).weight(2).at_most(28),
    Column::fixed("until", "UNTIL", 13),
    Column::flex("next", "NEXT", 10).weight(2).at_most(28),
    Column::number("in", "IN", 8).priority(1),
    Column::flex("why", "WHY", 24).weight(4).priority(2),
];

/// Shifts and overrides listed at most.
const MOST: usize = 40;

/// A person as people know them: the full name where there is one.
fn person(rows: &ViewRows, id: Option<&str>) -> String {
    let Some(id) = id else { return "nobody".to_owned() };
    match rows.view.oncall.persons.get(id).filter(|name| !name.is_empty() && name.as_str() != id) {
        Some(name) => format!("{id} ({name})"),
        None => id.to_owned(),
    }
}

pub(super) fn text(rows: &ViewRows, row: usize, column: usize) -> Cow<'_, str> {
    let schedule = &rows.view.oncall.schedules[row];
    let who = &schedule.who;
    match COLUMNS[column].id {
        "schedule" => (&*schedule.name).into(),
        "now" => person(rows, who.now.person.as_deref()).into(),
        "until" => match schedule.hand_over() {
            Some(at) => rows.look.when(at, rows.now).into(),
            None => "·".into(),
        },
        "next" => match &who.next {
            Some(next) => person(rows, next.person.as_deref()).into(),
            None => "·".into(),
        },
        "in" => match &who.next {
            Some(next) => format::age(next.from.as_millis() - rows.now.as_millis()).into(),
            None => "·".into(),
        },
        _ => who.why.as_str().into(),
    }
}

pub(super) fn order(rows: &ViewRows, row: usize, column: usize) -> Order<'_> {
    let schedule = &rows.view.oncall.schedules[row];
    let at = match COLUMNS[column].id {
        "until" => schedule.hand_over(),
        "in" => schedule.who.next.as_ref().map(|next| next.from),
        _ => return Order::Text(text(rows, row, column)),
    };
    at.map_or(Order::Missing, |at| Order::Number(at.as_millis() as f64))
}

pub(super) fn draw(rows: &ViewRows, row: usize, column: usize, cell: &mut CellPainter<'_>) {
    let nobody = rows.view.oncall.schedules[row].who.now.person.is_none();
    let text = text(rows, row, column);
    match COLUMNS[column].id {
        // A gap needs a person: nobody would be paged.
        "now" if nobody => cell.role(&text, Role::Critical),
        "schedule" | "now" => cell.text(&text),
        _ => cell.role(&text, Role::Muted),
    }
}

/// Why, the shifts ahead, overrides.
pub(super) fn tell(details: &mut Details, cx: &Context<'_, World>, schedule: &ScheduleView) {
    let (look, now) = (cx.look, cx.world.now);
    if !schedule.description.is_empty() {
        details.wrapped(&schedule.description, Role::Muted, 3);
    }
    details.wrapped(&schedule.who.why, Role::Text, 4);
    let gaps = match schedule.gaps.len() {
        0 => String::new(),
        1 => "nobody once".to_owned(),
        n => format!("nobody {n} times"),
    };
    details.section(format!("shifts ahead · {}", look.zone_name(now)), gaps);
    for shift in schedule.shifts.iter().take(MOST) {
        let when = format!("{} – {}", look.when(shift.from, now), look.when(shift.until, now));
        let (who, role) = match &shift.person {
            Some(person) => (person.to_string(), Role::Text),
            None => ("nobody".to_owned(), Role::Critical),
        };
        let origin = if shift.person.is_some() { shift.origin.as_str() } else { "" };
        let ahead = if shift.from <= now { Role::Running } else { Role::Muted };
        details.pieces([
            (&format!("{when:<29}  "), ahead),
            (&format!("{who:<14}  "), role),
            (origin, Role::Muted),
        ]);
    }
    if schedule.shifts.len() > MOST {
        details.pieces([(&format!("and {} more", schedule.shifts.len() - MOST), Role::Faint)]);
    }
    let overrides: Vec<_> =
        cx.world.alerting.oncall.overrides.iter().filter(|o| o.schedule == *schedule.name).collect();
    details.section("overrides", "");
    if overrides.is_empty() {
        details.wrapped("none", Role::Muted, 1);
    }
    for change in overrides.into_iter().take(MOST) {
        let when = format!("{} – {}", look.when(change.from, now), look.when(change.until, now));
        let instead = change.replaces.as_ref().map(|who| format!(" for {who}")).unwrap_or_default();
        let why = change.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        details.pieces([
            (&format!("{when:<29}  "), Role::Muted),
            (&change.person, Role::Text),
            (&format!("{instead}, by {}{why}  ", change.by), Role::Muted),
            (&change.id, Role::Faint),
        ]);
    }
}

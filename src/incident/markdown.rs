//! An incident as Markdown.

use std::fmt::Write;

use quarterdeck_kernel::{Entry, Labels};

use super::report::{AlertFacts, Event, Incident, lasting, when};

/// The incident as a document. What comes from outside is text in it, never markup.
pub(super) fn text(incident: &Incident) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write_all(&mut out, incident);
    out
}

fn write_all(out: &mut String, incident: &Incident) -> std::fmt::Result {
    writeln!(out, "# {}\n", plain(&incident.title))?;
    if let Some(alert) = incident.leading() {
        writeln!(out, "{}\n", headline(incident, alert))?;
        times(out, incident, alert)?;
    }
    for chart in &incident.charts {
        match (&chart.png, &chart.why_not) {
            (Some(_), _) => {
                writeln!(out, "![{} over time]({})\n", plain(&chart.alert), chart.file)?;
                let limit =
                    chart.threshold.map(|(op, value)| format!(", fires {op} {value}")).unwrap_or_default();
                writeln!(
                    out,
                    "{}{limit}; {} to {} UTC\n",
                    code(&chart.series),
                    when(chart.from),
                    when(chart.to)
                )?;
            }
            (None, Some(why)) => writeln!(out, "No chart of {}: {}.\n", plain(&chart.alert), plain(why))?,
            (None, None) => {}
        }
    }
    changed(out, incident)?;
    paged(out, incident)?;
    notifications(out, incident)?;
    writeln!(out, "## Timeline\n")?;
    if incident.more_timeline {
        writeln!(out, "Only the newest {} entries are listed.\n", incident.timeline.len())?;
    }
    if incident.timeline.is_empty() {
        writeln!(out, "The timeline tells nothing of that time.\n")?;
    } else {
        writeln!(out, "| UTC | kind | who | what |\n| --- | --- | --- | --- |")?;
        incident.timeline.iter().try_for_each(|entry| timeline_row(out, entry))?;
        writeln!(out)?;
    }
    writeln!(out, "## Alerts\n")?;
    incident.alerts.iter().try_for_each(|alert| alert_section(out, alert))?;
    if incident.more_alerts > 0 {
        writeln!(out, "And {} more alerts of the same group.\n", incident.more_alerts)?;
    }
    writeln!(
        out,
        "Written {} UTC by quarterdeck {} ({}). All times are UTC.",
        when(incident.at),
        incident.version,
        plain(&incident.environment)
    )
}

/// The incident in one paragraph.
fn headline(incident: &Incident, alert: &AlertFacts) -> String {
    let mut told = format!("**{}**, {}", alert.severity, alert.state);
    match &alert.resolved {
        Some(end) => told.push_str(&format!(" after {}", lasting(alert.fired, end.at))),
        None => told.push_str(&format!(" for {}", lasting(alert.fired, incident.at))),
    }
    if !alert.summary.is_empty() {
        told.push_str(&format!(": {}", plain(&alert.summary)));
    }
    told.push('.');
    if let Some(suspect) = incident.suspects.first() {
        told.push_str(&format!(
            " Most likely cause ({:.0} %): {}, by {}.",
            suspect.likely * 100.0,
            plain(&suspect.entry.summary),
            plain(&suspect.entry.actor.user)
        ));
    }
    told
}

fn times(out: &mut String, incident: &Incident, alert: &AlertFacts) -> std::fmt::Result {
    writeln!(out, "| | UTC | after | |\n| --- | --- | --- | --- |")?;
    let mut row = |what: &str, event: Option<&Event>, at: Option<quarterdeck_kernel::Timestamp>| {
        let Some(at) = at.or(event.map(|e| e.at)) else { return writeln!(out, "| {what} | not yet | | |") };
        let who = event.map(by).unwrap_or_default();
        writeln!(out, "| {what} | {} | {} | {who} |", when(at), lasting(alert.began, at))
    };
    row("began", None, Some(alert.began))?;
    row("fired", None, Some(alert.fired))?;
    row("told", None, alert.told)?;
    row("acknowledged", alert.acknowledged.as_ref(), None)?;
    row("resolved", alert.resolved.as_ref(), None)?;
    writeln!(out)?;
    if let Some(owner) = &alert.owner {
        writeln!(out, "Owner: {}.\n", plain(owner))?;
    }
    if let Some(group) = incident.group.as_ref().filter(|group| !group.is_empty()) {
        writeln!(out, "Group: {}.\n", labels(group))?;
    }
    Ok(())
}

/// Who did it, with their words.
fn by(event: &Event) -> String {
    let who = event.by.as_deref().map_or_else(|| event.what.clone(), |who| format!("by {}", plain(who)));
    match &event.note {
        Some(note) => format!("{who}: {}", plain(note)),
        None => who,
    }
}

fn changed(out: &mut String, incident: &Incident) -> std::fmt::Result {
    writeln!(out, "## What changed before\n")?;
    if incident.suspects.is_empty() {
        return writeln!(out, "Nothing that the timeline knows changed in the two hours before.\n");
    }
    writeln!(out, "| likely | before | change | who | why | |\n| --- | --- | --- | --- | --- | --- |")?;
    for suspect in &incident.suspects {
        let undo = match (&suspect.entry.undone_by, suspect.undo) {
            (Some(_), _) => "undone",
            (None, true) => "can be undone",
            (None, false) => "",
        };
        writeln!(
            out,
            "| {:.0} % | {} | {} | {} | {} | {undo} |",
            suspect.likely * 100.0,
            quarterdeck_services::words::ago(suspect.before),
            plain(&suspect.entry.summary),
            plain(&suspect.entry.actor.user),
            plain(&suspect.why)
        )?;
    }
    let older = if incident.changes_left_out { " Older ones were left out." } else { "" };
    writeln!(out, "\n{} changes were weighed.{older}\n", incident.considered)
}

fn paged(out: &mut String, incident: &Incident) -> std::fmt::Result {
    writeln!(out, "## Who was paged\n")?;
    if incident.pages.is_empty() {
        return writeln!(out, "Nobody: no escalation was under way.\n");
    }
    writeln!(out, "| UTC | step | who | by | because | outcome |\n| --- | --- | --- | --- | --- | --- |")?;
    for page in &incident.pages {
        let outcome = match page.outcome_at {
            Some(at) => format!("{} {}", plain(&page.outcome), when(at)),
            None => plain(&page.outcome),
        };
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {outcome} |",
            when(page.at),
            plain(&page.step),
            plain(page.person.as_deref().unwrap_or("–")),
            plain(&page.channel),
            plain(&page.because)
        )?;
    }
    writeln!(out)
}

fn notifications(out: &mut String, incident: &Incident) -> std::fmt::Result {
    writeln!(out, "## Notifications\n")?;
    if incident.notifications.is_empty() {
        return writeln!(out, "None in the log.\n");
    }
    if incident.more_notifications > 0 {
        writeln!(out, "{} earlier ones are left out.\n", incident.more_notifications)?;
    }
    writeln!(out, "| UTC | to | why | outcome |\n| --- | --- | --- | --- |")?;
    for sent in &incident.notifications {
        let tries = if sent.tries > 1 { format!(" after {} tries", sent.tries) } else { String::new() };
        let (to, outcome) = (plain(&sent.to), plain(&sent.outcome));
        writeln!(out, "| {} | {to} | {} | {outcome}{tries} |", when(sent.at), sent.reason)?;
    }
    writeln!(out)
}

fn timeline_row(out: &mut String, entry: &Entry) -> std::fmt::Result {
    let why = entry.reason.as_deref().map(|why| format!(" ({})", plain(why))).unwrap_or_default();
    writeln!(
        out,
        "| {} | {} | {} | {}{why} |",
        when(entry.at),
        entry.kind.as_str(),
        plain(&entry.actor.user),
        plain(&entry.summary)
    )
}

fn alert_section(out: &mut String, alert: &AlertFacts) -> std::fmt::Result {
    let service = alert.service.as_deref().map(|s| format!(" of {}", plain(s))).unwrap_or_default();
    writeln!(out, "### {}{service}\n", plain(&alert.name))?;
    writeln!(out, "{}, {}, fired {} UTC\n", alert.severity, alert.state, when(alert.fired))?;
    writeln!(out, "- labels: {}", labels(&alert.labels))?;
    for (name, value) in alert.annotations.iter() {
        writeln!(out, "- {}: {}", plain(name), plain(value))?;
    }
    if let Some(query) = &alert.query {
        writeln!(out, "- query: {}", code(query))?;
    }
    if !alert.link.is_empty() {
        writeln!(out, "- source: {}", code(&alert.link))?;
    }
    for event in &alert.history {
        writeln!(out, "- {} {}: {}", when(event.at), event.what, by(event))?;
    }
    writeln!(out)
}

fn labels(labels: &Labels) -> String {
    let list: Vec<String> = labels.iter().map(|(name, value)| code(&format!("{name}={value}"))).collect();
    list.join(" ")
}

/// Text in which nothing is markup, on one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in quarterdeck_widgets::text::clean(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '!' | '~' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text as code: between more backticks than it has in a row, with bars that end no cell.
fn code(text: &str) -> String {
    let text: String = quarterdeck_widgets::text::clean(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_never_markup() {
        assert_eq!(plain("a|b\n# <b>*x*</b> [y](z)"), r"a\|b \# \<b\>\*x\*\</b\> \[y\](z)");
        assert_eq!(code("a`b"), "`` a`b ``");
        assert!(!plain("\u{1b}[31mred").contains('\u{1b}'));
    }
}

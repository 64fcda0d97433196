//! Routes, inhibition rules and time intervals: from what is written to what is meant.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::MatchOp;
use quarterdeck_kernel::labels::is_legacy_label_name;
use quarterdeck_kernel::suggest::nearest;
use quarterdeck_yaml::{Location, Spanned};

use super::place::{Check, filled, list, place, text, value};
use super::raw::{self, Placed, Texts};
use crate::inhibit::InhibitRule;
use crate::interval::{self, IntervalError, TimeInterval, TimeIntervals};
use crate::matcher::{Matcher, MatcherError, Matchers};
use crate::route::{GroupBy, RouteSpec};

/// Names that routes may use.
pub(super) struct Known<'a> {
    pub(super) receivers: HashSet<&'a str>,
    pub(super) intervals: &'a TimeIntervals,
}

fn all_equal(check: &mut Check<'_>, settings: &Placed<Texts>, matchers: &mut Vec<Matcher>) {
    for (name, value) in settings.iter().flat_map(|settings| &settings.value) {
        let place = place(value).or(self::place(settings)).unwrap_or(Location::UNKNOWN);
        classic_name(check, name, place);
        matchers.push(Matcher::equal(name.as_str(), text(value)));
    }
}

fn all_match(check: &mut Check<'_>, settings: &Placed<Texts>, matchers: &mut Vec<Matcher>) {
    for (name, value) in settings.iter().flat_map(|settings| &settings.value) {
        let whole = place(value).or(self::place(settings)).unwrap_or(Location::UNKNOWN);
        classic_name(check, name, whole);
        let Some(pattern) = value else {
            let what = format!("invalid regexp value for {name:?}");
            check.refuse(whole, what, "write a regular expression behind the name");
            continue;
        };
        // The file's own pattern first: what is wrong with it is told about it, not about what is made of it.
        let read = Matcher::new(MatchOp::Regex, name.as_str(), pattern.value.as_str())
            .and_then(|_| Matcher::new(MatchOp::Regex, name.as_str(), format!("^(?:{})$", pattern.value)));
        match read {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => refuse_matcher(check, pattern, &error),
        }
    }
}

fn all_written(check: &mut Check<'_>, settings: &Placed<Vec<Spanned<String>>>, matchers: &mut Vec<Matcher>) {
    for setting in list(settings) {
        match Matchers::parse(&setting.value) {
            Ok(read) => matchers.extend(read.iter().cloned()),
            Err(error) => refuse_matcher(check, setting, &error),
        }
    }
}

fn refuse_matcher(check: &mut Check<'_>, setting: &Spanned<String>, error: &MatcherError) {
    let advice = match error {
        MatcherError::Pattern { .. } => "regular expressions are RE2's, anchored at both ends",
        _ => "write name=\"value\", with =, !=, =~ or !~",
    };
    check.refuse(setting.referenced, error.to_string(), advice);
}

fn classic_name(check: &mut Check<'_>, name: &str, place: Location) {
    if !is_legacy_label_name(name) {
        let what = format!("invalid label name {name:?}");
        check.refuse(place, what, "write letters, digits and _; other names are for `matchers`");
    }
}

/// The routing tree under the root.
pub(super) fn root(check: &mut Check<'_>, raw: &Spanned<raw::Route>, known: &Known<'_>) -> RouteSpec {
    let (root, whole) = (&raw.value, raw.referenced);
    if filled(&root.receiver).is_none() {
        check.refuse(whole, "root route must specify a default receiver", "add receiver");
    }
    let any =
        |texts: &Placed<Texts>| texts.as_ref().filter(|texts| !texts.value.is_empty()).map(|t| t.referenced);
    let some = |entries: &Placed<Vec<Spanned<String>>>| {
        entries.as_ref().filter(|entries| !entries.value.is_empty()).map(|entries| entries.referenced)
    };
    if let Some(place) = any(&root.equal).or(any(&root.match_re)).or(some(&root.matchers)) {
        let what = "root route must not have any matchers";
        check.refuse(place, what, "move them to a route under `routes`: the root takes every alert");
    }
    if let Some(place) = some(&root.mute_time_intervals) {
        let what = "root route must not have any mute time intervals";
        check.refuse(place, what, "move them to a route under `routes`");
    }
    if let Some(place) = some(&root.active_time_intervals) {
        let what = "root route must not have any active time intervals";
        check.refuse(place, what, "move them to a route under `routes`");
    }
    if let Some(continues) = root.continues.as_ref().filter(|continues| continues.value) {
        check.refuse(
            continues.referenced,
            "cannot have continue in root route",
            "remove it: the root has no siblings",
        );
    }
    route(check, root, known)
}

/// A route with its children, names not yet inherited.
pub(super) fn route(check: &mut Check<'_>, raw: &raw::Route, known: &Known<'_>) -> RouteSpec {
    let mut matchers = Vec::new();
    all_equal(check, &raw.equal, &mut matchers);
    all_match(check, &raw.match_re, &mut matchers);
    all_written(check, &raw.matchers, &mut matchers);
    if let Some(receiver) = &raw.receiver
        && !receiver.value.is_empty()
        && !known.receivers.contains(receiver.value.as_str())
    {
        let what = format!("undefined receiver {:?} used in route", receiver.value);
        check.refuse(
            receiver.referenced,
            what,
            did_you_mean(&receiver.value, known.receivers.iter().copied(), "receivers"),
        );
    }
    RouteSpec {
        receiver: filled(&raw.receiver).map(|_| text(&raw.receiver).into()),
        group_by: group_by(check, &raw.group_by),
        matchers: Matchers::new(matchers).sorted(),
        continues: value(&raw.continues, false),
        group_wait: check.duration(&raw.group_wait),
        group_interval: not_zero(check, "group_interval", &raw.group_interval),
        repeat_interval: not_zero(check, "repeat_interval", &raw.repeat_interval),
        mute_time_intervals: intervals_used(check, &raw.mute_time_intervals, known),
        active_time_intervals: intervals_used(check, &raw.active_time_intervals, known),
        labels: labels(check, &raw.labels),
        routes: list(&raw.routes).iter().map(|child| route(check, &child.value, known)).collect(),
    }
}

/// Labels by name, templates or not.
pub(super) fn labels(check: &mut Check<'_>, raw: &Placed<Texts>) -> Vec<(Arc<str>, Arc<str>)> {
    let mut labels = Vec::new();
    for (name, value) in raw.iter().flat_map(|labels| &labels.value) {
        if name.is_empty() {
            check.refuse(
                place(raw).unwrap_or(Location::UNKNOWN),
                "invalid label name \"\"",
                "give the label a name",
            );
        }
        labels.push((name.as_str().into(), text(value).into()));
    }
    labels
}

fn did_you_mean<'a>(found: &str, names: impl Iterator<Item = &'a str>, section: &str) -> String {
    match nearest(found, names) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("add it to `{section}`"),
    }
}

fn not_zero(check: &mut Check<'_>, name: &str, setting: &Placed<String>) -> Option<Duration> {
    let duration = check.duration(setting)?;
    if duration.is_zero() {
        let place = place(setting).unwrap_or(Location::UNKNOWN);
        check.refuse(place, format!("{name} cannot be zero"), "write how long, as in 5m");
    }
    Some(duration)
}

fn group_by(check: &mut Check<'_>, setting: &Placed<Vec<Spanned<String>>>) -> Option<GroupBy> {
    let names = setting.as_ref()?;
    let mut seen = HashSet::new();
    let mut all = false;
    for name in &names.value {
        match name.value.as_str() {
            "..." => all = true,
            "" => check.refuse(name.referenced, "invalid label name \"\" in group_by list", "name a label"),
            label if !seen.insert(label) => {
                let what = format!("duplicated label {label:?} in group_by");
                check.refuse(name.referenced, what, "remove one of them");
            }
            _ => {}
        }
    }
    if !all {
        return Some(GroupBy::labels(seen));
    }
    if !seen.is_empty() {
        let what = "cannot have wildcard group_by (`...`) and other labels at the same time";
        check.refuse(names.referenced, what, "keep '...' alone, or the labels");
    }
    Some(GroupBy::All)
}

fn intervals_used(
    check: &mut Check<'_>,
    setting: &Placed<Vec<Spanned<String>>>,
    known: &Known<'_>,
) -> Vec<Arc<str>> {
    let used = list(setting).iter().map(|name| {
        if known.intervals.get(&name.value).is_none() {
            let what = format!("undefined time interval {:?} used in route", name.value);
            let names = known.intervals.iter().map(|(name, _)| &**name);
            check.refuse(name.referenced, what, did_you_mean(&name.value, names, "time_intervals"));
        }
        name.value.as_str().into()
    });
    used.collect()
}

/// An inhibition rule.
pub(super) fn inhibit_rule(check: &mut Check<'_>, raw: &raw::InhibitRule) -> InhibitRule {
    let (mut source, mut target) = (Vec::new(), Vec::new());
    all_equal(check, &raw.source_match, &mut source);
    all_match(check, &raw.source_match_re, &mut source);
    all_written(check, &raw.source_matchers, &mut source);
    all_equal(check, &raw.target_match, &mut target);
    all_match(check, &raw.target_match_re, &mut target);
    all_written(check, &raw.target_matchers, &mut target);
    let mut equal: Vec<Arc<str>> = Vec::new();
    for name in list(&raw.equal) {
        if name.value.is_empty() {
            check.refuse(name.referenced, "invalid label name \"\" in equal list", "name a label");
        }
        equal.push(name.value.as_str().into());
    }
    equal.sort();
    equal.dedup();
    InhibitRule {
        name: filled(&raw.name).map(|_| text(&raw.name).into()),
        source: Matchers::new(source).sorted(),
        target: Matchers::new(target).sorted(),
        equal,
    }
}

/// Both lists of named time intervals; the older one first.
pub(super) fn intervals(check: &mut Check<'_>, file: &raw::File) -> TimeIntervals {
    let mut seen = HashSet::new();
    let mut named = Vec::new();
    let older = list(&file.mute_time_intervals).iter().map(|entry| ("mute time interval", entry));
    let newer = list(&file.time_intervals).iter().map(|entry| ("time interval", entry));
    for (kind, entry) in older.chain(newer) {
        let name = text(&entry.value.name);
        let place = place(&entry.value.name).unwrap_or(entry.referenced);
        if name.is_empty() {
            check.refuse(place, format!("missing name in {kind}"), "add name");
        } else if !seen.insert(name) {
            check.refuse(place, format!("{kind} {name:?} is not unique"), "give each a name of its own");
        }
        let parts = list(&entry.value.time_intervals);
        named.push((name.into(), parts.iter().map(|part| time_interval(check, &part.value)).collect()));
    }
    named.into_iter().collect()
}

/// One interval.
pub(super) fn time_interval(check: &mut Check<'_>, raw: &raw::TimeInterval) -> TimeInterval {
    let location = raw.location.as_ref().and_then(|name| {
        let read = interval::zone(&name.value);
        told(check, name.referenced, read, "write a name of the IANA database, as in Europe/Berlin")
    });
    TimeInterval {
        times: raw.times.as_ref().map(|times| {
            let read = times.value.iter().filter_map(|time| {
                let read = interval::time_range(text(&time.value.start_time), text(&time.value.end_time));
                told(
                    check,
                    time.referenced,
                    read,
                    "write HH:MM from 00:00 to 24:00, the end behind the start",
                )
            });
            read.collect()
        }),
        weekdays: ranges(
            check,
            &raw.weekdays,
            interval::weekday_range,
            "write names of days, as in monday:friday",
        ),
        days_of_month: ranges(
            check,
            &raw.days_of_month,
            interval::day_range,
            "write days from 1 to 31 or -31 to -1",
        ),
        months: ranges(
            check,
            &raw.months,
            interval::month_range,
            "write names of months, as in march:june, or 3:6",
        ),
        years: ranges(check, &raw.years, interval::year_range, "write years, as in 2025:2027"),
        location,
    }
}

fn ranges(
    check: &mut Check<'_>,
    setting: &Placed<Vec<Spanned<String>>>,
    parse: fn(&str) -> Result<interval::Range, IntervalError>,
    advice: &str,
) -> Option<Vec<interval::Range>> {
    let setting = setting.as_ref()?;
    let read =
        setting.value.iter().filter_map(|range| told(check, range.referenced, parse(&range.value), advice));
    Some(read.collect())
}

fn told<T>(
    check: &mut Check<'_>,
    place: Location,
    read: Result<T, IntervalError>,
    advice: &str,
) -> Option<T> {
    read.map_err(|error| check.refuse(place, error.to_string(), advice)).ok()
}

//! The filter language: `state=firing service=~"or.*" age>10m !disk latency`.
//!
//! Terms stand beside each other, apart by spaces or commas, and all must hold. A condition is a name, an operator as in
//! Alertmanager's matchers (`=`, `!=`, `=~`, `!~`; for the age `>` and `<`) and a value, in quotes where it holds spaces or
//! commas. Names are labels, or one of [`FIELDS`]. Anything else is text to be found, or with `!` in front not to be found.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use quarterdeck_alerting::model::{Alert, AlertState};
use quarterdeck_alertmanager::{MatchOp, Matcher};
use quarterdeck_kernel::Timestamp;

use crate::alert_words as words;

/// The longest filter, in bytes.
pub(super) const LONGEST: usize = 4096;
/// Terms of one filter.
const MOST: usize = 64;

/// Names that are not labels, and what they are.
pub(super) const FIELDS: [(&str, &str); 6] = [
    ("state", "where it stands"),
    ("severity", "how bad it is"),
    ("service", "what it touches"),
    ("owner", "who has it"),
    ("receiver", "who is told"),
    ("age", "how long it lasts"),
];

/// Operators of a condition on text, with what they mean.
pub(super) const OPERATORS: [(&str, &str); 4] = [
    ("=", "is"),
    ("!=", "is not"),
    ("=~", "matches the whole of a regular expression"),
    ("!~", "does not match"),
];

/// A filter that is understood.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    text: String,
    terms: Vec<Term>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

#[derive(Clone, Debug)]
enum Term {
    /// Text to be found anywhere in lower case; with `false` not to be found.
    Text(String, bool),
    State(Matcher),
    Severity(Matcher),
    Service(Matcher),
    Owner(Matcher),
    Receiver(Matcher),
    /// Older than, or with `false` younger than.
    Age(Duration, bool),
    Label(Matcher),
}

/// What is wrong with a filter: where, in bytes, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: Range<usize>,
    pub(super) what: String,
}

/// One term as it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Where all of it stands.
    pub(super) at: Range<usize>,
    /// What stands in front of the operator; the whole word where there is none.
    pub(super) name: &'a str,
    /// The operator, if there is one.
    pub(super) op: &'a str,
    /// Where the value stands, quotes included.
    pub(super) value: Range<usize>,
    /// Whether a quote of it is still open.
    pub(super) open: bool,
}

/// The terms of a text, whatever they are worth.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = 0;
    while let Some(begin) = text[rest..].find(|c: char| !apart(c)).map(|at| rest + at) {
        let mut quote = None;
        let mut escaped = false;
        let mut end = text.len();
        for (at, c) in text[begin..].char_indices().map(|(at, c)| (begin + at, c)) {
            match quote {
                Some(_) if escaped => escaped = false,
                Some(_) if c == '\\' => escaped = true,
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if c == '"' => quote = Some(c),
                None if apart(c) => {
                    end = at;
                    break;
                }
                None => {}
            }
        }
        let word = &text[begin..end];
        let (name, op) = operator(word);
        parts.push(Part {
            at: begin..end,
            name,
            op,
            value: begin + name.len() + op.len()..end,
            open: quote.is_some(),
        });
        rest = end;
    }
    parts
}

fn apart(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// What stands before the first operator of a word, and the operator. A `!` in front is not one.
fn operator(word: &str) -> (&str, &str) {
    let begin = word.char_indices().find(|(at, c)| {
        let rest = &word[*at..];
        matches!(c, '=' | '<' | '>' | '"') || (*at > 0 && (rest.starts_with("!=") || rest.starts_with("!~")))
    });
    let Some((at, _)) = begin else { return (word, "") };
    let rest = &word[at..];
    let op = ["!=", "!~", "=~", "=", ">", "<"].into_iter().find(|op| rest.starts_with(op));
    match op {
        Some(op) if at > 0 => (&word[..at], &rest[..op.len()]),
        _ => (word, ""),
    }
}

/// A value with its quotes taken off.
pub(super) fn unquoted(value: &str) -> Cow<'_, str> {
    unquote(value).0
}

/// A value with its quotes taken off, and how many bytes stand behind the closing one. Within quotes `\"` is a quote and
/// `\\` a backslash; any other backslash stays, so that a regular expression reads as it is.
fn unquote(value: &str) -> (Cow<'_, str>, usize) {
    let Some(inner) = value.strip_prefix('"') else { return (Cow::Borrowed(value), 0) };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return (Cow::Owned(out), chars.as_str().len()),
            '\\' => {
                let rest = chars.as_str();
                if rest.starts_with(['"', '\\']) {
                    out.extend(chars.next());
                } else {
                    out.push(c);
                }
            }
            c => out.push(c),
        }
    }
    (Cow::Owned(out), 0)
}

/// A value as it is written in a filter.
pub(super) fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains(|c: char| apart(c) || matches!(c, '"' | '\\'));
    if plain {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Filter {
    /// Understands a text.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        if text.len() > LONGEST {
            let what = format!("a filter has at most {LONGEST} bytes");
            return Err(Mistake { at: LONGEST..text.len(), what });
        }
        let parts = parts(text);
        if let Some(first) = parts.get(MOST) {
            let what = format!("a filter has at most {MOST} terms");
            return Err(Mistake { at: first.at.clone(), what });
        }
        let terms = parts.iter().map(|part| term(text, part)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), terms })
    }

    /// As it was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it asks for resolved alerts by name.
    pub(super) fn wants_resolved(&self) -> bool {
        let resolved = AlertState::Resolved.as_str();
        let firing = AlertState::Firing.as_str();
        self.terms.iter().any(
            |term| matches!(term, Term::State(m) if m.matches_value(resolved) && !m.matches_value(firing)),
        )
    }

    /// Whether an alert passes.
    pub(super) fn accepts(&self, alert: &Alert, now: Timestamp) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Text(text, wanted) => mentions(alert, text) == *wanted,
            Term::State(m) => m.matches_value(alert.state.as_str()),
            Term::Severity(m) => {
                // As the source writes it, or as it is understood here.
                let own = alert.labels.get("severity").unwrap_or_default();
                either(m, alert.severity.as_str(), own)
            }
            Term::Service(m) => {
                let own = alert.labels.get("service").unwrap_or_default();
                either(m, alert.service.as_deref().unwrap_or_default(), own)
            }
            Term::Owner(m) => {
                let ack = alert.ack().map(|ack| &*ack.by).unwrap_or_default();
                either(m, alert.owner().unwrap_or_default(), ack)
            }
            Term::Receiver(m) if matches!(m.op, MatchOp::Equal | MatchOp::Regex) => {
                alert.receivers.iter().any(|receiver| m.matches_value(receiver))
            }
            Term::Receiver(m) => alert.receivers.iter().all(|receiver| m.matches_value(receiver)),
            Term::Age(than, older) => {
                let age = now.since(alert.starts_at);
                if *older { age > *than } else { age < *than }
            }
            Term::Label(m) => m.matches_value(alert.labels.get(&m.name).unwrap_or_default()),
        })
    }
}

/// Whether one of two readings fulfils a condition; a negative one must hold of both.
fn either(matcher: &Matcher, one: &str, other: &str) -> bool {
    match matcher.op {
        MatchOp::Equal | MatchOp::Regex => matcher.matches_value(one) || matcher.matches_value(other),
        _ => matcher.matches_value(one) && matcher.matches_value(other),
    }
}

/// Whether a text stands anywhere in what is shown of an alert, or in its labels.
fn mentions(alert: &Alert, text: &str) -> bool {
    let has = |value: &str| contains(value, text);
    has(alert.name())
        || has(words::summary(alert))
        || alert.owner().is_some_and(has)
        || has(alert.state.as_str())
        || has(alert.severity.as_str())
        || alert.labels.iter().any(|(_, value)| has(value))
}

/// Whether a text contains a lower-case needle, without regard to case.
fn contains(text: &str, needle: &str) -> bool {
    if needle.is_ascii() {
        let (text, needle) = (text.as_bytes(), needle.as_bytes());
        return text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    }
    text.to_lowercase().contains(needle)
}

fn term(text: &str, part: &Part<'_>) -> Result<Term, Mistake> {
    let wrong = |at: Range<usize>, what: String| Err(Mistake { at, what });
    if part.open {
        return wrong(part.value.clone(), "a closing \" is missing".to_owned());
    }
    let value_text = text.get(part.value.clone()).unwrap_or_default();
    let quoted = if part.op.is_empty() { part.name.trim_start_matches('!') } else { value_text };
    let (_, behind) = unquote(quoted);
    if behind > 0 {
        let at = part.at.end - behind..part.at.end;
        let rest = text.get(at.clone()).unwrap_or_default();
        return wrong(at, format!("a space is missing before {rest}, or a \\ before the \" in front of it"));
    }
    if part.op.is_empty() {
        let (word, wanted) = match part.name.strip_prefix('!') {
            Some(rest) => (rest, false),
            None => (part.name, true),
        };
        let word = unquoted(word);
        if word.is_empty() {
            return wrong(part.at.clone(), "say what must not be found: !word".to_owned());
        }
        return Ok(Term::Text(word.to_lowercase(), wanted));
    }
    if let Some(name) = part.name.strip_prefix('!') {
        return wrong(part.at.start..part.at.start + 1, format!("write {name}!=… or {name}!~… instead"));
    }
    let value_at = part.value.clone();
    let value = unquoted(value_text);
    if part.name == "age" {
        let older = match part.op {
            ">" => true,
            "<" => false,
            _ => {
                let at = part.at.start + part.name.len()..value_at.start;
                return wrong(at, "an age is compared with > or <: age>10m".to_owned());
            }
        };
        return match quarterdeck_kernel::time::parse_duration(&value) {
            Ok(than) => Ok(Term::Age(than, older)),
            Err(error) => wrong(not_empty(value_at, part), error.to_string()),
        };
    }
    let op = match part.op {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Regex,
        "!~" => MatchOp::NotRegex,
        other => {
            let at = part.at.start + part.name.len()..value_at.start;
            return wrong(at, format!("{other} compares ages only; here it is =, !=, =~ or !~"));
        }
    };
    let matcher = match Matcher::new(op, part.name, value.as_ref()) {
        Ok(matcher) => matcher,
        Err(error) => return wrong(not_empty(value_at, part), error.to_string()),
    };
    let exact = matches!(op, MatchOp::Equal | MatchOp::NotEqual);
    match part.name {
        "state" => {
            let known = AlertState::ALL.map(AlertState::as_str);
            if exact && !known.contains(&value.as_ref()) {
                let near = quarterdeck_kernel::suggest::nearest(&value, known);
                let meant = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
                let what = format!("a state is {}{meant}", known.join(", "));
                return wrong(not_empty(value_at, part), what);
            }
            Ok(Term::State(matcher))
        }
        "severity" => Ok(Term::Severity(matcher)),
        "service" => Ok(Term::Service(matcher)),
        "owner" => Ok(Term::Owner(matcher)),
        "receiver" => Ok(Term::Receiver(matcher)),
        _ => Ok(Term::Label(matcher)),
    }
}

/// Where a value stands, or where it is missing.
fn not_empty(at: Range<usize>, part: &Part<'_>) -> Range<usize> {
    if at.is_empty() { part.at.clone() } else { at }
}

#[cfg(test)]
mod tests {
    use quarterdeck_kernel::Labels;

    use super::*;

    fn alert() -> Alert {
        let labels = Labels::from_pairs([
            ("alertname", "OrderLatencyHigh"),
            ("service", "orders"),
            ("severity", "critical"),
            ("path", "/a b"),
        ]);
        Alert {
            fingerprint: quarterdeck_alertmanager::Fingerprint::of(&labels),
            labels,
            annotations: Labels::from_pairs([("summary", "p99 84 ms")]),
            starts_at: Timestamp::from_millis(0),
            ends_at: Timestamp::from_millis(i64::MAX / 2),
            updated_at: Timestamp::from_millis(0),
            since: Timestamp::from_millis(0),
            generator_url: "".into(),
            timeout: false,
            state: AlertState::Firing,
            severity: quarterdeck_kernel::Severity::Critical,
            service: Some("orders".into()),
            silenced_by: None,
            inhibited_by: None,
            receivers: std::sync::Arc::from(["pager".into(), "chat".into()]),
            operator: None,
            history: Vec::new(),
            forgotten: 0,
        }
    }

    #[test]
    fn terms_are_conditions_and_words_that_all_must_hold() {
        let now = Timestamp::from_millis(600_000);
        for (text, passes) in [
            ("", true),
            ("latency", true),
            ("LATENCY, ORDERS", true),
            ("!latency", false),
            ("!disk", true),
            ("\"p99 84\"", true),
            ("state=firing severity=critical", true),
            ("state!=firing", false),
            ("state=~fir.*|ack.*", true),
            ("service=orders", true),
            ("service=~ord", false),
            ("service!~ri.*", true),
            ("receiver=pager", true),
            ("receiver!=pager", false),
            ("owner=", true),
            ("owner=ops-1", false),
            ("age>5m", true),
            ("age<5m", false),
            ("path=\"/a b\"", true),
            ("path=/a", false),
            ("path=~\"/a\\s\\w\"", true),
            ("path=~\"/a\\\\s\\\\w\"", true),
            ("path=~\"/a\\d.*\"", false),
            ("alertname=~\"Order\\w+\"", true),
            ("absent=", true),
            ("absent!=x", true),
            ("absent=x", false),
        ] {
            let filter = Filter::parse(text).unwrap_or_else(|m| panic!("{text}: {m:?}"));
            assert_eq!(filter.accepts(&alert(), now), passes, "{text}");
        }
        assert!(Filter::parse("state=resolved").is_ok_and(|f| f.wants_resolved()));
        assert!(Filter::parse("state=~.*").is_ok_and(|f| !f.wants_resolved()));
    }

    #[test]
    fn a_mistake_stands_where_it_is() {
        for (text, at, what) in [
            ("a state=fireing", 8..15, "did you mean firing?"),
            ("service=~(", 9..10, "regular expression"),
            ("age=5m", 3..4, "compared with > or <"),
            ("age>soon", 4..8, ""),
            ("severity>3", 8..9, "=, !=, =~ or !~"),
            ("x=\"open", 2..7, "closing"),
            ("!service=orders", 0..1, "service!="),
            ("service=\"orders\"x state=firing", 16..17, "a space is missing before x"),
            ("\"p99\"ms", 5..7, "a space is missing before ms"),
        ] {
            let mistake = Filter::parse(text).expect_err(text);
            assert_eq!(mistake.at, at, "{text}: {mistake:?}");
            assert!(mistake.what.contains(what), "{text}: {mistake:?}");
        }
        assert!(Filter::parse(&"a ".repeat(MOST + 1)).is_err());
        assert!(Filter::parse(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn any_text_is_taken_apart_without_harm() {
        let seed = 0x5eed_u64;
        let mut state = seed;
        let letters: Vec<char> = "a=!~<>\"\\, ü(*age:state".chars().collect();
        for round in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(letters[(state >> 33) as usize % letters.len()]);
            }
            for part in parts(&text) {
                let told = format!("{text:?} (seed {seed}, round {round})");
                assert!(
                    text.get(part.at.clone()).is_some() && text.get(part.value.clone()).is_some(),
                    "{told}"
                );
            }
            if let Err(mistake) = Filter::parse(&text) {
                assert!(
                    text.get(mistake.at.clone()).is_some(),
                    "{text:?} {mistake:?} (seed {seed}, round {round})"
                );
            }
        }
    }

    #[test]
    fn values_are_quoted_so_that_they_are_read_back() {
        for value in ["orders", "a b", "a,b", "", "q\"\\uote", "ü", "\\d \\\\ \\\"", "\\"] {
            assert_eq!(unquoted(&quoted(value)), value);
        }
    }
}

//! What may stand at a cursor.

use std::ops::Range;

use quarterdeck_kernel::{MatchOp, Matcher};

use crate::ast::BinaryOp;
use crate::functions::{aggregation_named, aggregations, function, functions};
use crate::lexer::{Tok, Token, lex};
use crate::parser;

/// What is expected at a cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// What may stand there.
    pub expected: Vec<CompletionKind>,
    /// The bytes that a completion replaces: what has been typed of the word, up to the cursor.
    pub replace: Range<usize>,
    /// What has been typed of it, without quotes.
    pub prefix: String,
    /// The function whose arguments the cursor is in, and which argument it is.
    pub call: Option<(&'static str, usize)>,
}

/// Kinds of things that may stand at a cursor.
#[derive(Clone, Debug, PartialEq)]
pub enum CompletionKind {
    /// The name of a metric.
    Metric,
    /// The name of a label of the series that the matchers select (all series when there are none).
    LabelName {
        /// Conditions already written.
        matchers: Vec<Matcher>,
    },
    /// A value of a label.
    LabelValue {
        /// Which label.
        label: String,
        /// Conditions already written.
        matchers: Vec<Matcher>,
    },
    /// A function.
    Function,
    /// An aggregation.
    Aggregation,
    /// A keyword or an operator.
    Keyword,
    /// A length of time.
    Duration,
}

/// One proposal that needs no data. Names and values of metrics and labels come from the store, see [`Context`].
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What to insert.
    pub text: String,
    /// What kind of thing it is.
    pub kind: CompletionKind,
    /// Its signature, if it is a function.
    pub detail: String,
    /// What it does, in one line.
    pub help: &'static str,
}

const DURATIONS: [&str; 9] = ["30s", "1m", "5m", "15m", "30m", "1h", "6h", "1d", "1w"];

/// The functions, aggregations, keywords and durations that may stand at the cursor and start with what has been
/// typed, in the order of the tables.
#[must_use]
pub fn complete(text: &str, cursor: usize) -> Vec<Completion> {
    let context = context(text, cursor);
    let fits = |name: &str| name.to_lowercase().starts_with(&context.prefix.to_lowercase());
    let mut found = vec![];
    for kind in &context.expected {
        let mut push = |text: &str, detail: String, help: &'static str| {
            if fits(text) {
                found.push(Completion { text: text.to_owned(), kind: kind.clone(), detail, help });
            }
        };
        match kind {
            CompletionKind::Function => {
                functions().iter().for_each(|f| push(f.name, f.signature(), f.help));
            }
            CompletionKind::Aggregation => {
                aggregations().iter().for_each(|a| push(a.name, String::new(), a.help));
            }
            CompletionKind::Keyword => {
                keywords(text, cursor).into_iter().for_each(|(word, help)| push(word, String::new(), help));
            }
            CompletionKind::Duration => DURATIONS.iter().for_each(|d| push(d, String::new(), "")),
            CompletionKind::Metric | CompletionKind::LabelName { .. } | CompletionKind::LabelValue { .. } => {
            }
        }
    }
    found
}

/// The tokens before the cursor without the word being typed, and that word.
struct Before {
    tokens: Vec<Token>,
    word: Range<usize>,
    /// The opening quote's position if the cursor is in a string.
    in_string: Option<usize>,
}

fn before(text: &str, cursor: usize) -> Before {
    let mut cursor = cursor.min(text.len());
    while !text.is_char_boundary(cursor) {
        cursor -= 1;
    }
    let head = &text[..cursor];
    let (mut tokens, error) = lex(head);
    tokens.pop();
    if let Some(error) = error
        && head[error.range.start..].starts_with(['"', '\'', '`'])
    {
        let quote = error.range.start;
        return Before { tokens, word: quote + 1..cursor, in_string: Some(quote) };
    }
    let typed = tokens
        .last()
        .filter(|t| t.span.end == cursor && matches!(t.tok, Tok::Ident | Tok::Number(_) | Tok::Duration(_)));
    let word = typed.map_or(cursor..cursor, |t| t.span.range());
    if !word.is_empty() {
        tokens.pop();
    }
    Before { tokens, word, in_string: None }
}

/// What is expected at the cursor (a byte position).
#[must_use]
pub fn context(text: &str, cursor: usize) -> Context {
    let Before { tokens, word, in_string } = before(text, cursor);
    let word_of = |t: &Token| if t.tok == Tok::Ident { &text[t.span.range()] } else { "" };
    // The bracket that the cursor is in, innermost first.
    let mut open: Vec<usize> = vec![];
    for (i, token) in tokens.iter().enumerate() {
        match token.tok {
            Tok::LParen | Tok::LBrace | Tok::LBracket => open.push(i),
            Tok::RParen | Tok::RBrace | Tok::RBracket => {
                open.pop();
            }
            _ => {}
        }
    }
    let call = call_at(text, &tokens, &open);
    let prefix = text[word.clone()].to_owned();
    let last = tokens.last();
    let previous = last.map(word_of).unwrap_or_default();
    let innermost = open.last().map(|i| (*i, &tokens[*i].tok));
    let expected = match innermost {
        Some((at, Tok::LBrace)) => in_braces(text, &tokens, at, in_string.is_some()),
        _ if in_string.is_some() => vec![],
        Some((_, Tok::LBracket)) => vec![CompletionKind::Duration],
        Some((at, Tok::LParen)) if lists_labels(text, &tokens, at) => {
            vec![CompletionKind::LabelName { matchers: nearby_matchers(text, &tokens, at) }]
        }
        _ if previous.eq_ignore_ascii_case("offset") => vec![CompletionKind::Duration],
        _ if last.is_some_and(|t| t.tok == Tok::At) => vec![CompletionKind::Keyword],
        _ if ends_operand(last, previous) => vec![CompletionKind::Keyword],
        _ => vec![CompletionKind::Metric, CompletionKind::Function, CompletionKind::Aggregation],
    };
    Context { expected, replace: word, prefix, call }
}

/// Whether an operator must follow rather than an operand.
fn ends_operand(last: Option<&Token>, word: &str) -> bool {
    let joins = |w: &str| ["and", "or", "unless", "atan2", "bool"].iter().any(|k| w.eq_ignore_ascii_case(k));
    match last.map(|t| &t.tok) {
        Some(Tok::RParen | Tok::RBrace | Tok::RBracket | Tok::Number(_) | Tok::Duration(_) | Tok::Str(_)) => {
            true
        }
        Some(Tok::Ident) => !joins(word),
        _ => false,
    }
}

fn call_at(text: &str, tokens: &[Token], open: &[usize]) -> Option<(&'static str, usize)> {
    let at = *open.iter().rev().find(|i| tokens[**i].tok == Tok::LParen)?;
    let name = &text[tokens.get(at.checked_sub(1)?)?.span.range()];
    let known = function(name).map(|f| f.name).or_else(|| aggregation_named(name).map(|a| a.name))?;
    let (mut depth, mut argument) = (0usize, 0);
    for token in &tokens[at + 1..] {
        match token.tok {
            Tok::LParen | Tok::LBrace | Tok::LBracket => depth += 1,
            Tok::RParen | Tok::RBrace | Tok::RBracket => depth = depth.saturating_sub(1),
            Tok::Comma if depth == 0 => argument += 1,
            _ => {}
        }
    }
    Some((known, argument))
}

/// Whether the parenthesis at `at` holds label names.
fn lists_labels(text: &str, tokens: &[Token], at: usize) -> bool {
    const CLAUSES: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    let word = at.checked_sub(1).map_or("", |i| &text[tokens[i].span.range()]);
    CLAUSES.iter().any(|c| word.eq_ignore_ascii_case(c))
}

fn in_braces(text: &str, tokens: &[Token], open: usize, in_string: bool) -> Vec<CompletionKind> {
    let matchers = matchers_in(text, tokens, open);
    let n = tokens.len();
    let operator = |t: &Tok| matches!(t, Tok::Assign | Tok::RegexEq | Tok::RegexNe | Tok::Op(BinaryOp::Ne));
    if n >= 2 && operator(&tokens[n - 1].tok) {
        let label = match &tokens[n - 2].tok {
            Tok::Str(s) => s.value.clone(),
            _ => text[tokens[n - 2].span.range()].to_owned(),
        };
        return vec![CompletionKind::LabelValue { label, matchers }];
    }
    match tokens[n - 1].tok {
        Tok::LBrace | Tok::Comma if in_string && matchers.is_empty() => {
            vec![CompletionKind::Metric, CompletionKind::LabelName { matchers }]
        }
        Tok::LBrace | Tok::Comma => vec![CompletionKind::LabelName { matchers }],
        _ => vec![CompletionKind::Keyword],
    }
}

/// The name in front of a brace and the complete conditions inside, up to the end of the tokens.
fn matchers_in(text: &str, tokens: &[Token], open: usize) -> Vec<Matcher> {
    let mut found = vec![];
    if let Some(t) = open.checked_sub(1).map(|i| &tokens[i]).filter(|t| t.tok == Tok::Ident) {
        found.push(Matcher::equal("__name__", &text[t.span.range()]));
    }
    let mut i = open + 1;
    while i < tokens.len() && tokens[i].tok != Tok::RBrace {
        let next = tokens.get(i + 1).map(|t| &t.tok);
        let op = match next {
            Some(Tok::Assign) => Some(MatchOp::Equal),
            Some(Tok::RegexEq) => Some(MatchOp::Regex),
            Some(Tok::RegexNe) => Some(MatchOp::NotRegex),
            Some(Tok::Op(BinaryOp::Ne)) => Some(MatchOp::NotEqual),
            _ => None,
        };
        let label = match &tokens[i].tok {
            Tok::Str(s) if op.is_none() => {
                found.push(Matcher::equal("__name__", &s.value));
                None
            }
            Tok::Str(s) => Some(s.value.clone()),
            Tok::Ident => Some(text[tokens[i].span.range()].to_owned()),
            _ => None,
        };
        if let (Some(op), Some(label), Some(Tok::Str(value))) = (op, label, tokens.get(i + 2).map(|t| &t.tok))
        {
            found.extend(Matcher::new(op, label, value.value.clone()).ok());
            i += 2;
        }
        i += 1;
    }
    found
}

/// For a label list: the conditions of the selector it most likely speaks of, which is the last one before it or,
/// for `sum by (` at the start, the first one in the rest of the text.
fn nearby_matchers(text: &str, tokens: &[Token], at: usize) -> Vec<Matcher> {
    if let Some(i) = tokens[..at].iter().rposition(|t| t.tok == Tok::LBrace) {
        return matchers_in(text, tokens, i);
    }
    let metric = tokens[..at].iter().rev().find(|t| {
        let word = &text[t.span.range()];
        t.tok == Tok::Ident
            && crate::print::is_bare_metric_name(word)
            && !["by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless"]
                .iter()
                .any(|k| word.eq_ignore_ascii_case(k))
            && function(word).is_none()
    });
    if let Some(t) = metric {
        return vec![Matcher::equal("__name__", &text[t.span.range()])];
    }
    // The text after the list may already be there: sum by (|) (metric).
    let after = tokens.last().map_or(0, |t| t.span.end);
    let rest = text.get(after..).and_then(|r| r.split_once(')')).map(|(_, r)| r.trim()).unwrap_or_default();
    match parser::parse(rest) {
        Ok(expr) => expr.selectors().first().map(|s| s.matchers.clone()).unwrap_or_default(),
        Err(_) => vec![],
    }
}

const OPERATORS: [(&str, &str); 5] = [
    ("and", "Elements of the left side that have a partner on the right."),
    ("atan2", "Angle of a point, in radians."),
    ("offset", "Looks that far back."),
    ("or", "Elements of the left side, and those of the right without a partner."),
    ("unless", "Elements of the left side without a partner on the right."),
];

const AFTER_OPERATOR: [(&str, &str); 7] = [
    ("bool", "A comparison yields 0 and 1 instead of filtering."),
    ("by", "Keeps these labels only."),
    ("group_left", "Several elements on the left may meet one on the right."),
    ("group_right", "Several elements on the right may meet one on the left."),
    ("ignoring", "Elements meet when all labels but these are equal."),
    ("on", "Elements meet when these labels are equal."),
    ("without", "Drops these labels."),
];

fn keywords(text: &str, cursor: usize) -> Vec<(&'static str, &'static str)> {
    let Before { tokens, .. } = before(text, cursor);
    match tokens.last() {
        Some(t) if t.tok == Tok::At => {
            vec![("start()", "The start of the query's range."), ("end()", "The end of the query's range.")]
        }
        Some(t) if t.tok == Tok::Ident && aggregation_named(&text[t.span.range()]).is_some() => {
            AFTER_OPERATOR.iter().filter(|(w, _)| matches!(*w, "by" | "without")).copied().collect()
        }
        Some(t) if t.tok == Tok::RParen => OPERATORS.iter().chain(&AFTER_OPERATOR).copied().collect(),
        _ => OPERATORS.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(marked: &str) -> Context {
        let cursor = marked.find('|').unwrap();
        context(&marked.replacen('|', "", 1), cursor)
    }

    #[test]
    fn an_operand_is_a_metric_a_function_or_an_aggregation() {
        for text in ["|", "ra|", "sum(|", "a + |", "rate(a[5m]) / o|"] {
            let c = at(text);
            assert_eq!(
                c.expected[..],
                [CompletionKind::Metric, CompletionKind::Function, CompletionKind::Aggregation],
                "{text}"
            );
        }
        assert_eq!(at("a + ra|").replace, 4..6);
        assert_eq!(at("clamp(a, |").call, Some(("clamp", 1)));
    }

    #[test]
    fn braces_want_labels_of_the_metric_and_their_values() {
        let up = Matcher::equal("__name__", "up");
        assert_eq!(at("up{|").expected, [CompletionKind::LabelName { matchers: vec![up.clone()] }]);
        let job = Matcher::equal("job", "api");
        assert_eq!(
            at("sum(up{job=\"api\", inst=\"x|").expected,
            [CompletionKind::LabelValue { label: "inst".into(), matchers: vec![up.clone(), job] }]
        );
        assert_eq!(at("up{job=\"a|").prefix, "a");
        assert_eq!(at("sum(up) by (|").expected, [CompletionKind::LabelName { matchers: vec![up.clone()] }]);
        assert_eq!(at("sum by (|) (up)").expected, [CompletionKind::LabelName { matchers: vec![up] }]);
    }

    #[test]
    fn durations_and_keywords_where_they_belong() {
        assert_eq!(at("up[|").expected, [CompletionKind::Duration]);
        assert_eq!(at("up offset |").expected, [CompletionKind::Duration]);
        assert_eq!(at("up |").expected, [CompletionKind::Keyword]);
        let words: Vec<_> = complete("up u", 4).into_iter().map(|c| c.text).collect();
        assert_eq!(words, ["unless"]);
        let words: Vec<_> = complete("up @ ", 5).into_iter().map(|c| c.text).collect();
        assert_eq!(words, ["start()", "end()"]);
        assert!(complete("hist", 4).iter().any(|c| c.text == "histogram_quantile" && !c.help.is_empty()));
    }

    #[test]
    fn any_cursor_in_any_text_is_fine() {
        let text = "sum by (é) (rate({\"x\", a=~'b' } [5m:] @ end())) // \"";
        for cursor in 0..text.len() + 3 {
            let _ = complete(text, cursor);
        }
    }
}

//! The commands of a test file.

use quarterdeck_kernel::Labels;

use super::notation;
use crate::number::parse_duration;
use crate::print::quoted;
use crate::value::PointValue;

/// A test file that is not in the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// When a query is evaluated, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    Instant(i64),
    Range(i64, i64, i64),
}

/// What annotations an evaluation must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Expected {
    pub(super) fail: bool,
    pub(super) fail_message: Vec<Text>,
    pub(super) warn: bool,
    pub(super) no_warn: bool,
    pub(super) warn_messages: Vec<Text>,
    pub(super) info: bool,
    pub(super) no_info: bool,
    pub(super) info_messages: Vec<Text>,
    pub(super) ordered: bool,
    pub(super) string: Option<String>,
}

/// A message that is expected.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Text {
    Exact(String),
    Pattern(String),
}

impl Text {
    pub(super) fn matches(&self, found: &str) -> bool {
        match self {
            Self::Exact(text) => text == found,
            Self::Pattern(pattern) => regex::Regex::new(pattern).is_ok_and(|r| r.is_match(found)),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Eval {
    pub(super) line: usize,
    pub(super) query: String,
    pub(super) when: When,
    pub(super) expected: Expected,
    pub(super) series: Vec<(Labels, Vec<Option<PointValue>>)>,
    pub(super) scalar: Option<f64>,
}

#[derive(Clone, Debug)]
pub(super) enum Command {
    Clear,
    Load { line: usize, step: i64, lines: Vec<String>, native_too: bool },
    Eval(Box<Eval>),
}

/// All commands of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).map(|l| if l.starts_with('#') { "" } else { l }).collect();
    let mut commands = vec![];
    let mut i = 0;
    while i < lines.len() {
        let (head, at) = (lines[i], i + 1);
        i += 1;
        if head.is_empty() {
            continue;
        }
        let wrong = |message: String| ScriptError { line: at, message };
        let block_end = lines[i..].iter().position(|l| l.is_empty()).map_or(lines.len(), |n| i + n);
        let (word, rest) = head.split_once(char::is_whitespace).unwrap_or((head, ""));
        match word {
            "clear" => commands.push(Command::Clear),
            "load" | "load_with_nhcb" => {
                let step = time(rest).ok_or_else(|| wrong(format!("no duration: {rest:?}")))?;
                let body = lines[i..block_end].iter().map(|l| (*l).to_owned()).collect();
                commands.push(Command::Load { line: at, step, lines: body, native_too: word != "load" });
                i = block_end;
            }
            _ if word.starts_with("eval") => {
                let mut eval = head_of(head).ok_or_else(|| wrong(format!("cannot read {head:?}")))?;
                eval.line = at;
                for (n, line) in lines[i..block_end].iter().enumerate() {
                    expectation(&mut eval, line)
                        .map_err(|message| ScriptError { line: at + n + 1, message })?;
                }
                commands.push(Command::Eval(Box::new(eval)));
                i = block_end;
            }
            _ => return Err(wrong(format!("unknown command {word:?}"))),
        }
    }
    Ok(commands)
}

fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    parse_duration(text).or_else(|| text.parse::<f64>().ok().map(|s| (s * 1000.0).round() as i64))
}

fn head_of(head: &str) -> Option<Eval> {
    let (word, rest) = head.split_once(char::is_whitespace)?;
    let mut expected = Expected::default();
    match word {
        "eval" => {}
        "eval_fail" => expected.fail = true,
        "eval_warn" => expected.warn = true,
        "eval_info" => expected.info = true,
        "eval_ordered" => expected.ordered = true,
        _ => return None,
    }
    let mut rest = rest.trim_start();
    let mut take = |expect: Option<&str>| -> Option<&str> {
        let (word, tail) = rest.split_once(char::is_whitespace)?;
        rest = tail.trim_start();
        (expect.is_none() || expect == Some(word)).then_some(word)
    };
    let when = match take(None)? {
        "instant" => {
            take(Some("at"))?;
            When::Instant(time(take(None)?)?)
        }
        "range" => {
            take(Some("from"))?;
            let from = time(take(None)?)?;
            take(Some("to"))?;
            let to = time(take(None)?)?;
            take(Some("step"))?;
            When::Range(from, to, time(take(None)?)?)
        }
        _ => return None,
    };
    // Legacy evals without expectations must not have annotations; those with `expect` lines say what they must not.
    expected.no_warn = !expected.warn;
    expected.no_info = !expected.info;
    Some(Eval { line: 0, query: rest.to_owned(), when, expected, series: vec![], scalar: None })
}

fn text_of(rest: &str) -> Result<Option<Text>, String> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok(None);
    }
    match rest.split_once(':') {
        Some(("msg", text)) => Ok(Some(Text::Exact(text.trim().to_owned()))),
        Some(("regex", text)) => Ok(Some(Text::Pattern(text.trim().to_owned()))),
        _ => Err(format!("expected msg: or regex:, found {rest:?}")),
    }
}

fn expectation(eval: &mut Eval, line: &str) -> Result<(), String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let expected = &mut eval.expected;
    match word {
        "expected_fail_message" => {
            expected.fail_message.push(Text::Exact(rest.trim().to_owned()));
            return Ok(());
        }
        "expected_fail_regexp" => {
            expected.fail_message.push(Text::Pattern(rest.trim().to_owned()));
            return Ok(());
        }
        "expect" => {}
        _ => {
            if let Ok(v) = line.parse::<f64>() {
                eval.scalar = Some(v);
            } else {
                eval.series.push(notation::series(line).map_err(|e| e.to_string())?);
            }
            return Ok(());
        }
    }
    let (what, rest) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
    match what {
        "ordered" => expected.ordered = true,
        "no_warn" => expected.no_warn = true,
        "no_info" => expected.no_info = true,
        "fail" => {
            expected.fail = true;
            expected.fail_message.extend(text_of(rest)?);
        }
        "warn" => {
            (expected.warn, expected.no_warn) = (true, false);
            expected.warn_messages.extend(text_of(rest)?);
        }
        "info" => {
            (expected.info, expected.no_info) = (true, false);
            expected.info_messages.extend(text_of(rest)?);
        }
        "string" => {
            let (tokens, _) = crate::lexer::lex(rest);
            match tokens.first().map(|t| &t.tok) {
                Some(crate::lexer::Tok::Str(s)) => expected.string = Some(s.value.clone()),
                _ => return Err(format!("expected a string, found {}", quoted(rest))),
            }
        }
        other => return Err(format!("unknown expectation {other:?}")),
    }
    Ok(())
}

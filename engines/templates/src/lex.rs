//! Template text into tokens.

use crate::error::ParseError;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// First byte in the template.
    pub(crate) at: usize,
    /// As written; of a text, what is printed.
    pub(crate) text: String,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Open,
    Close,
    Space,
    Word,
    Field,
    Variable,
    Number,
    Quoted,
    Raw,
    Char,
    Pipe,
    Declare,
    Assign,
    Comma,
    LeftParen,
    RightParen,
    Dot,
    End,
}

/// Splits a whole template.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), parens: 0 };
    lexer.run()?;
    let at = text.len();
    lexer.tokens.push(Token { kind: Kind::End, at, text: String::new() });
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    parens: usize,
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fail(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, self.at, message)
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = self.text[self.at..self.at + length].to_owned();
        self.tokens.push(Token { kind, at: self.at, text });
        self.at += length;
    }

    fn run(&mut self) -> Result<(), ParseError> {
        let mut trim_next = false;
        loop {
            let rest = self.rest();
            let end = rest.find("{{").unwrap_or(rest.len());
            let mut plain = &rest[..end];
            let after = &rest[end..];
            let trims = after[2.min(after.len())..].starts_with('-')
                && after.get(3..).is_some_and(|t| t.starts_with(BLANKS));
            if trim_next {
                plain = plain.trim_start_matches(BLANKS);
            }
            if trims {
                plain = plain.trim_end_matches(BLANKS);
            }
            let at_end = after.is_empty();
            if !plain.is_empty() {
                let token = Token { kind: Kind::Text, at: self.at, text: plain.to_owned() };
                self.tokens.push(token);
            }
            self.at += end;
            if at_end {
                return Ok(());
            }
            let skip = if trims { 3 } else { 2 };
            let inner = &self.rest()[skip..];
            let lead = inner.len() - inner.trim_start_matches(BLANKS).len();
            let comment = if trims { &inner[lead..] } else { inner };
            trim_next = if comment.starts_with("/*") {
                self.at += self.rest().len() - comment.len();
                self.comment()?
            } else {
                let at = self.at;
                self.tokens.push(Token { kind: Kind::Open, at, text: "{{".to_owned() });
                self.at += skip;
                self.action()?
            };
        }
    }

    fn comment(&mut self) -> Result<bool, ParseError> {
        let Some(end) = self.rest().find("*/") else { return Err(self.fail("unclosed comment")) };
        self.at += end + 2;
        let rest = self.rest();
        let trimmed = rest.trim_start_matches(BLANKS);
        let (close, trims) = match trimmed.strip_prefix("-}}") {
            Some(after) if trimmed.len() < rest.len() => (rest.len() - after.len(), true),
            _ if rest.starts_with("}}") => (2, false),
            _ => return Err(self.fail("comment ends before closing delimiter")),
        };
        self.at += close;
        Ok(trims)
    }

    /// Everything up to and with the closing delimiter; whether it trims the text behind it.
    fn action(&mut self) -> Result<bool, ParseError> {
        self.parens = 0;
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(BLANKS);
            let blanks = rest.len() - trimmed.len();
            let trims = blanks > 0 && trimmed.starts_with("-}}");
            if trims || rest.starts_with("}}") {
                if self.parens > 0 {
                    return Err(self.fail("unclosed left paren"));
                }
                if trims {
                    self.at += blanks + 1;
                }
                self.push(Kind::Close, 2);
                return Ok(trims);
            }
            if blanks > 0 {
                self.push(Kind::Space, blanks);
                continue;
            }
            self.token()?;
        }
    }

    fn token(&mut self) -> Result<(), ParseError> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return Err(self.fail("unclosed action")) };
        let word = |from: usize| {
            rest[from..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(rest.len(), |n| from + n)
        };
        let second = rest[c.len_utf8()..].chars().next();
        match c {
            ':' if second == Some('=') => self.push(Kind::Declare, 2),
            ':' => return Err(self.fail("expected :=")),
            '=' => self.push(Kind::Assign, 1),
            '|' => self.push(Kind::Pipe, 1),
            ',' => self.push(Kind::Comma, 1),
            '(' => {
                self.parens += 1;
                self.push(Kind::LeftParen, 1);
            }
            ')' => {
                if self.parens == 0 {
                    return Err(self.fail("unexpected right paren"));
                }
                self.parens -= 1;
                self.push(Kind::RightParen, 1);
            }
            '"' | '\'' => {
                let length = self.quoted(c)?;
                self.push(if c == '"' { Kind::Quoted } else { Kind::Char }, length);
            }
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return Err(self.fail("unterminated raw quoted string"));
                };
                self.push(Kind::Raw, end + 2);
            }
            '$' => self.push(Kind::Variable, word(1)),
            '.' if second.is_some_and(|c| c.is_alphabetic() || c == '_') => {
                self.push(Kind::Field, word(1));
            }
            '.' if !second.is_some_and(|c| c.is_ascii_digit()) => self.push(Kind::Dot, 1),
            '.' | '+' | '-' | '0'..='9' => {
                let length = number(rest);
                let tail = rest[length..].chars().next();
                if tail.is_some_and(|c| c.is_alphanumeric() || c == '_') || length == 0 {
                    let upto = word(length.max(1));
                    return Err(self.fail(format!("bad number syntax: {:?}", &rest[..upto])));
                }
                self.push(Kind::Number, length);
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = word(0);
                let tail = rest[length..].chars().next();
                if !tail.is_none_or(|c| BLANKS.contains(&c) || ".,|:=()}".contains(c)) {
                    return Err(self.fail(format!("bad character {}", shown(tail.unwrap_or_default()))));
                }
                self.push(Kind::Word, length);
            }
            c => return Err(self.fail(format!("unrecognized character in action: {}", shown(c)))),
        }
        Ok(())
    }

    fn quoted(&self, quote: char) -> Result<usize, ParseError> {
        let name = if quote == '"' { "quoted string" } else { "character constant" };
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, c)) if c != '\n' => {}
                    _ => break,
                },
                '\n' => break,
                c if c == quote => return Ok(i + 1),
                _ => {}
            }
        }
        Err(self.fail(format!("unterminated {name}")))
    }
}

fn shown(c: char) -> String {
    format!("U+{:04X} '{c}'", c as u32)
}

/// The length of a number at the start of a text; 0 if there is none.
fn number(text: &str) -> usize {
    let signed = usize::from(text.starts_with(['+', '-']));
    let rest = &text[signed..];
    let lower = rest.to_ascii_lowercase();
    let run = |from: usize, fits: fn(char) -> bool| {
        rest[from..].find(|c: char| !fits(c) && c != '_').map_or(rest.len(), |n| from + n)
    };
    let length = if lower.starts_with("0x") {
        run(2, |c| c.is_ascii_hexdigit())
    } else if lower.starts_with("0b") || lower.starts_with("0o") {
        run(2, |c| c.is_ascii_digit())
    } else {
        let mut end = run(0, |c| c.is_ascii_digit());
        if rest[end..].starts_with('.') {
            end = run(end + 1, |c| c.is_ascii_digit());
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            end = run(end + 1 + sign, |c| c.is_ascii_digit());
        }
        end
    };
    if length == 0 { 0 } else { signed + length }
}

//! Text into an expression: a scanner, precedence climbing with expr's precedences, and a check that it gives yes or no.

use std::fmt;

use quarterdeck_kernel::suggest;

use super::{Expr, Function, Op};

/// Longest condition, in characters.
const LONGEST: usize = 4096;
/// Most numbers, names and signs in one.
const MOST: usize = 512;
/// Deepest nesting.
const DEEPEST: usize = 64;

/// Why a condition is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {message}", at + 1)]
pub struct ConditionError {
    /// Where, in characters from the start of the condition.
    pub at: usize,
    /// What was found and what is allowed.
    pub message: String,
}

fn refuse<T>(at: usize, message: impl Into<String>) -> Result<T, ConditionError> {
    Err(ConditionError { at, message: message.into() })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Symbol(&'static str),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(v) => write!(f, "{v}"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Symbol(s) => write!(f, "`{s}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Longest first, so that `<=` is not taken for `<`.
const SYMBOLS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "**", "<", ">", "!", "+", "-", "*", "/", "%", "^", "(", ")", "[",
    "]", "{", "}", ",", "#", "?", ":",
];

fn scan(text: &str) -> Result<Vec<(usize, Token)>, ConditionError> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > LONGEST {
        return refuse(
            LONGEST,
            format!("a condition has at most {LONGEST} characters, this one {}", chars.len()),
        );
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c.is_whitespace() {
            at += 1;
        } else if c.is_ascii_digit() || (c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)) {
            let (end, value) = number(&chars, at)?;
            tokens.push((at, Token::Number(value)));
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let end = chars[at..].iter().position(|c| !c.is_alphanumeric() && *c != '_');
            let end = end.map_or(chars.len(), |n| at + n);
            tokens.push((at, Token::Name(chars[at..end].iter().collect())));
            at = end;
        } else if let Some(symbol) =
            SYMBOLS.iter().find(|s| s.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c)))
        {
            tokens.push((at, Token::Symbol(symbol)));
            at += symbol.len();
        } else {
            let what = match c {
                '"' | '\'' | '`' => "texts are not compared here: what a query gives are numbers".to_owned(),
                '=' => "`=` compares nothing: `==` does".to_owned(),
                '&' => "`&` is not known: `&&` means and".to_owned(),
                '|' => "`|` is not known: `||` means or".to_owned(),
                '.' => "members (`.`) are not known here: what a query gives are numbers".to_owned(),
                other => format!("{other:?} means nothing in a condition"),
            };
            return refuse(at, what);
        }
    }
    if let Some((at, _)) = tokens.get(MOST) {
        return refuse(*at, format!("a condition has at most {MOST} numbers, names and signs"));
    }
    tokens.push((chars.len(), Token::End));
    Ok(tokens)
}

fn number(chars: &[char], start: usize) -> Result<(usize, f64), ConditionError> {
    let mut end = start;
    while let Some(&c) = chars.get(end) {
        let exponent = matches!(c, '+' | '-') && matches!(chars[end - 1], 'e' | 'E') && end > start;
        if !(c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E') || exponent) {
            break;
        }
        end += 1;
    }
    let text: String = chars[start..end].iter().filter(|c| **c != '_').collect();
    match text.parse() {
        Ok(value) => Ok((end, value)),
        Err(_) => refuse(start, format!("{text} is not a number")),
    }
}

/// What an expression gives, as far as it can be told without the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Number,
    List,
    Nil,
    /// A number or a list: `result`; or a number or nothing.
    Unknown,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Bool => "yes or no",
            Self::Number => "a number",
            Self::List => "a list",
            Self::Nil => "nothing",
            Self::Unknown => "a number or a list",
        }
    }
    fn may_be(self, other: Self) -> bool {
        self == other || (self == Self::Unknown && other != Self::Bool)
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    /// Whether `#` means something here.
    items: bool,
}

type Parsed = Result<(Expr, Kind), ConditionError>;

pub(super) fn parse(text: &str) -> Result<Expr, ConditionError> {
    let mut parser = Parser { tokens: scan(text)?, at: 0, depth: 0, items: false };
    if parser.peek() == &Token::End {
        return refuse(0, "an empty condition; write one like `result[0] >= 0.95`, or leave the key out");
    }
    let (expr, kind) = parser.choice()?;
    if parser.peek() != &Token::End {
        return refuse(
            parser.place(),
            format!("{} is not expected here: an operator or the end is", parser.peek()),
        );
    }
    if kind != Kind::Bool {
        let hint = match kind {
            Kind::List | Kind::Unknown => "; compare an element of it, like `result[0] >= 0.95`",
            _ => "; compare it, like `… < 0.05`",
        };
        return refuse(0, format!("a condition gives yes or no, this one gives {}{hint}", kind.words()));
    }
    Ok(expr)
}

/// How tightly each binary operator binds, as in expr; `**` and `^` bind to the right.
fn binary(token: &Token) -> Option<(Op, u8)> {
    Some(match token {
        Token::Symbol(s) => match *s {
            "||" => (Op::Or, 10),
            "&&" => (Op::And, 15),
            "==" => (Op::Equal, 20),
            "!=" => (Op::Unequal, 20),
            "<" => (Op::Less, 20),
            "<=" => (Op::LessEqual, 20),
            ">" => (Op::Greater, 20),
            ">=" => (Op::GreaterEqual, 20),
            "+" => (Op::Add, 30),
            "-" => (Op::Subtract, 30),
            "*" => (Op::Multiply, 60),
            "/" => (Op::Divide, 60),
            "%" => (Op::Remainder, 60),
            "**" | "^" => (Op::Power, 100),
            _ => return None,
        },
        Token::Name(name) => match name.as_str() {
            "or" => (Op::Or, 10),
            "and" => (Op::And, 15),
            _ => return None,
        },
        _ => return None,
    })
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }
    fn place(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |(at, _)| *at)
    }
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }
    fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        if found {
            self.take();
        }
        found
    }
    fn expect(&mut self, symbol: &'static str, after: &str) -> Result<(), ConditionError> {
        if self.eat(symbol) {
            return Ok(());
        }
        refuse(self.place(), format!("{after} `{symbol}` is expected, not {}", self.peek()))
    }
    fn deeper(&mut self) -> Result<(), ConditionError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return refuse(self.place(), format!("nested more than {DEEPEST} deep"));
        }
        Ok(())
    }

    fn choice(&mut self) -> Parsed {
        self.deeper()?;
        let start = self.place();
        let (condition, kind) = self.binary(0)?;
        let parsed = if self.eat("?") {
            wanted(kind, Kind::Bool, start, "before `?`")?;
            let (yes, one) = self.choice()?;
            self.expect(":", "after the first choice")?;
            let place = self.place();
            let (no, other) = self.choice()?;
            let kind = match (one, other) {
                (a, b) if a == b => a,
                (Kind::Bool, b) | (b, Kind::Bool) => {
                    return refuse(
                        place,
                        format!(
                            "one choice gives yes or no, the other {}: both must give the same",
                            b.words()
                        ),
                    );
                }
                _ => Kind::Unknown,
            };
            (Expr::Choose(Box::new(condition), Box::new(yes), Box::new(no)), kind)
        } else {
            (condition, kind)
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn binary(&mut self, least: u8) -> Parsed {
        let start = self.place();
        let (mut left, mut kind) = self.unary()?;
        while let Some((op, binds)) = binary(self.peek()).filter(|(_, binds)| *binds >= least) {
            let place = self.place();
            let sign = self.take();
            let right_at = self.place();
            let tighter = if op == Op::Power { binds } else { binds + 1 };
            let (right, other) = self.binary(tighter)?;
            kind = checked(op, &sign, (kind, start), (other, right_at), place)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        Ok((left, kind))
    }

    fn unary(&mut self) -> Parsed {
        self.deeper()?;
        let not = matches!(self.peek(), Token::Symbol("!")) || self.peek() == &Token::Name("not".to_owned());
        let parsed = if not {
            self.take();
            let place = self.place();
            let (expr, kind) = self.unary()?;
            wanted(kind, Kind::Bool, place, "after `!`")?;
            (Expr::Not(Box::new(expr)), Kind::Bool)
        } else if self.eat("-") {
            let place = self.place();
            let (expr, kind) = self.unary()?;
            wanted(kind, Kind::Number, place, "after `-`")?;
            (Expr::Negative(Box::new(expr)), Kind::Number)
        } else if self.eat("+") {
            let place = self.place();
            let (expr, kind) = self.unary()?;
            wanted(kind, Kind::Number, place, "after `+`")?;
            (expr, Kind::Number)
        } else {
            self.postfix()?
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn postfix(&mut self) -> Parsed {
        let start = self.place();
        let (mut expr, mut kind) = self.primary()?;
        while self.eat("[") {
            wanted(kind, Kind::List, start, "before `[`")?;
            let place = self.place();
            let (index, of) = self.choice()?;
            wanted(of, Kind::Number, place, "as an index")?;
            if matches!(self.peek(), Token::Symbol(":")) {
                return refuse(self.place(), "slices are not known: take one element, like `result[0]`");
            }
            self.expect("]", "after the index")?;
            (expr, kind) = (Expr::Index(Box::new(expr), Box::new(index)), Kind::Number);
        }
        Ok((expr, kind))
    }

    fn primary(&mut self) -> Parsed {
        let place = self.place();
        match self.take() {
            Token::Number(value) => Ok((Expr::Number(value), Kind::Number)),
            Token::Symbol("(") => {
                let inner = self.choice()?;
                self.expect(")", "to close the parenthesis")?;
                Ok(inner)
            }
            Token::Symbol("#") if self.items => Ok((Expr::Item, Kind::Number)),
            Token::Symbol("#") => {
                refuse(place, "`#` is an item of a list, inside of `all(result, # < 1)` and its like")
            }
            Token::Name(name) => match name.as_str() {
                "true" => Ok((Expr::Bool(true), Kind::Bool)),
                "false" => Ok((Expr::Bool(false), Kind::Bool)),
                "nil" => Ok((Expr::Nil, Kind::Nil)),
                "result" => Ok((Expr::Result, Kind::Unknown)),
                _ => self.call(&name, place),
            },
            token => {
                refuse(place, format!("{token} is not expected here: a number, `result` or a function is"))
            }
        }
    }

    fn call(&mut self, name: &str, place: usize) -> Parsed {
        let Some(&(_, function, takes, _)) = Function::ALL.iter().find(|(n, ..)| *n == name) else {
            let known = Function::ALL.iter().map(|(n, ..)| *n).chain(["result", "nil", "true", "false"]);
            let near =
                suggest::nearest(name, known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return refuse(place, format!("`{name}` is not known{near}"));
        };
        self.expect("(", &format!("after `{name}`"))?;
        let first_at = self.place();
        let (first, kind) = self.choice()?;
        let mut arguments = vec![first];
        let list = matches!(
            function,
            Function::Len
                | Function::Sum
                | Function::Mean
                | Function::Median
                | Function::Min
                | Function::Max
                | Function::First
                | Function::Last
        ) || function.takes_predicate();
        match function {
            Function::IsNil => {}
            Function::Default if kind == Kind::Bool => {
                return refuse(first_at, "`default` takes a number or a list first, not yes or no");
            }
            Function::Default => {}
            _ if list => wanted(kind, Kind::List, first_at, &format!("in `{name}`"))?,
            _ => wanted(kind, Kind::Number, first_at, &format!("in `{name}`"))?,
        }
        while self.eat(",") {
            let second_at = self.place();
            let (argument, of) = if function.takes_predicate() && arguments.len() == 1 {
                let outer = std::mem::replace(&mut self.items, true);
                let braces = self.eat("{");
                let inner = self.choice()?;
                if braces {
                    self.expect("}", "to close the brace")?;
                }
                self.items = outer;
                wanted(inner.1, Kind::Bool, second_at, &format!("as the second of `{name}`"))?;
                inner
            } else {
                self.choice()?
            };
            if function == Function::Default && of == Kind::Bool {
                return refuse(second_at, "`default` gives a number or a list here, not yes or no");
            }
            arguments.push(argument);
        }
        if arguments.len() != takes {
            return refuse(
                place,
                format!(
                    "`{name}` takes {takes} argument{}, not {}",
                    if takes == 1 { "" } else { "s" },
                    arguments.len()
                ),
            );
        }
        self.expect(")", "after the arguments")?;
        let gives = match function {
            Function::IsNan
            | Function::IsInf
            | Function::IsNil
            | Function::All
            | Function::Any
            | Function::None
            | Function::One => Kind::Bool,
            Function::Filter => Kind::List,
            Function::Default => Kind::Unknown,
            _ => Kind::Number,
        };
        Ok((Expr::Call(function, arguments), gives))
    }
}

fn wanted(kind: Kind, wanted: Kind, at: usize, place: &str) -> Result<(), ConditionError> {
    if kind.may_be(wanted) {
        return Ok(());
    }
    refuse(at, format!("{place} {} is expected, this gives {}", wanted.words(), kind.words()))
}

fn checked(
    op: Op,
    sign: &Token,
    (left, left_at): (Kind, usize),
    (right, right_at): (Kind, usize),
    place: usize,
) -> Result<Kind, ConditionError> {
    let beside = format!("beside {sign}");
    match op {
        Op::Or | Op::And => {
            wanted(left, Kind::Bool, left_at, &beside)?;
            wanted(right, Kind::Bool, right_at, &beside)?;
            Ok(Kind::Bool)
        }
        Op::Equal | Op::Unequal => {
            if (left == Kind::Bool) != (right == Kind::Bool) {
                return refuse(place, format!("{} and {} are never equal", left.words(), right.words()));
            }
            Ok(Kind::Bool)
        }
        Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
            wanted(left, Kind::Number, left_at, &beside)?;
            wanted(right, Kind::Number, right_at, &beside)?;
            Ok(Kind::Bool)
        }
        _ => {
            wanted(left, Kind::Number, left_at, &beside)?;
            wanted(right, Kind::Number, right_at, &beside)?;
            Ok(Kind::Number)
        }
    }
}

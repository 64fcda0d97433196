//! Tokens into a typed tree, by operator precedence.

mod aggregate;
mod binary;
mod duration;
mod selector;

use crate::ast::{BinaryOp, Call, Expr, ExprKind, NumberLiteral, UnaryExpr};
use crate::error::ParseError;
use crate::functions::{self, Function};
use crate::lexer::{Tok, Token, lex};
use crate::{Span, ValueType};

/// The deepest nesting of expressions; chains of operators count as nested.
pub(crate) const MAX_DEPTH: usize = 200;

/// The deepest recursion of the parser itself: its frames are larger than those of what walks the tree.
const MAX_NESTING: usize = 100;

/// The longest query, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// Switches for experimental syntax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Allow functions and aggregations that are experimental.
    pub experimental_functions: bool,
    /// Allow arithmetic where a duration is expected: `up[2 * 5m]`.
    pub duration_expressions: bool,
}

/// Parses a query, without experimental syntax.
///
/// # Errors
/// When the text is no query or its types do not fit.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    parse_with(text, &ParseOptions::default())
}

/// Parses a query.
///
/// # Errors
/// When the text is no query or its types do not fit.
pub fn parse_with(text: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    if text.len() > MAX_LENGTH {
        return Err(ParseError::new("the query is longer than 1 MiB", 0..text.len()));
    }
    let (tokens, lex_error) = lex(text);
    let mut parser = Parser { text, tokens, at: 0, depth: 0, options: *options, problems: vec![] };
    let parsed = parser.whole();
    // A lexer error explains a parser error at the same place or after it: it comes first then.
    let error = match (lex_error, parsed) {
        (None, Ok(expr)) if parser.problems.is_empty() => return Ok(expr),
        (None, Ok(_)) => None,
        (None, Err(e)) => Some(e),
        (Some(l), Err(p)) if p.range.start < l.range.start => Some(p),
        (Some(l), _) => Some(l),
    };
    let mut all = parser.problems;
    all.extend(error);
    all.sort_by_key(|e| e.range.start);
    all.dedup();
    let mut first = all.remove(0);
    first.others = all;
    Err(first)
}

pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    options: ParseOptions,
    /// Type errors: found while going on, so that one parse reports several.
    problems: Vec<ParseError>,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Parsed<Expr> {
        if self.peek() == &Tok::Eof {
            return Err(ParseError::new("no expression found in input", 0..self.text.len())
                .advise("write a metric name, a number or a function"));
        }
        let expr = self.expr(0)?;
        if self.peek() != &Tok::Eof {
            return Err(self.unexpected("after the expression"));
        }
        Ok(expr)
    }

    fn peek(&self) -> &Tok {
        &self.tokens[self.at].tok
    }

    fn peek_at(&self, ahead: usize) -> &Tok {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].tok
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// The end of the token before.
    fn end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |i| self.tokens[i].span.end)
    }

    fn text_of(&self, index: usize) -> &'a str {
        let text: &'a str = self.text;
        self.tokens.get(index).map_or("", |t| &text[t.span.range()])
    }

    /// The name or keyword here, or nothing.
    fn word(&self) -> &'a str {
        if self.peek() == &Tok::Ident { self.text_of(self.at) } else { "" }
    }

    fn word_at(&self, ahead: usize) -> &'a str {
        if self.peek_at(ahead) == &Tok::Ident { self.text_of(self.at + ahead) } else { "" }
    }

    fn bump(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn eat(&mut self, tok: &Tok) -> bool {
        let here = self.peek() == tok;
        if here {
            self.bump();
        }
        here
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let here = self.word().eq_ignore_ascii_case(word);
        if here {
            self.bump();
        }
        here
    }

    fn expect(&mut self, tok: &Tok, what: &str, place: &str) -> Parsed<Span> {
        let span = self.span();
        if self.eat(tok) {
            Ok(span)
        } else {
            Err(self.unexpected(place).advise(format!("write {what} here")))
        }
    }

    fn unexpected(&self, place: &str) -> ParseError {
        let span = self.span();
        if self.peek() == &Tok::Eof {
            return ParseError::new(format!("unexpected end of input {place}"), span.range());
        }
        ParseError::new(format!("unexpected {:?} {place}", self.text_of(self.at)), span.range())
    }

    fn problem(&mut self, error: ParseError) {
        if self.problems.len() < 50 {
            self.problems.push(error);
        }
    }

    fn node(&self, kind: ExprKind, span: Span) -> Parsed<Expr> {
        let mut expr = Expr { kind, span, depth: 0 };
        expr.depth = 1 + expr.children().iter().map(|c| c.depth).max().unwrap_or(0);
        if expr.depth > MAX_DEPTH { Err(too_deep(span, MAX_DEPTH)) } else { Ok(expr) }
    }

    /// An expression of operators that bind at least as strongly as `min`.
    fn expr(&mut self, min: u8) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(too_deep(self.span(), MAX_NESTING));
        }
        let mut lhs = self.operand()?;
        while let Some(op) = self.infix() {
            let precedence = op.precedence();
            if precedence < min {
                break;
            }
            let op_span = self.bump().span;
            let modifiers = self.binary_modifiers(op)?;
            let rhs = self.expr(if op == BinaryOp::Pow { precedence } else { precedence + 1 })?;
            lhs = self.binary(op, op_span, modifiers, lhs, rhs)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn infix(&self) -> Option<BinaryOp> {
        if let Tok::Op(op) = self.peek() {
            return Some(*op);
        }
        let words = [BinaryOp::And, BinaryOp::Or, BinaryOp::Unless, BinaryOp::Atan2];
        words.into_iter().find(|op| self.word().eq_ignore_ascii_case(op.as_str()))
    }

    fn operand(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let negative = match self.peek() {
            Tok::Op(BinaryOp::Add) => false,
            Tok::Op(BinaryOp::Sub) => true,
            _ => {
                let primary = self.primary()?;
                return self.postfix(primary);
            }
        };
        self.bump();
        let expr = self.expr(BinaryOp::Pow.precedence())?;
        let kind = expr.value_type();
        if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
            self.problem(ParseError::new(
                format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    kind.describe()
                ),
                expr.span.range(),
            ));
        }
        let span = start.to(expr.span);
        self.node(ExprKind::Unary(Box::new(UnaryExpr { negative, expr })), span)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let span = self.span();
        match self.peek().clone() {
            Tok::Number(value) => {
                self.bump();
                self.node(ExprKind::Number(NumberLiteral { value, duration: false }), span)
            }
            Tok::Duration(millis) => {
                self.bump();
                let value = millis as f64 / 1000.0;
                self.node(ExprKind::Number(NumberLiteral { value, duration: true }), span)
            }
            Tok::Str(literal) => {
                self.bump();
                self.node(ExprKind::String(literal), span)
            }
            Tok::LParen => {
                self.bump();
                let inner = self.expr(0)?;
                let close = self.expect(&Tok::RParen, "\")\"", "in parenthesised expression")?;
                self.node(ExprKind::Paren(Box::new(inner)), span.to(close))
            }
            Tok::LBrace => self.vector_selector(),
            Tok::Ident => self.named(),
            Tok::RParen => {
                Err(self.unexpected("where an expression is expected").advise("remove it, or open it first"))
            }
            _ => Err(self
                .unexpected("where an expression is expected")
                .advise("write a metric name, a number or a function here")),
        }
    }

    /// What starts with a name: number, aggregation, function, metric.
    fn named(&mut self) -> Parsed<Expr> {
        let (name, span) = (self.word(), self.span());
        let special = [("inf", f64::INFINITY), ("nan", f64::NAN)];
        if let Some((_, value)) = special.iter().find(|(word, _)| name.eq_ignore_ascii_case(word)) {
            self.bump();
            return self.node(ExprKind::Number(NumberLiteral { value: *value, duration: false }), span);
        }
        if let Some(aggregation) = functions::aggregation_named(name) {
            let clause = ["by", "without"].iter().any(|w| self.word_at(1).eq_ignore_ascii_case(w));
            if clause || self.peek_at(1) == &Tok::LParen {
                return self.aggregate(aggregation);
            }
        }
        if self.peek_at(1) == &Tok::LParen {
            return self.call(name, span);
        }
        let reserved = ["bool", "on", "ignoring", "group_left", "group_right", "atan2"];
        if reserved.iter().any(|w| name.eq_ignore_ascii_case(w)) {
            return Err(self.unexpected("where an expression is expected").advise(format!(
                "{name} belongs between two expressions; a metric of that name is written {{\"{name}\"}}"
            )));
        }
        self.vector_selector()
    }

    fn call(&mut self, name: &str, name_span: Span) -> Parsed<Expr> {
        let Some(function) = functions::function(name) else {
            let names = functions::functions().iter().map(|f| f.name);
            let names = names.chain(functions::aggregations().iter().map(|a| a.name));
            let error = ParseError::new(format!("unknown function with name {name:?}"), name_span.range());
            return Err(match (name, quarterdeck_kernel::suggest::nearest(name, names)) {
                ("holt_winters", _) => error.advise("it is called double_exponential_smoothing now"),
                (_, Some(near)) => error.advise(format!("did you mean {near}?")),
                _ => error,
            });
        };
        if function.experimental && !self.options.experimental_functions {
            self.problem(
                ParseError::new(format!("function {name:?} is not enabled"), name_span.range())
                    .advise("it is experimental: switch experimental functions on to use it"),
            );
        }
        self.bump();
        let (args, span) = self.arguments(name)?;
        let span = name_span.to(span);
        self.check_arguments(function, &args, span);
        self.node(ExprKind::Call(Call { function, args, name_span }), span)
    }

    /// `(a, b)`, and where it stands.
    fn arguments(&mut self, of: &str) -> Parsed<(Vec<Expr>, Span)> {
        let open = self.expect(&Tok::LParen, "\"(\"", "in call")?;
        let mut args = vec![];
        if self.peek() == &Tok::RParen {
            return Ok((args, open.to(self.bump().span)));
        }
        loop {
            args.push(self.expr(0)?);
            let span = self.span();
            match self.peek() {
                Tok::Comma => {
                    self.bump();
                    if self.peek() == &Tok::RParen {
                        self.problem(
                            ParseError::new(
                                "trailing commas not allowed in function call args",
                                span.range(),
                            )
                            .advise("remove the comma"),
                        );
                        self.bump();
                        return Ok((args, open.to(span)));
                    }
                }
                Tok::RParen => {
                    self.bump();
                    return Ok((args, open.to(span)));
                }
                _ => {
                    return Err(self
                        .unexpected(&format!("in the arguments of {of}"))
                        .advise("write \",\" or \")\" here"));
                }
            }
        }
    }

    fn check_arguments(&mut self, function: &'static Function, args: &[Expr], span: Span) {
        let (fewest, most) = function.arity();
        let name = function.name;
        let found = args.len();
        let count = match most {
            Some(most) if fewest == most && found != most => Some(format!("expected {most} argument(s)")),
            Some(most) if found > most => Some(format!("expected at most {most} argument(s)")),
            _ if found < fewest => Some(format!("expected at least {fewest} argument(s)")),
            _ => None,
        };
        if let Some(expected) = count {
            self.problem(
                ParseError::new(format!("{expected} in call to {name:?}, got {found}"), span.range())
                    .advise(function.signature()),
            );
        }
        for (i, arg) in args.iter().enumerate() {
            if let Some(wanted) = function.args.get(i).or(function.args.last().filter(|_| function.variadic))
            {
                self.expect_type(arg, *wanted, &format!("call to function {name:?}"));
            }
        }
    }

    fn expect_type(&mut self, expr: &Expr, wanted: ValueType, place: &str) {
        let found = expr.value_type();
        if found == wanted {
            return;
        }
        let error = ParseError::new(
            format!("expected type {} in {place}, got {}", wanted.describe(), found.describe()),
            expr.span.range(),
        );
        self.problem(match (wanted, found) {
            (ValueType::Matrix, ValueType::Vector) => error.advise("add a range such as [5m]"),
            (ValueType::Vector, ValueType::Matrix) => {
                error.advise("remove the range, or put a function such as rate() around it")
            }
            (ValueType::Vector, ValueType::Scalar) => error.advise("vector() turns a number into a vector"),
            (ValueType::Scalar, ValueType::Vector) => {
                error.advise("scalar() turns a vector of one element into a number")
            }
            (ValueType::String, _) => error.advise("write a text in quotes"),
            _ => error,
        });
    }
}

fn too_deep(span: Span, levels: usize) -> ParseError {
    ParseError::new(format!("the expression is nested more than {levels} levels deep"), span.range())
        .advise("split it into recording rules, or match several values with one regular expression")
}

#[cfg(test)]
mod tests;

//! Selectors, and what may follow an expression: ranges, `offset`, `@`.

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{MatchOp, Matcher};

use super::duration::Role;
use super::{Parsed, Parser};
use crate::ast::{At, BinaryOp, Expr, ExprKind, MatrixSelector, Modifiers, Subquery, VectorSelector};
use crate::error::ParseError;
use crate::lexer::Tok;
use crate::{Span, ValueType};

impl Parser<'_> {
    pub(super) fn vector_selector(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let mut name = None;
        if self.peek() == &Tok::Ident {
            name = Some(self.word().to_owned());
            self.bump();
        }
        let mut matchers = vec![];
        if self.eat(&Tok::LBrace) {
            self.label_matchers(&mut name, &mut matchers)?;
        }
        let span = Span::new(start.start, self.end());
        if let Some(name) = &name {
            matchers.insert(0, Matcher::equal(METRIC_NAME, name));
        }
        if matchers.iter().all(Matcher::matches_empty) {
            self.problem(
                ParseError::new("vector selector must contain at least one non-empty matcher", span.range())
                    .advise("name a metric, or demand a label with a value"),
            );
        }
        let selector = VectorSelector { name, matchers, modifiers: Modifiers::default(), span };
        self.node(ExprKind::Vector(selector), span)
    }

    /// Everything between the braces, and the closing one.
    fn label_matchers(&mut self, name: &mut Option<String>, matchers: &mut Vec<Matcher>) -> Parsed<()> {
        let wanted = "write a label name, or \"}\"";
        while !self.eat(&Tok::RBrace) {
            let token = self.bump();
            let label = match token.tok {
                Tok::Ident => {
                    let label = &self.text[token.span.range()];
                    if label.contains(':') {
                        let error =
                            ParseError::new(format!("{label:?} is no label name"), token.span.range());
                        return Err(error.advise("only metric names may contain colons without quotes"));
                    }
                    label.to_owned()
                }
                Tok::Str(literal) => {
                    if literal.invalid.is_some() {
                        return Err(ParseError::new("a name must be valid UTF-8", token.span.range()));
                    }
                    if matches!(self.peek(), Tok::Comma | Tok::RBrace) {
                        self.set_name(name, literal.value, token.span)?;
                        self.after_matcher()?;
                        continue;
                    }
                    literal.value
                }
                _ => {
                    self.at -= usize::from(token.tok != Tok::Eof);
                    return Err(self.unexpected("in label matching").advise(wanted));
                }
            };
            let op = match self.peek() {
                Tok::Assign => MatchOp::Equal,
                Tok::Op(BinaryOp::Ne) => MatchOp::NotEqual,
                Tok::RegexEq => MatchOp::Regex,
                Tok::RegexNe => MatchOp::NotRegex,
                _ => {
                    return Err(self
                        .unexpected("in label matching")
                        .advise("write one of =, !=, =~, !~ after the label name"));
                }
            };
            self.bump();
            let value_span = self.span();
            let Tok::Str(value) = self.peek().clone() else {
                return Err(self.unexpected("in label matching").advise("write the label's value in quotes"));
            };
            self.bump();
            if value.invalid.is_some() {
                return Err(ParseError::new("a label value must be valid UTF-8", value_span.range()));
            }
            match Matcher::new(op, label, value.value) {
                Ok(matcher) => matchers.push(matcher),
                Err(e) => self.problem(ParseError::new(e.to_string(), value_span.range())),
            }
            self.after_matcher()?;
        }
        if let (Some(name), Some(other)) =
            (name.as_ref(), matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal))
        {
            return Err(ParseError::new(
                format!("metric name must not be set twice: {name:?} or {:?}", other.value),
                self.end() - 1..self.end(),
            ));
        }
        Ok(())
    }

    fn after_matcher(&mut self) -> Parsed<()> {
        if self.eat(&Tok::Comma) || self.peek() == &Tok::RBrace {
            return Ok(());
        }
        Err(self.unexpected("in label matching").advise("write \",\" or \"}\" here"))
    }

    fn set_name(&mut self, name: &mut Option<String>, value: String, span: Span) -> Parsed<()> {
        match name {
            Some(earlier) => Err(ParseError::new(
                format!("metric name must not be set twice: {earlier:?} or {value:?}"),
                span.range(),
            )),
            None => {
                *name = Some(value);
                Ok(())
            }
        }
    }

    /// Ranges, `offset` and `@` after an expression.
    pub(super) fn postfix(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            if self.peek() == &Tok::LBracket {
                expr = self.range(expr)?;
            } else if self.word().eq_ignore_ascii_case("offset") {
                let keyword = self.bump().span;
                let offset = self.offset_duration()?;
                let Some(modifiers) = modifiers_of(&mut expr) else {
                    return Err(misplaced("offset", &expr, keyword));
                };
                if modifiers.offset.replace(offset).is_some() {
                    return Err(ParseError::new("offset may not be set multiple times", keyword.range())
                        .advise("remove one"));
                }
                expr.span.end = self.end();
            } else if self.peek() == &Tok::At {
                let keyword = self.bump().span;
                let at = self.at_time()?;
                let Some(modifiers) = modifiers_of(&mut expr) else {
                    return Err(misplaced("@", &expr, keyword));
                };
                if modifiers.at.replace(at).is_some() {
                    return Err(ParseError::new(
                        "@ <timestamp> may not be set multiple times",
                        keyword.range(),
                    )
                    .advise("remove one"));
                }
                expr.span.end = self.end();
            } else {
                return Ok(expr);
            }
        }
    }

    fn at_time(&mut self) -> Parsed<At> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.word().eq_ignore_ascii_case(word) {
                self.bump();
                self.expect(&Tok::LParen, "\"(\"", "after @")?;
                self.expect(&Tok::RParen, "\")\"", "after @")?;
                return Ok(at);
            }
        }
        let start = self.span();
        let negative = match self.peek() {
            Tok::Op(BinaryOp::Sub) => true,
            Tok::Op(BinaryOp::Add) => false,
            _ => return self.time_literal(1.0, start),
        };
        self.bump();
        self.time_literal(if negative { -1.0 } else { 1.0 }, start)
    }

    fn time_literal(&mut self, sign: f64, start: Span) -> Parsed<At> {
        let seconds = match self.peek() {
            Tok::Number(v) => *v,
            Tok::Duration(ms) => *ms as f64 / 1000.0,
            Tok::Ident if ["inf", "nan"].iter().any(|w| self.word().eq_ignore_ascii_case(w)) => f64::NAN,
            _ => {
                return Err(self
                    .unexpected("after @")
                    .advise("write a Unix time in seconds, start() or end()"));
            }
        };
        let span = start.to(self.bump().span);
        let millis = (sign * seconds * 1000.0).round();
        // Leaves room for offsets and ranges to be added without overflow.
        if millis.is_finite() && millis.abs() < 4e18 {
            Ok(At::Time(millis as i64))
        } else {
            Err(ParseError::new("timestamp out of bounds for @ modifier", span.range()))
        }
    }

    fn range(&mut self, expr: Expr) -> Parsed<Expr> {
        let open = self.bump().span;
        let range = self.bracketed_duration(Role::Range)?;
        if self.eat(&Tok::Colon) {
            let step =
                if self.peek() == &Tok::RBracket { None } else { Some(self.bracketed_duration(Role::Step)?) };
            let close = self.expect(&Tok::RBracket, "\"]\"", "in subquery")?;
            let kind = expr.value_type();
            if kind != ValueType::Vector {
                self.problem(ParseError::new(
                    format!("subquery is only allowed on instant vector, got {} instead", kind.describe()),
                    expr.span.range(),
                ));
            }
            let span = expr.span.to(close);
            let subquery = Subquery { expr, range, step, modifiers: Modifiers::default() };
            return self.node(ExprKind::Subquery(Box::new(subquery)), span);
        }
        let close = self.expect(&Tok::RBracket, "\"]\" or \":\"", "in range")?;
        let span = expr.span.to(close);
        let modified = |m: &Modifiers| m.offset.is_some() || m.at.is_some();
        match expr.kind {
            ExprKind::Vector(selector) if !modified(&selector.modifiers) => {
                self.node(ExprKind::Matrix(Box::new(MatrixSelector { selector, range })), span)
            }
            ExprKind::Vector(selector) => {
                let which = if selector.modifiers.offset.is_some() { "offset" } else { "@" };
                Err(ParseError::new(
                    format!("no {which} modifiers allowed before range"),
                    open.to(close).range(),
                )
                .advise(format!("write the range first: metric[5m] {which} …")))
            }
            _ => Err(ParseError::new("ranges only allowed for vector selectors", open.to(close).range())
                .advise("write a subquery, with a colon: [5m:], to take a range of an expression")),
        }
    }
}

fn modifiers_of(expr: &mut Expr) -> Option<&mut Modifiers> {
    match &mut expr.kind {
        ExprKind::Vector(v) => Some(&mut v.modifiers),
        ExprKind::Matrix(m) => Some(&mut m.selector.modifiers),
        ExprKind::Subquery(s) => Some(&mut s.modifiers),
        _ => None,
    }
}

fn misplaced(what: &str, expr: &Expr, keyword: Span) -> ParseError {
    ParseError::new(
        format!(
            "{what} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
        ),
        expr.span.to(keyword).range(),
    )
    .advise(format!("move {what} to the selector itself"))
}

//! Lengths of time: literals, and arithmetic on constants.

use super::{Parsed, Parser};
use crate::ast::{BinaryOp, DurationSpec, Expr, ExprKind};
use crate::error::ParseError;
use crate::lexer::Tok;
use crate::{Span, ValueType};

/// Where a duration stands, which says what values it may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Positive.
    Range,
    /// Positive.
    Step,
    /// Any.
    Offset,
}

impl Parser<'_> {
    /// A range or a step, up to `:` or `]`.
    pub(super) fn bracketed_duration(&mut self, role: Role) -> Parsed<DurationSpec> {
        let literal = matches!(self.peek(), Tok::Number(_) | Tok::Duration(_))
            && matches!(self.peek_at(1), Tok::Colon | Tok::RBracket);
        if literal {
            return self.literal_duration(role);
        }
        if matches!(self.peek(), Tok::RBracket | Tok::Eof | Tok::Colon | Tok::Ident) {
            return Err(self
                .unexpected("where a duration is expected")
                .advise("write a duration such as 5m or 1h30m, or a number of seconds"));
        }
        let expr = self.expr(BinaryOp::Add.precedence())?;
        self.computed_duration(expr, role)
    }

    /// What follows `offset`: a signed literal, or arithmetic in parentheses.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationSpec> {
        let start = self.span();
        let negative = match self.peek() {
            Tok::Op(BinaryOp::Sub) => true,
            Tok::Op(BinaryOp::Add) => false,
            _ => return self.unsigned_offset(),
        };
        self.bump();
        let mut inner = self.unsigned_offset()?;
        if negative {
            inner.millis = -inner.millis;
        }
        if let (Some(expr), true) = (inner.expr.take(), negative) {
            let unary = crate::ast::UnaryExpr { negative, expr: *expr };
            inner.expr = Some(Box::new(self.node(ExprKind::Unary(Box::new(unary)), start.to(inner.span))?));
        }
        inner.span = start.to(inner.span);
        Ok(inner)
    }

    fn unsigned_offset(&mut self) -> Parsed<DurationSpec> {
        match self.peek() {
            Tok::Number(_) | Tok::Duration(_) => self.literal_duration(Role::Offset),
            Tok::LParen => {
                let expr = self.primary()?;
                self.computed_duration(expr, Role::Offset)
            }
            _ => Err(self
                .unexpected("after offset")
                .advise("write a duration such as 5m, or -5m to look ahead")),
        }
    }

    fn literal_duration(&mut self, role: Role) -> Parsed<DurationSpec> {
        let token = self.bump();
        let millis = match token.tok {
            Tok::Duration(millis) => Some(millis),
            Tok::Number(seconds) => to_millis(seconds),
            _ => None,
        };
        let millis = millis.ok_or_else(|| out_of_range(token.span))?;
        self.check_sign(millis, token.span, role);
        Ok(DurationSpec { millis, span: token.span, expr: None })
    }

    fn computed_duration(&mut self, expr: Expr, role: Role) -> Parsed<DurationSpec> {
        let span = expr.span;
        if !self.options.duration_expressions {
            self.problem(
                ParseError::new("experimental duration expression is not enabled", span.range())
                    .advise("write one duration, such as 1h30m"),
            );
        }
        if expr.value_type() != ValueType::Scalar {
            return Err(ParseError::new(
                "a duration can only be computed from numbers and durations",
                span.range(),
            ));
        }
        let seconds = constant(&expr)?;
        let millis = to_millis(seconds).ok_or_else(|| out_of_range(span))?;
        self.check_sign(millis, span, role);
        Ok(DurationSpec { millis, span, expr: Some(Box::new(expr)) })
    }

    fn check_sign(&mut self, millis: i64, span: Span, role: Role) {
        if millis <= 0 && role != Role::Offset {
            self.problem(
                ParseError::new("duration must be greater than 0", span.range())
                    .advise("ranges and steps reach back; use offset to shift them"),
            );
        }
    }
}

fn out_of_range(span: Span) -> ParseError {
    ParseError::new("duration out of range", span.range()).advise("the longest is 292 years")
}

fn to_millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    // The same bound as a count of nanoseconds in 63 bits.
    (millis.abs() <= (i64::MAX / 1_000_000) as f64).then_some(millis as i64)
}

fn constant(expr: &Expr) -> Parsed<f64> {
    match &expr.kind {
        ExprKind::Number(n) => Ok(n.value),
        ExprKind::Paren(inner) => constant(inner),
        ExprKind::Unary(u) => Ok(if u.negative { -constant(&u.expr)? } else { constant(&u.expr)? }),
        ExprKind::Binary(b) if b.op.precedence() >= 4 && b.op != BinaryOp::Atan2 => {
            let (l, r) = (constant(&b.lhs)?, constant(&b.rhs)?);
            if r == 0.0 && matches!(b.op, BinaryOp::Div | BinaryOp::Mod) {
                let what = if b.op == BinaryOp::Div { "division" } else { "modulo" };
                return Err(ParseError::new(format!("{what} by zero"), b.rhs.span.range()));
            }
            Ok(crate::eval::arithmetic(b.op, l, r))
        }
        _ => Err(ParseError::new(
            "a duration can only be computed from numbers and durations with + - * / % ^",
            expr.span.range(),
        )),
    }
}

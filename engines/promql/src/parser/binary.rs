//! What stands between two expressions: operators, `bool`, `on`, `group_left`.

use super::{Parsed, Parser};
use crate::ast::{BinaryExpr, BinaryOp, Cardinality, Expr, ExprKind, VectorMatching};
use crate::error::ParseError;
use crate::lexer::Tok;
use crate::{Span, ValueType};

/// `bool`, `on (…)`, `group_left (…)` and where they stand.
pub(super) struct BinaryModifiers {
    bool_span: Option<Span>,
    matching: Option<VectorMatching>,
    span: Span,
}

impl Parser<'_> {
    pub(super) fn binary_modifiers(&mut self, op: BinaryOp) -> Parsed<BinaryModifiers> {
        let start = self.span();
        let bool_span = self.word().eq_ignore_ascii_case("bool").then(|| self.bump().span);
        let mut matching = None;
        let clause = [("on", true), ("ignoring", false)].into_iter();
        let clause = clause.into_iter().find(|(w, _)| self.word().eq_ignore_ascii_case(w));
        if let Some((_, on)) = clause.filter(|_| self.peek_at(1) == &Tok::LParen) {
            self.bump();
            let labels = self.label_list("in grouping opts")?;
            let mut cardinality = if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne };
            let mut include = vec![];
            for (word, side) in
                [("group_left", Cardinality::ManyToOne), ("group_right", Cardinality::OneToMany)]
            {
                let span = self.span();
                if self.eat_word(word) {
                    if self.peek() == &Tok::LParen {
                        include = self.label_list("in grouping opts")?;
                    }
                    if op.is_set() {
                        self.problem(ParseError::new(
                            format!("no grouping allowed for {:?} operation", op.as_str()),
                            span.range(),
                        ));
                    }
                    if on && let Some(twice) = include.iter().find(|l| labels.contains(l)) {
                        self.problem(ParseError::new(
                            format!("label {twice:?} must not occur in ON and GROUP clause at once"),
                            span.range(),
                        ));
                    }
                    cardinality = side;
                    break;
                }
            }
            matching = Some(VectorMatching { cardinality, on, labels, include });
        }
        Ok(BinaryModifiers { bool_span, matching, span: Span::new(start.start, self.end().max(start.start)) })
    }

    /// `(a, b, "c.d")`
    pub(super) fn label_list(&mut self, place: &str) -> Parsed<Vec<String>> {
        self.expect(&Tok::LParen, "\"(\"", place)?;
        let mut labels = vec![];
        while !self.eat(&Tok::RParen) {
            match self.peek().clone() {
                Tok::Ident if !self.word().contains(':') => labels.push(self.word().to_owned()),
                Tok::Str(s) if s.invalid.is_none() && !s.value.is_empty() => labels.push(s.value),
                _ => return Err(self.unexpected(place).advise("write a label name here")),
            }
            self.bump();
            if !self.eat(&Tok::Comma) && self.peek() != &Tok::RParen {
                return Err(self.unexpected(place).advise("write \",\" or \")\" here"));
            }
        }
        Ok(labels)
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        modifiers: BinaryModifiers,
        lhs: Expr,
        rhs: Expr,
    ) -> Parsed<Expr> {
        let (left, right) = (lhs.value_type(), rhs.value_type());
        let both_vectors = left == ValueType::Vector && right == ValueType::Vector;
        let symbol = op.as_str();
        for side in [&lhs, &rhs] {
            if !matches!(side.value_type(), ValueType::Scalar | ValueType::Vector) {
                self.problem(
                    ParseError::new(
                        "binary expression must contain only scalar and instant vector types",
                        side.span.range(),
                    )
                    .advise(format!("this is a {}", side.value_type().describe())),
                );
            }
        }
        if let Some(span) = modifiers.bool_span.filter(|_| !op.is_comparison()) {
            self.problem(ParseError::new(
                "bool modifier can only be used on comparison operators",
                span.range(),
            ));
        }
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if op.is_comparison() && modifiers.bool_span.is_none() && scalars {
            self.problem(
                ParseError::new("comparisons between scalars must use BOOL modifier", op_span.range())
                    .advise(format!("write {symbol} bool")),
            );
        }
        if op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
            self.problem(
                ParseError::new(
                    format!("set operator {symbol:?} not allowed in binary scalar expression"),
                    op_span.range(),
                )
                .advise("vector() turns a number into a vector"),
            );
        }
        let explicit = modifiers.matching.is_some();
        if explicit && !both_vectors {
            self.problem(
                ParseError::new(
                    "vector matching only allowed between instant vectors",
                    modifiers.span.range(),
                )
                .advise("remove the clause"),
            );
        }
        let matching = modifiers.matching.or_else(|| {
            both_vectors.then(|| VectorMatching {
                cardinality: if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne },
                on: false,
                labels: vec![],
                include: vec![],
            })
        });
        let value_type = if scalars { ValueType::Scalar } else { ValueType::Vector };
        let span = lhs.span.to(rhs.span);
        let bool_modifier = modifiers.bool_span.is_some();
        let kind = BinaryExpr { op, lhs, rhs, bool_modifier, matching, value_type };
        self.node(ExprKind::Binary(Box::new(kind)), span)
    }
}

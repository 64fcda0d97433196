//! Aggregations: `sum by (job) (x)` and `sum(x) by (job)`.

use super::{Parsed, Parser};
use crate::ValueType;
use crate::ast::{AggregateExpr, Expr, ExprKind, Grouping};
use crate::error::ParseError;
use crate::functions::Aggregation;

impl Parser<'_> {
    pub(super) fn aggregate(&mut self, aggregation: &'static Aggregation) -> Parsed<Expr> {
        let start = self.bump().span;
        let name = aggregation.name;
        if aggregation.experimental && !self.options.experimental_functions {
            self.problem(
                ParseError::new(format!("{name}() is experimental and must be enabled"), start.range())
                    .advise("switch experimental functions on to use it"),
            );
        }
        let mut grouping = self.grouping()?;
        let (mut args, args_span) = self.arguments(name)?;
        let mut end = args_span;
        if grouping.is_none() {
            grouping = self.grouping()?;
            end.end = self.end();
        }
        let span = start.to(end);
        let wanted = 1 + usize::from(aggregation.param.is_some());
        if args.len() != wanted {
            let error = ParseError::new(
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                    args.len()
                ),
                span.range(),
            );
            return Err(match aggregation.param {
                Some((_, param)) => error.advise(format!("write {name}({param}, vector)")),
                None => error.advise(format!("write {name}(vector)")),
            });
        }
        let expr = args.remove(wanted - 1);
        let param = args.pop();
        if let (Some((wanted, _)), Some(param)) = (aggregation.param, &param) {
            self.expect_type(param, wanted, &format!("aggregation parameter of {name}"));
        }
        self.expect_type(&expr, ValueType::Vector, "aggregation expression");
        let kind = AggregateExpr { op: aggregation.op, expr, param, grouping };
        self.node(ExprKind::Aggregate(Box::new(kind)), span)
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        if self.eat_word("by") {
            return Ok(Some(Grouping::By(self.label_list("in grouping opts")?)));
        }
        if self.eat_word("without") {
            return Ok(Some(Grouping::Without(self.label_list("in grouping opts")?)));
        }
        Ok(None)
    }
}

//! Functions that change labels. Labels are worked out once per series, not per step.

use std::borrow::Cow;

use quarterdeck_kernel::matcher::anchored;

use super::column::{Columns, distinct};
use super::{Evaluation, Evaluator, Steps, same_labelset};
use crate::Span;
use crate::ast::{Call, ExprKind};
use crate::error::QueryError;
use crate::print::{quoted, quoted_bytes};

impl Evaluator<'_> {
    /// A label name given as an argument.
    fn label_argument<'e>(&self, call: &'e Call, index: usize, what: &str) -> Evaluation<&'e str> {
        let arg = &call.args[index];
        match &arg.unwrapped().kind {
            ExprKind::String(s) if s.invalid.is_none() && !s.value.is_empty() => Ok(&s.value),
            ExprKind::String(s) => {
                let found = s.invalid.as_ref().map_or_else(|| quoted(&s.value), |b| quoted_bytes(b));
                let function = call.function.name;
                Err(QueryError::evaluation(
                    arg.span,
                    format!("invalid {what} label name in {function}(): {found}"),
                ))
            }
            _ => Err(QueryError::evaluation(arg.span, "a string is expected here")),
        }
    }

    pub(super) fn label_replace(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let target = self.label_argument(call, 1, "destination")?;
        let (replacement, source, pattern) = (self.text(call, 2)?, self.text(call, 3)?, self.text(call, 4)?);
        let regex = anchored(pattern).map_err(|e| {
            QueryError::evaluation(
                call.args[4].span,
                format!("invalid regular expression in label_replace(): {}", e.why),
            )
        })?;
        let columns = self.vector(&call.args[0], steps)?;
        self.relabelled(columns, target, span, |labels| {
            let value = labels.get(source).unwrap_or_default();
            let captures = regex.captures(value)?;
            let mut text = String::new();
            captures.expand(replacement, &mut text);
            Some(Cow::Owned(text))
        })
    }

    pub(super) fn label_join(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let target = self.label_argument(call, 1, "destination")?;
        let separator = self.text(call, 2)?;
        let mut sources = vec![];
        for i in 3..call.args.len() {
            sources.push(self.label_argument(call, i, "source")?);
        }
        let columns = self.vector(&call.args[0], steps)?;
        self.relabelled(columns, target, span, |labels| {
            let values: Vec<&str> = sources.iter().map(|s| labels.get(s).unwrap_or_default()).collect();
            Some(Cow::Owned(values.join(separator)))
        })
    }

    /// Sets a label where `value` gives one.
    fn relabelled(
        &self,
        mut columns: Columns,
        target: &str,
        span: Span,
        value: impl Fn(&quarterdeck_kernel::Labels) -> Option<Cow<'_, str>>,
    ) -> Evaluation<Columns> {
        for column in &mut columns {
            if let Some(value) = value(&column.labels) {
                column.labels = column.labels.with(target, &value);
                if target == "__name__" {
                    column.drop_name = false;
                }
            }
        }
        if distinct(&columns) { Ok(columns) } else { Err(same_labelset(span)) }
    }
}

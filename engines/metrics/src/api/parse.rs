//! `/api/v1/parse_query`: the syntax tree of a query, as Prometheus's own editor reads it.

use axum::extract::State;
use axum::response::Response;
use quarterdeck_kernel::Matcher;
use quarterdeck_promql::ast::{
    At, Cardinality, Expr, ExprKind, Grouping, Modifiers, VectorMatching, VectorSelector,
};
use quarterdeck_promql::functions::Function;
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;
use super::params::Params;
use super::render::{self, success};

pub(super) async fn parse(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let query = params.required("query")?;
    let expr = api.0.engine.parse(query).map_err(|error| ApiError::query(&error.into(), query))?;
    Ok(success(&tree(&expr).to_string(), &[], &[]))
}

/// The tree below an expression; the parser bounds its height.
fn tree(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(number) => {
            let mut text = String::new();
            render::number(&mut text, number.value);
            json!({ "type": "numberLiteral", "val": text })
        }
        ExprKind::String(string) => json!({ "type": "stringLiteral", "val": string.value }),
        ExprKind::Paren(inner) => json!({ "type": "parenExpr", "expr": tree(inner) }),
        ExprKind::Unary(unary) => {
            let op = if unary.negative { "-" } else { "+" };
            json!({ "type": "unaryExpr", "op": op, "expr": tree(&unary.expr) })
        }
        ExprKind::Vector(selector) => selection("vectorSelector", selector),
        ExprKind::Matrix(matrix) => {
            let mut found = selection("matrixSelector", &matrix.selector);
            found["range"] = matrix.range.millis.into();
            found
        }
        ExprKind::Subquery(subquery) => timed(
            json!({
                "type": "subquery",
                "expr": tree(&subquery.expr),
                "range": subquery.range.millis,
                "step": subquery.step.as_ref().map_or(0, |step| step.millis),
            }),
            &subquery.modifiers,
        ),
        ExprKind::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.as_str(),
            "lhs": tree(&binary.lhs),
            "rhs": tree(&binary.rhs),
            "matching": binary.matching.as_ref().map(matching),
            "bool": binary.bool_modifier,
        }),
        ExprKind::Aggregate(aggregate) => {
            let (grouping, without) = match &aggregate.grouping {
                None => (&[][..], false),
                Some(Grouping::By(labels)) => (&labels[..], false),
                Some(Grouping::Without(labels)) => (&labels[..], true),
            };
            json!({
                "type": "aggregation",
                "op": aggregate.op.as_str(),
                "expr": tree(&aggregate.expr),
                "param": aggregate.param.as_ref().map(tree),
                "grouping": grouping,
                "without": without,
            })
        }
        ExprKind::Call(call) => json!({
            "type": "call",
            "func": function(call.function),
            "args": call.args.iter().map(tree).collect::<Vec<_>>(),
        }),
    }
}

fn selection(kind: &str, selector: &VectorSelector) -> Value {
    let matchers: Vec<Value> = selector.matchers.iter().map(matcher).collect();
    let name = selector.name.as_deref().unwrap_or_default();
    timed(json!({ "type": kind, "name": name, "matchers": matchers }), &selector.modifiers)
}

fn matcher(matcher: &Matcher) -> Value {
    json!({ "name": matcher.name, "value": matcher.value, "type": matcher.op.as_str() })
}

fn timed(mut node: Value, modifiers: &Modifiers) -> Value {
    let (timestamp, edge) = match modifiers.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(millis)) => (millis.into(), Value::Null),
        Some(At::Start) => (Value::Null, "start".into()),
        Some(At::End) => (Value::Null, "end".into()),
    };
    node["offset"] = modifiers.offset_millis().into();
    node["timestamp"] = timestamp;
    node["startOrEnd"] = edge;
    node
}

fn matching(matching: &VectorMatching) -> Value {
    let cardinality = match matching.cardinality {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json!({ "card": cardinality, "labels": matching.labels, "on": matching.on, "include": matching.include })
}

fn function(function: &Function) -> Value {
    let types: Vec<&str> = function.args.iter().map(|kind| kind.as_str()).collect();
    // How many of the last arguments may be left out; -1 when the last may be repeated.
    let variadic = if function.variadic { -1 } else { i64::try_from(function.optional).unwrap_or(0) };
    json!({
        "name": function.name,
        "argTypes": types,
        "variadic": variadic,
        "returnType": function.returns.as_str(),
    })
}

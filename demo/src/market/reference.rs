//! Reference data: what is traded, in both shapes that the interface has had.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::symbols::{SYMBOLS, Symbol, find};
use crate::shell::server;
use crate::wire::to_dollars;

/// What is traded changes once a day: whoever stands between may keep it for a while, and for everybody.
const KEPT: &str = "public, max-age=10";

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let all = |shape: fn(&Symbol) -> Value| {
        get(
            move || async move { kept(json!({ "instruments": SYMBOLS.iter().map(shape).collect::<Vec<_>>() })) },
        )
    };
    let one = |shape: fn(&Symbol) -> Value| {
        get(move |Path(name): Path<String>| async move {
            match find(&name) {
                Some(symbol) => kept(shape(symbol)),
                None => server::problem(StatusCode::NOT_FOUND, format!("{name} is not traded here")),
            }
        })
    };
    Router::new()
        .route("/reference/v1/instruments", all(first))
        .route("/reference/v1/instruments/{symbol}", one(first))
        .route("/reference/v2/instruments", all(second))
        .route("/reference/v2/instruments/{symbol}", one(second))
}

/// The first shape: prices are text.
fn first(symbol: &Symbol) -> Value {
    json!({ "name": symbol.name, "price": format!("{:.2}", to_dollars(symbol.price)) })
}

fn second(symbol: &Symbol) -> Value {
    json!({
        "symbol": symbol.name,
        "reference_price": to_dollars(symbol.price),
        "usual_spread": to_dollars(symbol.spread),
        "usual_depth": symbol.depth,
        "tick": to_dollars(1),
        "lot": 100,
    })
}

fn kept(body: Value) -> Response {
    ([(header::CACHE_CONTROL, KEPT)], Json(body)).into_response()
}

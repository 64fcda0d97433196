//! `/api/quarterdeck/v1/export`: raw samples as a stream, however many there are.

mod lines;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use quarterdeck_promql::Budget;
use tokio::sync::mpsc;

use super::error::ApiError;
use super::params::Params;
use super::{Api, latency};
use lines::{Lines, Shape};

/// What is rendered goes out in pieces of about this size...
const PIECE: usize = 64 << 10;
/// ...of which this many may wait for a client that reads slowly.
const WAITING: usize = 4;

/// Streams the samples of the series that `match[]` selects, series after series. Memory stays bounded: a client that
/// reads slowly holds the reading up, one that goes away ends it. An error in the middle cuts the answer off.
pub(super) async fn export(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let _timer = latency("export").start();
    let selectors = params.matches(&api.0.engine)?;
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let (start, end) = params.range()?;
    let name = params.get("format").unwrap_or("openmetrics");
    let shape = Shape::named(name).ok_or_else(|| {
        ApiError::parameter("format", format!("{name:?} is not one of openmetrics, csv, jsonl"))
    })?;
    let place = api.0.runner.place(Duration::from_secs(10)).await?;
    let (pieces, mut waiting) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING);
    let budget = Budget::new(api.0.query.max_samples, None);
    let store = api.0.store.clone();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut lines = Lines::new(shape, store.all_metadata());
        let mut gone = false;
        let outcome = store.export(&selectors, start, end, &budget, |labels, samples| {
            lines.series(labels, samples, |piece| {
                gone = pieces.blocking_send(Ok(piece)).is_err();
                !gone
            })
        });
        // A client that is gone hears nothing any more.
        let _ = match outcome {
            Ok(()) if gone => Ok(()),
            Ok(()) => pieces.blocking_send(Ok(lines.finish())),
            Err(error) => {
                tracing::warn!(%error, "an export was cut off");
                pieces.blocking_send(Err(std::io::Error::other(error.to_string())))
            }
        };
    });
    let stream = futures_util::stream::poll_fn(move |context| waiting.poll_recv(context));
    Ok(([(header::CONTENT_TYPE, shape.content_type())], Body::from_stream(stream)).into_response())
}

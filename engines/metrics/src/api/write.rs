//! The remote-write 1.0 receiver: a snappy-compressed `WriteRequest`, decoded by hand within bounds.

pub(super) mod wire;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quarterdeck_kernel::{Labels, Timestamp};

use super::{Api, latency};
use crate::Store;
use crate::ingest::{Exemplar, Incoming, Ingest, IngestError, Metadata};
use wire::{TimeSeries, WriteRequest};

pub(super) async fn write(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    let _timer = latency("write").start();
    if let Err((status, why)) = check(&headers) {
        return (status, why).into_response();
    }
    let (store, most) = (api.0.store.clone(), api.0.query.max_write_bytes);
    let taken = api.0.runner.blocking(move || take(&store, &body, most)).await;
    match taken {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err((status, why))) => (status, why).into_response(),
        Err(error) => error.into_response(),
    }
}

fn check(headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unsupported = |why: String| Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    let content = header(header::CONTENT_TYPE);
    let mut parts = content.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let proto = parts.find_map(|part| part.strip_prefix("proto=")).unwrap_or("prometheus.WriteRequest");
    if !media.is_empty() && media != "application/x-protobuf" || proto != "prometheus.WriteRequest" {
        return unsupported(format!(
            "content type {content:?}: send application/x-protobuf (remote write 1.0)\n"
        ));
    }
    let encoding = header(header::CONTENT_ENCODING);
    if !encoding.is_empty() && encoding != "snappy" {
        return unsupported(format!("content encoding {encoding:?}: send snappy\n"));
    }
    Ok(())
}

/// What is lawful is taken; what is not is told with 400, so that the sender does not send it again.
fn take(store: &Store, body: &[u8], most: usize) -> Result<(), (StatusCode, String)> {
    let bad = |why: String| Err((StatusCode::BAD_REQUEST, why));
    let request = match decompress(body, most).and_then(|bytes| WriteRequest::decode(&bytes)) {
        Ok(request) => request,
        Err(why) => return bad(format!("{why}\n")),
    };
    for (metric, about) in &request.metadata {
        store.describe(metric, about);
    }
    let mut batch = Vec::new();
    let mut exemplars = Vec::new();
    let mut refused = None;
    for series in request.series {
        if series.has_histograms {
            refused.get_or_insert_with(|| format!("native histograms are not kept: {}", series.labels));
        }
        match resolve(store, &series) {
            Ok(id) => {
                batch.extend(series.samples.iter().map(|(t, v)| Incoming { series: id, t: *t, v: *v }));
                exemplars.extend(series.exemplars.into_iter().map(|exemplar| (id, exemplar)));
            }
            Err(error @ IngestError::Storage(_)) => {
                return Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")));
            }
            Err(error) => {
                refused.get_or_insert_with(|| error.to_string());
            }
        }
    }
    let report =
        store.append(&batch).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))?;
    for (series, exemplar) in exemplars {
        store.exemplar(series, exemplar);
    }
    if !report.unknown.is_empty() {
        // The series went between two steps; the sender may send it again.
        return Err((
            StatusCode::SERVICE_UNAVAILABLE,
            "series were dropped meanwhile: send again\n".to_owned(),
        ));
    }
    for (count, why) in [
        (report.too_old, "out of order: older than the out-of-order window"),
        (report.too_new, "too far in the future"),
        (report.duplicate, "duplicate sample for timestamp: another value is already there"),
    ] {
        if count > 0 {
            refused.get_or_insert_with(|| format!("{count} samples refused: {why}"));
        }
    }
    match refused {
        None => Ok(()),
        Some(why) => bad(format!("{why}\n")),
    }
}

fn resolve(store: &Store, series: &TimeSeries) -> Result<crate::SeriesId, IngestError> {
    if series.labels.name().is_empty() {
        return Err(IngestError::BadLabels(format!("a series has no metric name: {}", series.labels)));
    }
    store.resolve(&series.labels)
}

fn decompress(body: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let len = snap::raw::decompress_len(body).map_err(|error| format!("snappy: {error}"))?;
    if len > most {
        return Err(format!("the request has {len} bytes after decompression: {most} are allowed"));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|error| format!("snappy: {error}"))
}

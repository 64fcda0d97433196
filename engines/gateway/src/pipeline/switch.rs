//! Switching protocols: the answer goes back, and then bytes go both ways.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::{Answer, no};
use crate::flow::Held;
use crate::headers::strip_hop_by_hop;
use crate::io::Stream;
use crate::problem::{Code, Refusal};
use crate::server::conn::Conn;
use crate::server::guard::Guard;
use crate::server::worker::Shared;
use crate::table::TableRef;
use crate::upstream::tunnel;

/// The room that a tunnel takes up, from before it is asked for until it has ended.
#[derive(Debug)]
pub(super) struct Room(Arc<Shared>);

impl Room {
    /// None when there are as many as there may be.
    pub(super) fn take(shared: &Arc<Shared>, most: usize) -> Option<Self> {
        let before = shared.tunnels.fetch_add(1, Relaxed);
        let room = Self(Arc::clone(shared));
        (before < most).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

pub(super) fn switch(
    conn: &Arc<Conn>,
    mut response: Response<Incoming>,
    asked: &HeaderValue,
    caller: OnUpgrade,
    room: Room,
    table: &TableRef,
    held: Held,
) -> Result<Answer, Box<Refusal>> {
    let endpoint = hyper::upgrade::on(&mut response);
    let agreed = strip_hop_by_hop(response.headers_mut());
    let Some(agreed) = agreed.filter(|agreed| agreed.as_bytes().eq_ignore_ascii_case(asked.as_bytes()))
    else {
        return no(Code::BadGateway, "the endpoint switched to another protocol than was asked for");
    };
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.headers_mut().insert(UPGRADE, agreed);
    conn.watched.tunnel.store(true, Relaxed);
    let idle = table.config.timeouts.tunnel;
    let shared = Arc::clone(&conn.worker.shared);
    shared.touch();
    let stop = conn.worker.stop.clone();
    tokio::spawn(async move {
        let _room = room;
        let work = async {
            let (caller, endpoint) = tokio::try_join!(caller, endpoint).map_err(std::io::Error::other)?;
            let (mut caller, from_caller) = of_caller(caller)?;
            let (mut endpoint, from_endpoint) = of_endpoint(endpoint)?;
            // What came with the header is already read.
            endpoint.write_all(&from_caller).await?;
            caller.write_all(&from_endpoint).await?;
            drop((from_caller, from_endpoint));
            tunnel::run(caller, endpoint, idle, &shared.traffic).await
        };
        tokio::select! {
            ended = Box::pin(work) => if let Err(error) = ended {
                tracing::debug!(%error, "a tunnel ended");
            },
            () = stop.cancelled() => {}
        }
        drop(held);
    });
    Ok(Answer::Switched(answer))
}

fn foreign() -> std::io::Error {
    std::io::Error::other("the connection is of another kind")
}

fn of_caller(upgraded: Upgraded) -> std::io::Result<(Stream, bytes::Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Guard>>().map_err(|_| foreign())?;
    let (stream, behind) = parts.io.into_inner().into_inner();
    let mut early = bytes::BytesMut::from(parts.read_buf);
    early.extend_from_slice(&behind);
    Ok((stream, early.freeze()))
}

fn of_endpoint(upgraded: Upgraded) -> std::io::Result<(Stream, bytes::Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().map_err(|_| foreign())?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

//! Sending a request: version, breaker, endpoint, and once more where that may help.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::future::poll_fn;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderMap, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri};
use quarterdeck_resilience::Outcome;

use super::{Answer, Exchange, Plan, no, rewrite, switch};
use crate::body::{Fault, RequestBody};
use crate::clock;
use crate::config::{HostHeader, Protocol};
use crate::filters::breaker::{self, Asked};
use crate::filters::cache::Ticket;
use crate::filters::validate::idempotent;
use crate::flow::Held;
use crate::headers::{Caller, forward, strip_hop_by_hop};
use crate::problem::{Code, Refusal};
use crate::server::alarm::deadline;
use crate::table::{Mirroring, Route};
use crate::upstream::Endpoint;
use crate::upstream::pool::{Lease, SendError, Unsent, poll_body};

/// Copies under way on one thread; further ones are not made, and counted.
const MIRRORS: usize = 256;

/// What became of one attempt.
enum Attempt {
    Answered(Response<Incoming>, Option<Lease>),
    /// It may be sent elsewhere, and is where it was.
    Unsent(SendError),
    /// It may have been carried out.
    Broken(SendError),
    TimedOut,
}

impl Exchange<'_> {
    pub(super) async fn send(
        &mut self,
        plan: &mut Plan<'_>,
        parts: &mut Parts,
        incoming: Incoming,
        ticket: &mut Option<Ticket>,
    ) -> Result<Answer, Box<Refusal>> {
        let route = plan.route;
        let conn = self.conn;
        let worker = &conn.worker;
        self.enter(route).await?;
        // hyper has told the caller to go on when the body is first asked for; the endpoint need not be asked again.
        parts.headers.remove(EXPECT);
        let body = self.body(route, parts, incoming).await?;
        let switching = &mut plan.switching;
        // Only HTTP/1.1 can switch; a protocol that is offered without anybody asking is not passed on.
        let protocol = switching.as_ref().map(|(_, protocol)| protocol.clone());
        // Its room is taken before anybody is asked, so that many at once find no more than there is.
        let mut room = match &protocol {
            None => None,
            Some(_) => match switch::Room::take(&worker.shared, self.finish.table.config.limits.tunnels) {
                Some(room) => Some(room),
                None => return self.by("tunnel", no(Code::Busy, "there are too many tunnels")),
            },
        };
        let caller = Caller {
            peer: &conn.peer_value,
            peer_ip: conn.peer.ip(),
            trusted: self.trusted,
            tls: conn.tls,
            host: Some(&plan.host),
        };
        forward(&mut parts.headers, caller, self.finish.table.forwarded);
        if let Some(protocol) = &protocol {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(UPGRADE, protocol.clone());
        }

        let version = match (plan.pinned, plan.point) {
            (Some(version), _) => version,
            (None, Some(point)) => route.service.version_at(point),
            (None, None) => route.service.next_version(worker.index, false),
        };
        let target = &route.service.versions[version];
        self.count_for(route, version);
        self.finish.trail.note("split", || Some(target.name.to_string()));
        let mut attempts = Attempts { route, method: parts.method.clone(), made: 0, tried: Vec::new() };
        if let Some(retry) = &route.retry {
            retry.budget.lock().call(clock::at(self.finish.started));
        }
        for mirror in &route.mirrors {
            self.mirror(route, mirror, parts, &body, &plan.host);
        }
        self.finish.decide();

        let mut body = Some(body);
        let mut request = Request::default();
        let mut unsent = false;
        loop {
            let permit = match &target.breaker {
                None => None,
                Some(breaker) => match Asked::ask(breaker, clock::now()) {
                    Ok(permit) => Some(permit),
                    Err(after) => {
                        self.finish.trail.note("breaker", || Some("open".to_owned()));
                        let detail = format!("the circuit of {} {} is open", route.service.name, target.name);
                        return Err(Box::new(Refusal::new(Code::CircuitOpen, detail).retry_after(after)));
                    }
                },
            };
            let Some(endpoint) = route.service.endpoint(version, worker.index, plan.point, &attempts.tried)
            else {
                let none = match attempts.tried.is_empty() {
                    true => no(
                        Code::NoEndpoint,
                        format!("no endpoint of {} {} is well", route.service.name, target.name),
                    ),
                    false => no(Code::ConnectFailed, "no endpoint could be reached"),
                };
                return self.by("endpoint", none);
            };
            let endpoint = Arc::clone(endpoint);
            let again = if route.retry.is_some() { body.as_ref().and_then(RequestBody::again) } else { None };
            let more = attempts.more(again.is_some() && protocol.is_none());
            let own = body.take();
            if !std::mem::take(&mut unsent) {
                // Or it has gone with the attempt before.
                let Some(own) = own else { return no(Code::BadGateway, "the endpoint broke off") };
                *request.body_mut() = own;
                *request.method_mut() = parts.method.clone();
                *request.headers_mut() =
                    if more { parts.headers.clone() } else { std::mem::take(&mut parts.headers) };
            }
            *request.uri_mut() = rewrite::uri(&parts.uri, route, &endpoint, &plan.host)?;
            address(request.headers_mut(), &endpoint, route.service.host, &plan.host);
            body = again;
            attempts.made += 1;
            self.finish.attempts = attempts.made;
            self.finish.endpoint = Some(Arc::clone(&endpoint));
            endpoint.requests.fetch_add(1, Relaxed);
            let outcome = self.attempt(route, &endpoint, &mut request).await;
            self.finish.trail.note("endpoint", || Some(endpoint.url.to_string()));
            let now = clock::now();
            let tell = |outcome: Outcome, unwell: bool| {
                target.tell(&endpoint, if unwell { Outcome::Failure } else { Outcome::Success });
                if let Some(permit) = permit {
                    permit.tell(outcome, now);
                }
            };
            match outcome {
                Attempt::Answered(mut response, lease) => {
                    let status = response.status();
                    // What went wrong before has been mended.
                    self.finish.error = None;
                    tell(breaker::outcome(status), status.is_server_error());
                    let retried = route.retry.as_ref().is_some_and(|r| r.statuses.contains(&status.as_u16()));
                    if retried && more && self.pause(&mut attempts).await {
                        continue;
                    }
                    if let (Some((switching, protocol)), Some(room)) = (switching.take(), room.take())
                        && status == hyper::StatusCode::SWITCHING_PROTOCOLS
                    {
                        if let Some(lease) = lease {
                            lease.switched();
                        }
                        let held = Held::new(&target.flow, worker.index);
                        return switch::switch(
                            conn,
                            response,
                            &protocol,
                            switching,
                            room,
                            &self.finish.table,
                            held,
                        );
                    }
                    if status.is_informational() {
                        return no(Code::BadGateway, "the endpoint switched to what nobody asked for");
                    }
                    // What is between the endpoint and the gateway is neither kept nor passed on.
                    strip_hop_by_hop(response.headers_mut());
                    let filling = match (&route.cache, ticket.take()) {
                        (Some(rule), Some(ticket)) => {
                            ticket.fill(status, response.headers(), rule, &route.name)
                        }
                        _ => None,
                    };
                    if let (Some(own), Some(filling)) = (&conn.own, &filling) {
                        own.keeps(filling.fresh());
                    }
                    return Ok(Answer::Endpoint(response, lease, filling));
                }
                Attempt::Unsent(SendError::NoRoom(error)) => {
                    // It says nothing of the endpoint: neither its breaker nor who leaves out endpoints is told.
                    self.finish.error = Some(error.to_string());
                    let detail = "the gateway has no room for another connection";
                    let refusal = Refusal::new(Code::Busy, detail).retry_after(Some(Duration::from_secs(1)));
                    return Err(Box::new(refusal));
                }
                Attempt::Unsent(error) => {
                    tell(Outcome::Failure, true);
                    self.finish.error = Some(error.to_string());
                    attempts.tried.push(endpoint.id);
                    // Nothing has been asked yet: another endpoint may be asked at once.
                    let other =
                        route.service.endpoint(version, worker.index, plan.point, &attempts.tried).is_some();
                    if other {
                        unsent = true;
                        continue;
                    }
                    attempts.tried.clear();
                    if more && self.pause(&mut attempts).await {
                        unsent = true;
                        continue;
                    }
                    let code = if matches!(error, SendError::ConnectTimeout(_)) {
                        Code::Timeout
                    } else {
                        Code::ConnectFailed
                    };
                    return no(code, format!("{} {} cannot be reached", route.service.name, target.name));
                }
                Attempt::Broken(error) => {
                    // What the caller did to its own request is not the endpoint's fault.
                    if let Some(code) = self.finish.upload.as_ref().and_then(|fault| fault.code()) {
                        return no(code, "the body of the request could not be passed on");
                    }
                    tell(Outcome::Failure, true);
                    self.finish.error = Some(error.to_string());
                    if more && self.pause(&mut attempts).await {
                        continue;
                    }
                    return no(Code::BadGateway, format!("{} {} broke off", route.service.name, target.name));
                }
                Attempt::TimedOut => {
                    // A caller who has not sent all of its request is late, not the endpoint.
                    if self.finish.upload.as_ref().is_some_and(|upload| upload.is_awaited()) {
                        return no(Code::RequestTimeout, "the body of the request did not come in time");
                    }
                    tell(Outcome::Failure, true);
                    let detail = format!("no answer within {:?}", route.timeout);
                    self.finish.error = Some(detail.clone());
                    return no(Code::Timeout, detail);
                }
            }
        }
    }

    /// From here on the request counts for a version.
    fn count_for(&mut self, route: &Route, version: usize) {
        let thread = self.conn.worker.index;
        if let Some(before) = self.finish.counts.take() {
            route.counts[before].shard(thread).moved();
        }
        route.counts[version].shard(thread).begin();
        self.finish.counts = Some(version);
        self.finish.begin(version);
    }

    async fn attempt(
        &self,
        route: &Route,
        endpoint: &Endpoint,
        request: &mut Request<RequestBody>,
    ) -> Attempt {
        let timeouts = &self.finish.table.config.timeouts;
        let kept = self.finish.table.config.limits.kept;
        let worker = &self.conn.worker;
        let sending = worker.pool.send(endpoint, request, timeouts.connect, kept);
        let mut sending = std::pin::pin!(sending);
        let upload = self.finish.upload.as_deref();
        // What the caller and the gateway took before is not the endpoint's time.
        let mut alarm = self.conn.alarms.take();
        let mut until = deadline(route.timeout);
        let mut seen = upload.map_or(0, Fault::seen);
        let sent = poll_fn(|cx| {
            loop {
                if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                    return Poll::Ready(Some(sent));
                }
                ready!(alarm.poll(cx, until));
                // As long as the caller is still sending, the endpoint cannot be late.
                let now = upload.map_or(0, Fault::seen);
                if now == seen {
                    return Poll::Ready(None);
                }
                (seen, until) = (now, deadline(route.timeout));
            }
        });
        match sent.await {
            Some(Ok((response, mut lease))) => {
                if let Some(upload) = upload {
                    upload.answered();
                    if let Some(lease) = lease.as_mut().filter(|_| upload.is_open()) {
                        lease.detach();
                    }
                }
                Attempt::Answered(response, lease)
            }
            Some(Err(unsent)) => sort(unsent),
            None => Attempt::TimedOut,
        }
    }

    /// Waits before the next attempt, if there may be one.
    async fn pause(&mut self, attempts: &mut Attempts<'_>) -> bool {
        let Some(retry) = &attempts.route.retry else { return false };
        let random = self.conn.worker.random.lock().unit();
        let Some(wait) = retry.policy.wait(attempts.made, idempotent(&attempts.method), random) else {
            return false;
        };
        // There is no use in waiting longer than the caller will.
        if self.finish.started.elapsed() + wait >= attempts.route.timeout
            || !retry.budget.lock().retry(clock::now())
        {
            return false;
        }
        if let Some(counts) = self.finish.counts {
            attempts.route.counts[counts].shard(self.conn.worker.index).retried();
        }
        tokio::time::sleep(wait).await;
        self.finish.trail.note("retry", || Some(format!("after {wait:?}")));
        true
    }

    /// Sends a copy, if one is wanted and the body is there to be sent again. What comes of it is nobody's concern.
    fn mirror(
        &self,
        route: &Route,
        mirror: &Mirroring,
        parts: &Parts,
        body: &RequestBody,
        host: &HeaderValue,
    ) {
        let worker = &self.conn.worker;
        if mirror.share < 1.0 && worker.random.lock().unit() >= mirror.share {
            return;
        }
        let version = mirror.version.unwrap_or_else(|| mirror.service.next_version(worker.index, true));
        let endpoint = mirror.service.endpoint_for_copy(version, worker.index);
        let (Some(body), Some(endpoint)) = (body.again(), endpoint) else {
            worker.shared.mirrors_skipped.fetch_add(1, Relaxed);
            return;
        };
        if worker.mirrors.load(Relaxed) >= MIRRORS {
            worker.shared.mirrors_skipped.fetch_add(1, Relaxed);
            return;
        }
        let Ok(uri) = rewrite::uri(&parts.uri, route, endpoint, host) else { return };
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = parts.headers.clone();
        address(request.headers_mut(), endpoint, mirror.service.host, host);
        worker.mirrors.fetch_add(1, Relaxed);
        worker.shared.mirrored.fetch_add(1, Relaxed);
        let (worker, endpoint, timeout) = (Arc::clone(worker), Arc::clone(endpoint), route.timeout);
        let (connect, kept) =
            (self.finish.table.config.timeouts.connect, self.finish.table.config.limits.kept);
        let held = Held::new(&mirror.service.versions[version].flow, worker.index);
        tokio::spawn(async move {
            let copy = async {
                let sent = worker.pool.send(&endpoint, &mut request, connect, kept).await;
                // What stays for asking once more is of no use any more, however long the answer takes.
                drop(std::mem::take(&mut request));
                if let Ok((response, mut lease)) = sent {
                    let mut body = response.into_body();
                    while let Some(Ok(_)) = poll_fn(|cx| poll_body(lease.as_mut(), &mut body, cx)).await {}
                    if body.is_end_stream()
                        && let Some(lease) = lease
                    {
                        lease.give_back();
                    }
                }
            };
            let _ = tokio::time::timeout(timeout, copy).await;
            worker.mirrors.fetch_sub(1, Relaxed);
            drop(held);
        });
    }
}

/// Attempts of one request.
struct Attempts<'a> {
    route: &'a Route,
    method: Method,
    made: u32,
    tried: Vec<u64>,
}

impl Attempts<'_> {
    /// Whether there may be one more after the next.
    fn more(&self, replayable: bool) -> bool {
        self.route.retry.as_ref().is_some_and(|retry| {
            replayable
                && self.made + 1 < retry.policy.attempts
                && (idempotent(&self.method) || retry.policy.not_idempotent)
        })
    }
}

fn sort((error, untouched): Unsent) -> Attempt {
    if untouched { Attempt::Unsent(error) } else { Attempt::Broken(error) }
}

/// Sets who the endpoint is asked for as.
fn address(headers: &mut HeaderMap, endpoint: &Endpoint, kind: HostHeader, host: &HeaderValue) {
    match (endpoint.protocol, kind) {
        // HTTP/2 has it in the URI.
        (Protocol::Http2, _) => drop(headers.remove(HOST)),
        (Protocol::Http1, HostHeader::Endpoint) => drop(headers.insert(HOST, endpoint.authority.clone())),
        (Protocol::Http1, HostHeader::Caller) => {
            if !headers.contains_key(HOST) {
                headers.insert(HOST, host.clone());
            }
        }
    }
}

/// Why an endpoint that was asked by itself gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// The gateway itself could not ask: nothing is known of the endpoint.
    #[error("{0}")]
    NoRoom(SendError),
    /// The endpoint could not be reached, broke off, or took too long.
    #[error("{0}")]
    Failed(String),
}

/// Asks an endpoint for a path by itself: health checks.
pub(crate) async fn ask(
    worker: &Arc<crate::server::worker::Worker>,
    endpoint: &Endpoint,
    path: &str,
    timeout: Duration,
) -> Result<hyper::StatusCode, Unanswered> {
    let host = &endpoint.authority;
    let text = format!("{}{path}", endpoint.base);
    let uri = match endpoint.protocol {
        Protocol::Http1 => text.parse::<Uri>(),
        Protocol::Http2 => {
            let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}{text}", host.to_str().unwrap_or_default()).parse()
        }
    };
    let mut request = Request::new(RequestBody::Empty);
    *request.uri_mut() = uri.map_err(|e| Unanswered::Failed(e.to_string()))?;
    if endpoint.protocol == Protocol::Http1 {
        request.headers_mut().insert(HOST, host.clone());
    }
    request.headers_mut().insert(hyper::header::USER_AGENT, HeaderValue::from_static("quarterdeck"));
    let asking = async {
        // Over HTTP/1.1 a check has a connection of its own: one that is kept would tell how it was.
        match worker.pool.send(endpoint, &mut request, timeout, 0).await {
            Ok((response, _)) => Ok(response.status()),
            Err((error @ SendError::NoRoom(_), _)) => Err(Unanswered::NoRoom(error)),
            Err((error, _)) => Err(Unanswered::Failed(error.to_string())),
        }
    };
    tokio::time::timeout(timeout, asking)
        .await
        .unwrap_or_else(|_| Err(Unanswered::Failed(format!("no answer within {timeout:?}"))))
}

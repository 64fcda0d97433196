//! A request from its first header to the beginning of its answer: the filters in their order (see [`crate::filters`]).

mod attempt;
mod kept;
mod rewrite;
mod switch;

pub(crate) use attempt::{Unanswered, ask};

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use hyper::body::{Body as _, Incoming};
use hyper::header::{AGE, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Version as HttpVersion};

use crate::body::{Body, Fault, RequestBody, Streamed};
use crate::clock;
use crate::config::Sticky;
use crate::config::filters::Fallback;
use crate::filters::access::Trail;
use crate::filters::auth::{Evidence, authorize};
use crate::filters::bulkhead::NoRoom;
use crate::filters::cache::{Entry, Filling};
use crate::filters::limit::{self, Told, Who};
use crate::filters::{trace, validate, versions};
use crate::finish::{About, Finish};
use crate::headers::{forwarded_for, without_port};
use crate::problem::{Code, Refusal};
use crate::route::NoRoute;
use crate::server::conn::Conn;
use crate::table::Route;
use crate::upstream::pool::Lease;

/// Whether an answer came from the cache.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the answer is made of.
pub(crate) enum Answer {
    /// From an endpoint.
    Endpoint(Response<Incoming>, Option<Lease>, Option<Box<Filling>>),
    /// From the cache; whether it is past its time.
    Cached(Arc<Entry>, bool),
    /// What was configured for when the service fails.
    Fallback(u16, String, Bytes),
    /// The protocol is switched.
    Switched(Response<()>),
}

/// What is told in the answer whatever it is.
#[derive(Default)]
pub(crate) struct Telling {
    pub(crate) limits: Option<Told>,
    pub(crate) version: Option<Arc<versions::Version>>,
}

/// Answers a request. Never fails: what goes wrong is an answer too.
pub(crate) async fn handle(
    conn: Arc<Conn>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    let worker = &conn.worker;
    let busy = Busy::new(&conn);
    let table = worker.enter();
    let switching = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, incoming) = request.into_parts();
    // First of all: what is between two neighbours must decide nothing here that the service does not see.
    let asked = crate::headers::strip_hop_by_hop(&mut parts.headers);
    if conn.http2 {
        crate::headers::join_cookies(&mut parts.headers);
    }
    let ids = trace::apply(&mut parts.headers, &mut worker.random.lock());
    let mut trail = Trail::new(worker.pacer.take(started), started);
    trail.step("trace");
    let mut address = conn.peer.ip();
    let trusted = table.trusts(address);
    if trusted {
        // The nearest that is not itself believed is who called.
        let named = forwarded_for(&parts.headers, table.forwarded);
        address =
            named.iter().rev().find(|ip| !table.trusts(**ip)).or(named.first()).copied().unwrap_or(address);
    }
    // In one place from the beginning to the end: it goes from hand to hand.
    let mut finish = Box::new(Finish {
        worker: Arc::clone(worker),
        table: Arc::clone(&table),
        route: None,
        version: None,
        counts: None,
        endpoint: None,
        started,
        request_id: ids.request,
        status: 0,
        attempts: 0,
        caller: None,
        address,
        refused: None,
        error: None,
        upload: None,
        about: About {
            method: parts.method.clone(),
            host: parts.headers.get(HOST).cloned(),
            uri: parts.uri.clone(),
        },
        trail,
        place: None,
        sent: 0,
        done: false,
        undecided: true,
        flowing: false,
    });
    let mut telling = Telling::default();
    let mut exchange = Exchange { conn: &conn, trusted, finish: &mut finish, telling: &mut telling };
    let answered = exchange.run(&mut parts, incoming, switching.zip(asked)).await;
    drop(busy);
    finish.decide();
    Ok(match answered {
        Ok(answer) => respond(answer, finish, &telling, table.config.timeouts.idle, &conn),
        Err(refusal) => refuse(*refusal, finish, &telling, &conn),
    })
}

/// Tells the watch over the connection that a request is being answered.
struct Busy<'a>(&'a Conn);

impl<'a> Busy<'a> {
    fn new(conn: &'a Conn) -> Self {
        conn.watched.busy.fetch_add(1, Relaxed);
        Self(conn)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.watched.busy.fetch_sub(1, Relaxed);
    }
}

fn tell(response: &mut Response<Body>, finish: &Finish, telling: &Telling) {
    let headers = response.headers_mut();
    headers.insert(crate::headers::X_REQUEST_ID, finish.request_id.clone());
    if let Some(told) = &telling.limits {
        told.write(headers);
    }
    if let Some(version) = &telling.version {
        version.write(headers);
    }
}

/// The answer as the caller gets it.
fn respond(
    answer: Answer,
    mut finish: Box<Finish>,
    telling: &Telling,
    idle: Duration,
    conn: &Conn,
) -> Response<Body> {
    match answer {
        Answer::Endpoint(response, lease, filling) => {
            let (mut parts, incoming) = response.into_parts();
            finish.status = parts.status.as_u16();
            parts.version = HttpVersion::HTTP_11;
            parts.extensions.clear();
            let mut response = Response::from_parts(parts, Body::Empty);
            tell(&mut response, &finish, telling);
            let body = Streamed::new(incoming, lease, finish, filling, idle);
            // Nobody asks for a body over HTTP/2 while the caller takes nothing: somebody else must look.
            *response.body_mut() = if conn.http2 && !body.is_done() {
                Body::Shared(conn.streams.hold(body))
            } else {
                Body::Stream(body)
            };
            response
        }
        Answer::Cached(entry, stale) => {
            finish.status = entry.status.as_u16();
            let fresh = if stale { "quarterdeck; fwd=stale" } else { "quarterdeck; hit" };
            let mut response = Response::new(Body::full(entry.body.clone()));
            *response.status_mut() = entry.status;
            *response.headers_mut() = entry.headers.clone();
            response.headers_mut().insert(AGE, entry.age());
            response.headers_mut().append(CACHE_STATUS, HeaderValue::from_static(fresh));
            if finish.status == 304 {
                *response.body_mut() = Body::Empty;
            }
            whole(response, finish, telling)
        }
        Answer::Fallback(status, kind, body) => {
            finish.status = status;
            let mut response = Response::new(Body::full(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            if let Ok(kind) = HeaderValue::from_str(&kind) {
                response.headers_mut().insert(CONTENT_TYPE, kind);
            }
            whole(response, finish, telling)
        }
        Answer::Switched(response) => {
            finish.status = response.status().as_u16();
            whole(response.map(|()| Body::Empty), finish, telling)
        }
    }
}

fn whole(mut response: Response<Body>, mut finish: Box<Finish>, telling: &Telling) -> Response<Body> {
    tell(&mut response, &finish, telling);
    // Nothing more is asked of the service, however slowly the caller reads.
    finish.leave();
    // hyper asks neither for an empty body nor for one to HEAD: it is as good as gone.
    if response.body().is_end_stream() || finish.about.method == Method::HEAD {
        finish.complete();
    }
    response.map(|body| body.finishing(finish))
}

fn refuse(refusal: Refusal, mut finish: Box<Finish>, telling: &Telling, conn: &Conn) -> Response<Body> {
    finish.status = refusal.code.status().as_u16();
    // After a request that makes no sense nobody knows what the next bytes are.
    let close = !conn.http2 && (refusal.code == Code::BadRequest || conn.watched.has_refused());
    finish.refused = Some((refusal.code, refusal.detail.clone()));
    finish.leave();
    let violated = !refusal.violated.is_empty();
    let mut response = refusal.response(&finish.request_id);
    if !violated {
        tell(&mut response, &finish, telling);
    }
    if finish.about.method == Method::HEAD {
        finish.complete();
    }
    if close {
        response.headers_mut().insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| body.finishing(finish))
}

/// A request that is being answered.
pub(crate) struct Exchange<'a> {
    pub(crate) conn: &'a Arc<Conn>,
    /// The neighbour is believed what it says of who is behind it.
    pub(crate) trusted: bool,
    pub(crate) finish: &'a mut Finish,
    pub(crate) telling: &'a mut Telling,
}

/// What has been found out about a request before it is sent.
pub(crate) struct Plan<'a> {
    pub(crate) route: &'a Route,
    /// The version, where something else than the split chose it.
    pub(crate) pinned: Option<usize>,
    /// What keeps the caller where it was.
    pub(crate) point: Option<u64>,
    /// Who was asked for.
    pub(crate) host: HeaderValue,
    /// The caller's side of a switch, and the protocol that is asked for.
    pub(crate) switching: Option<(OnUpgrade, HeaderValue)>,
}

fn no<T>(code: Code, detail: impl Into<String>) -> Result<T, Box<Refusal>> {
    Err(Box::new(Refusal::new(code, detail)))
}

impl Exchange<'_> {
    /// What a filter found; where it refuses, it is the last that the request came to.
    fn by<T, E>(&mut self, filter: &'static str, found: Result<T, E>) -> Result<T, E> {
        if found.is_err() {
            self.finish.trail.step(filter);
        }
        found
    }

    async fn run(
        &mut self,
        parts: &mut Parts,
        incoming: Incoming,
        switching: Option<(OnUpgrade, HeaderValue)>,
    ) -> Result<Answer, Box<Refusal>> {
        if let Some((code, detail)) = self.conn.watched.refusal_of(&parts.method) {
            // What the caller sent is not known to be a method.
            self.finish.about.method = Method::from_bytes(b"-").unwrap_or(Method::GET);
            return self.by("framing", no(code, detail));
        }
        if parts.method == Method::CONNECT {
            return self.by("request", no(Code::NotImplemented, "CONNECT is not offered"));
        }
        let host = self.by("request", rewrite::host(parts))?;
        self.finish.about.host = Some(host.clone());
        let path = match parts.uri.path() {
            // Asks about the whole server.
            "*" if parts.method == Method::OPTIONS => Cow::Borrowed("/"),
            path => self.by("request", rewrite::plain_path(path))?,
        };
        let table = Arc::clone(&self.finish.table);
        let name = without_port(host.to_str().unwrap_or_default());
        let found = table.router.find(name, &path, &parts.method, &parts.headers);
        let place = match found {
            Ok(place) => place,
            Err(NoRoute::Path) => {
                return self.by("route", no(Code::NoRoute, "no route takes this host and path"));
            }
            Err(NoRoute::Method) => {
                let mut refusal = Refusal::new(Code::MethodNotAllowed, "no route takes this method here");
                let methods = table.router.methods(name, &path, &parts.headers).join(", ");
                refusal.headers.extend(HeaderValue::from_str(&methods).ok().map(|methods| (ALLOW, methods)));
                return self.by("route", Err(Box::new(refusal)));
            }
        };
        let route = &table.routes[place];
        // What is refused before a version is chosen counts for none.
        let own = route.counts.len() - 1;
        self.finish.route = Some(place);
        self.finish.counts = Some(own);
        route.counts[own].shard(self.conn.worker.index).begin();
        self.conn.worker.shared.touch();
        self.finish.trail.note("route", || Some(route.name.to_string()));
        match &self.conn.own {
            // The console's own: nobody is kept out or counted.
            Some(own) if *own.route == *route.name => self.version(route, parts)?,
            Some(_) => return no(Code::NoRoute, format!("it is the route {} that takes it", route.name)),
            None => self.admit(route, &table, parts, !incoming.is_end_stream())?,
        }
        let pinned = self.pinned(route, parts);
        let pinned = self.by("split", pinned)?;
        let point = sticky(route.service.sticky.as_ref(), parts, self.finish.address);
        // What may not be switched to is not passed on (RFC 9110, 7.8): behind a switch every request would go past all this.
        let switching = switching.filter(|(_, protocol)| route.switches_to(protocol));
        let mut plan = Plan { route, pinned, point, host, switching };
        let mut fetch = kept::Fetch::default();
        if let Some(rule) = &route.cache
            && plan.switching.is_none()
        {
            match self.ask_cache(rule, &plan, parts, !incoming.is_end_stream()).await {
                kept::Known::Answer(answer) => return Ok(answer),
                kept::Known::Fetch(asked) => fetch = asked,
                kept::Known::Failed(refusal) => return self.instead(route, refusal),
            }
        }
        match self.send(&mut plan, parts, incoming, &mut fetch.ticket).await {
            Ok(answer) => {
                // An answer past its time is better than one that says the service fails.
                if let (Answer::Endpoint(response, ..), Some(stale)) = (&answer, &fetch.stale)
                    && response.status().is_server_error()
                {
                    self.conn.worker.shared.answers().gave_stale();
                    return Ok(kept::answer(Arc::clone(stale), &fetch.conditions, true));
                }
                match (&answer, &route.fallback) {
                    (Answer::Endpoint(response, ..), Some(fallback))
                        if matches!(response.status().as_u16(), 502..=504) =>
                    {
                        self.finish.trail.step("fallback");
                        Ok(fallback_of(fallback))
                    }
                    _ => Ok(self.as_asked(answer, &fetch.conditions)),
                }
            }
            Err(refusal) if refusal.code.status().is_server_error() => {
                if let Some(ticket) = &fetch.ticket {
                    ticket.fail(refusal.code);
                }
                if let Some(stale) = fetch.stale {
                    self.finish.error = Some(refusal.detail.clone());
                    self.conn.worker.shared.answers().gave_stale();
                    return Ok(kept::answer(stale, &fetch.conditions, true));
                }
                self.instead(route, refusal)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// What is answered when the service cannot, if something is.
    fn instead(&mut self, route: &Route, refusal: Box<Refusal>) -> Result<Answer, Box<Refusal>> {
        let Some(fallback) = &route.fallback else { return Err(refusal) };
        self.finish.error = Some(refusal.detail);
        self.finish.trail.step("fallback");
        Ok(fallback_of(fallback))
    }

    /// Who calls, whether they may, and whether the request looks as it must.
    fn admit(
        &mut self,
        route: &Route,
        table: &crate::table::Table,
        parts: &Parts,
        body: bool,
    ) -> Result<(), Box<Refusal>> {
        let shared = &self.conn.worker.shared;
        let mut consumer = None;
        let mut forbidden = None;
        if !table.auth.is_empty() || route.auth.is_some() {
            let evidence = Evidence {
                headers: &parts.headers,
                address: self.finish.address,
                certificate: self.conn.certificate.as_ref(),
            };
            let identified = table.auth.identify(evidence);
            if let Ok(Some(found)) = &identified {
                consumer = Some(Arc::clone(found));
            }
            self.finish.caller = Some(Who::of(consumer.as_deref(), self.finish.address));
            self.finish.trail.note("auth", || consumer.as_ref().map(|c| c.name.to_string()));
            let admitted = match (identified, &route.auth) {
                // A key that is not good is told where keys matter, and ignored where they do not.
                (Err(refusal), Some(_)) => Err(refusal),
                (_, Some(rule)) => authorize(rule, consumer.as_deref()),
                (_, None) => Ok(()),
            };
            match admitted {
                // Whoever guesses is counted before it is told anything.
                Err(refusal) if refusal.code == Code::Unauthenticated => {
                    let now = clock::at(self.finish.started);
                    let (failures, rate) = (&shared.failures, &table.config.auth.failures);
                    limit::failed_attempt(failures, rate, self.finish.address, now)?;
                    return Err(refusal.into());
                }
                // One that is known and may not counts as any other request of its own.
                Err(refusal) if refusal.code == Code::Forbidden => forbidden = Some(refusal),
                Err(refusal) => return Err(refusal.into()),
                Ok(()) => {}
            }
        } else {
            self.finish.caller = Some(Who::address(self.finish.address));
        }
        self.version(route, parts)?;
        if route.validate.is_some() || route.max_body.is_some() {
            let checked =
                validate::head(route.validate.as_ref(), route.max_body, &parts.method, &parts.headers, body);
            self.finish.trail.step("validate");
            checked?;
        }
        let granted = shared.grants.of(consumer.as_deref(), self.finish.address);
        // What an operator grants or cuts holds on routes without a limit too.
        let limited = match (&route.rate_limit, granted) {
            (Some((rule, own, anonymous)), _) => Some((rule, own, anonymous.as_ref())),
            (None, Some(_)) => Some((&shared.granted_only.0, &shared.granted_only.1, None)),
            (None, None) => None,
        };
        if let Some((rule, own, anonymous)) = limited {
            let tier = consumer.as_ref().and_then(|c| c.tier.as_ref()).or(anonymous);
            let now = clock::at(self.finish.started);
            let checked = limit::check(
                rule,
                own,
                &shared.tiers,
                granted,
                consumer.as_deref(),
                tier,
                self.finish.address,
                now,
            );
            self.finish.trail.step("limit");
            let mut told = checked?;
            if let Some(daily) = tier.and_then(|tier| tier.daily).filter(|_| rule.by_tier()) {
                let who = Who::of(consumer.as_deref(), self.finish.address);
                let used = shared.quotas.take(&who, daily, clock::unix());
                self.finish.trail.step("quota");
                told.add("daily", daily, 86_400, used.left, used.reset);
                if !used.allowed {
                    let after = Some(Duration::from_secs(used.reset));
                    return Err(Box::new(told.refuse(Code::QuotaExceeded, "daily", after)));
                }
            }
            self.telling.limits = Some(told);
        }
        match forbidden {
            Some(refusal) => Err(Box::new(refusal)),
            None => Ok(()),
        }
    }

    /// Which version of the interface is meant.
    fn version(&mut self, route: &Route, parts: &Parts) -> Result<(), Box<Refusal>> {
        if let Some(versions) = &route.api_versions {
            let path = rewrite::plain_path(parts.uri.path())?;
            let behind = path.strip_prefix(route.prefix.as_str()).unwrap_or(&path);
            let version = self.by("version", versions.of(behind, &parts.headers))?;
            self.finish
                .trail
                .note("version", || Some(format!("{} ({})", version.name, version.state.as_str())));
            if let Some(caller) = &self.finish.caller {
                self.conn.worker.shared.versions.count(&route.name, &version.name, caller);
            }
            self.telling.version = Some(version);
        }
        Ok(())
    }

    /// The version that something else than the split chooses.
    fn pinned(&self, route: &Route, parts: &Parts) -> Result<Option<usize>, Box<Refusal>> {
        let upstream = self.telling.version.as_ref().and_then(|version| version.upstream.as_deref());
        if let Some(name) = upstream {
            return match route.service.version(name) {
                Some(version) => Ok(Some(version)),
                None => no(Code::NoEndpoint, format!("the version {name} runs nowhere")),
            };
        }
        let fits =
            |(name, value, _): &&(HeaderName, HeaderValue, usize)| parts.headers.get(name) == Some(value);
        if let Some((_, _, version)) = route.service.header_routes.iter().find(fits) {
            return Ok(Some(*version));
        }
        let by_name = route.version_header.as_ref().and_then(|name| parts.headers.get(name)?.to_str().ok());
        if let Some(version) = by_name.and_then(|name| route.service.version(name)) {
            return Ok(Some(version));
        }
        Ok(route.version_routes.iter().find(fits).map(|(_, _, version)| *version))
    }

    /// Takes a place in the bulkhead.
    async fn enter(&mut self, route: &Route) -> Result<(), Box<Refusal>> {
        let Some(gate) = &route.bulkhead else { return Ok(()) };
        let entered = gate.enter().await;
        self.finish.trail.step("bulkhead");
        match entered {
            Ok(place) => {
                self.finish.place = Some(place);
                self.conn.worker.shared.touch();
                Ok(())
            }
            Err(NoRoom::Full) => no(Code::Busy, "there is no room, not even to wait"),
            Err(NoRoom::Waited) => no(Code::Busy, "there was no room for too long"),
        }
    }

    /// The body: as it comes, or whole where it may have to be sent again or looked at.
    async fn body(
        &mut self,
        route: &Route,
        parts: &Parts,
        incoming: Incoming,
    ) -> Result<RequestBody, Box<Refusal>> {
        if incoming.is_end_stream() {
            return Ok(RequestBody::Empty);
        }
        let fault = Arc::new(Fault::default());
        self.finish.upload = Some(Arc::clone(&fault));
        let most = route.max_body.unwrap_or(u64::MAX);
        let config = &self.finish.table.config;
        let (idle, least) = (config.timeouts.idle, config.limits.upload_rate);
        let stream = RequestBody::stream(incoming, most, idle, least, Arc::clone(&fault));
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let replay = match (&route.retry, route.mirrors.is_empty()) {
            (Some(retry), _) => retry.replay as u64,
            (None, false) => 64 << 10,
            (None, true) => 0,
        };
        let json = route.schema.is_some() || route.validate.as_ref().is_some_and(|rule| rule.json);
        let hold = if json {
            Some(validate::LARGEST_JSON)
        } else {
            length.is_some_and(|l| l <= replay).then_some(replay)
        };
        let Some(largest) = hold else { return Ok(stream) };
        let mut stream = std::pin::pin!(stream);
        let mut whole = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| stream.as_mut().poll_frame(cx)).await {
            let Ok(frame) = frame else {
                let code = fault.code().unwrap_or(Code::BadRequest);
                return self.by("body", no(code, "the body could not be read"));
            };
            if let Some(data) = frame.data_ref() {
                if (whole.len() + data.len()) as u64 > largest {
                    let why = format!("a body may have {largest} bytes here");
                    return self.by("body", no(Code::BodyTooLarge, why));
                }
                whole.extend_from_slice(data);
            }
        }
        if let Some(schema) = &route.schema {
            let checked = schema.check(&whole);
            self.finish.trail.step("schema");
            checked?;
        } else if json {
            let checked = validate::json(&whole);
            self.finish.trail.step("json");
            checked?;
        }
        Ok(RequestBody::Full(Some(whole.freeze())))
    }
}

fn fallback_of(fallback: &Fallback) -> Answer {
    let body = Bytes::from(fallback.body.clone());
    Answer::Fallback(fallback.status, fallback.content_type.clone(), body)
}

/// The point of 2⁶⁴ that keeps a caller where it was.
fn sticky(kind: Option<&Sticky>, parts: &Parts, address: std::net::IpAddr) -> Option<u64> {
    match kind? {
        Sticky::Address => Some(match address.to_canonical() {
            std::net::IpAddr::V4(ip) => crate::split::point(&ip.octets()),
            std::net::IpAddr::V6(ip) => crate::split::point(&ip.octets()),
        }),
        Sticky::Header(name) => {
            parts.headers.get(name.as_str()).map(|value| crate::split::point(value.as_bytes()))
        }
        Sticky::Cookie(name) => {
            let cookies =
                parts.headers.get_all(hyper::header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
            let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(key, _)| key == name).map(|(_, value)| crate::split::point(value.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers_in<R>(_: impl Fn(Arc<Conn>, Request<Incoming>) -> R) -> usize {
        size_of::<R>()
    }

    /// It is moved into the connection's future with every request: each filter that keeps what it needs for a moment only across
    /// a wait is paid for by all.
    #[test]
    fn what_a_request_needs_while_it_is_answered_is_small() {
        let size = answers_in(handle);
        assert!(size <= 4096, "{size} bytes");
    }
}

//! The end of a request: when the last byte of its answer has gone, or when it was given up, it is counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use hyper::header::HeaderValue;
use hyper::{Method, Uri};
use quarterdeck_kernel::{Clock, SystemClock};

use crate::body::Fault;
use crate::config::AccessLog;
use crate::filters::access::{Sample, Trail};
use crate::filters::bulkhead::Place;
use crate::filters::limit::Who;
use crate::problem::Code;
use crate::server::worker::Worker;
use crate::table::TableRef;
use crate::upstream::Endpoint;

/// What was asked for; cloning these costs no allocation.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) method: Method,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) uri: Uri,
}

/// Counts a request when it is dropped.
#[derive(Debug)]
pub struct Finish {
    pub(crate) worker: Arc<Worker>,
    pub(crate) table: TableRef,
    pub(crate) route: Option<usize>,
    pub(crate) version: Option<usize>,
    /// Which of its route's counts it counts in; they are not held, as the table holds them.
    pub(crate) counts: Option<usize>,
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    pub(crate) started: Instant,
    pub(crate) request_id: HeaderValue,
    pub(crate) status: u16,
    pub(crate) attempts: u32,
    pub(crate) caller: Option<Who>,
    pub(crate) address: IpAddr,
    pub(crate) refused: Option<(Code, String)>,
    pub(crate) error: Option<String>,
    pub(crate) upload: Option<Arc<Fault>>,
    pub(crate) about: About,
    pub(crate) trail: Trail,
    /// The room that it takes up in the bulkhead.
    pub(crate) place: Option<Place>,
    pub(crate) sent: u64,
    pub(crate) done: bool,
    /// It may still choose any version of its table.
    pub(crate) undecided: bool,
    /// It counts as under way to its version.
    pub(crate) flowing: bool,
}

impl Finish {
    /// It has chosen its version, or will choose none.
    pub(crate) fn decide(&mut self) {
        if std::mem::take(&mut self.undecided) {
            self.table.undecided.end(self.worker.index);
        }
    }

    /// A part of the answer has gone.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// All of it has gone.
    pub fn complete(&mut self) {
        self.done = true;
        self.leave();
    }

    /// It goes to a version.
    pub(crate) fn begin(&mut self, version: usize) {
        if let Some(route) = self.route {
            self.table.routes[route].service.versions[version].flow.begin(self.worker.index);
            self.flowing = true;
        }
        self.version = Some(version);
    }

    /// The version has nothing more to do with it. Others may come in from here on; what is left is counting.
    pub(crate) fn leave(&mut self) {
        self.place = None;
        if let (true, Some(route), Some(version)) =
            (std::mem::take(&mut self.flowing), self.route, self.version)
        {
            self.table.routes[route].service.versions[version].flow.end(self.worker.index);
        }
    }

    /// The endpoint broke off.
    pub(crate) fn broken(&mut self, error: &hyper::Error) {
        self.error = Some(format!("the endpoint broke off its answer: {error}"));
        self.endpoint_failed();
    }

    /// The caller takes nothing more of it.
    pub(crate) fn unread(&mut self) {
        self.error = Some("the caller stopped reading".to_owned());
        self.done = true;
    }

    /// The endpoint stopped in the middle.
    pub(crate) fn stalled(&mut self) {
        self.error = Some("the endpoint stopped in the middle of its answer".to_owned());
        self.endpoint_failed();
    }

    fn endpoint_failed(&mut self) {
        self.done = true;
        if let (Some(endpoint), Some(route), Some(version)) = (&self.endpoint, self.route, self.version) {
            let route = &self.table.routes[route];
            route.service.versions[version].tell(endpoint, quarterdeck_resilience::Outcome::Failure);
        }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        self.decide();
        self.leave();
        let took = self.started.elapsed();
        if !self.done && self.error.is_none() {
            self.error = Some("the caller went away".to_owned());
        }
        let received = self.upload.as_ref().map_or(0, |upload| upload.seen());
        if let (Some(route), Some(counts)) = (self.route, self.counts) {
            let shard = self.table.routes[route].counts[counts].shard(self.worker.index);
            // 499 is what nginx calls a caller that went away before it was answered; an answer that has begun counts as it began.
            let status = if self.status == 0 { 499 } else { self.status };
            shard.end(status, took, received, self.sent);
            if self.refused.is_some() {
                shard.refused();
            }
        } else {
            self.worker.shared.unrouted.fetch_add(1, Relaxed);
        }
        self.worker.shared.touch();
        if let (Some(route), Some(caller)) = (self.route, &self.caller) {
            self.table.routes[route].count_caller(self.worker.index, caller);
        }
        let failed = self.refused.is_some() || self.error.is_some() || self.status >= 500;
        let log = match self.table.config.access_log {
            AccessLog::Off => false,
            AccessLog::Errors => failed,
            AccessLog::All => true,
        };
        let keep = self.trail.is_looked() || (failed && self.worker.refusals.take(self.started));
        if failed && !keep {
            self.worker.shared.samples.skip();
        }
        if !log && !keep {
            return;
        }
        let route = self.route.map(|route| &self.table.routes[route]);
        let version = route.zip(self.version).map(|(route, v)| Arc::clone(&route.service.versions[v].name));
        let now = SystemClock.now();
        let host = self.about.host.as_ref().map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        let trail = std::mem::replace(&mut self.trail, Trail::new(false, self.started));
        let sample = Sample {
            number: 0,
            at: now.plus_millis(-i64::try_from(took.as_millis()).unwrap_or(0)),
            request_id: self.request_id.to_str().unwrap_or_default().to_owned(),
            method: self.about.method.to_string(),
            host: host.unwrap_or_default(),
            path: self.about.uri.path().to_owned(),
            // Limits count networks; who looks at one request wants the address itself.
            caller: match &self.caller {
                Some(Who::Consumer(name)) => name.to_string(),
                _ => self.address.to_string(),
            },
            route: route.map(|route| Arc::clone(&route.name)),
            service: route.map(|route| Arc::clone(&route.service.name)),
            version,
            endpoint: self.endpoint.as_ref().map(|endpoint| Arc::clone(&endpoint.url)),
            status: self.status,
            took,
            attempts: self.attempts,
            sent: self.sent,
            steps: trail.steps(),
            refused: self.refused.take(),
            error: self.error.take(),
        };
        if log {
            tracing::info!(
                target: "quarterdeck::access",
                request_id = sample.request_id,
                caller = sample.caller,
                method = sample.method,
                host = sample.host,
                path = sample.path,
                route = sample.route.as_deref().unwrap_or_default(),
                version = sample.version.as_deref().unwrap_or_default(),
                endpoint = sample.endpoint.as_deref().unwrap_or_default(),
                status = sample.status,
                took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                sent = sample.sent,
                received,
                attempts = sample.attempts,
                code = sample.refused.as_ref().map_or("", |(code, _)| code.as_str()),
                error = sample.error.as_deref().unwrap_or_default(),
            );
        }
        if keep {
            self.worker.shared.samples.push(sample);
        }
    }
}

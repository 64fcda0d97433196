//! What the cache says to a request, and what becomes of the answer that it fetches.

use std::sync::Arc;

use hyper::header::AGE;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::{Answer, Exchange, Plan, rewrite};
use crate::body;
use crate::config::filters::CacheRule;
use crate::filters::cache::{Asked, Conditions, Entry, Lookup, TOLD, Ticket};
use crate::problem::Refusal;

/// What the cache has to do with an answer that is fetched.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    /// The right to keep it.
    pub(super) ticket: Option<Ticket>,
    /// What may be given if it fails.
    pub(super) stale: Option<Arc<Entry>>,
    /// What the caller says it has, where the service is not told of it.
    pub(super) conditions: Conditions,
}

/// What the cache says.
pub(super) enum Known {
    /// This is the answer.
    Answer(Answer),
    /// It must be fetched.
    Fetch(Fetch),
    /// Others have gone to fetch it, and the service fails.
    Failed(Box<Refusal>),
}

impl Exchange<'_> {
    /// Asks the cache.
    pub(super) async fn ask_cache(
        &mut self,
        rule: &CacheRule,
        plan: &Plan<'_>,
        parts: &mut Parts,
        body: bool,
    ) -> Known {
        let (route, table) = (plan.route, &self.finish.table);
        // It has been read once already: it cannot be refused.
        let plain = rewrite::plain_path(parts.uri.path()).unwrap_or_default();
        let asked = Asked {
            route: &route.name,
            pinned: plan.pinned.map(|version| &*route.service.versions[version].name),
            version: self.telling.version.as_ref().map(|version| &*version.name),
            tls: self.conn.tls,
            believed: self.trusted.then_some(table.forwarded),
            method: &parts.method,
            body,
            host: plan.host.to_str().unwrap_or_default(),
            path: parts.uri.path_and_query().map_or("/", |p| p.as_str()),
            plain: &plain,
            headers: &parts.headers,
            key_header: &table.auth.key_header,
            anew: self.conn.own.is_some(),
        };
        let answers = self.conn.worker.shared.answers();
        let (told, known) = match answers.look(&asked, rule, route.timeout).await {
            Lookup::Hit(entry) => {
                if let Some(own) = &self.conn.own {
                    own.keeps(entry.left());
                }
                ("hit", Known::Answer(answer(entry, &Conditions::of(&parts.headers), false)))
            }
            Lookup::Stale(entry) => {
                ("stale", Known::Answer(answer(entry, &Conditions::of(&parts.headers), true)))
            }
            Lookup::Miss(ticket, stale) => {
                // Others wait for the whole of it; who asked on a condition is answered from what comes.
                let conditions = match ticket.leads() {
                    true => Conditions::take(&mut parts.headers),
                    false => Conditions::default(),
                };
                ("miss", Known::Fetch(Fetch { ticket: Some(ticket), stale, conditions }))
            }
            Lookup::Failed(code) => {
                let detail = "those who went to fetch this for all found the service failing";
                ("miss", Known::Failed(Box::new(Refusal::new(code, detail))))
            }
            Lookup::Bypass => ("bypass", Known::Fetch(Fetch::default())),
        };
        if told != "bypass" && self.conn.own.is_none() {
            self.asked_cache(told != "miss");
        }
        self.finish.trail.note("cache", || Some(told.to_owned()));
        known
    }

    fn asked_cache(&self, hit: bool) {
        if let (Some(route), Some(counts)) = (self.finish.route, self.finish.counts) {
            let counts = &self.finish.table.routes[route].counts[counts];
            counts.shard(self.conn.worker.index).asked_cache(hit);
        }
    }

    /// The answer to what the caller asked, where the service was asked for the whole of it: the rest is fetched all the same.
    pub(super) fn as_asked(&mut self, answer: Answer, conditions: &Conditions) -> Answer {
        match answer {
            Answer::Endpoint(response, lease, filling)
                if response.status() == StatusCode::OK && conditions.met(response.headers()) =>
            {
                let (parts, incoming) = response.into_parts();
                let idle = self.finish.table.config.timeouts.idle;
                body::fetch(incoming, lease, filling, self.finish.place.take(), idle);
                Answer::Switched(not_modified(&parts.headers))
            }
            answer => answer,
        }
    }
}

/// That the caller has it already.
fn not_modified(headers: &hyper::HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    for name in TOLD {
        for value in headers.get_all(&name) {
            response.headers_mut().append(&name, value.clone());
        }
    }
    response
}

/// An answer from the cache; that the caller has it already, if it has.
pub(super) fn answer(entry: Arc<Entry>, conditions: &Conditions, stale: bool) -> Answer {
    if entry.status == StatusCode::OK && conditions.met(&entry.headers) {
        let mut response = not_modified(&entry.headers);
        response.headers_mut().insert(AGE, entry.age());
        return Answer::Switched(response);
    }
    Answer::Cached(entry, stale)
}

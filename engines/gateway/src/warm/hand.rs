//! Warming by hand.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use quarterdeck_kernel::Reason;

use super::{AT_ONCE, Origin, fetch};
use crate::handle::{Control, Handle};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warmth {
    /// How many answers were asked for: each path as each of these.
    pub asked: usize,
    /// How many are kept now.
    pub kept: usize,
    /// Schemes and hosts that they were asked for as.
    pub origins: Vec<String>,
    /// What is wrong with the first of those that are of no use.
    pub problem: Option<String>,
}

impl Control {
    /// Where callers come in, and whether encrypted.
    pub(crate) fn listeners(&self) -> Vec<(std::net::SocketAddr, bool)> {
        let listening = self.listening.lock();
        listening.iter().map(|one| (one.address, one.settings.load().tls.is_some())).collect()
    }
}

impl Handle {
    /// Fetches paths through the gateway itself, so that the cache knows the answers: as callers of `origin` would ask, or of
    /// the route's own hosts. They are fetched though they are there, and nobody is asked who calls.
    ///
    /// # Errors
    /// When there is no such route, it keeps nothing, or it cannot be told as whom to ask.
    pub async fn warm(&self, route: &str, paths: &[String], origin: Option<&str>) -> Result<Warmth, Reason> {
        let table = self.table();
        let place = self.route(route)?;
        let Some(rule) = &table.routes[place].cache else {
            return Err(Reason(format!(
                "{route} keeps no answers: give it [gateway.routes.{route}.filters.cache]"
            )));
        };
        let texts = origin.map_or(&rule.warm_as[..], |_| &[]).iter().map(String::as_str).chain(origin);
        let mut origins = Vec::new();
        for text in texts {
            let bad = || Reason(format!("{text:?} is no scheme and host, such as https://shop.example.com"));
            origins.push(Origin::read(text).ok_or_else(bad)?);
        }
        if origins.is_empty() {
            origins =
                Origin::of(table.config.routes.get(route), &self.control.listeners()).map_err(Reason)?;
        }
        let name = Arc::clone(&table.routes[place].name);
        // Owned, one by one: what is borrowed cannot be handed to whoever runs this.
        let mut asked = Vec::new();
        for origin in &origins {
            for path in paths {
                let (own, name) = (Arc::clone(&self.control.own), Arc::clone(&name));
                let (origin, path) = (origin.clone(), path.clone());
                asked.push(async move {
                    let fetched = fetch(&own, &name, &origin, &path).await;
                    let problem = fetched.map_or_else(Some, |fetched| fetched.problem());
                    problem.map(|problem| format!("{path} as {origin}: {problem}"))
                });
            }
        }
        let asked = stream::iter(asked);
        let came: Vec<Option<String>> = asked.buffered(AT_ONCE).collect().await;
        Ok(Warmth {
            asked: came.len(),
            kept: came.iter().filter(|problem| problem.is_none()).count(),
            origins: origins.iter().map(ToString::to_string).collect(),
            problem: came.into_iter().flatten().next(),
        })
    }
}

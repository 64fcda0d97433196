//! Following a rollout to its end, over restarts of the console.

use std::time::Duration;

use quarterdeck_deploy::model::{Outcome, Rollout};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{ROOT, show, verdict};
use crate::cli::{Global, Output, Server};
use crate::commands::client::Client;
use crate::commands::{say, say_exactly};
use crate::exit::Failure;

/// How often is asked.
const LOOK: Duration = Duration::from_millis(500);

/// How long a console may be away: it is being started again, and goes on from the last durable step.
const AWAY: Duration = Duration::from_secs(60);

/// What the console tells of a service.
#[derive(Debug, Deserialize)]
struct Told {
    rollout: Option<Rollout>,
    last: Option<Rollout>,
}

pub(super) fn path_of(service: &str) -> String {
    // A name that is not lawful is not known there either; it must not lead elsewhere.
    let safe: String = service
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect();
    format!("{ROOT}/services/{safe}")
}

pub(super) struct Follow<'a> {
    global: &'a Global,
    server: &'a Server,
    client: Client,
    output: Output,
    /// What was printed last of each service, and for how long in all may be waited.
    printed: Vec<(String, String)>,
    began: Instant,
    timeout: Option<Duration>,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        global: &'a Global,
        server: &'a Server,
        client: Client,
        output: Output,
        timeout: Option<Duration>,
    ) -> Self {
        Self { global, server, client, output, printed: Vec::new(), began: Instant::now(), timeout }
    }

    /// Follows the rollout that is under way, or gives the last one; None if there has been none.
    pub(super) async fn until_it_ends(&mut self, service: &str) -> Result<Option<Rollout>, Failure> {
        let path = path_of(service);
        let mut followed: Option<String> = None;
        loop {
            let Told { rollout, last } = self.ask(&path).await?;
            let under_way = rollout.filter(|rollout| followed.as_ref().is_none_or(|id| *id == rollout.id));
            let Some(rollout) = under_way else {
                let Some(id) = followed.take() else { return self.ended(last) };
                let last = last.filter(|last| last.id == id);
                let ended = match last {
                    Some(last) => last,
                    // Another one has begun since.
                    None => self.ask(&format!("{ROOT}/rollouts/{id}")).await?,
                };
                return self.ended(Some(ended));
            };
            self.print(&rollout);
            followed = Some(rollout.id.clone());
            self.in_time(|| {
                format!("{}: {} is still {}: {}", rollout.id, rollout.title(), rollout.phase, rollout.message)
            })?;
            sleep(LOOK).await;
        }
    }

    /// Follows every rollout until none is under way. How the worst of them ended.
    pub(super) async fn all(&mut self) -> Result<(), Failure> {
        let mut followed: Vec<String> = Vec::new();
        loop {
            let status: show::Status = self.ask(ROOT).await?;
            for rollout in &status.rollouts {
                self.print(rollout);
                if !followed.contains(&rollout.id) {
                    followed.push(rollout.id.clone());
                }
            }
            if status.rollouts.is_empty() {
                let mut worst = Ok(());
                for ended in status.history.iter().filter(|rollout| followed.contains(&rollout.id)) {
                    self.print(ended);
                    worst = worst.and(verdict(ended, |outcome| outcome == Outcome::Promoted));
                }
                return worst;
            }
            self.in_time(|| {
                let titles: Vec<String> =
                    status.rollouts.iter().map(|r| format!("{} {}", r.service, r.title())).collect();
                format!("still under way: {}", titles.join(", "))
            })?;
            sleep(LOOK).await;
        }
    }

    fn ended(&mut self, rollout: Option<Rollout>) -> Result<Option<Rollout>, Failure> {
        if let Some(rollout) = &rollout {
            self.print(rollout);
        }
        Ok(rollout)
    }

    /// # Errors
    /// When it has taken too long.
    fn in_time(&self, what: impl Fn() -> String) -> Result<(), Failure> {
        match self.timeout {
            Some(timeout) if self.began.elapsed() >= timeout => Err(Failure::TimedOut(what())),
            _ => Ok(()),
        }
    }

    /// Prints what has changed, if something has.
    fn print(&mut self, rollout: &Rollout) {
        let line = match self.output {
            Output::Table => show::progress(rollout),
            Output::Json => serde_json::json!(rollout).to_string(),
        };
        let known = self.printed.iter_mut().find(|(id, _)| *id == rollout.id);
        match known {
            Some((_, printed)) if *printed == line => return,
            Some((_, printed)) => printed.clone_from(&line),
            None => self.printed.push((rollout.id.clone(), line.clone())),
        }
        match self.output {
            Output::Table => say(&line),
            Output::Json => say_exactly(&line),
        }
    }

    /// Asks, and asks again when the console is away for a while.
    async fn ask<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        let since = Instant::now();
        loop {
            let gone = match self.client.get_json(path, &[]).await {
                Err(Failure::NoConsole(why)) => Failure::NoConsole(why),
                answered => return answered,
            };
            if since.elapsed() >= AWAY {
                return Err(gone);
            }
            self.in_time(|| format!("{gone}; what was begun goes on when it is back"))?;
            sleep(LOOK).await;
            // It may be back at another address.
            if let Ok(client) = Client::find(self.global, self.server) {
                self.client = client;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        assert_eq!(path_of("market-data"), "/api/quarterdeck/v1/deploy/services/market-data");
        assert_eq!(path_of("../act?x=ä"), "/api/quarterdeck/v1/deploy/services/..%2Fact%3Fx%3D%C3%A4");
    }
}

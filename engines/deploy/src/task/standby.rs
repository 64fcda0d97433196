//! A console beside the one that does the rollouts: it shows what that one wrote, lets its own gateway follow, and refuses
//! changes with the reason.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::lease::{Held, Lease};
use quarterdeck_journal::store::StoreError;
use tokio::time::Instant;

use super::{Message, Refused, Runner, read_services};
use crate::engine::{Engine, Input};
use crate::model::Elsewhere;
use crate::store;
use crate::target::Target;

/// How often the lease and what was written are looked at: with the lease's term, a console whose holder died does the
/// rollouts well within ten seconds.
const LOOK: Duration = Duration::from_secs(1);

/// What was read last.
#[derive(Default)]
struct Seen {
    services: Vec<(String, String)>,
    newest: Option<Option<String>>,
}

impl Runner {
    /// Waits until this console may do the rollouts; None when told to stop.
    pub(super) async fn stand_by(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Option<Lease> {
        let mut observed = self.seams.targets.watch();
        let mut seen = Seen::default();
        let mut look = Instant::now();
        loop {
            if Instant::now() >= look {
                look = Instant::now() + LOOK;
                let (db, now) = (self.seams.timeline.db(), self.now());
                match Lease::take(db, store::LEASE, &self.seams.console, now).await {
                    Ok(Held::Mine(lease)) => return Some(lease),
                    Ok(Held::By { holder, address, .. }) => {
                        let elsewhere = Some(Elsewhere { console: holder, address });
                        self.dirty |= self.elsewhere != elsewhere;
                        self.elsewhere = elsewhere;
                        if let Err(error) = self.read(&mut seen).await {
                            tracing::warn!(%error, "the state of rollouts cannot be read");
                        }
                        self.insist().await;
                        self.steer_along();
                    }
                    Err(error) => tracing::warn!(%error, "the lease of rollouts cannot be read"),
                }
            }
            self.show();
            tokio::select! {
                () = &mut stop => return None,
                () = tokio::time::sleep_until(look) => {}
                // What was measured for a rollout of before is another console's business now.
                Some(_) = self.done.recv() => {}
                changed = observed.changed() => {
                    // When what runs versions has ended, that is told once this console does the rollouts.
                    if changed.is_err() {
                        tokio::time::sleep_until(look).await;
                    }
                    observed.borrow_and_update();
                    self.steer_along();
                }
                message = self.messages.recv() => match message {
                    None => return None,
                    Some(Message::Begin(_, answer) | Message::Operate(_, answer)) => {
                        // Nobody waits any more: no matter.
                        let _ = answer.send(Err(self.refusal()));
                    }
                    Some(Message::Alert(service, labels)) => self.miss(Input::Alert { service, labels }),
                    Some(Message::Reload(config, answer)) => {
                        self.reload(config);
                        self.mirror().await;
                        self.dirty = true;
                        let _ = answer.send(());
                    }
                },
            }
        }
    }

    fn refusal(&self) -> Refused {
        let why = self.elsewhere.as_ref().map(Elsewhere::refusal);
        Refused::Elsewhere(why.unwrap_or_else(|| {
            "it is not known yet which console does the rollouts on this store: ask again".to_owned()
        }))
    }

    /// Takes up what was written since it was read last.
    async fn read(&mut self, seen: &mut Seen) -> Result<(), StoreError> {
        let db = self.seams.timeline.db();
        let newest = Some(store::newest(db).await?);
        if newest != seen.newest {
            let stored = store::load(db, self.now() - crate::dora::WINDOW * 13).await?;
            self.history = stored.history.into_iter().map(Arc::new).collect();
            self.ledger = stored.ledger;
            seen.newest = newest;
            self.dirty = true;
        }
        let services = store::services(db).await?;
        if services != seen.services {
            self.engine = Engine::mirror(read_services(&services));
            seen.services = services;
            self.mirror().await;
            self.dirty = true;
        }
        Ok(())
    }
}

//! A console beside the one that notifies: it shows what that one wrote, and hands requests to it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::store::{Db, StoreError};
use quarterdeck_journal::values;
use quarterdeck_kernel::Clock;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::{Message, Role, Runner, View};
use crate::desk::Desk;
use crate::engine::RandomIds;
use crate::request::{Answer, Ask, Refused};
use crate::store::{self, Held, Inbox, Lease};

/// How often the lease is looked at: with its term, another console takes over well within ten seconds.
const LOOK: Duration = Duration::from_secs(1);
/// How long the console that notifies has to answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often the answer is looked for.
const POLL: Duration = Duration::from_millis(100);
/// How many times longer than it took to read the state is waited before it is read again: with many alerts, whoever only
/// looks must not keep the store and a processor busy.
const REST: u32 = 9;
/// The longest of these pauses.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Requests under way at most.
const FORWARDED: usize = 64;

/// How long the state as read stands, by how long it took to read.
fn rest(took: Duration) -> Duration {
    took.saturating_mul(REST).min(LONGEST_REST)
}

impl Runner {
    /// Waits until this console may notify; `None` when told to stop.
    pub(super) async fn stand_by(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<Lease>, String> {
        let forwarded = Arc::new(Semaphore::new(FORWARDED));
        let mut mirror: Option<Desk> = None;
        let mut seen = None;
        let mut look = Instant::now();
        let mut read = Instant::now();
        loop {
            if Instant::now() >= look {
                look = Instant::now() + LOOK;
                match Lease::take(self.db(), store::LEASE, &self.console, self.now()).await {
                    Ok(Held::Mine(lease)) => return Ok(Some(lease)),
                    Ok(Held::By { holder, address, .. }) => {
                        let role = Role::Standby { holder: holder.into(), address: address.into() };
                        let begun = Instant::now();
                        let found = if begun < read { Ok(None) } else { self.mirrored(&mut seen).await };
                        if matches!(found, Ok(Some(_))) {
                            read = Instant::now() + rest(begun.elapsed());
                        }
                        match found {
                            Ok(Some(desk)) => mirror = Some(self.mirror(desk, role)),
                            Ok(None) if self.views.borrow().role != role => {
                                let view = View { role, ..(**self.views.borrow()).clone() };
                                let now = self.now();
                                self.show(view, now);
                            }
                            Ok(None) => {}
                            Err(error) => tracing::warn!(%error, "the state of alerting cannot be read"),
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the lease of alerting cannot be read"),
                }
            }
            tokio::select! {
                () = &mut stop => return Ok(None),
                () = tokio::time::sleep_until(look) => {}
                // Of what is sent from here nothing is delivered: the other console does.
                Some(_) = self.done.recv() => {}
                message = self.messages.recv() => match message {
                    None => return Ok(None),
                    Some(Message::Ask(ask, asker)) => self.forward(*ask, asker, &forwarded),
                    Some(Message::Explain(alert, asker)) => {
                        let now = self.now();
                        let _ = asker.send(mirror.as_ref().and_then(|m| m.engine().explain(alert, now)));
                    }
                    Some(Message::Preview(matchers, asker)) => {
                        let found = mirror.as_ref().map(|m| m.engine().preview(&matchers));
                        let _ = asker.send(found.unwrap_or_default());
                    }
                    Some(Message::Past(moment, asker)) => self.past(moment, asker),
                    Some(Message::Reload(setting, asker)) => {
                        self.setting = *setting;
                        let _ = asker.send(());
                    }
                },
            }
        }
    }

    /// The state as written, if it has changed since `seen`.
    async fn mirrored(&self, seen: &mut Option<String>) -> Result<Option<Desk>, StoreError> {
        let row = self
            .db()
            .row("SELECT body FROM alerting_records WHERE place = $1", &values![store::CLOCK])
            .await?;
        let stamp = row.map_or(Ok(None), |row| row.text("body").map(Some))?;
        if stamp == *seen && seen.is_some() {
            return Ok(None);
        }
        let stored = store::load(self.db()).await?;
        *seen = stamp;
        let setting = &self.setting;
        // What would be due is not done: the steps of a mirror are dropped.
        let (desk, _) = Desk::restore(
            Arc::clone(&setting.plan),
            setting.options.clone(),
            Arc::clone(&setting.roster),
            Box::new(RandomIds),
            stored,
            self.now(),
        );
        Ok(Some(desk))
    }

    fn mirror(&mut self, mut desk: Desk, role: Role) -> Desk {
        let now = self.now();
        let view = View {
            alerts: desk.alerts_snapshot(now),
            oncall: desk.oncall_snapshot(now),
            role,
            ..View::default()
        };
        self.show(view, now);
        desk
    }

    fn forward(&self, ask: Ask, asker: oneshot::Sender<Result<Answer, Refused>>, forwarded: &Arc<Semaphore>) {
        let Ok(permit) = Arc::clone(forwarded).try_acquire_owned() else {
            let _ = asker.send(Err(self.inlet.turn_away()));
            return;
        };
        let (db, clock, inlet) = (self.db().clone(), Arc::clone(&self.clock), Arc::clone(&self.inlet));
        tokio::spawn(async move {
            let mut answer = hand_over(&db, &*clock, &ask).await;
            if matches!(answer, Err(Refused::Busy)) {
                answer = Err(inlet.turn_away());
            }
            // Nobody waits any more: no matter.
            let _ = asker.send(answer);
            drop(permit);
        });
    }
}

async fn hand_over(db: &Db, clock: &dyn Clock, ask: &Ask) -> Result<Answer, Refused> {
    let failed = |error: StoreError| Refused::NotSaved(error.to_string());
    let text = serde_json::to_string(ask).map_err(|e| Refused::Bad(e.to_string()))?;
    let inbox = Inbox(db);
    let id = inbox.ask(&text, clock.now()).await.map_err(failed)?.ok_or(Refused::Busy)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = inbox.answer_of(&id).await.map_err(failed)? {
            return serde_json::from_str(&answer)
                .unwrap_or_else(|e| Err(Refused::Unreachable(format!("the answer cannot be read: {e}"))));
        }
        tokio::time::sleep(POLL).await;
    }
    Err(Refused::Unreachable(
        "it is saved and will be carried out, but the console that notifies has not answered yet".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_dies_is_followed_within_ten_seconds() {
        // The lease as renewed at the last moment, the longest time until it is looked at, and as much again to take it.
        assert!(crate::store::TERM + LOOK * 2 <= Duration::from_secs(10));
    }

    #[test]
    fn reading_takes_a_tenth_of_the_time_at_most() {
        assert_eq!(
            rest(Duration::from_millis(5)),
            Duration::from_millis(45),
            "shorter than a look: no pause"
        );
        assert_eq!(rest(Duration::from_secs(2)), Duration::from_secs(18));
        assert_eq!(rest(Duration::from_secs(60)), LONGEST_REST, "what is shown is never much older");
    }
}

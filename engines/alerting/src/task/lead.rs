//! The console that notifies.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use tokio::time::Instant;

use super::save::{Asker, Saved, Waiting};
use super::{FRAME, Left, Message, Role, Runner, View};
use crate::desk::Desk;
use crate::engine::RandomIds;
use crate::model::Record;
use crate::request::{Ask, Refused};
use crate::store::{self, Inbox, Lease, TERM};

/// Messages taken together at most: what waits longer gets a transaction of its own.
const TOGETHER: usize = 1024;
/// How long after a failed write the next is tried.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end waits for what becomes of deliveries under way.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A clock that goes back by more than this was set.
const SET_BACK: Duration = Duration::from_secs(5);
/// How often requests of other consoles are looked for.
const INBOX: Duration = Duration::from_millis(250);

struct Leading {
    desk: Desk,
    waiting: Waiting,
    lease: Option<Lease>,
    unreadable: Arc<[(String, String, String)]>,
    dirty: bool,
    published: Instant,
    /// When a failed write is tried again.
    retry: Option<Instant>,
    /// When the inbox is looked at next.
    inbox: Instant,
}

impl Runner {
    /// Notifies until told to stop or another console does.
    pub(super) async fn lead(
        &mut self,
        lease: Option<Lease>,
        shown: Option<Timestamp>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Left, String> {
        let mut stored = store::load(self.db()).await.map_err(|e| e.to_string())?;
        for (kind, name, why) in &stored.unreadable {
            tracing::error!(kind, name, why, "a row of alerting cannot be read and is left aside");
        }
        // What the clock had shown before it was set back; a write since may have dated the store anew.
        stored.records.extend(shown.map(Record::Clock));
        let unreadable: Arc<[_]> = stored.unreadable.clone().into();
        let places = std::mem::take(&mut stored.places);
        let setting = &self.setting;
        let (desk, step) = Desk::restore(
            Arc::clone(&setting.plan),
            setting.options.clone(),
            Arc::clone(&setting.roster),
            Box::new(RandomIds),
            stored,
            self.now(),
        );
        let now = Instant::now();
        let mut leading = Leading {
            desk,
            waiting: Waiting::beside(places),
            lease,
            unreadable,
            dirty: true,
            published: now - FRAME,
            retry: None,
            inbox: now,
        };
        leading.waiting.push(step);
        let mut latest = self.now();
        loop {
            if let Some(left) = self.save(&mut leading).await {
                return Ok(left);
            }
            let now = self.now();
            if now + SET_BACK < latest && leading.waiting.is_empty() {
                // What is under way is sent once more, marked: its outcome would be lost.
                self.deliver.withdraw();
                return Ok(Left::SetBack(leading.lease, latest));
            }
            latest = latest.max(now);
            // Whoever was turned away left no other trace.
            leading.dirty |= self.views.borrow().turned_away != self.inlet.turned_away();
            if leading.dirty && leading.published.elapsed() >= FRAME {
                self.publish(&mut leading);
            }
            // Not left to the choice below, which prefers what is asked here: a storm must not keep others waiting.
            if leading.lease.is_some() && leading.inbox <= Instant::now() {
                leading.inbox = Instant::now() + INBOX;
                if let Some(left) = self.look_around(&mut leading).await {
                    return Ok(left);
                }
                continue;
            }
            let nap = self.until(leading.desk.next_wake());
            let retry = leading.retry;
            let frame = leading.published + FRAME;
            tokio::select! {
                biased;
                () = &mut stop => {
                    self.wind_up(&mut leading).await;
                    self.publish(&mut leading);
                    if let Some(lease) = &leading.lease
                        && let Err(error) = lease.give_back(self.db()).await
                    {
                        tracing::warn!(%error, "the lease could not be given back; another console waits for its end");
                    }
                    return Ok(Left::Stopped);
                }
                Some(done) = self.done.recv() => {
                    let now = self.now();
                    let step = leading.desk.done(done, now);
                    leading.waiting.push(step);
                    leading.dirty = true;
                    for _ in 0..TOGETHER {
                        let Ok(done) = self.done.try_recv() else { break };
                        let step = leading.desk.done(done, now);
                        leading.waiting.push(step);
                    }
                }
                message = self.messages.recv() => {
                    let Some(message) = message else { return Ok(Left::Stopped) };
                    self.take(&mut leading, message);
                    for _ in 0..TOGETHER {
                        let Ok(message) = self.messages.try_recv() else { break };
                        self.take(&mut leading, message);
                    }
                }
                () = tokio::time::sleep_until(frame), if leading.dirty => {}
                () = tokio::time::sleep_until(retry.unwrap_or(frame)), if retry.is_some() => {}
                () = tokio::time::sleep_until(leading.inbox), if leading.lease.is_some() => {}
                () = tokio::time::sleep(nap) => {}
            }
            self.tick(&mut leading);
        }
    }

    fn tick(&self, leading: &mut Leading) {
        let now = self.now();
        if leading.desk.next_wake().is_some_and(|at| at <= now) {
            let step = leading.desk.tick(now);
            leading.waiting.push(step);
            leading.dirty = true;
        }
    }

    fn take(&mut self, leading: &mut Leading, message: Message) {
        let now = self.now();
        match message {
            Message::Ask(ask, asker) => {
                let (step, answer) = leading.desk.ask(*ask, now);
                leading.waiting.push(step);
                leading.waiting.answer(Asker::Here(asker), answer);
                leading.dirty = true;
            }
            // Nobody waits for these any more: no matter.
            Message::Explain(alert, asker) => {
                let _ = asker.send(leading.desk.engine().explain(alert, now));
            }
            Message::Preview(matchers, asker) => {
                let _ = asker.send(leading.desk.engine().preview(&matchers));
            }
            Message::Past(moment, asker) => self.past(moment, asker),
            Message::Reload(setting, asker) => {
                self.setting = *setting;
                let setting = &self.setting;
                let (plan, roster) = (Arc::clone(&setting.plan), Arc::clone(&setting.roster));
                let step = leading.desk.reload(plan, setting.options.clone(), roster, now);
                leading.waiting.push(step);
                leading.dirty = true;
                let _ = asker.send(());
            }
        }
    }

    /// Writes what waits and does what follows from it.
    async fn save(&mut self, leading: &mut Leading) -> Option<Left> {
        let due = leading.retry.is_none_or(|at| at <= Instant::now());
        // A caller is answered at once, be it that nothing could be saved.
        if leading.waiting.is_empty() || !due && !leading.waiting.has_askers() {
            return None;
        }
        let (saved, jobs) = leading.waiting.save(&self.timeline, &mut leading.lease, self.clock.now()).await;
        for job in jobs {
            self.deliver.deliver(job);
        }
        match saved {
            Saved::Yes => {
                // That the store failed is no longer so, and that is shown.
                leading.dirty |= leading.retry.take().is_some();
                // Whoever is answered sees what they did.
                if leading.dirty && leading.waiting.has_askers() {
                    self.publish(leading);
                }
                leading.waiting.tell();
                // Whoever was answered goes first.
                tokio::task::yield_now().await;
                leading.waiting.clear();
            }
            Saved::Lost => return Some(self.lost()),
            Saved::NotYet => {
                leading.retry = Some(Instant::now() + RETRY);
                leading.dirty = true;
                let now = self.clock.now();
                // The store may be gone for all, or for this console alone: then another one notifies by now.
                let alone = leading.lease.as_ref().is_none_or(|lease| lease.until > now);
                for job in leading.waiting.overdue(now) {
                    self.deliver.deliver(if alone { job } else { job.doubted() });
                }
            }
        }
        None
    }

    /// Another console has the lease: what it notifies now is not to come from here too.
    fn lost(&self) -> Left {
        self.deliver.withdraw();
        Left::Lost
    }

    /// Before the end: what is under way may still be heard of, so that the next run does not send it again. What is due
    /// only now is written down, and is that run's to send.
    async fn wind_up(&mut self, leading: &mut Leading) {
        let until = Instant::now() + LAST_WORDS;
        let settled = self.write_only(leading).await;
        while settled && leading.desk.under_way() > 0 {
            let Ok(Some(done)) = tokio::time::timeout_at(until, self.done.recv()).await else { break };
            let step = leading.desk.done(done, self.now());
            leading.waiting.push(step);
            if !self.write_only(leading).await {
                break;
            }
        }
    }

    /// Writes what waits, and starts nothing. Whether it is written.
    async fn write_only(&self, leading: &mut Leading) -> bool {
        if leading.waiting.is_empty() {
            return true;
        }
        let (saved, _) = leading.waiting.save(&self.timeline, &mut leading.lease, self.clock.now()).await;
        let written = matches!(saved, Saved::Yes);
        if written {
            leading.waiting.tell();
            leading.waiting.clear();
        }
        written
    }

    /// Takes requests of other consoles, and keeps the lease.
    async fn look_around(&mut self, leading: &mut Leading) -> Option<Left> {
        match Inbox(self.db()).waiting().await {
            Ok(asked) => {
                let now = self.now();
                for asked in asked {
                    if leading.waiting.holds(&asked.id) {
                        continue;
                    }
                    let answer = match serde_json::from_str::<Ask>(&asked.request) {
                        Ok(ask) => {
                            let (step, answer) = leading.desk.ask(ask, now);
                            leading.waiting.push(step);
                            leading.dirty = true;
                            answer
                        }
                        Err(error) => {
                            Err(Refused::Bad(format!("another console's request cannot be read: {error}")))
                        }
                    };
                    leading.waiting.answer(Asker::There(asked.id), answer);
                }
            }
            Err(error) => tracing::warn!(%error, "requests of other consoles cannot be read"),
        }
        let now = self.now();
        let lease = leading.lease.as_ref()?;
        if lease.until.since(now) > TERM.mul_f64(0.6) {
            return None;
        }
        match lease.renew(self.db(), now).await {
            Ok(renewed) => leading.lease = Some(renewed),
            Err(store::LeaseError::Lost) => return Some(self.lost()),
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
        None
    }

    fn publish(&mut self, leading: &mut Leading) {
        let now = self.now();
        leading.dirty = false;
        leading.published = Instant::now();
        let view = View {
            version: 0,
            at: now,
            alerts: leading.desk.alerts_snapshot(now),
            oncall: leading.desk.oncall_snapshot(now),
            role: Role::Notifying,
            unsaved: leading.waiting.unsaved().cloned(),
            unreadable: Arc::clone(&leading.unreadable),
            ..View::default()
        };
        self.show(view, now);
    }

    pub(super) fn show(&mut self, view: View, now: Timestamp) {
        self.version += 1;
        let turned_away = self.inlet.turned_away();
        self.views.send_replace(Arc::new(View { version: self.version, at: now, turned_away, ..view }));
    }
}

//! Writing: everything that waits in one transaction.

use std::sync::Arc;

use quarterdeck_journal::store::StoreError;
use quarterdeck_journal::{NewEntry, Timeline, TimelineError};
use quarterdeck_kernel::Timestamp;
use tokio::sync::oneshot;

use super::Unsaved;
use crate::desk::{Job, Step};
use crate::request::{Answer, Refused};
use crate::store::{Inbox, Lease, LeaseError, Places, Rows, Unwritten};

/// Entries for the timeline that wait at most while the store fails; more are dropped and counted.
const MAX_ENTRIES: usize = 10_000;
/// Jobs that wait at most while the store fails.
const MAX_JOBS: usize = 100_000;

/// Who is to be answered when everything is written.
pub(super) enum Asker {
    /// A caller in this process.
    Here(oneshot::Sender<Result<Answer, Refused>>),
    /// Another console, by the id of its request.
    There(String),
}

/// What waits to be written, and what follows it.
#[derive(Default)]
pub(super) struct Waiting {
    rows: Unwritten,
    entries: Vec<NewEntry>,
    jobs: Vec<Job>,
    askers: Vec<(Asker, Result<Answer, Refused>)>,
    dropped: usize,
    unsaved: Option<Unsaved>,
    /// What was written, until whoever waits for it has been answered.
    spent: Rows,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Timeline(#[from] TimelineError),
}

impl From<StoreError> for SaveError {
    fn from(error: StoreError) -> Self {
        Self::Timeline(error.into())
    }
}

/// How a write went.
pub(super) enum Saved {
    /// Everything is durable.
    Yes,
    /// The store failed: try again later.
    NotYet,
    /// Another console has the lease: nothing of this is to be done.
    Lost,
}

impl Waiting {
    /// Nothing waits, beside what is in the store.
    pub(super) fn beside(places: Places) -> Self {
        Self { rows: Unwritten::beside(places), ..Self::default() }
    }

    /// Takes a step in.
    pub(super) fn push(&mut self, step: Step) {
        for row in step.rows {
            self.rows.push(row);
        }
        self.entries.extend(step.entries);
        self.jobs.extend(step.jobs);
        if self.unsaved.is_some() {
            self.dropped += self.entries.len().saturating_sub(MAX_ENTRIES);
            self.entries.truncate(MAX_ENTRIES);
            self.jobs.truncate(MAX_JOBS);
        }
    }

    /// Answers somebody when everything so far is written.
    pub(super) fn answer(&mut self, asker: Asker, answer: Result<Answer, Refused>) {
        self.askers.push((asker, answer));
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.entries.is_empty() && self.askers.is_empty() && self.jobs.is_empty()
    }

    /// Whether somebody in this process waits for an answer.
    pub(super) fn has_askers(&self) -> bool {
        self.askers.iter().any(|(asker, _)| matches!(asker, Asker::Here(_)))
    }

    /// Whether another console's request has been carried out and only its answer is not written yet: it still stands in
    /// the inbox, and must not be carried out twice.
    pub(super) fn holds(&self, request: &str) -> bool {
        self.askers.iter().any(|(asker, _)| matches!(asker, Asker::There(id) if id == request))
    }

    /// Why the store does not follow.
    pub(super) const fn unsaved(&self) -> Option<&Unsaved> {
        self.unsaved.as_ref()
    }

    /// Jobs that have waited for the store for so long that they are sent without it.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Vec<Job> {
        let late = self.unsaved.as_ref().is_some_and(|u| now.since(u.since) >= super::SEND_UNSAVED_AFTER);
        if late { std::mem::take(&mut self.jobs) } else { Vec::new() }
    }

    /// Answers those in this process whose requests are durable.
    pub(super) fn tell(&mut self) {
        for (asker, answer) in self.askers.drain(..) {
            if let Asker::Here(sender) = asker {
                // Nobody waits any more: no matter.
                let _ = sender.send(answer);
            }
        }
    }

    /// Drops what was written: after the answer, which need not wait for it.
    pub(super) fn clear(&mut self) {
        self.spent = Rows::default();
    }

    /// Writes everything. On success, gives the jobs to be handed over; [`Waiting::tell`] is to follow.
    pub(super) async fn save(
        &mut self,
        timeline: &Timeline,
        lease: &mut Option<Lease>,
        now: Timestamp,
    ) -> (Saved, Vec<Job>) {
        let there: Vec<(String, String)> = self
            .askers
            .iter()
            .filter_map(|(asker, answer)| match asker {
                Asker::There(id) => Some((id.clone(), serde_json::to_string(answer).ok()?)),
                Asker::Here(_) => None,
            })
            .collect();
        let mut written = Ok(());
        if !self.rows.is_empty() || !self.entries.is_empty() || !there.is_empty() {
            written = self.write(timeline, lease, there, now).await;
        }
        match written {
            Ok(()) => {
                self.spent = self.rows.take_written();
                self.entries.clear();
                self.unsaved = None;
                if self.dropped > 0 {
                    tracing::warn!(
                        dropped = self.dropped,
                        "timeline entries were dropped while the store failed"
                    );
                    self.dropped = 0;
                }
                self.askers.retain(|(asker, _)| matches!(asker, Asker::Here(_)));
                (Saved::Yes, std::mem::take(&mut self.jobs))
            }
            Err(SaveError::Lease(LeaseError::Lost)) => {
                let lost = || Refused::Unreachable("another console notifies now; ask again".to_owned());
                for (asker, _) in self.askers.drain(..) {
                    if let Asker::Here(sender) = asker {
                        let _ = sender.send(Err(lost()));
                    }
                }
                (Saved::Lost, Vec::new())
            }
            Err(error) => {
                tracing::error!(%error, rows = self.rows.len(), "alerting could not be saved");
                let why: Arc<str> = error.to_string().into();
                let since = self.unsaved.as_ref().map_or(now, |u| u.since);
                self.unsaved = Some(Unsaved { since, why: Arc::clone(&why), rows: self.rows.len() });
                // Other consoles are answered with the write that carries their requests.
                for (asker, answer) in std::mem::take(&mut self.askers) {
                    match asker {
                        Asker::Here(sender) => {
                            // What was refused changed nothing, and need not be saved to be true.
                            let told = answer.and_then(|_| Err(Refused::NotSaved(why.to_string())));
                            let _ = sender.send(told);
                        }
                        Asker::There(_) => self.askers.push((asker, answer)),
                    }
                }
                (Saved::NotYet, Vec::new())
            }
        }
    }

    async fn write(
        &mut self,
        timeline: &Timeline,
        lease: &mut Option<Lease>,
        there: Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<(), SaveError> {
        if self.entries.is_empty() {
            // The timeline has nothing to tell: its chain need not be held.
            let mut tx = timeline.db().begin().await?;
            let written = match write_others(&mut tx, lease.as_ref(), &there, now).await {
                Ok(renewed) => self.rows.write(&mut tx).await.map(|()| renewed).map_err(StoreError::into),
                Err(error) => Err(error),
            };
            return match written {
                Ok(renewed) => {
                    tx.commit().await?;
                    *lease = renewed;
                    Ok(())
                }
                Err(error) => {
                    let _ = tx.rollback().await;
                    Err(error)
                }
            };
        }
        let rows = Arc::new(self.rows.lend());
        let (lent, held, entries) = (Arc::clone(&rows), lease.clone(), self.entries.clone());
        let written = timeline
            .transact_rows::<Option<Lease>, SaveError, _, _>(
                move |tx| {
                    Box::pin(async move {
                        let renewed = write_others(tx, held.as_ref(), &there, now).await?;
                        lent.remove(tx).await?;
                        Ok((renewed, entries))
                    })
                },
                |dialect| rows.kept(dialect),
            )
            .await;
        self.rows.give_back(Arc::unwrap_or_clone(rows));
        *lease = written?;
        Ok(())
    }
}

/// Writes what is no row.
async fn write_others(
    tx: &mut quarterdeck_journal::store::Tx,
    lease: Option<&Lease>,
    there: &[(String, String)],
    now: Timestamp,
) -> Result<Option<Lease>, SaveError> {
    let renewed = match lease {
        Some(lease) => Some(lease.prove(tx, now).await?),
        None => None,
    };
    for (id, answer) in there {
        Inbox::answer(tx, id, answer, now).await?;
    }
    Ok(renewed)
}

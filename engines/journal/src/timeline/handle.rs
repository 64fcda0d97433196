//! The handle that everyone appends and reads through.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, Entry, EntryId};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::chain::Chain;
use super::entry::NewEntry;
use super::error::TimelineError;
use super::recent::{Recent, Ring};
use crate::store::{Db, Dialect, Statement, StoreError, Tx};

/// How many appends may wait for the next commit; further ones wait to be queued.
pub(super) const QUEUE: usize = 4096;
/// How many entries are made durable by one commit at most.
const BATCH: usize = 256;

/// What runs inside a transaction: it answers a value and the entries that tell of it.
pub type Work<'a, T, E> = BoxFuture<'a, Result<(T, Vec<NewEntry>), E>>;

/// The timeline. Cheap to clone; its tasks end with the last clone.
#[derive(Clone, Debug)]
pub struct Timeline {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: mpsc::Sender<Request>,
}

pub(super) struct Shared {
    pub(super) db: Db,
    pub(super) dir: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    /// Held through every commit, so that the chain has one order. Locked before a transaction begins, never after.
    pub(super) chain: tokio::sync::Mutex<Chain>,
    pub(super) ring: Mutex<Ring>,
    pub(super) recent: watch::Sender<Arc<Recent>>,
    pub(super) dirty: Arc<Notify>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Wakes the publisher, which finds nothing left to publish and ends.
        self.dirty.notify_one();
    }
}

#[derive(Debug)]
pub(super) struct Request {
    entry: NewEntry,
    answer: oneshot::Sender<Result<Entry, TimelineError>>,
}

impl Timeline {
    /// Writes an entry; many callers share one commit. When this answers, the entry is durable.
    ///
    /// Never wait for it while a [`Tx`] of one's own is open: on SQLite that one holds the writer that this one
    /// needs. Use [`Timeline::transact`] for an effect and an entry that belong together.
    ///
    /// # Errors
    /// When the store failed; the entry is then not written, unless the store's connection was lost during the
    /// commit ([`crate::store::StoreError::Lost`]).
    pub async fn append(&self, entry: NewEntry) -> Result<Entry, TimelineError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Request { entry, answer }).await.map_err(|_| TimelineError::Closed)?;
        answered.await.unwrap_or(Err(TimelineError::Closed))
    }

    /// Runs `work` in a transaction and writes the entries that it answers in the same one: all or nothing. When
    /// this answers, everything is durable.
    ///
    /// # Errors
    /// Those of `work`, and those of the store; nothing is then written (but see [`Timeline::append`]).
    pub async fn transact<T, E, F>(&self, work: F) -> Result<(T, Vec<Entry>), E>
    where
        E: From<TimelineError>,
        F: for<'a> FnOnce(&'a mut Tx) -> Work<'a, T, E>,
    {
        self.transact_then(work, |_, _| ()).await
    }

    /// The same; `after` runs when everything is durable and before anything else is committed, so that what it
    /// does to memory happens in the order of the chain.
    ///
    /// # Errors
    /// See [`Timeline::transact`].
    pub async fn transact_then<T, E, F, A>(&self, work: F, after: A) -> Result<(T, Vec<Entry>), E>
    where
        E: From<TimelineError>,
        F: for<'a> FnOnce(&'a mut Tx) -> Work<'a, T, E>,
        A: FnOnce(&T, &[Entry]),
    {
        let after = |value: &T, entries: &[Entry]| {
            after(value, entries);
            entries.to_vec()
        };
        self.transact_all(work, |_| std::iter::empty(), after).await
    }

    /// The same with many rows, which are written behind what `work` does and before the entries; each statement is made
    /// while the one before it is carried out. Nobody is told of the entries but who looks at the timeline.
    ///
    /// # Errors
    /// See [`Timeline::transact`].
    pub async fn transact_rows<T, E, F, R>(&self, work: F, rows: impl FnOnce(Dialect) -> R) -> Result<T, E>
    where
        E: From<TimelineError>,
        F: for<'a> FnOnce(&'a mut Tx) -> Work<'a, T, E>,
        R: Iterator<Item = Result<Statement, StoreError>>,
    {
        Ok(self.transact_all(work, rows, |_, _| ()).await?.0)
    }

    async fn transact_all<T, E, F, R, A, K>(
        &self,
        work: F,
        rows: impl FnOnce(Dialect) -> R,
        after: A,
    ) -> Result<(T, K), E>
    where
        E: From<TimelineError>,
        F: for<'a> FnOnce(&'a mut Tx) -> Work<'a, T, E>,
        R: Iterator<Item = Result<Statement, StoreError>>,
        A: FnOnce(&T, &[Entry]) -> K,
    {
        let shared = &self.shared;
        let mut chain = shared.chain.lock().await;
        shared.settle(&mut chain).await?;
        let mut tx = shared.db.begin().await.map_err(TimelineError::from)?;
        let (value, entries) = match work(&mut tx).await {
            Ok(done) => done,
            Err(error) => {
                // Cheaper than dropping it, which closes the connection. If it fails, that happens all the same.
                let _ = tx.rollback().await;
                return Err(error);
            }
        };
        let rows = rows(tx.dialect());
        let draft = match chain.draft(&mut tx, rows, entries, shared.clock.now()).await {
            Ok(draft) => draft,
            Err(error) => {
                let _ = tx.rollback().await;
                return Err(error.into());
            }
        };
        let trouble = chain.commit(tx, &draft).await.map_err(TimelineError::from)?;
        let kept = after(&value, &draft.entries);
        shared.committed(draft.entries, trouble);
        Ok((value, kept))
    }

    /// The newest entries, published when they change, at most 30 times a second.
    #[must_use]
    pub fn recent(&self) -> watch::Receiver<Arc<Recent>> {
        self.shared.recent.subscribe()
    }

    /// The newest entries as of now, not as of the last publication.
    #[must_use]
    pub fn recent_now(&self) -> Recent {
        self.shared.ring.lock().snapshot(self.shared.clock.now())
    }

    /// One of the newest entries, from memory.
    pub(crate) fn recent_entry(&self, id: &EntryId) -> Option<Arc<Entry>> {
        self.shared.ring.lock().get(id)
    }

    /// The store that it is kept in.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.shared.db
    }

    /// The clock that entries are stamped by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }
}

impl Shared {
    /// After a commit of unknown outcome, takes over what is in the database; see [`Chain::settle`].
    pub(super) async fn settle(&self, chain: &mut Chain) -> Result<(), TimelineError> {
        let before = chain.head.count;
        if chain.settle(&self.db).await? && chain.head.count > before {
            for entry in super::query::since(&self.db, &chain.writer, before).await? {
                self.committed(vec![entry], None);
            }
        }
        Ok(())
    }

    /// Shows what was committed.
    pub(super) fn committed(&self, entries: Vec<Entry>, trouble: Option<TimelineError>) {
        let mut ring = self.ring.lock();
        for entry in entries {
            ring.push(entry);
        }
        let trouble = trouble.map(|e| {
            tracing::error!(error = %e, "the head of the timeline could not be written outside the database");
            e.to_string()
        });
        ring.set_trouble(trouble);
        drop(ring);
        self.dirty.notify_one();
    }

    /// Commits what is queued, batch by batch, until the last handle is gone.
    pub(super) async fn commit_queued(self: Arc<Self>, mut queue: mpsc::Receiver<Request>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let (entries, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|r| (r.entry, r.answer)).unzip();
            match self.commit_batch(entries.clone()).await {
                Ok(done) => {
                    for (answer, entry) in answers.into_iter().zip(done) {
                        // The caller may have gone; the entry stays.
                        let _ = answer.send(Ok(entry));
                    }
                }
                // One entry that cannot be kept must not take the others of its batch with it.
                Err(TimelineError::TooLong { .. }) if answers.len() > 1 => {
                    for (entry, answer) in entries.into_iter().zip(answers) {
                        let done = self.commit_batch(vec![entry]).await;
                        let _ = answer.send(done.and_then(|mut d| d.pop().ok_or(TimelineError::Closed)));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, entries = answers.len(), "the timeline could not be written");
                    for answer in answers {
                        let _ = answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    async fn commit_batch(&self, entries: Vec<NewEntry>) -> Result<Vec<Entry>, TimelineError> {
        let mut chain = self.chain.lock().await;
        self.settle(&mut chain).await?;
        let mut tx = self.db.begin().await?;
        let draft = chain.draft(&mut tx, std::iter::empty(), entries, self.clock.now()).await?;
        let trouble = chain.commit(tx, &draft).await?;
        self.committed(draft.entries.clone(), trouble);
        Ok(draft.entries)
    }
}

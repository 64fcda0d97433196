//! The writing end of one chain.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use quarterdeck_kernel::{Entry, EntryId, Timestamp};

use super::canonical::Digest;
use super::entry::NewEntry;
use super::error::TimelineError;
use super::head::{self, Head, HeadFile};
use super::record::insert;
use crate::store::{Db, Statement, StoreError, Tx};
use crate::values;

/// What is known of the chain in the database and in its head file.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) writer: String,
    pub(super) head: Head,
    file: Arc<Mutex<HeadFile>>,
    path: PathBuf,
    /// A commit ended without a clear answer: what is in the database must be looked up again.
    doubtful: bool,
}

/// Entries that are written in a transaction but not committed.
#[derive(Debug)]
pub(super) struct Draft {
    head: Head,
    pub(super) entries: Vec<Entry>,
}

/// The newest entry of a writer's chain in the database. Waits for commits that are under way: a server may still be
/// busy with the last one of a console that was killed.
pub(super) async fn stored_head(db: &Db, writer: &str) -> Result<Head, StoreError> {
    let mut tx = db.begin().await?;
    tx.lock(writer).await?;
    let row = tx
        .row(
            "SELECT seq, hash FROM timeline_entries WHERE writer = $1 ORDER BY seq DESC LIMIT 1",
            &values![writer],
        )
        .await?;
    tx.rollback().await?;
    let Some(row) = row else { return Ok(Head::default()) };
    let hash = row.blob("hash")?.try_into().map_or(Digest([0xff; 32]), Digest);
    Ok(Head { count: u64::try_from(row.int("seq")?).unwrap_or_default(), hash })
}

impl Chain {
    /// The chain of `writer`, whose newest stored entry is `head`.
    pub(super) fn new(dir: &Path, writer: String, head: Head) -> Result<Self, TimelineError> {
        let path = head::path(dir, &writer);
        let file = Arc::new(Mutex::new(HeadFile::open(&path, &writer)?));
        Ok(Self { writer, head, file, path, doubtful: false })
    }

    /// Writes entries into a transaction, behind some rows of others.
    pub(super) async fn draft(
        &mut self,
        tx: &mut Tx,
        rows: impl Iterator<Item = Result<Statement, StoreError>>,
        entries: impl IntoIterator<Item = NewEntry>,
        now: Timestamp,
    ) -> Result<Draft, TimelineError> {
        tx.lock(&self.writer).await?;
        let mut draft = Draft { head: self.head, entries: Vec::new() };
        for new in entries {
            draft.head.count += 1;
            let id = EntryId { writer: self.writer.clone(), seq: draft.head.count };
            draft.entries.push(new.placed(id, now));
        }
        // In one go: the first of these is made while the database is busy with the last of those.
        let statements = insert(&draft.entries, &mut draft.head.hash, tx.dialect());
        let (mut others, mut carried_out) = (0, 0);
        let rows = rows.inspect(|_| others += 1).map(|row| row.map_err(TimelineError::from));
        if let Err(error) = tx.run_counted(rows.chain(statements), &mut carried_out).await {
            // The place is taken: the chain has gone on behind this console's back. A row of others says nothing of that: one
            // that was refused was made and not carried out.
            let own = carried_out >= others;
            self.doubtful |= own && matches!(error, TimelineError::Store(StoreError::Constraint(_)));
            return Err(error);
        }
        Ok(draft)
    }

    /// Commits a transaction with what was drafted in it, then moves the head file. Answers what could not be done
    /// to the head file: the entries are durable all the same.
    pub(super) async fn commit(
        &mut self,
        tx: Tx,
        draft: &Draft,
    ) -> Result<Option<TimelineError>, StoreError> {
        // Set before the commit, so that a caller dropped in the middle leaves the doubt behind.
        self.doubtful = true;
        if let Err(error) = tx.commit().await {
            // These say that the database refused; with any other the commit may have gone through.
            let refused =
                matches!(error, StoreError::Full | StoreError::ReadOnly(_) | StoreError::Constraint(_));
            self.doubtful = !refused;
            return Err(error);
        }
        self.doubtful = false;
        if draft.entries.is_empty() {
            return Ok(None);
        }
        self.head = draft.head;
        Ok(self.sync_head().await.err())
    }

    /// Brings the head file to the head of the chain.
    pub(super) async fn sync_head(&self) -> Result<(), TimelineError> {
        let (file, head) = (Arc::clone(&self.file), self.head);
        let written = tokio::task::spawn_blocking(move || file.lock().write(head)).await;
        let path = self.path.clone();
        written.unwrap_or_else(|e| Err(TimelineError::File { path, why: e.to_string() }))
    }

    /// After a commit of unknown outcome: looks up what is in the database.
    pub(super) async fn settle(&mut self, db: &Db) -> Result<bool, TimelineError> {
        if !self.doubtful {
            return Ok(false);
        }
        self.head = stored_head(db, &self.writer).await?;
        self.sync_head().await?;
        self.doubtful = false;
        Ok(true)
    }
}

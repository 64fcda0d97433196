//! Keeping the timeline bounded without losing the proof.

use std::time::Duration;

use quarterdeck_kernel::{Actor, ChangeKind, Entry, EntryId, Invocation};

use super::canonical::Digest;
use super::entry::NewEntry;
use super::error::TimelineError;
use super::handle::Timeline;
use crate::store::Tx;
use crate::values;

/// The action name that a checkpoint carries. It is not an action that anyone can invoke.
const ACTION: &str = "timeline.prune";

/// What to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At most this many entries (and a hundredth more before pruning begins, so that it does not begin each time).
    pub max_entries: Option<u64>,
    /// None older than this.
    pub max_age: Option<Duration>,
}

/// What a checkpoint says: entries `from` to `to` were removed, and the last of them had `hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) hash: Digest,
}

/// The checkpoint that an entry carries, if it is one.
pub(super) fn checkpoint(entry: &Entry) -> Option<Checkpoint> {
    let args = &entry.invocation.as_ref().filter(|i| i.action == ACTION)?.args;
    Some(Checkpoint {
        from: args.get("from")?.parse().ok()?,
        to: args.get("to")?.parse().ok()?,
        hash: Digest::from_hex(args.get("hash")?)?,
    })
}

impl Timeline {
    /// Removes the oldest entries of this console's chain that `retention` does not keep, and leaves a checkpoint
    /// in the same transaction. The newest entry and intents whose outcome is still to come are always kept.
    /// Answers the checkpoint; none when there was nothing to remove.
    ///
    /// # Errors
    /// When the store failed; nothing is then removed.
    pub async fn prune(&self, retention: Retention) -> Result<Option<Entry>, TimelineError> {
        let oldest_kept = retention.max_age.map(|age| self.clock().now() - age);
        let (_, mut entries) = self
            .transact(|tx| {
                let writer = self.shared.ring.lock().writer.clone();
                Box::pin(async move {
                    let Some((first, to)) = range(tx, &writer, retention.max_entries, oldest_kept).await?
                    else {
                        return Ok::<_, TimelineError>(((), Vec::new()));
                    };
                    let row = tx
                        .row(
                            "SELECT at, hash FROM timeline_entries WHERE writer = $1 AND seq = $2",
                            &values![&writer, to],
                        )
                        .await?;
                    let Some(row) = row else { return Ok(((), Vec::new())) };
                    let hash = row.blob("hash")?.try_into().map(Digest).map_err(|_| {
                        let entry = EntryId { writer: writer.clone(), seq: to };
                        TimelineError::Unreadable { entry, why: "its hash has the wrong length".to_owned() }
                    })?;
                    let at = quarterdeck_kernel::Timestamp::from_millis(row.int("at")?);
                    tx.execute(
                        "DELETE FROM timeline_entries WHERE writer = $1 AND seq <= $2",
                        &values![&writer, to],
                    )
                    .await?;
                    let count = to - first + 1;
                    let invocation = Invocation::new(ACTION, Actor::system("retention"))
                        .arg("from", first.to_string())
                        .arg("to", to.to_string())
                        .arg("count", count.to_string())
                        .arg("hash", hash.to_string());
                    let summary = format!(
                        "timeline: {count} entries up to {at} were removed ({writer}/{first} to {to})"
                    );
                    let entry = NewEntry::new(ChangeKind::Lifecycle, invocation.actor.clone(), summary);
                    Ok(((), vec![entry.invoked(&invocation)]))
                })
            })
            .await?;
        Ok(entries.pop())
    }
}

/// First and last of what is to be removed.
async fn range(
    tx: &mut Tx,
    writer: &str,
    max_entries: Option<u64>,
    oldest_kept: Option<quarterdeck_kernel::Timestamp>,
) -> Result<Option<(u64, u64)>, TimelineError> {
    let row = tx
        .row(
            "SELECT min(seq) AS low, max(seq) AS high FROM timeline_entries WHERE writer = $1",
            &values![writer],
        )
        .await?;
    let number = |row: &Option<crate::store::Row>, column: &str| -> Result<Option<u64>, TimelineError> {
        let found = row.as_ref().map(|row| row.int_opt(column)).transpose()?.flatten();
        Ok(found.and_then(|n| u64::try_from(n).ok()))
    };
    let (Some(first), Some(last)) = (number(&row, "low")?, number(&row, "high")?) else { return Ok(None) };
    let mut to = 0;
    if let Some(max) = max_entries
        && last - first + 1 > max + max / 100
    {
        // The checkpoint takes one of the places.
        to = last.saturating_sub(max.saturating_sub(1));
    }
    if let Some(oldest) = oldest_kept {
        let row = tx
            .row(
                "SELECT min(seq) AS low FROM timeline_entries WHERE writer = $1 AND at >= $2",
                &values![writer, oldest],
            )
            .await?;
        to = to.max(number(&row, "low")?.unwrap_or(last) - 1);
    }
    let row = tx
        .row(
            "SELECT min(seq) AS low FROM timeline_entries i WHERE writer = $1 AND phase = 'intent'
             AND NOT EXISTS (SELECT 1 FROM timeline_entries o WHERE o.writer = i.writer AND o.outcome_of = i.seq)",
            &values![writer],
        )
        .await?;
    if let Some(open) = number(&row, "low")? {
        to = to.min(open - 1);
    }
    to = to.min(last - 1);
    Ok((to >= first).then_some((first, to)))
}

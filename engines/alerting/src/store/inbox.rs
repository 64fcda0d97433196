//! What other consoles on the same store ask of the one that notifies: an acknowledgement made on one console is carried
//! out by the other, durably and in order.

use quarterdeck_journal::store::{Db, StoreError, Tx};
use quarterdeck_journal::values;
use quarterdeck_kernel::Timestamp;
use uuid::Uuid;

/// Requests waiting at most; more are refused.
const MAX_WAITING: i64 = 10_000;
/// Bytes of requests waiting at most: the console that notifies reads what waits at once.
const MAX_WAITING_BYTES: i64 = 128 << 20;
/// How long an answer is kept for whoever asked.
const KEEP: std::time::Duration = std::time::Duration::from_secs(600);

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Names it.
    pub id: String,
    /// The request as JSON.
    pub request: String,
}

/// The inbox.
#[derive(Clone, Copy, Debug)]
pub struct Inbox<'a>(pub &'a Db);

impl Inbox<'_> {
    /// Puts a request in; durable when this answers. `None`: there are too many already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn ask(self, request: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = tx
            .row(
                "SELECT count(*) AS waiting, CAST(coalesce(sum(octet_length(request)), 0) AS BIGINT) AS bytes
                 FROM alerting_inbox WHERE answer IS NULL",
                &[],
            )
            .await?;
        let (waiting, bytes) = match row {
            Some(row) => (row.int("waiting")?, row.int("bytes")?),
            None => (0, 0),
        };
        let more = i64::try_from(request.len()).unwrap_or(i64::MAX);
        if waiting >= MAX_WAITING || bytes.saturating_add(more) > MAX_WAITING_BYTES {
            tx.rollback().await?;
            return Ok(None);
        }
        let id = Uuid::now_v7().to_string();
        tx.execute(
            "INSERT INTO alerting_inbox (id, asked_at, request) VALUES ($1, $2, $3)",
            &values![id.as_str(), now, request],
        )
        .await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    /// Requests that wait, in order, at most a few hundred.
    ///
    /// # Errors
    /// What the database says.
    pub async fn waiting(self) -> Result<Vec<Asked>, StoreError> {
        let rows = self
            .0
            .rows("SELECT id, request FROM alerting_inbox WHERE answer IS NULL ORDER BY place LIMIT 500", &[])
            .await?;
        rows.iter().map(|row| Ok(Asked { id: row.text("id")?, request: row.text("request")? })).collect()
    }

    /// The answer to a request, once there is one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn answer_of(self, id: &str) -> Result<Option<String>, StoreError> {
        let row = self.0.row("SELECT answer FROM alerting_inbox WHERE id = $1", &values![id]).await?;
        row.map_or(Ok(None), |row| row.text_opt("answer"))
    }

    /// Notes an answer in the transaction that carries the request out; old answers go.
    ///
    /// # Errors
    /// What the database says.
    pub async fn answer(tx: &mut Tx, id: &str, answer: &str, now: Timestamp) -> Result<(), StoreError> {
        tx.execute("UPDATE alerting_inbox SET answer = $1 WHERE id = $2", &values![answer, id]).await?;
        tx.execute(
            "DELETE FROM alerting_inbox WHERE answer IS NOT NULL AND asked_at < $1",
            &values![now - KEEP],
        )
        .await?;
        Ok(())
    }
}

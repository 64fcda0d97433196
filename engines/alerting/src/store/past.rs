//! Alerts that are over and forgotten: kept, so that what was true at a past moment can still be shown.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::store::{AssertSqlSafe, Db, StoreError, Tx, Value};
use quarterdeck_journal::values;
use quarterdeck_kernel::Timestamp;

use crate::model::{Alert, AlertRecord, AlertState, Record};

/// How long after its end an alert is kept.
pub const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most that are kept; the oldest go first.
pub const MOST: i64 = 200_000;
/// The most that one moment shows; the newest are shown.
pub const SHOWN: i64 = 10_000;

/// Moves alerts from the records to the past, in the transaction that removes them.
///
/// # Errors
/// What the database says.
pub(super) async fn bury(tx: &mut Tx, places: &[i64]) -> Result<(), StoreError> {
    if places.is_empty() {
        return Ok(());
    }
    let marks: Vec<String> = (1..=places.len()).map(|n| format!("${n}")).collect();
    let sql = format!("SELECT body FROM alerting_records WHERE place IN ({})", marks.join(", "));
    let parameters: Vec<Value> = places.iter().flat_map(|place| values![*place]).collect();
    // Made of numbered parameters alone: no text from outside is in it.
    let rows = tx.rows(AssertSqlSafe(sql), &parameters).await?;
    let mut newest = None;
    for row in rows {
        let body = row.text("body")?;
        // What cannot be read could not be shown either.
        let Ok(Record::Alert(AlertRecord { alert, .. })) = serde_json::from_str(&body) else { continue };
        let (Some(first), Some(last)) = (alert.history.first(), alert.history.last()) else { continue };
        let (began, over) = (first.at.min(alert.starts_at), last.at);
        newest = newest.max(Some(over));
        tx.execute(
            "INSERT INTO alerting_past (began_ms, over_ms, body) VALUES ($1, $2, $3)",
            &values![began, over, body],
        )
        .await?;
    }
    let Some(newest) = newest else { return Ok(()) };
    tx.execute("DELETE FROM alerting_past WHERE over_ms < $1", &values![newest - KEEP]).await?;
    tx.execute(
        "DELETE FROM alerting_past WHERE place <= (SELECT MAX(place) FROM alerting_past) - $1",
        &values![MOST],
    )
    .await?;
    Ok(())
}

/// Forgotten alerts that were open at a moment, as they were at their end: their histories tell what they were then.
///
/// # Errors
/// What the database says.
pub async fn at(db: &Db, moment: Timestamp) -> Result<Vec<Alert>, StoreError> {
    let rows = db
        .rows(
            "SELECT body FROM alerting_past WHERE began_ms <= $1 AND over_ms > $1 ORDER BY place DESC LIMIT $2",
            &values![moment, SHOWN],
        )
        .await?;
    let mut alerts = Vec::with_capacity(rows.len());
    for row in rows {
        if let Ok(Record::Alert(AlertRecord { alert, .. })) = serde_json::from_str(&row.text("body")?)
            && alert.state_at(moment).is_some_and(AlertState::is_open)
        {
            alerts.push(Arc::unwrap_or_clone(alert));
        }
    }
    Ok(alerts)
}

//! Alerts that are over stay known for a month, on both databases.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alerting::model::{Alert, AlertRecord, AlertState, Cause, Record, Transition};
use quarterdeck_alerting::store::{self, RowChange, Unwritten, past};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_journal::store::Db;
use quarterdeck_journal::testing::{START, Scratch};
use quarterdeck_kernel::{Labels, Severity, Timestamp};

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

/// An alert that fired, was acknowledged and ended.
fn alert(number: u64, fired: u64, acknowledged: u64, ended: u64) -> Alert {
    let step = |seconds, state, cause| Transition { at: at(seconds), state, cause, detail: None };
    let labels = Labels::from_pairs([
        ("alertname".to_owned(), "Full".to_owned()),
        ("n".to_owned(), number.to_string()),
    ]);
    Alert {
        fingerprint: Fingerprint(number),
        labels,
        annotations: Labels::default(),
        starts_at: at(fired),
        ends_at: at(ended),
        updated_at: at(ended),
        since: at(ended),
        generator_url: "".into(),
        timeout: false,
        state: AlertState::Resolved,
        severity: Severity::Info,
        service: None,
        silenced_by: None,
        inhibited_by: None,
        receivers: Arc::default(),
        operator: None,
        history: vec![
            step(fired, AlertState::Firing, Cause::Posted),
            step(acknowledged, AlertState::Acknowledged, Cause::Acknowledged),
            step(ended, AlertState::Resolved, Cause::SourceResolved),
        ],
        forgotten: 0,
    }
}

async fn write(db: &Db, records: impl IntoIterator<Item = Record>) {
    let mut rows = Unwritten::beside(store::load(db).await.unwrap().places);
    records.into_iter().for_each(|record| rows.push(RowChange::of(record)));
    let mut tx = db.begin().await.unwrap();
    rows.write(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

fn known(alert: Alert) -> Record {
    Record::Alert(AlertRecord { alert: Arc::new(alert), untold: Vec::new(), until: None })
}

#[tokio::test]
async fn what_is_forgotten_is_still_what_it_was() {
    for scratch in Scratch::each() {
        let name = scratch.name();
        let db = scratch.open(&[store::MIGRATIONS]).await;
        // More than one statement's worth, one after the other in time.
        let alerts: Vec<Alert> = (0..150).map(|n| alert(n, n * 10, n * 10 + 4, n * 10 + 25)).collect();
        write(&db, alerts.iter().cloned().map(known)).await;
        assert!(past::at(&db, at(700)).await.unwrap().is_empty(), "{name}: nothing is forgotten yet");
        write(&db, alerts.iter().map(|alert| Record::AlertGone(alert.fingerprint))).await;
        assert!(store::load(&db).await.unwrap().records.is_empty(), "{name}");
        let mut then = past::at(&db, at(703)).await.unwrap();
        then.sort_by_key(|alert| alert.fingerprint);
        let states: Vec<_> = then.iter().map(|a| (a.fingerprint.0, a.state_at(at(703)))).collect();
        let acknowledged = Some(AlertState::Acknowledged);
        assert_eq!(
            states,
            [(68, acknowledged), (69, acknowledged), (70, Some(AlertState::Firing))],
            "{name}"
        );
        assert!(past::at(&db, at(0)).await.unwrap().len() == 1, "{name}: from its first moment on");
        assert!(past::at(&db, at(1_515)).await.unwrap().is_empty(), "{name}: at its end it is over");
        // What an alert leaves goes when a newer one has been over for a month.
        let month = past::KEEP.as_secs();
        let late = alert(999, month + 600, month + 700, month + 800);
        write(&db, [known(late)]).await;
        write(&db, [Record::AlertGone(Fingerprint(999))]).await;
        assert!(past::at(&db, at(703)).await.unwrap().is_empty(), "{name}: a month later");
        assert_eq!(past::at(&db, at(month + 600)).await.unwrap().len(), 1, "{name}");
        assert!(!past::at(&db, at(1_000)).await.unwrap().is_empty(), "{name}: what ended later is there");
        db.close().await;
    }
}

//! Rows: the newest of each thing, on both databases.

use quarterdeck_alerting::model::{Beat, Record};
use quarterdeck_alerting::store::{self, Body, RowChange, Unwritten};
use quarterdeck_journal::store::{Db, Migrations};
use quarterdeck_journal::testing::Scratch;
use quarterdeck_journal::values;
use quarterdeck_kernel::Timestamp;

use super::at;

fn beat(switch: &str, seconds: i64) -> RowChange {
    RowChange::of(Record::Beat(Beat { switch: switch.into(), at: at(seconds) }))
}

fn json(change: &RowChange) -> String {
    match &change.body {
        Some(Body::Record(record)) => serde_json::to_string(record).expect("a record is JSON"),
        other => panic!("no record: {other:?}"),
    }
}

async fn write(db: &Db, changes: impl IntoIterator<Item = RowChange>) {
    let mut rows = Unwritten::beside(store::load(db).await.expect("rows are read").places);
    for change in changes {
        rows.push(change);
    }
    let mut tx = db.begin().await.expect("a transaction");
    rows.write(&mut tx).await.expect("rows are written");
    tx.commit().await.expect("a commit");
}

async fn beats(db: &Db) -> Vec<(String, Timestamp)> {
    let stored = store::load(db).await.expect("rows are read");
    let beats = stored.records.into_iter().filter_map(|record| match record {
        Record::Beat(beat) => Some((beat.switch.to_string(), beat.at)),
        _ => None,
    });
    beats.collect()
}

#[tokio::test]
async fn of_each_thing_the_newest_is_kept_and_what_is_gone_is_gone() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[quarterdeck_alerting::MIGRATIONS]).await;
        // More than any statement takes, in no round number; names with what SQL and JSON make much of.
        let name = |n: usize| format!("n{n}'\"\\\u{1f980}");
        write(&db, (0..337).map(|n| beat(&name(n), 1))).await;
        write(&db, [beat(&name(3), 2), beat(&name(3), 3), beat(&name(4), 2)]).await;
        let found = beats(&db).await;
        assert_eq!(found.len(), 337, "{}", scratch.name());
        let of = |n: usize| found.iter().find(|(known, _)| *known == name(n)).map(|(_, at)| *at);
        assert_eq!((of(3), of(4), of(5)), (Some(at(3)), Some(at(2)), Some(at(1))));
        let gone = |n: usize| RowChange { kind: "beat", name: name(n), body: None };
        write(&db, (0..300).map(gone)).await;
        assert_eq!(beats(&db).await.len(), 37, "{}", scratch.name());
        // Gone and back in one go is back.
        write(&db, [gone(310), beat(&name(310), 9)]).await;
        assert!(beats(&db).await.contains(&(name(310), at(9))));
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_and_named() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[quarterdeck_alerting::MIGRATIONS]).await;
        let odd =
            RowChange { kind: "beat", name: "odd".into(), body: Some(Body::Json("{\"later\":1}".into())) };
        write(&db, [beat("even", 1), odd]).await;
        let stored = store::load(&db).await.expect("rows are read");
        assert_eq!((stored.records.len(), stored.unreadable.len()), (1, 1));
        let (kind, name, why) = &stored.unreadable[0];
        assert_eq!((kind.as_str(), name.as_str()), ("beat", "odd"));
        assert!(why.contains("later"), "{why}");
        assert_eq!(
            store::load(&db).await.expect("again").unreadable.len(),
            1,
            "it stays for a later version"
        );
    }
}

#[tokio::test]
async fn rows_of_an_older_version_are_taken_over() {
    for scratch in Scratch::each() {
        let name = scratch.name();
        let all = quarterdeck_alerting::MIGRATIONS;
        let before =
            all.steps.iter().position(|step| step.name.contains("in the order in which")).expect("that step");
        let older = Migrations { engine: all.engine, steps: &all.steps[..before] };
        let db = scratch.open(&[older]).await;
        let mut tx = db.begin().await.expect("a transaction");
        for (kind, name, body) in [
            ("beat", "b", json(&beat("b", 5))),
            ("clock", "clock", json(&RowChange::of(Record::Clock(at(7))))),
            ("beat", "a", json(&beat("a", 4))),
        ] {
            let insert = "INSERT INTO alerting_records (kind, name, body) VALUES ($1, $2, $3)";
            tx.execute(insert, &values![kind, name, body]).await.expect("a row");
        }
        tx.commit().await.expect("a commit");
        drop(db);
        let db = scratch.open(&[all]).await;
        assert_eq!(beats(&db).await, [("a".to_owned(), at(4)), ("b".to_owned(), at(5))], "{name}");
        let clock =
            db.row("SELECT kind FROM alerting_records WHERE place = $1", &values![store::CLOCK]).await;
        assert_eq!(clock.expect("a query").expect("a row").text("kind").expect("text"), "clock", "{name}");
        write(&db, [beat("b", 9), beat("c", 1)]).await;
        let found = beats(&db).await;
        assert_eq!(found.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [at(4), at(9), at(1)], "{name}");
        let rows = db.rows("SELECT place FROM alerting_records ORDER BY place", &[]).await.expect("rows");
        assert_eq!(rows.len(), 4, "{name}: one row for each thing");
    }
}

//! The store, the same on both databases.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use quarterdeck_journal::store::{Db, Location, Migrations, Step, StoreError};
use quarterdeck_journal::testing::{START, Scratch};
use quarterdeck_journal::values;

const LEDGER: Migrations = Migrations {
    engine: "ledger",
    steps: &[
        Step::each(
            "accounts",
            "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance BIGINT, rate DOUBLE PRECISION, note BLOB);",
            "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance BIGINT, rate DOUBLE PRECISION, note BYTEA);",
        ),
        Step::both(
            "entries",
            "CREATE TABLE entries (account TEXT NOT NULL REFERENCES accounts (id), amount BIGINT NOT NULL);
             CREATE INDEX entries_by_account ON entries (account);",
        ),
    ],
};

#[tokio::test]
async fn what_is_committed_is_read_back_and_what_is_not_is_gone() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[LEDGER]).await;
        let mut tx = db.begin().await.unwrap();
        let row = tx
            .row(
                "INSERT INTO accounts (id, balance, rate, note) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (id) DO UPDATE SET balance = $2 RETURNING balance",
                &values!["a\0b", i64::MIN, 0.1, Some(vec![0u8, 255])],
            )
            .await
            .unwrap();
        assert_eq!(row.unwrap().int("balance"), Ok(i64::MIN), "{}", scratch.name());
        tx.commit().await.unwrap();

        let mut dropped = db.begin().await.unwrap();
        dropped.execute("DELETE FROM accounts", &[]).await.unwrap();
        drop(dropped);
        let nothing: Option<i64> = None;
        let mut undone = db.begin().await.unwrap();
        undone.execute("UPDATE accounts SET balance = $1", &values![nothing]).await.unwrap();
        undone.rollback().await.unwrap();

        let rows = db.rows("SELECT * FROM accounts WHERE balance < $1", &values![0i64]).await.unwrap();
        assert_eq!(rows.len(), 1, "{}", scratch.name());
        assert_eq!(rows[0].text("id").unwrap(), "a\u{fffd}b", "NUL cannot be kept on PostgreSQL");
        assert_eq!(rows[0].real("rate"), Ok(0.1));
        assert_eq!(rows[0].blob("note"), Ok(vec![0, 255]));
        assert!(
            matches!(rows[0].text("nowhere"), Err(StoreError::Column { column, .. }) if column == "nowhere")
        );
        db.close().await;
    }
}

#[tokio::test]
async fn rules_of_tables_hold_on_both() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[LEDGER]).await;
        let mut tx = db.begin().await.unwrap();
        let orphan = tx.execute("INSERT INTO entries VALUES ($1, $2)", &values!["nobody", 5]).await;
        assert!(matches!(orphan, Err(StoreError::Constraint(_))), "{}: {orphan:?}", scratch.name());
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO accounts (id) VALUES ($1)", &values!["x"]).await.unwrap();
        let twice = tx.execute("INSERT INTO accounts (id) VALUES ($1)", &values!["x"]).await;
        assert!(matches!(twice, Err(StoreError::Constraint(_))), "{}: {twice:?}", scratch.name());
        drop(tx);
        db.close().await;
    }
}

#[tokio::test]
async fn writers_wait_for_each_other_and_readers_for_nobody() {
    let scratch = Scratch::sqlite();
    let db = scratch.open(&[LEDGER]).await;
    let mut tx = db.begin().await.unwrap();
    tx.execute("INSERT INTO accounts (id, balance) VALUES ('a', 0)", &[]).await.unwrap();
    assert!(db.rows("SELECT * FROM accounts", &[]).await.unwrap().is_empty(), "not committed yet");
    tx.commit().await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                let found = tx.row("SELECT balance FROM accounts", &[]).await.unwrap().unwrap();
                let next = found.int("balance").unwrap() + 1;
                tx.execute("UPDATE accounts SET balance = $1", &values![next]).await.unwrap();
                tx.commit().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let row = db.row("SELECT balance FROM accounts", &[]).await.unwrap().unwrap();
    assert_eq!(row.int("balance"), Ok(20));
}

#[tokio::test]
async fn each_engine_migrates_by_itself_and_a_newer_store_is_refused() {
    for scratch in Scratch::each() {
        let first = Migrations { steps: &LEDGER.steps[..1], ..LEDGER };
        scratch.open(&[first]).await.close().await;
        let db = scratch.open(&[LEDGER]).await;
        db.rows("SELECT * FROM entries", &[]).await.unwrap();
        db.close().await;
        let refused = Db::open(scratch.location(), &[first], START).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the store was written by a newer version: tables of \"ledger\" are at version 2, this program knows 1; use the newer program or another data directory",
            "{}",
            scratch.name()
        );
        // Refused is not damaged: the store is as it was.
        let db = scratch.open(&[LEDGER]).await;
        db.close().await;
    }
}

#[tokio::test]
async fn a_step_that_is_refused_leaves_the_store_as_it_was() {
    const BROKEN: Migrations = Migrations {
        engine: "broken",
        steps: &[Step::both("fine", "CREATE TABLE fine (a BIGINT);"), Step::both("typo", "CREATE TABEL x;")],
    };
    for scratch in Scratch::each() {
        let refused = Db::open(scratch.location(), &[BROKEN], START).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Migration { engine, version: 2, name, .. } if engine == "broken" && name == "typo"),
            "{}: {refused:?}",
            scratch.name()
        );
        let db = scratch.open(&[]).await;
        assert!(db.rows("SELECT * FROM fine", &[]).await.is_err(), "{}", scratch.name());
        db.close().await;
    }
}

#[tokio::test]
async fn a_damaged_file_is_kept_aside_and_a_fresh_store_started() {
    let garbage = vec![b'x'; 5000];
    let scratch = Scratch::sqlite();
    let Location::Sqlite(path) = scratch.location().clone() else { unreachable!() };
    let db = scratch.open(&[LEDGER]).await;
    let mut tx = db.begin().await.unwrap();
    for n in 0..500 {
        tx.execute("INSERT INTO accounts (id) VALUES ($1)", &values![format!("account {n}")]).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.close().await;
    let whole = std::fs::read(&path).unwrap();
    let mut holed = whole.clone();
    // In the pages behind the first, so that only the check of the structure can tell.
    holed[8192..].fill(0xa5);
    let mut cut = whole.clone();
    cut.truncate(whole.len() / 2 / 4096 * 4096);

    for (name, bytes) in [("garbage", &garbage), ("holes", &holed), ("cut in half", &cut)] {
        std::fs::write(&path, bytes).unwrap();
        let opened = Db::open(&Location::Sqlite(path.clone()), &[LEDGER], START).await.unwrap();
        let quarantined = opened.quarantined.unwrap_or_else(|| panic!("{name}: not noticed"));
        assert_eq!(&std::fs::read(&quarantined.kept_at).unwrap(), bytes, "{name}: kept as it was");
        let kept = quarantined.kept_at.file_name().unwrap().to_string_lossy().into_owned();
        assert!(kept.starts_with("store.db.corrupt-20260101T000000000Z"), "{kept}");
        assert!(!quarantined.why.is_empty());
        let fresh = opened.db.rows("SELECT * FROM accounts", &[]).await.unwrap();
        assert!(fresh.is_empty(), "{name}");
        opened.db.close().await;
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_changed() {
    let scratch = Scratch::sqlite();
    let db = scratch.open(&[LEDGER]).await;
    let mut tx = db.begin().await.unwrap();
    // A limit on the file's pages is what a full disk looks like to SQLite.
    tx.rows("PRAGMA max_page_count = 60", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let mut result = Ok(0);
    for n in 0..200 {
        result = tx
            .execute(
                "INSERT INTO accounts (id, note) VALUES ($1, $2)",
                &values![format!("a{n}"), vec![7u8; 4000]],
            )
            .await;
        if result.is_err() {
            break;
        }
    }
    assert_eq!(result, Err(StoreError::Full));
    drop(tx);
    assert!(db.rows("SELECT * FROM accounts", &[]).await.unwrap().is_empty());
    let mut tx = db.begin().await.unwrap();
    tx.execute("INSERT INTO accounts (id) VALUES ('small')", &[]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn places_that_cannot_be_used_are_said_without_passwords() {
    let scratch = Scratch::sqlite();
    let nowhere = Location::Sqlite(scratch.path().join("missing").join("store.db"));
    let error = Db::open(&nowhere, &[], START).await.unwrap_err();
    assert!(matches!(&error, StoreError::Open { at, .. } if at.ends_with("missing/store.db")), "{error:?}");
    let closed = Location::parse("postgres://me:hunter2@127.0.0.1:1/none");
    let error = Db::open(&closed, &[], START).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot open the store postgres://127.0.0.1:1/none: "), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

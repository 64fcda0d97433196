//! Many rows with the entries that tell of them, the same on both databases.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use quarterdeck_journal::NewEntry;
use quarterdeck_journal::store::{
    AssertSqlSafe, Dialect, Migrations, Statement, Step, StoreError, Value, pieces,
};
use quarterdeck_journal::testing::Scratch;
use quarterdeck_journal::timeline::TimelineError;
use quarterdeck_journal::values;
use quarterdeck_kernel::{Actor, ChangeKind};

const THINGS: Migrations = Migrations {
    engine: "things",
    steps: &[Step::both("things", "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL)")],
};

fn notes(count: usize) -> Vec<NewEntry> {
    let note = |n| NewEntry::new(ChangeKind::Operation, Actor::system("test"), format!("entry {n}"));
    (0..count).map(note).collect()
}

fn inserts(
    dialect: Dialect,
    things: &[(i64, String)],
) -> impl Iterator<Item = Result<Statement, StoreError>> {
    pieces(things, 64).map(move |things| {
        let values: Vec<Value> = things.iter().flat_map(|(id, name)| values![*id, name.as_str()]).collect();
        let rows = dialect.rows(things.len(), 2);
        Ok(Statement::new(format!("INSERT INTO things (id, name) VALUES {rows}"), values))
    })
}

#[tokio::test]
async fn rows_and_entries_are_one_however_many() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[THINGS]).await;
        let mut last = 0;
        for (count, told) in [(0, 1), (1, 0), (202, 51), (1000, 100)] {
            let things: Vec<(i64, String)> = (last..last + count).map(|n| (n, format!("n{n}"))).collect();
            last += count;
            let written: Result<i32, TimelineError> = timeline
                .transact_rows(
                    move |_| Box::pin(async move { Ok((7, notes(told))) }),
                    |dialect| inserts(dialect, &things),
                )
                .await;
            assert_eq!(written, Ok(7), "{}", scratch.name());
        }
        let rows = timeline.db().rows("SELECT id, name FROM things ORDER BY id", &[]).await.unwrap();
        let found: Vec<_> = rows.iter().map(|r| (r.int("id").unwrap(), r.text("name").unwrap())).collect();
        assert_eq!(found, (0..last).map(|n| (n, format!("n{n}"))).collect::<Vec<_>>());
        assert!(timeline.verify().await.unwrap().is_sound());

        // The last of many is there already: nothing of it is kept, and the chain goes on where it was.
        let things: Vec<(i64, String)> = (last..last + 500).chain([3]).map(|n| (n, String::new())).collect();
        let refused: Result<(), TimelineError> = timeline
            .transact_rows(|_| Box::pin(async { Ok(((), notes(60))) }), |dialect| inserts(dialect, &things))
            .await;
        assert!(matches!(refused, Err(TimelineError::Store(StoreError::Constraint(_)))), "{refused:?}");
        // One of the entries cannot be kept: neither are the rows.
        let mut entries = notes(60);
        entries[50] = entries[50].clone().because("y".repeat(100_000));
        let things: Vec<(i64, String)> = (last..last + 500).map(|n| (n, String::new())).collect();
        let long: Result<(), TimelineError> = timeline
            .transact_rows(|_| Box::pin(async { Ok(((), entries)) }), |dialect| inserts(dialect, &things))
            .await;
        assert!(matches!(long, Err(TimelineError::TooLong { .. })), "{long:?}");
        let count = timeline.db().row("SELECT count(*) AS count FROM things", &[]).await.unwrap().unwrap();
        assert_eq!(count.int("count").unwrap(), last, "{}", scratch.name());
        let next = timeline.append(notes(1).remove(0)).await.unwrap();
        assert_eq!(next.id.seq, 153, "{}", scratch.name());
        assert!(timeline.verify().await.unwrap().is_sound());
        timeline.db().close().await;
    }
}

/// What was refused of the rows is no sign that somebody else writes the chain: it is not looked up again, which would take
/// over what nobody has vouched for. What is refused of the chain itself is one.
#[tokio::test]
async fn a_row_that_is_refused_says_nothing_of_the_chain() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[THINGS]).await;
        let (name, db) = (scratch.name(), timeline.db());
        timeline.append(notes(1).remove(0)).await.unwrap();
        for twice in [vec![1, 1], vec![2, 3, 4, 2]] {
            let things: Vec<(i64, String)> = twice.into_iter().map(|n| (n, String::new())).collect();
            let single =
                |dialect| things.iter().flat_map(move |thing| inserts(dialect, std::slice::from_ref(thing)));
            let refused: Result<(), TimelineError> =
                timeline.transact_rows(|_| Box::pin(async { Ok(((), notes(2))) }), single).await;
            assert!(matches!(refused, Err(TimelineError::Store(StoreError::Constraint(_)))), "{refused:?}");
        }
        let columns = "at, kind, phase, service, subject, search, invocation, undoes, outcome_of, checkpoint";
        let forge = format!(
            "INSERT INTO timeline_entries (body, hash, writer, seq, {columns})
             SELECT body, hash, writer, seq + 1, {columns} FROM timeline_entries ORDER BY seq DESC LIMIT 1"
        );
        let mut tx = db.begin().await.unwrap();
        tx.execute(AssertSqlSafe(forge), &[]).await.unwrap();
        tx.commit().await.unwrap();
        let taken = timeline.append(notes(1).remove(0)).await;
        assert!(matches!(taken, Err(TimelineError::Store(StoreError::Constraint(_)))), "{name}: {taken:?}");
        // Now it is looked up: what stands there is not what it says it is.
        let looked_up = timeline.append(notes(1).remove(0)).await;
        assert!(matches!(looked_up, Err(TimelineError::Unreadable { .. })), "{name}: {looked_up:?}");
    }
}

//! The timeline, the same on both databases.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use std::time::Duration;

use quarterdeck_journal::store::{AssertSqlSafe, Db, Location, StoreError};
use quarterdeck_journal::testing::{START, Scratch, Server};
use quarterdeck_journal::timeline::{Filter, NewEntry, Problem, Retention, Timeline, TimelineError, verify};
use quarterdeck_journal::values;
use quarterdeck_kernel::{
    Actor, ChangeKind, EntryId, Invocation, Phase, Severity, Snapshot, Subject, Timestamp,
};

fn note(text: impl Into<String>) -> NewEntry {
    NewEntry::new(ChangeKind::Operation, Actor::system("test"), text)
}

async fn fill(timeline: &Timeline, count: usize) {
    for n in 0..count {
        timeline.append(note(format!("entry {n}"))).await.unwrap();
    }
}

async fn tamper(db: &Db, sql: &str) {
    let mut tx = db.begin().await.unwrap();
    assert!(tx.execute(AssertSqlSafe(sql.to_owned()), &[]).await.unwrap() > 0, "{sql}");
    tx.commit().await.unwrap();
}

async fn problems(timeline: &Timeline) -> Vec<String> {
    let report = timeline.verify().await.unwrap();
    assert_eq!(report.is_sound(), report.problems().next().is_none());
    report.problems().map(ToString::to_string).collect()
}

#[tokio::test]
async fn entries_read_back_as_they_were_written_and_chains_go_on_after_a_restart() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        let inverse = Invocation::new("limits.set", Actor::default()).arg("ms", "80");
        let made = timeline
            .append(
                note("limit \0 \u{202e} \"quoted\" ü")
                    .about(Subject::service("orders"))
                    .severity(Severity::Warning)
                    .because("p99 was too high")
                    .undo(inverse),
            )
            .await
            .unwrap();
        assert_eq!((made.id.seq, made.at), (1, START));
        assert_eq!(made.service.as_deref(), Some("orders"));
        assert_eq!(timeline.entry(&made.id).await.unwrap().as_ref(), Some(&made), "{}", scratch.name());
        fill(&timeline, 5).await;
        timeline.db().close().await;
        drop(timeline);

        let timeline = scratch.timeline(&[]).await;
        let next = timeline.append(note("after")).await.unwrap();
        assert_eq!(next.id, EntryId { writer: made.id.writer.clone(), seq: 7 });
        assert_eq!(problems(&timeline).await, [""; 0], "{}", scratch.name());
        let recent = timeline.recent_now();
        assert_eq!(recent.entries.len(), 7);
        assert_eq!(recent.entries[0].summary, "after");
        assert_eq!((recent.count, recent.trouble.clone()), (7, None));
        let nowhere = EntryId { writer: made.id.writer, seq: 99 };
        assert_eq!(timeline.entry(&nowhere).await.unwrap(), None);
        timeline.db().close().await;
    }
}

#[tokio::test]
async fn many_appends_share_commits_and_keep_one_order() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        let mut recent = timeline.recent();
        let tasks: Vec<_> = (0..300)
            .map(|n| {
                let timeline = timeline.clone();
                tokio::spawn(async move { timeline.append(note(format!("n{n}"))).await.unwrap().id.seq })
            })
            .collect();
        let mut seqs = Vec::new();
        for task in tasks {
            seqs.push(task.await.unwrap());
        }
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=300).collect::<Vec<u64>>());
        assert!(problems(&timeline).await.is_empty());
        let all = tokio::time::timeout(
            Duration::from_secs(5),
            recent.wait_for(|r| r.entries.len() == 300 && r.version() > 0),
        );
        all.await.expect("all are published").unwrap();
        timeline.db().close().await;
    }
}

#[tokio::test]
async fn an_effect_and_its_entry_are_one() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        tamper_table(timeline.db()).await;
        let (value, entries) = timeline
            .transact(|tx| {
                Box::pin(async move {
                    tx.execute("INSERT INTO things VALUES ($1)", &values!["a"]).await?;
                    Ok::<_, TimelineError>((7, vec![note("made a"), note("and told twice")]))
                })
            })
            .await
            .unwrap();
        assert_eq!((value, entries.len()), (7, 2));
        let refused: Result<((), _), TimelineError> = timeline
            .transact(|tx| {
                Box::pin(async move {
                    tx.execute("INSERT INTO things VALUES ($1)", &values!["b"]).await?;
                    tx.execute("INSERT INTO things VALUES ($1)", &values!["b"]).await?;
                    Ok(((), vec![note("never told")]))
                })
            })
            .await;
        assert!(refused.is_err());
        let long = timeline
            .transact(|tx| {
                Box::pin(async move {
                    tx.execute("INSERT INTO things VALUES ($1)", &values!["c"]).await?;
                    Ok::<_, TimelineError>(((), vec![note("x").because("y".repeat(100_000))]))
                })
            })
            .await;
        assert!(matches!(long, Err(TimelineError::TooLong { .. })), "{long:?}");
        assert_eq!(timeline.db().rows("SELECT * FROM things", &[]).await.unwrap().len(), 1);
        assert_eq!(timeline.append(note("next")).await.unwrap().id.seq, 3, "{}", scratch.name());
        assert!(problems(&timeline).await.is_empty());
        timeline.db().close().await;
    }
}

async fn tamper_table(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    tx.execute("CREATE TABLE things (id TEXT PRIMARY KEY)", &[]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn pages_filter_and_go_on_where_they_ended() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        for n in 0..30i64 {
            let kind = if n % 3 == 0 { ChangeKind::Flag } else { ChangeKind::Deployment };
            let service = if n % 2 == 0 { "orders" } else { "ledger" };
            // Two of each time, so that pages end between equal times.
            let at = START.plus_millis(n / 2 * 1000);
            let entry = NewEntry::new(kind, Actor::system("test"), format!("Änderung {n} 100% done_")).at(at);
            timeline.append(entry.service(service)).await.unwrap();
        }
        let all = Filter::default();
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = timeline.page(&all, before.as_ref(), 7).await.unwrap();
            seen.extend(page.entries.iter().map(|e| e.id.seq));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=30).rev().collect::<Vec<u64>>(), "{}", scratch.name());

        let filters = [
            Filter { kinds: vec![ChangeKind::Flag], ..Filter::default() },
            Filter { service: Some("orders".into()), ..Filter::default() },
            Filter { text: "ÄNDERUNG 1".into(), ..Filter::default() },
            Filter { text: "100%".into(), ..Filter::default() },
            Filter { text: "0%_".into(), ..Filter::default() },
            Filter {
                from: Some(START.plus_millis(2000)),
                to: Some(START.plus_millis(5000)),
                ..Filter::default()
            },
            Filter { subject: Some(Subject::service("x")), ..Filter::default() },
        ];
        let everything = timeline.page(&all, None, 1000).await.unwrap().entries;
        for (filter, count) in filters.iter().zip([10, 15, 11, 30, 0, 6, 0]) {
            let found = timeline.page(filter, None, 1000).await.unwrap().entries;
            assert_eq!(found.len(), count, "{}: {filter:?}", scratch.name());
            let same: Vec<_> = everything.iter().filter(|e| filter.matches(e)).cloned().collect();
            assert_eq!(found, same, "memory and database agree on {filter:?}");
        }
        timeline.db().close().await;
    }
}

#[tokio::test]
async fn what_undid_what_follows_redo() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        let first = timeline.append(note("change")).await.unwrap().id;
        let undoing = |id: &EntryId| {
            let mut invocation = Invocation::new("x.y", Actor::system("test"));
            invocation.undoes = Some(id.clone());
            note("undo").invoked(&invocation)
        };
        let failed = undoing(&first).phase(Phase::Failed);
        timeline.append(failed).await.unwrap();
        let check = async |id: &EntryId, by: Option<&EntryId>| {
            let found = timeline.entry(id).await.unwrap().unwrap().undone_by;
            assert_eq!(found.as_ref(), by, "{} in the database", scratch.name());
            let recent = timeline.recent_now();
            assert_eq!(recent.get(id).unwrap().undone_by.as_ref(), by, "in memory");
        };
        check(&first, None).await;
        let undo = timeline.append(undoing(&first)).await.unwrap().id;
        check(&first, Some(&undo)).await;
        let redo = timeline.append(undoing(&undo)).await.unwrap().id;
        check(&first, None).await;
        check(&undo, Some(&redo)).await;
        let again = timeline.append(undoing(&first)).await.unwrap().id;
        check(&first, Some(&again)).await;
        timeline.db().close().await;
    }
}

#[tokio::test]
async fn whatever_is_changed_behind_its_back_is_found() {
    type Expect = fn(&str) -> Vec<String>;
    let cases: [(&str, Expect); 7] = [
        ("UPDATE timeline_entries SET body = $BODY WHERE seq = 4", |w| {
            vec![format!("entry {w}/4 was altered")]
        }),
        ("UPDATE timeline_entries SET hash = $HASH WHERE seq = 4", |w| {
            vec![format!("entry {w}/4 was altered")]
        }),
        ("DELETE FROM timeline_entries WHERE seq IN (3, 4)", |w| {
            vec![format!("entries {w}/3 to 4 are missing")]
        }),
        ("DELETE FROM timeline_entries WHERE seq = 1", |w| vec![format!("entry {w}/1 is missing")]),
        ("DELETE FROM timeline_entries WHERE seq = 10", |w| {
            vec![format!("entry {w}/10 is missing: the end of the timeline was cut off")]
        }),
        ("DELETE FROM timeline_entries", |w| {
            vec![format!("entries {w}/1 to 10 are missing: the end of the timeline was cut off")]
        }),
        ("UPDATE timeline_entries SET service = 'other' WHERE seq = 2", |w| {
            vec![format!("entry {w}/2: its index (service) does not say what it says")]
        }),
    ];
    // Held, so that the cases share one server.
    let _server = Server::shared();
    for (sql, expected) in cases {
        for scratch in Scratch::each() {
            let timeline = scratch.timeline(&[]).await;
            fill(&timeline, 10).await;
            assert!(problems(&timeline).await.is_empty());
            let postgres = scratch.name() == "PostgreSQL";
            let literal =
                |hex: &str| if postgres { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") };
            let row = timeline.db().row("SELECT body, hash FROM timeline_entries WHERE seq = 4", &[]).await;
            let row = row.unwrap().unwrap();
            let flipped = |column: &str| {
                let mut bytes = row.blob(column).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                literal(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
            };
            let sql = sql.replace("$BODY", &flipped("body")).replace("$HASH", &flipped("hash"));
            tamper(timeline.db(), &sql).await;
            let writer = timeline.recent_now().writer;
            assert_eq!(problems(&timeline).await, expected(&writer), "{}: {sql}", scratch.name());
            timeline.db().close().await;
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_of_an_entry_is_found() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    fill(&timeline, 3).await;
    let row = timeline.db().row("SELECT body FROM timeline_entries WHERE seq = 2", &[]).await.unwrap();
    let body = row.unwrap().blob("body").unwrap();
    for at in (0..body.len()).step_by(3) {
        let mut flipped = body.clone();
        flipped[at] ^= 1 << (at % 8);
        for (bytes, sound) in [(&flipped, false), (&body, true)] {
            let mut tx = timeline.db().begin().await.unwrap();
            let sql = "UPDATE timeline_entries SET body = $1 WHERE seq = 2";
            tx.execute(sql, &values![bytes.as_slice()]).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(timeline.verify().await.unwrap().is_sound(), sound, "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_chain_that_was_cut_off_is_closed_and_the_evidence_kept() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        fill(&timeline, 5).await;
        let old = timeline.recent_now().writer;
        tamper(timeline.db(), "DELETE FROM timeline_entries WHERE seq > 3").await;
        timeline.db().close().await;
        drop(timeline);

        scratch.clock.advance(Duration::from_secs(1));
        let timeline = scratch.timeline(&[]).await;
        let recent = timeline.recent_now();
        assert_ne!(recent.writer, old);
        let said = format!(
            "the timeline of {old} was cut off: the store holds 3 entries, its head file vouches for 5; a new chain begins here"
        );
        assert_eq!(recent.entries[0].summary, said, "{}", scratch.name());
        assert_eq!(recent.entries[0].severity, Severity::Critical);
        assert_eq!(recent.trouble.as_deref(), Some(said.as_str()));
        let expected = format!("entries {old}/4 to 5 are missing: the end of the timeline was cut off");
        assert_eq!(problems(&timeline).await, [expected]);
        timeline.db().close().await;
    }
}

#[tokio::test]
async fn a_head_file_that_lags_is_brought_up_and_a_damaged_one_is_told() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    fill(&timeline, 4).await;
    let writer = timeline.recent_now().writer;
    let head = scratch.path().join("timeline").join(format!("{writer}.head"));
    let lagging = std::fs::read(&head).unwrap();
    fill(&timeline, 1).await;
    timeline.db().close().await;
    drop(timeline);

    // What a crash between the two syncs leaves behind.
    std::fs::write(&head, &lagging).unwrap();
    let timeline = scratch.timeline(&[]).await;
    assert_eq!(timeline.recent_now().count, 5, "nothing to be told");
    assert!(problems(&timeline).await.is_empty());
    tamper(timeline.db(), "DELETE FROM timeline_entries WHERE seq = 5").await;
    assert_eq!(problems(&timeline).await.len(), 1, "the head file was brought up when it was opened");
    timeline.db().close().await;
    drop(timeline);

    std::fs::write(&head, "nonsense").unwrap();
    let timeline = scratch.timeline(&[]).await;
    let newest = timeline.recent_now().entries[0].summary.clone();
    assert!(newest.contains("was damaged: it is made anew from the 4 entries"), "{newest}");
    std::fs::remove_file(&head).unwrap();
    timeline.db().close().await;
    drop(timeline);
    let timeline = scratch.timeline(&[]).await;
    assert!(
        timeline.recent_now().entries[0].summary.contains("was missing: it is made anew from the 5 entries")
    );
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_found_by_its_head() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    let writer = timeline.recent_now().writer;
    let dir = scratch.path().join("timeline");
    // One history is vouched for …
    fill(&timeline, 3).await;
    let vouched = std::fs::read(dir.join(format!("{writer}.head"))).unwrap();
    // … and another, sound in itself, is put in its place.
    tamper(timeline.db(), "DELETE FROM timeline_entries").await;
    timeline.db().close().await;
    drop(timeline);
    std::fs::remove_file(dir.join(format!("{writer}.head"))).unwrap();
    let timeline = scratch.timeline(&[]).await;
    for n in 0..4 {
        timeline.append(note(format!("forged {n}"))).await.unwrap();
    }
    std::fs::write(dir.join(format!("{writer}.head")), vouched).unwrap();
    let report = verify(timeline.db(), &dir).await.unwrap();
    assert_eq!(
        report.problems().collect::<Vec<_>>(),
        [&Problem::Rewritten(EntryId { writer: writer.clone(), seq: 3 })]
    );
    timeline.db().close().await;
    drop(timeline);
    scratch.clock.advance(Duration::from_secs(1));
    let timeline = scratch.timeline(&[]).await;
    assert!(timeline.recent_now().entries[0].summary.contains("was written anew"));
    assert_ne!(timeline.recent_now().writer, writer);
}

#[tokio::test]
async fn pruning_leaves_a_checkpoint_that_vouches_for_what_is_gone() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[]).await;
        fill(&timeline, 20).await;
        let by_count = Retention { max_entries: Some(10), max_age: None };
        let checkpoint = timeline.prune(by_count).await.unwrap().expect("ten too many");
        let writer = checkpoint.id.writer.clone();
        assert_eq!(
            checkpoint.summary,
            format!("timeline: 11 entries up to {START} were removed ({writer}/1 to 11)")
        );
        assert!(problems(&timeline).await.is_empty(), "{}", scratch.name());
        assert_eq!(timeline.prune(by_count).await.unwrap(), None, "ten are left, the checkpoint counted");
        scratch.clock.advance(Duration::from_secs(3600));
        fill(&timeline, 3).await;
        let by_age = Retention { max_entries: None, max_age: Some(Duration::from_secs(60)) };
        let checkpoint = timeline.prune(by_age).await.unwrap().expect("old ones");
        assert_eq!(checkpoint.id.seq, 25);
        let report = timeline.verify().await.unwrap();
        assert!(report.is_sound(), "{}: {report:?}", scratch.name());
        assert_eq!((report.chains[0].first, report.chains[0].last), (22, 25));
        timeline.db().close().await;
        drop(timeline);

        let timeline = scratch.timeline(&[]).await;
        assert!(problems(&timeline).await.is_empty());
        tamper(timeline.db(), "DELETE FROM timeline_entries WHERE seq = 22").await;
        assert_eq!(problems(&timeline).await, [format!("entry {writer}/22 is missing")]);
        timeline.db().close().await;
    }
}

#[tokio::test]
async fn pruning_keeps_intents_that_wait_for_their_outcome() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    fill(&timeline, 3).await;
    let intent = timeline.append(note("begun").phase(Phase::Intent)).await.unwrap();
    fill(&timeline, 10).await;
    let retention = Retention { max_entries: Some(2), max_age: None };
    timeline.prune(retention).await.unwrap().expect("three before the intent");
    assert_eq!(timeline.open_intents().await.unwrap(), std::slice::from_ref(&intent));
    timeline.append(note("ended").outcome_of(intent.id)).await.unwrap();
    assert!(timeline.open_intents().await.unwrap().is_empty());
    timeline.prune(retention).await.unwrap().expect("the rest");
    assert!(problems(&timeline).await.is_empty());
    assert_eq!(timeline.page(&Filter::default(), None, 100).await.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn the_ring_holds_the_newest_and_versions_grow() {
    let scratch = Scratch::sqlite();
    let db = scratch.open(&[]).await;
    let mut options = quarterdeck_journal::timeline::Options::new(scratch.path().join("timeline"), "desk");
    options.recent = 5;
    let timeline = Timeline::open(db, options, scratch.clock.clone()).await.unwrap();
    let first = timeline.recent_now().version();
    fill(&timeline, 12).await;
    // Written late, happened early: too old for the ring.
    timeline.append(note("late").at(Timestamp::from_millis(5))).await.unwrap();
    let recent = timeline.recent_now();
    let shown: Vec<_> = recent.entries.iter().map(|e| e.id.seq).collect();
    assert_eq!(shown, [12, 11, 10, 9, 8]);
    assert!(recent.version() > first);
    assert_eq!(recent.count, 13);
}

#[tokio::test]
async fn a_long_entry_is_refused_and_takes_no_other_with_it() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    let long = note("x").because("y".repeat(100_000));
    let (a, b, c) = tokio::join!(
        timeline.append(note("before")),
        timeline.append(long),
        timeline.append(note("z".repeat(5000)))
    );
    assert!(a.is_ok() && matches!(b, Err(TimelineError::TooLong { limit: 65_536, .. })));
    assert_eq!(c.unwrap().summary.chars().count(), 2004, "a long summary is cut");
    assert!(problems(&timeline).await.is_empty());
}

#[tokio::test]
async fn consoles_on_one_server_see_each_other() {
    let Some(scratch) = Scratch::postgres() else { return };
    let one = scratch.timeline(&[]).await;
    let db = scratch.open(&[]).await;
    let other_dir = tempfile::tempdir().unwrap();
    let options = quarterdeck_journal::timeline::Options::new(other_dir.path(), "Other.example.org");
    let other = Timeline::open(db, options, scratch.clock.clone()).await.unwrap();
    assert!(other.recent_now().writer.starts_with("other-"));
    let mut recent = one.recent();
    other.append(note("from over there")).await.unwrap();
    let seen = recent.wait_for(|r| r.entries.iter().any(|e| e.summary == "from over there"));
    tokio::time::timeout(Duration::from_secs(10), seen).await.expect("it is followed").unwrap();
    one.append(note("from here")).await.unwrap();
    let report = one.verify().await.unwrap();
    assert!(report.is_sound() && report.chains.len() == 2);
    assert_eq!(report.chains.iter().filter(|c| c.vouched.is_some()).count(), 1, "its own");
}

#[tokio::test]
async fn a_running_console_can_be_verified_from_beside_it() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    fill(&timeline, 5).await;
    let beside = Db::open_read_only(scratch.location(), START).await.unwrap();
    let report = verify(&beside, &scratch.path().join("timeline")).await.unwrap();
    assert!(report.is_sound() && report.chains[0].entries == 5);
    assert_eq!(report.chains[0].vouched, Some(5));
    let mut tx = beside.begin().await.unwrap_or_else(|e| panic!("{e}"));
    assert!(tx.execute("DELETE FROM timeline_entries", &[]).await.is_err());
    drop(tx);
    fill(&timeline, 1).await;
    beside.close().await;
    let nowhere = Location::Sqlite(scratch.path().join("none.db"));
    assert!(matches!(Db::open_read_only(&nowhere, START).await, Err(StoreError::Open { .. })));
}

#[tokio::test]
async fn a_damaged_store_takes_its_heads_with_it_and_the_new_chain_says_so() {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[]).await;
    fill(&timeline, 5).await;
    let old = timeline.recent_now().writer;
    timeline.db().close().await;
    drop(timeline);
    let Location::Sqlite(path) = scratch.location().clone() else { unreachable!() };
    std::fs::write(&path, "this was a database once").unwrap();
    let migrations = [quarterdeck_journal::timeline::MIGRATIONS];
    let opened = Db::open(scratch.location(), &migrations, START).await.unwrap();
    let kept_at = opened.quarantined.clone().unwrap().kept_at;
    let mut options = quarterdeck_journal::timeline::Options::new(scratch.path().join("timeline"), "desk");
    options.quarantined = opened.quarantined;
    let timeline = Timeline::open(opened.db, options, scratch.clock.clone()).await.unwrap();
    let recent = timeline.recent_now();
    let said = &recent.entries[0].summary;
    assert!(
        said.contains(&format!(
            "is kept at {}; with it went 5 entries of {old}, the last with hash ",
            kept_at.display()
        )),
        "{said}"
    );
    assert!(recent.trouble.is_some() && recent.writer != old);
    assert!(problems(&timeline).await.is_empty(), "what is here is whole");
    let mut head = kept_at.into_os_string();
    head.push(format!(".{old}.head"));
    assert!(std::path::Path::new(&head).exists(), "the evidence is kept with the store");
}

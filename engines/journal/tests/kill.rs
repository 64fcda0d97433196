//! `kill -9` at any moment loses nothing that was answered.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::store::{Db, Location, Migrations, Step};
use quarterdeck_journal::testing::Scratch;
use quarterdeck_journal::timeline::{self, NewEntry, Options, Timeline, TimelineError};
use quarterdeck_journal::{DataDir, values};
use quarterdeck_kernel::{Actor, ChangeKind, Clock, EntryId, SystemClock};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIR: &str = "QUARTERDECK_KILL_DIR";
const STORE: &str = "QUARTERDECK_KILL_STORE";
const ROUNDS: u64 = 6;

const EFFECTS: Migrations = Migrations {
    engine: "effects",
    steps: &[Step::both("effects", "CREATE TABLE effects (id TEXT PRIMARY KEY);")],
};

async fn open(dir: &Path, location: &Location) -> Timeline {
    let now = SystemClock.now();
    let opened = Db::open(location, &[timeline::MIGRATIONS, EFFECTS], now).await.unwrap();
    assert_eq!(opened.quarantined, None);
    Timeline::open(opened.db, Options::new(dir.join("timeline"), "victim"), Arc::new(SystemClock))
        .await
        .unwrap()
}

fn acknowledge(id: &EntryId, text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nack {id} {text}").and_then(|()| out.flush()).unwrap();
}

/// Not a test of its own: what the tests below start, and kill.
#[test]
fn victim() {
    let (Ok(dir), Ok(store)) = (std::env::var(DIR), std::env::var(STORE)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let data = DataDir::open(&dir).unwrap();
        let timeline = open(data.path(), &Location::parse(&store)).await;
        let me = std::process::id();
        let mut tasks = Vec::new();
        for worker in 0..6 {
            let timeline = timeline.clone();
            tasks.push(tokio::spawn(async move {
                for n in 0.. {
                    let text = format!("{me}-{worker}-{n}");
                    let entry = NewEntry::new(ChangeKind::Operation, Actor::system("victim"), text.clone());
                    let id = if worker < 4 {
                        timeline.append(entry).await.unwrap().id
                    } else {
                        let effect = text.clone();
                        let done = timeline
                            .transact(|tx| {
                                Box::pin(async move {
                                    tx.execute("INSERT INTO effects VALUES ($1)", &values![effect]).await?;
                                    Ok::<_, TimelineError>(((), vec![entry]))
                                })
                            })
                            .await;
                        done.unwrap().1[0].id.clone()
                    };
                    acknowledge(&id, &text);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Lets the victim run for some time, kills it, and answers what it acknowledged.
fn round(dir: &Path, store: &str, run: Duration) -> BTreeMap<String, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(STORE, store)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let (began, begun) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        lines
            .filter_map(|line| {
                let mut words = line.strip_prefix("ack ")?.split(' ');
                let _ = began.send(());
                // A line that the kill cut short was not acknowledged: it lacks its third part.
                Some((
                    words.next()?.to_owned(),
                    words.next().filter(|w| w.matches('-').count() == 2)?.to_owned(),
                ))
            })
            .collect::<BTreeMap<_, _>>()
    });
    // From the first acknowledgement on: how long it takes until then depends on what else the machine does.
    let _ = begun.recv_timeout(Duration::from_secs(60));
    std::thread::sleep(run);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

async fn killed(scratch: &Scratch, store: &str, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut acknowledged = BTreeMap::new();
    for turn in 0..ROUNDS {
        let run = Duration::from_millis(random.random_range(120..350));
        let place = format!("{}, seed {seed}, round {turn}", scratch.name());
        acknowledged.extend(round(scratch.path(), store, run));
        let timeline = open(scratch.path(), scratch.location()).await;
        let report = timeline.verify().await.unwrap();
        assert!(report.is_sound(), "{place}: {report:?}");
        assert_eq!(report.chains.len(), 1, "{place}: the chain goes on");
        let db = timeline.db();
        let mut stored = BTreeMap::new();
        for row in db.rows("SELECT writer, seq, body FROM timeline_entries", &[]).await.unwrap() {
            let entry: quarterdeck_kernel::Entry =
                serde_json::from_slice(&row.blob("body").unwrap()).unwrap();
            stored.insert(entry.id.to_string(), entry.summary);
        }
        for (id, text) in &acknowledged {
            assert_eq!(stored.get(id), Some(text), "{place}: {id} was acknowledged and is lost");
        }
        let rows = db.rows("SELECT id FROM effects ORDER BY id", &[]).await.unwrap();
        let effects: Vec<String> = rows.iter().map(|r| r.text("id").unwrap()).collect();
        let mut told: Vec<String> =
            stored.values().filter(|s| s.contains("-4-") || s.contains("-5-")).cloned().collect();
        told.sort();
        let mut effects = effects;
        effects.sort();
        assert_eq!(effects, told, "{place}: an effect without its entry, or an entry without its effect");
        db.close().await;
    }
    assert!(acknowledged.len() > 20, "seed {seed}: only {} were acknowledged", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite() {
    let scratch = Scratch::sqlite();
    let Location::Sqlite(path) = scratch.location().clone() else { unreachable!() };
    killed(&scratch, &path.display().to_string(), 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_postgres() {
    let Some(scratch) = Scratch::postgres() else { return };
    let Location::Postgres(url) = scratch.location().clone() else { unreachable!() };
    killed(&scratch, url.expose(), 8).await;
}

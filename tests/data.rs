//! What is stored outlives the program, however it ends; what is damaged is noticed, told and kept.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use quarterdeck_journal::store::{Db, Location};
use quarterdeck_kernel::{Clock, SystemClock};
use rustix::process::Signal;
use serde_json::json;
use support::{Home, PROGRAM, Server, eventually};

fn serve(home: &Home, more: &[&str]) -> Server {
    let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
    args.extend(more);
    home.serve(&args)
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

fn note(server: &Server, text: &str) -> (u16, String) {
    server.act(&json!({"action": "timeline.note", "args": {"text": text}}))
}

fn data(home: &Home) -> PathBuf {
    home.path("data/quarterdeck")
}

/// A small generator, so that a failure can be repeated from its seed.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Summaries of all entries, by pages.
fn summaries(server: &Server) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let page = server.json(&format!("/api/quarterdeck/v1/timeline?limit=500{before}"));
        let entries = page["entries"].as_array().unwrap_or_else(|| panic!("{page}"));
        let Some(last) = entries.last() else { return all };
        all.extend(entries.iter().map(|e| e["summary"].as_str().unwrap_or_default().to_owned()));
        let writer = last["id"]["writer"].as_str().expect("a writer");
        before = format!("&before={writer}/{}", last["id"]["seq"]);
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_instant() {
    let long = std::env::var_os("QUARTERDECK_LONG").is_some();
    let cycles = if long { 50 } else { 5 };
    let seed = 0x5eed_0002;
    let mut random = Seeded(seed);
    let home = Home::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for cycle in 0..cycles {
        let mut server = serve(&home, &[]);
        let found = summaries(&server);
        for text in &acknowledged {
            let times = found.iter().filter(|s| *s == text).count();
            assert_eq!(
                times, 1,
                "seed {seed:#x}, cycle {cycle}: {text:?} was acknowledged and is there {times} times"
            );
        }
        let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let after = Duration::from_millis(20 + random.below(400));
        let mut fresh = Vec::new();
        let address = server.url.clone();
        let token = server.token.clone();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let (over, done, address, token) = (&over, &done, &address, &token);
                    scope.spawn(move || {
                        let mut mine = Vec::new();
                        for n in 0.. {
                            if over.load(Ordering::SeqCst) {
                                break;
                            }
                            let text = format!("cycle {cycle} writer {writer} note {n}");
                            let call = json!({"action": "timeline.note", "args": {"text": text}});
                            if support::post(address, token, &call) == 200 {
                                mine.push(text);
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        mine
                    })
                })
                .collect();
            eventually("a first note is acknowledged", || (done.load(Ordering::SeqCst) > 0).then_some(()));
            std::thread::sleep(after);
            server.kill();
            over.store(true, Ordering::SeqCst);
            for writer in writers {
                fresh.extend(writer.join().expect("a writer"));
            }
        });
        acknowledged.extend(fresh);
        let (code, out, error) = home.run(&["timeline", "verify"]);
        assert_eq!(code, 0, "seed {seed:#x}, cycle {cycle}: {out}{error}");
    }
    let server = serve(&home, &[]);
    let found = summaries(&server);
    let lost: Vec<_> = acknowledged.iter().filter(|text| !found.contains(text)).collect();
    assert!(lost.is_empty(), "seed {seed:#x}: lost {lost:?}");
    eprintln!("{} acknowledged notes, {cycles} kills, none lost", acknowledged.len());
    home.run(&["timeline", "verify"]);
    stop(server);
    home.deserted();
}

/// Changes one byte of what stands in a file.
fn flip(file: &Path, needle: &str) -> bool {
    let mut bytes = std::fs::read(file).expect("the database");
    let Some(at) = bytes.windows(needle.len()).position(|window| window == needle.as_bytes()) else {
        return false;
    };
    bytes[at] ^= 1;
    std::fs::write(file, bytes).expect("the database");
    true
}

#[test]
fn a_flipped_byte_is_found_and_its_entry_named() {
    let home = Home::new();
    let server = serve(&home, &[]);
    for text in ["all is well", "zanzibar is quiet", "so it stays"] {
        assert_eq!(note(&server, text).0, 200);
    }
    let entry =
        server.timeline().into_iter().find(|e| e["summary"] == "zanzibar is quiet").expect("the note");
    stop(server);
    let (code, out, _) = home.run(&["timeline", "verify"]);
    assert_eq!(code, 0, "{out}");
    assert!(flip(&data(&home).join("quarterdeck.db"), "zanzibar"), "the note is in the file");
    let (code, out, error) = home.run(&["timeline", "verify"]);
    assert_eq!(code, 3, "{out}{error}");
    let id = format!("{}/{}", entry["id"]["writer"].as_str().expect("a writer"), entry["id"]["seq"]);
    assert!(out.contains(&format!("entry {id}")), "{id} is named: {out}");
    assert!(error.contains("not whole"), "{error}");
}

/// Does something to a store that no console has open.
fn change(file: &Path, statement: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let location = Location::Sqlite(file.to_path_buf());
        let db = Db::open(&location, &[], SystemClock.now()).await.expect("the store").db;
        let mut tx = db.begin().await.expect("a transaction");
        assert!(tx.execute(statement, &[]).await.expect("a statement") > 0, "{statement} changes something");
        tx.commit().await.expect("a commit");
        db.close().await;
    });
}

#[test]
fn a_cut_off_end_and_a_missing_entry_are_found() {
    let newest = "DELETE FROM timeline_entries WHERE seq = (SELECT max(seq) FROM timeline_entries)";
    for (statement, told) in [
        (newest, "the end of the timeline was cut off"),
        ("DELETE FROM timeline_entries WHERE seq = 2", "missing"),
    ] {
        let home = Home::new();
        let server = serve(&home, &[]);
        for n in 0..3 {
            assert_eq!(note(&server, &format!("note {n}")).0, 200);
        }
        stop(server);
        change(&data(&home).join("quarterdeck.db"), statement);
        let (code, out, error) = home.run(&["timeline", "verify"]);
        assert_eq!(code, 3, "{out}{error}");
        assert!(out.contains(told), "{told}: {out}");
    }
}

#[test]
fn a_corrupt_store_is_kept_aside_and_that_is_told() {
    let home = Home::new();
    let server = serve(&home, &[]);
    assert_eq!(note(&server, "before the damage").0, 200);
    stop(server);
    let file = data(&home).join("quarterdeck.db");
    let damaged = vec![0x5a; std::fs::metadata(&file).expect("the database").len() as usize];
    std::fs::write(&file, &damaged).expect("the database");

    let server = serve(&home, &[]);
    let kept: Vec<PathBuf> = std::fs::read_dir(data(&home))
        .expect("the data directory")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.to_string_lossy().contains(".corrupt-") && p.extension().is_none_or(|e| e != "head"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::read(&kept[0]).expect("what was kept"), damaged, "it is kept as it was");
    let name = kept[0].file_name().expect("a name").to_string_lossy().into_owned();
    let told =
        server.timeline().into_iter().find(|e| e["summary"].as_str().unwrap_or_default().contains(&name));
    let told = told.unwrap_or_else(|| panic!("the timeline names {name}: {:#?}", server.timeline()));
    assert_ne!(told["severity"], "info");
    assert_eq!(note(&server, "after the damage").0, 200);
    stop(server);
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let home = Home::new();
    stop(serve(&home, &[]));
    let file = data(&home).join("quarterdeck.db");
    change(
        &file,
        "INSERT INTO schema_versions (engine, version, name, applied_at) VALUES ('timeline', 99, 'of tomorrow', 0)",
    );
    let before = std::fs::read(&file).expect("the database");
    let (code, _, error) = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 6, "{error}");
    for part in ["newer version", "99", "another data directory"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(std::fs::read(&file).expect("the database"), before);
    home.deserted();
}

/// The program in a place that the rest of the system does not see, with a file system of its own for its data.
fn with_mount(home: &Home, options: &str, before: &str) -> Option<(i32, String)> {
    let disk = home.path("disk");
    std::fs::create_dir_all(&disk).expect("a directory");
    let script = format!(
        "mount -t tmpfs -o {options} none \"$1\" && {{ {before}\nexec \"$2\" serve --listen 127.0.0.1:0 --data-dir \"$1\"; }} || exit 99"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "timeout", "60", "sh", "-c", &script, "sh"]);
    command.arg(&disk).arg(PROGRAM).envs(home.environment());
    let out = command.output();
    let refused = |why: &str| eprintln!("SKIPPED: no file system of its own can be mounted here: {why}");
    match out {
        Err(error) => {
            refused(&error.to_string());
            None
        }
        Ok(out) => {
            let error = String::from_utf8_lossy(&out.stderr).into_owned();
            if !error.contains("quarterdeck:") {
                refused(error.trim());
                return None;
            }
            Some((out.status.code().unwrap_or(-1), error))
        }
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_said() {
    let home = Home::new();
    let Some((code, error)) = with_mount(&home, "ro", "true;") else { return };
    assert_eq!(code, 6, "{error}");
    let disk = home.path("disk").display().to_string();
    assert!(error.contains(&disk) && error.contains("--data-dir"), "{error}");
    assert!(error.contains("Read-only") || error.contains("cannot be written"), "{error}");
}

#[test]
fn a_full_disk_is_said() {
    let home = Home::new();
    let fill = "dd if=/dev/zero of=\"$1/filler\" bs=4k count=1000 2>/dev/null;";
    let Some((code, error)) = with_mount(&home, "size=64k", fill) else { return };
    assert_eq!(code, 6, "{error}");
    assert!(error.contains("full") || error.contains("No space left"), "{error}");
}

/// A remote-write request of one sample: protobuf in snappy's block format, all of it literal.
fn remote_write(name: &str, value: f64, at_ms: i64) -> Vec<u8> {
    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    fn bytes(field: u8, content: &[u8], out: &mut Vec<u8>) {
        out.push(field << 3 | 2);
        varint(content.len() as u64, out);
        out.extend(content);
    }
    let mut label = Vec::new();
    bytes(1, b"__name__", &mut label);
    bytes(2, name.as_bytes(), &mut label);
    let mut sample = vec![1 << 3 | 1];
    sample.extend(value.to_le_bytes());
    sample.push(2 << 3);
    varint(at_ms as u64, &mut sample);
    let (mut series, mut request) = (Vec::new(), Vec::new());
    bytes(1, &label, &mut series);
    bytes(2, &sample, &mut series);
    bytes(1, &series, &mut request);
    let mut block = Vec::new();
    varint(request.len() as u64, &mut block);
    for literal in request.chunks(60) {
        block.push(((literal.len() - 1) << 2) as u8);
        block.extend(literal);
    }
    block
}

#[test]
fn samples_survive_kill_9() {
    let home = Home::new();
    let mut server = serve(&home, &[]);
    let scrapes = eventually("this host is measured", || server.query("node_load1").pop());
    assert!(scrapes.1.parse::<f64>().is_ok());
    let headers = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ];
    for n in 0..50 {
        let now = SystemClock.now().as_millis();
        let body = remote_write(&format!("written_{n}"), f64::from(n), now);
        let (status, answer) = server.request("POST", "/api/v1/write", &headers, &body);
        assert!(matches!(status, 200 | 204), "{status}: {answer}");
    }
    // Acknowledged an instant ago, and the program is gone without a word.
    server.kill();
    let server = serve(&home, &[]);
    let found = server.query("count({__name__=~\"written_[0-9]+\"})");
    assert_eq!(found.first().map(|(_, value)| value.as_str()), Some("50"), "{found:?}");
    let last = server.query("written_49");
    assert_eq!(last.first().map(|(_, value)| value.as_str()), Some("49"));
    assert!(
        !server.query("node_load1").is_empty() || !server.query("last_over_time(node_load1[5m])").is_empty()
    );
    let (status, answer) = server.request("POST", "/api/v1/write", &headers, b"\xff\xffgarbage");
    assert_eq!(status, 400, "{answer}");
    stop(server);
}

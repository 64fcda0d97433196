//! A disk that fills up under alerting: what is answered as saved is saved, what is not says so, and when there is room again
//! everything is.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::support::{Home, PATIENCE, PROGRAM, eventually_or, request};

/// Two runs of the program, one after the other, on a file system of their own. The rest of the system does not see it: it
/// can be filled and lost without harm. Two files fill it; each goes when a file of its name appears in the home.
struct Disk<'a>(&'a Home, Child);

impl<'a> Disk<'a> {
    /// `None`, said on standard error, where no file system can be mounted.
    fn start(home: &'a Home, config: &Path) -> Option<Self> {
        let disk = home.path("disk");
        std::fs::create_dir_all(&disk).expect("a directory");
        let fill = "for n in 1 2; do dd if=/dev/zero of=\"$1/$n\" bs=1M count=12; done";
        let free =
            "( for n in 1 2; do while [ ! -e \"$3/free$n\" ]; do sleep 0.1; done; rm \"$1/$n\"; done ) &";
        let serve = "\"$2\" serve --listen 127.0.0.1:0 --data-dir \"$1\" --config \"$4\"";
        let mount = "mount -t tmpfs -o size=40m none \"$1\" || { echo refused; exit; }";
        let again = "while [ ! -e \"$3/free2\" ] || [ -e \"$1/2\" ]; do sleep 0.1; done";
        let script = format!("{mount}\n{fill}\n{free}\necho mounted\n{serve}\n{again}\nexec {serve}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(&disk).arg(PROGRAM).arg(home.path("")).arg(config).envs(home.environment());
        let said = home.path("said");
        let file = |path: &Path| std::fs::File::create(path).expect("a file");
        command.stdin(Stdio::null()).stdout(file(&said)).stderr(file(&home.path("stderr")));
        let refused = |why: &str| eprintln!("SKIPPED: no file system of its own can be mounted here: {why}");
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                refused(&error.to_string());
                return None;
            }
        };
        let begun = Instant::now();
        loop {
            let ended = child.try_wait().expect("a child").is_some();
            if std::fs::read_to_string(&said).unwrap_or_default().contains("mounted") {
                return Some(Self(home, child));
            }
            if ended {
                refused(home.stderr().trim());
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "no file system after {PATIENCE:?}: {}", home.stderr());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // What the script has started is not its child any more when it is killed itself.
        for (pid, _) in self.0.processes() {
            let _ = rustix::process::kill_process(process(pid), rustix::process::Signal::KILL);
        }
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

fn process(pid: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(i32::try_from(pid).expect("a process")).expect("a process")
}

/// The console of this home that is ready, beside one that is not looked at any more: its process and its address.
fn console(home: &Home, not: Option<u32>) -> (u32, String) {
    let found = || {
        home.processes().into_iter().filter(|(pid, _)| Some(*pid) != not).find_map(|(pid, _)| {
            let (url, _) = home.beacon(pid)?;
            let address = url.trim_start_matches("http://").to_owned();
            (request(&address, "GET", "/readyz", &[], b"").0 == 200).then_some((pid, address))
        })
    };
    eventually_or("the console is ready", found, || home.stderr())
}

fn post(address: &str, names: &[String]) -> (u16, String) {
    let text = "x".repeat(20_000);
    let alert = |name: &String| json!({ "labels": { "alertname": name }, "annotations": { "text": text } });
    let batch = Value::from(names.iter().map(alert).collect::<Vec<_>>()).to_string();
    request(address, "POST", "/api/v2/alerts", &[("content-type", "application/json")], batch.as_bytes())
}

/// Posts alerts, a few at a time, until one is not saved; those that were go to `saved`, the others are given back.
fn fill(address: &str, phase: &str, saved: &mut BTreeSet<String>) -> Vec<String> {
    for n in 0..200 {
        let names: Vec<String> = (0..25).map(|m| format!("{phase}{n}x{m}")).collect();
        match post(address, &names) {
            (200, _) => saved.extend(names),
            (500, why) => {
                assert!(why.contains("it is not saved yet and is tried again"), "{why}");
                assert!(why.contains("full"), "it says why: {why}");
                return names;
            }
            (status, why) => panic!("{names:?}: {status} {why}"),
        }
    }
    panic!("a disk of 40 MB takes 100 MB");
}

fn whether_saved(address: &str) -> Option<bool> {
    let (_, page) = request(address, "GET", "/metrics", &[], b"");
    let value = page.lines().find_map(|line| line.strip_prefix("quarterdeck_alerting_saved "))?;
    Some(value.trim() == "1")
}

fn known(address: &str) -> BTreeSet<String> {
    let (status, body) = request(address, "GET", "/api/v2/alerts", &[], b"");
    assert_eq!(status, 200, "{body}");
    let alerts: Vec<Value> = serde_json::from_str(&body).expect("JSON");
    alerts.iter().filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned)).collect()
}

#[test]
fn what_is_answered_as_saved_is_saved_even_when_the_disk_is_full() {
    let home = Home::new();
    let yaml = "route: {receiver: none, group_by: [alertname]}\nreceivers: [{name: none}]\n";
    home.file("alertmanager.yml", yaml);
    let toml = "[alerting]\nalertmanager_config = \"alertmanager.yml\"\n[metrics.host]\nenabled = false\n";
    let config = home.file("quarterdeck.toml", toml);
    let Some(_disk) = Disk::start(&home, &config) else { return };
    let (pid, address) = console(&home, None);
    let mut saved = BTreeSet::new();
    let unsaved = fill(&address, "first", &mut saved);
    assert!(!saved.is_empty(), "some were saved before the disk was full");
    eventually_or(
        "it shows that nothing is saved",
        || (whether_saved(&address) == Some(false)).then_some(()),
        || home.stderr(),
    );

    // There is room again: what was not saved is, without being posted a second time.
    home.file("free1", "");
    eventually_or("all is saved", || (whether_saved(&address) == Some(true)).then_some(()), || home.stderr());
    saved.extend(unsaved);

    // Full once more, and dead: what was answered as saved is what the next run knows.
    let unsaved = fill(&address, "second", &mut saved);
    rustix::process::kill_process(process(pid), rustix::process::Signal::KILL).expect("a living process");
    home.file("free2", "");
    let (_, address) = console(&home, Some(pid));
    let known = known(&address);
    let lost: Vec<_> = saved.difference(&known).collect();
    assert!(lost.is_empty(), "answered as saved and lost: {lost:?}");
    let odd: Vec<_> = known.iter().filter(|name| !saved.contains(*name) && !unsaved.contains(name)).collect();
    assert!(odd.is_empty(), "never posted: {odd:?}");
    let (status, why) = post(&address, &["after".to_owned()]);
    assert_eq!(status, 200, "{why}");
}

//! Two consoles on one PostgreSQL: one does the rollouts, the other follows and takes over when the first dies.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use quarterdeck_journal::testing::Server as Postgres;

use crate::fixture::{Fixture, free};
use crate::support::{eventually, eventually_or};

/// A version that runs by itself, until it is dropped.
struct Version {
    child: Child,
    address: SocketAddr,
}

impl Version {
    fn start(name: &str) -> Self {
        let address = free();
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "a_version", "--nocapture"])
            .env("SERVE_VERSION", name)
            .env("SERVE_PORT", address.port().to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("a version");
        Self { child, address }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether both versions answer, and no other.
fn both(f: &Fixture) -> Option<()> {
    let answers: Vec<String> = (0..20).filter_map(|_| f.ask()).collect();
    ["v1", "v2"].iter().all(|version| answers.iter().any(|a| a == version)).then_some(())
}

#[test]
fn one_console_does_the_rollouts_and_the_other_takes_over() {
    let Some(postgres) = Postgres::start() else { return };
    let database = postgres.database();
    let (v1, v2) = (Version::start("v1"), Version::start("v2"));
    let runs = format!(
        "versions.v1.endpoints = ['http://{}']\nversions.v2.endpoints = ['http://{}']\n",
        v1.address, v2.address
    );
    let fixture = || {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), &database).expect("a file");
        let store = format!("[store]\npostgres = {{ file = {:?} }}\n", secret.path());
        (Fixture::on(&store, &runs), secret)
    };
    let ((here, _a), (there, _b)) = (fixture(), fixture());
    let waits = here.strategy(
        "waits.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 50\n      - pause: {}\n",
    );
    let mut one = here.serve();
    let two = there.serve();

    let (code, out, error) = here.deploy(&["start", "orders", "--version", "v2", "--strategy", &waits]);
    assert_eq!(code, 0, "{out}{error}");
    eventually("half of the traffic goes to v2", || both(&here));
    eventually("the other console's gateway follows", || both(&there));
    let seen = || there.deploy(&["status", "orders"]).1;
    let shown = || {
        let out = seen();
        (out.contains("paused") && out.contains(&one.url) && out.contains("does the rollouts")).then_some(())
    };
    eventually_or("the other console shows it, and who does it", shown, seen);
    for words in [&["abort", "orders"][..], &["start", "orders", "--version", "v3"]] {
        let (code, out, error) = there.deploy(words);
        assert_eq!(code, 4, "{out}{error}");
        assert!(error.contains(&one.url), "{error}");
    }
    assert!(here.deploy(&["status", "orders"]).1.contains("paused"), "nothing has changed");

    // The first dies in the middle of it; the second goes on from what was durable.
    one.kill();
    let died = Instant::now();
    let promoted = || (there.deploy(&["promote", "orders", "--full", "--wait"]).0 == 0).then_some(());
    eventually_or("the other console takes over and promotes", promoted, seen);
    println!("taken over, and promoted to the end, {:?} after the kill", died.elapsed());
    assert_eq!(there.ask().as_deref(), Some("v2"));
    assert!(there.deploy(&["history", "orders"]).1.contains("promoted at 100 %"));

    // Back again, the first follows.
    let _one = here.begin();
    eventually("its gateway follows", || (0..10).all(|_| here.ask().as_deref() == Some("v2")).then_some(()));
    let seen = || here.deploy(&["status", "orders"]).1;
    eventually_or("it shows who does the rollouts", || seen().contains(&two.url).then_some(()), seen);
    let (code, _, error) = here.deploy(&["rollback", "orders"]);
    assert!(code == 4 && error.contains(&two.url), "{error}");
}

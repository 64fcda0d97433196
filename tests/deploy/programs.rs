//! Two programs of a user's own that know nothing of this one: Python's web server in two folders.

use std::process::Command;

use crate::fixture::{Fixture, under_load};
use crate::support::eventually;

#[test]
fn two_programs_of_the_users_own_are_rolled_out_aborted_and_rolled_back() {
    let python = Command::new("python3").args(["-c", "import http.server"]).status();
    if !python.is_ok_and(|status| status.success()) {
        println!("SKIPPED: this machine has no python3");
        return;
    }
    let f = Fixture::with(
        r#"
        [deploy.services.orders.process]
        command = ["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", "{version}"]
        stop_grace = "5s"
        "#,
    );
    for version in ["v1", "v2", "v3"] {
        std::fs::create_dir_all(f.home.path(version)).expect("a folder");
        f.home.file(&format!("{version}/index.html"), version);
    }
    let steps = f.strategy(
        "steps.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 25\n      - pause: {duration: 1s}\n      - setWeight: 75\n",
    );
    let waits = f.strategy(
        "waits.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 50\n      - pause: {}\n",
    );
    let mut server = f.serve();

    let (code, out, error) = under_load(&f, "a good rollout", || {
        f.deploy(&["start", "orders", "--version", "v2", "--strategy", &steps, "--wait"])
    });
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v2"));

    let (code, out, error) = under_load(&f, "an abort", || {
        let (code, _, error) = f.deploy(&["start", "orders", "--version", "v3", "--strategy", &waits]);
        assert_eq!(code, 0, "{error}");
        eventually("v3 answers", || f.ask().filter(|who| who == "v3"));
        f.deploy(&["abort", "orders", "--wait"])
    });
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v2"));

    let (code, out, error) = under_load(&f, "a rollback", || f.deploy(&["rollback", "orders", "--wait"]));
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v1"));

    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    f.home.deserted();
}

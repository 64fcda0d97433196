//! A WebSocket client as a browser is one, of the Python library `websockets`, and a server of the same.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::support::eventually;
use super::support::peers::{Peer, peers};
use super::{Gateway, ONE_SERVICE, python};
use crate::support::Home;

#[test]
fn a_browser_keeps_its_websocket() {
    let modules = peers().join("usr/lib/python3/dist-packages");
    if !modules.join("websockets").is_dir() {
        eprintln!("SKIPPED: python3-websockets is not here; tests/run fetches it");
        return;
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway_clients");
    let Some(mut server) = python() else { return };
    server.env("PYTHONPATH", &modules).arg("-u").arg(scripts.join("socket_server.py"));
    let spawned = server.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.expect("Python runs");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let peer = Peer(child);
    let mut line = String::new();
    output.read_line(&mut line).expect("its port");
    let port = line.trim().strip_prefix("port ").unwrap_or_else(|| panic!("{line:?}"));
    let gateway = Gateway::start(Home::new(), vec![peer], &ONE_SERVICE.replace("PORT", port));

    let url = format!("{}/socket?room=1", gateway.url.replace("http:", "ws:"));
    let mut client = python().expect("Python");
    client.env("PYTHONPATH", &modules).arg(scripts.join("socket_client.py")).arg(url);
    let out = client.output().expect("the client runs");
    let (said, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.trim() == "OK", "{said}{error}");

    // How each of them left is what the service saw, too.
    let left: Vec<String> = output.lines().take(3).map(|line| line.expect("a line")).collect();
    assert_eq!(left, ["left 4001 enough", "left 4001 enough", "left 4002 as asked"]);
    eventually("no tunnel is left", || {
        let (_, page) = gateway.server.get("/metrics");
        page.lines().any(|line| line == "quarterdeck_gateway_tunnels 0").then_some(())
    });
    assert_eq!(gateway.counted("quarterdeck_gateway_requests_total", "code=\"101\""), 3.0);
    assert_eq!(gateway.counted("quarterdeck_gateway_requests_total", "code=\"403\""), 1.0);
}

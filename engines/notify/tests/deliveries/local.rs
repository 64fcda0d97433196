//! Channels of this machine: log file, bell.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use quarterdeck_notify::{Channel, LogFile};

use crate::support::*;

#[tokio::test]
async fn the_log_file_gets_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let file = LogFile { path: path.clone(), max_bytes: 1 << 20, keep: 1, send_resolved: true };
    let channel = Channel::LogFile(Arc::new(file));
    let mut console = Console::new();
    let mut again = firing(channel.clone());
    again.possibly_duplicate = true;
    let id = again.id;
    delivered(&console.deliver(firing(channel.clone())).await);
    delivered(&console.deliver(again).await);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["at"], "2024-05-06T09:00:00Z");
    assert_eq!(
        (&lines[1]["attempt"], &lines[1]["possiblyDuplicate"]),
        (&id.to_string().into(), &true.into())
    );
    assert_eq!(lines[1]["groupKey"], "{}:{alertname=\"Down\"}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_bell_rings() {
    let mut console = Console::new();
    delivered(&console.deliver(firing(Channel::Bell)).await);
    let rings = console.rings.lock().unwrap();
    assert_eq!((&*rings[0].title, rings[0].firing), ("[FIRING:1] Down (a:1 critical)", true));
}

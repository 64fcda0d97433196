use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::DemoError;

/// A service's entry for file discovery: there while the service runs, gone when it ends in order.
pub(crate) struct Registration {
    path: PathBuf,
}

impl Registration {
    pub(crate) fn write(
        path: &Path,
        address: SocketAddr,
        service: &str,
        release: &str,
    ) -> Result<Self, DemoError> {
        let entry = json!([{
            "targets": [address.to_string()],
            "labels": { "service": service, "version": release, "instance": format!("{service}-{release}") },
        }]);
        // Readers watch the folder: they must never see half an entry, nor take the draft for one.
        let draft = path.with_extension("draft");
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&draft, entry.to_string()))
            .and_then(|()| std::fs::rename(&draft, path));
        match written {
            Ok(()) => Ok(Self { path: path.to_owned() }),
            Err(source) => Err(DemoError::Write { path: path.to_owned(), source }),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Whoever removed the entry before did what was wanted.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_while_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("targets/orders-v2.json");
        let registration = Registration::write(&path, ([127, 0, 0, 1], 9).into(), "orders", "v2").unwrap();
        let entry: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            entry,
            json!([{"targets": ["127.0.0.1:9"], "labels": {"service": "orders", "version": "v2", "instance": "orders-v2"}}])
        );
        drop(registration);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }
}

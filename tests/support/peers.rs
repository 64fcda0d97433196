//! Programs of others that tests run: looked for below `$QUARTERDECK_PEERS` (`target/peers` if not set), then on the system.
//! `tests/run` fetches them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the peers are unpacked.
pub fn peers() -> PathBuf {
    std::env::var_os("QUARTERDECK_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from)
}

/// A program of others, if it is here.
pub fn program(name: &str) -> Option<PathBuf> {
    let places = [peers().join("usr/bin").join(name), Path::new("/usr/bin").join(name)];
    let found = places.into_iter().find(|p| p.exists());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not here; tests/run fetches it");
    }
    found
}

/// A command of such a program, which finds the libraries that were unpacked beside it.
pub fn command(name: &str) -> Option<Command> {
    let program = program(name)?;
    let unpacked = std::fs::read_dir(peers().join("usr/lib")).into_iter().flatten().flatten();
    let libraries =
        unpacked.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    let mut command = Command::new(&program);
    if let Some(libraries) = libraries.filter(|_| program.starts_with(peers())) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    Some(command)
}

/// A peer that ends with the test.
pub struct Peer(pub Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// Starts it, silent.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("the peer runs"))
    }
}

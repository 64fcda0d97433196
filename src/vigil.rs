//! Knowing that the console before ended without a word.
//!
//! A running console leaves a small file in its data directory, in which it says from time to time that it lives, and
//! takes it away when it ends in order. One that finds such a file tells the timeline of its predecessor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_journal::NewEntry;
use quarterdeck_kernel::{Actor, ChangeKind, Clock, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How often it says that it lives: so much later than told it may really have ended.
const BEAT: Duration = Duration::from_secs(10);

/// The file's name in the data directory.
const FILE: &str = "console.alive";

/// What a console says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// Its process.
    pub pid: u32,
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it lived last, likewise.
    pub seen_ms: i64,
}

impl Sign {
    /// What the console before has left in this data directory, which is locked; none when it has ended in order, or when
    /// there was none.
    pub fn left(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(data_dir.join(FILE)).ok()?).ok()
    }

    /// What the timeline tells of it.
    pub fn entry(&self) -> NewEntry {
        let at = |ms: i64| {
            let text = Timestamp::from_millis(ms.div_euclid(1000).saturating_mul(1000)).to_string();
            text.replacen(".000Z", "Z", 1)
        };
        let summary = format!(
            "the console before (process {}, started {}) ended without a word; it was last seen {}",
            self.pid,
            at(self.started_ms),
            at(self.seen_ms),
        );
        NewEntry::new(ChangeKind::Lifecycle, Actor::system("console"), summary).severity(Severity::Warning)
    }
}

/// This console's own sign.
pub struct Vigil {
    file: PathBuf,
    clock: Arc<dyn Clock>,
    /// None once it has ended in order.
    sign: Mutex<Option<Sign>>,
}

impl Vigil {
    /// Says for the first time that this console lives.
    pub fn begin(data_dir: &Path, clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = clock.now().as_millis();
        let sign = Sign { pid: std::process::id(), started_ms: now, seen_ms: now };
        let vigil = Self { file: data_dir.join(FILE), clock, sign: Mutex::new(Some(sign)) };
        vigil.beat();
        Arc::new(vigil)
    }

    /// Says so again and again until told to stop.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = stop.cancelled() => return,
            }
            let this = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || this.beat()).await.is_err() {
                return;
            }
        }
    }

    fn beat(&self) {
        let mut sign = self.sign.lock();
        let Some(sign) = sign.as_mut() else { return };
        sign.seen_ms = self.clock.now().as_millis();
        // Written beside and put in place, so that a reader finds a whole one.
        let beside = self.file.with_extension("alive.new");
        let written = serde_json::to_vec(sign)
            .map_err(std::io::Error::other)
            .and_then(|text| std::fs::write(&beside, text))
            .and_then(|()| std::fs::rename(&beside, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "this console cannot say that it lives");
        }
    }

    /// The console ends in order.
    pub fn end(&self) {
        if self.sign.lock().take().is_some()
            && let Err(error) = std::fs::remove_file(&self.file)
        {
            tracing::warn!(%error, file = %self.file.display(), "the next console will take this one for broken off");
        }
    }
}

/// Also a console that is left before it has wholly started ends in order: its process goes through all its ends.
impl Drop for Vigil {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_kernel::ManualClock;

    use super::*;

    #[test]
    fn a_sign_is_left_until_the_end_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_767_225_600_500)));
        assert_eq!(Sign::left(dir.path()), None);
        let vigil = Vigil::begin(dir.path(), Arc::clone(&clock) as _);
        clock.set(Timestamp::from_millis(1_767_225_610_900));
        vigil.beat();
        let sign = Sign::left(dir.path()).unwrap();
        let told = sign.entry().summary;
        assert!(
            told.ends_with(
                "started 2026-01-01T00:00:00Z) ended without a word; it was last seen 2026-01-01T00:00:10Z"
            ),
            "{told}"
        );
        vigil.end();
        assert_eq!(Sign::left(dir.path()), None);
        vigil.beat();
        assert_eq!(Sign::left(dir.path()), None, "the end is the end");
    }

    #[test]
    fn a_file_that_is_not_a_sign_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"{\"pid\":").unwrap();
        assert_eq!(Sign::left(dir.path()), None);
    }
}

//! This host, under node_exporter's metric names, so that rules and dashboards made for it fit.
//!
//! On Linux everything comes from `/proc` and `statvfs`; elsewhere from `sysinfo`, which knows less.

mod linux;
mod portable;

use std::path::{Path, PathBuf};

use crate::gather::Family;

/// Units of CPU time in `/proc`: fixed at 100 by the kernel's interface to programs.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// Reads this host.
#[derive(Debug)]
pub struct Host {
    name: String,
    proc: PathBuf,
    portable: portable::Portable,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// This host.
    #[must_use]
    pub fn new() -> Self {
        Self::at("/proc")
    }

    /// This host as a folder shaped like `/proc` shows it.
    pub fn at(proc: impl Into<PathBuf>) -> Self {
        let name = sysinfo::System::host_name().unwrap_or_else(|_| "localhost".to_owned());
        Self { name, proc: proc.into(), portable: portable::Portable::default() }
    }

    /// Its name: the `instance` of its metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything as of now. What cannot be read is left out. May wait for disks: call it where waiting is allowed.
    pub fn gather(&mut self) -> Vec<Family> {
        if cfg!(target_os = "linux") {
            linux::gather(&self.proc, &self.name)
        } else {
            self.portable.gather(&self.name)
        }
    }
}

/// When the system was started, in seconds since 1970.
pub(crate) fn boot_time() -> Option<f64> {
    let stat = std::fs::read_to_string(Path::new("/proc/stat")).ok()?;
    linux::stat_field(&stat, "btime")
}

#[cfg(test)]
mod tests;

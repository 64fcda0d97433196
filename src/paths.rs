//! Where things are on this platform, and how commands find a running console.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use quarterdeck_kernel::Secret;
use serde::{Deserialize, Serialize};

use crate::cli::Global;
use crate::exit::Failure;

/// The directories in use.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `quarterdeck.toml`, whether it exists or not.
    pub config_file: PathBuf,
    /// Whether the operator named the file: then it must exist.
    pub config_named: bool,
    /// Keymaps and themes of the operator.
    pub config_dir: PathBuf,
    /// What is stored.
    pub data_dir: PathBuf,
    /// Tokens and addresses of running consoles; readable by this user alone.
    pub runtime_dir: PathBuf,
}

impl Paths {
    /// The platform's directories, as the command line changes them. `default_data` names the data directory below the
    /// platform's when none is given (`""` for the console itself, `demo` for the demo).
    ///
    /// # Errors
    /// When the platform tells of no home directory.
    pub fn new(global: &Global, default_data: &str) -> Result<Self, Failure> {
        let dirs = directories::ProjectDirs::from("", "", "quarterdeck").ok_or_else(|| {
            Failure::Failed(
                "no home directory is known; set HOME, or give --config and --data-dir".to_owned(),
            )
        })?;
        let runtime_dir =
            dirs.runtime_dir().map_or_else(|| dirs.data_local_dir().join("run"), Path::to_path_buf);
        let data_dir = global.data_dir.clone().unwrap_or_else(|| dirs.data_local_dir().join(default_data));
        Ok(Self {
            config_named: global.config.is_some(),
            config_file: global.config.clone().unwrap_or_else(|| dirs.config_dir().join("quarterdeck.toml")),
            config_dir: dirs.config_dir().to_path_buf(),
            data_dir,
            runtime_dir,
        })
    }
}

/// What a running console leaves for commands to find it by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beacon {
    /// Base address of its HTTP interface.
    pub url: String,
    /// Its process.
    pub pid: i32,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The token that calls which change something need.
    pub token: String,
    /// The listener's own certificate (DER), when it is encrypted: commands trust it and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Vec<u8>>,
}

/// A beacon of this process; the file goes when it is dropped.
#[derive(Debug)]
pub struct Lit(PathBuf);

impl Drop for Lit {
    fn drop(&mut self) {
        // If it stays, it is found stale: its process is gone.
        let _ = fs::remove_file(&self.0);
    }
}

impl Beacon {
    /// Writes the beacon, readable by this user alone.
    ///
    /// # Errors
    /// When the runtime directory cannot be made or written.
    pub fn light(&self, runtime_dir: &Path) -> io::Result<Lit> {
        fs::create_dir_all(runtime_dir)?;
        fs::set_permissions(runtime_dir, fs::Permissions::from_mode(0o700))?;
        let path = runtime_dir.join(format!("console-{}.json", self.pid));
        // A file left by an earlier process of the same id may have other permissions: start anew.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        serde_json::to_writer(file, self)?;
        Ok(Lit(path))
    }

    /// The consoles of this user that are alive.
    pub fn seen(runtime_dir: &Path) -> Vec<Self> {
        let Ok(files) = fs::read_dir(runtime_dir) else { return Vec::new() };
        let mut beacons: Vec<Self> = files
            .flatten()
            .filter(|f| f.file_name().to_string_lossy().starts_with("console-"))
            .filter_map(|f| serde_json::from_slice(&fs::read(f.path()).ok()?).ok())
            .filter(Self::alive)
            .collect();
        beacons.sort_by(|a, b| a.url.cmp(&b.url));
        beacons
    }

    fn alive(&self) -> bool {
        rustix::process::Pid::from_raw(self.pid).is_some_and(|pid| {
            !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
        })
    }

    /// The console that a command means: the one at `server`, or with the named data directory, or the only one.
    ///
    /// # Errors
    /// When there is none, or more than one to choose from; the message lists them.
    pub fn find(paths: &Paths, global: &Global, server: Option<&str>) -> Result<Self, Failure> {
        let seen = Self::seen(&paths.runtime_dir);
        if let Some(url) = server {
            let url = url.trim_end_matches('/');
            let known = seen.into_iter().find(|b| b.url.trim_end_matches('/') == url);
            return Ok(known.unwrap_or_else(|| Self {
                url: url.to_owned(),
                pid: 0,
                data_dir: PathBuf::new(),
                token: std::env::var("QUARTERDECK_TOKEN").unwrap_or_default(),
                certificate: None,
            }));
        }
        let candidates: Vec<Self> = match (&global.data_dir, global.listen) {
            (Some(dir), _) => {
                let wanted = fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
                seen.into_iter().filter(|b| b.data_dir == wanted).collect()
            }
            (None, Some(address)) => {
                seen.into_iter().filter(|b| b.url.ends_with(&format!("//{address}"))).collect()
            }
            (None, None) => seen,
        };
        match <[Self; 1]>::try_from(candidates) {
            Ok([one]) => Ok(one),
            Err(none) if none.is_empty() => Err(Failure::NoConsole(
                "no console of yours is running here; start one (quarterdeck, quarterdeck serve or quarterdeck demo), \
                 or name another with --server URL"
                    .to_owned(),
            )),
            Err(several) => {
                let list: Vec<_> =
                    several.iter().map(|b| format!("  --server {}   ({})", b.url, b.data_dir.display())).collect();
                Err(Failure::NoConsole(format!("several consoles are running; choose one:\n{}", list.join("\n"))))
            }
        }
    }
}

/// A fresh token: 256 random bits in hexadecimal.
pub fn new_token() -> Secret {
    let (a, b) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    // Two version-4 ids carry 244 random bits from the operating system.
    Secret::new(format!("{}{}", a.simple(), b.simple()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beacon(url: &str, pid: i32) -> Beacon {
        Beacon {
            url: url.to_owned(),
            pid,
            data_dir: PathBuf::from("/d").join(pid.to_string()),
            token: "t".to_owned(),
            certificate: None,
        }
    }

    #[test]
    fn beacons_are_private_found_while_alive_and_gone_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let lit = beacon("http://127.0.0.1:1", own).light(dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join(format!("console-{own}.json"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Process ids are below 2^22 on Linux: this one is dead.
        let stale = beacon("http://127.0.0.1:2", 0x3fff_ffff).light(dir.path()).unwrap();
        let urls: Vec<_> = Beacon::seen(dir.path()).into_iter().map(|b| b.url).collect();
        assert_eq!(urls, ["http://127.0.0.1:1"]);
        drop((lit, stale));
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}

//! A private PostgreSQL server.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A running server with its data in a temporary directory. It is stopped when this is dropped, and also when this
/// process dies without dropping anything: a small shell waits on a pipe that only this process holds open.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    port: u16,
    databases: AtomicU32,
    keeper: Child,
    _dir: tempfile::TempDir,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// The server that the tests of this process share, started by the first that asks and stopped after the last.
    /// None, said on standard error, when this machine has no PostgreSQL.
    #[must_use]
    pub fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// Starts a server of one's own. None, said on standard error, when this machine has no PostgreSQL.
    ///
    /// # Panics
    /// When there is one but it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(bin) = binaries() else {
            eprintln!(
                "SKIPPED: no PostgreSQL here (initdb is neither on the PATH nor in /usr/lib/postgresql)"
            );
            return None;
        };
        match Self::start_from(bin) {
            Ok(server) => Some(server),
            Err(why) => panic!("PostgreSQL is here but does not start: {why}"),
        }
    }

    fn start_from(bin: PathBuf) -> Result<Self, String> {
        let say = |e: std::io::Error| e.to_string();
        let dir = tempfile::Builder::new().prefix("quarterdeck-pg-").tempdir_in("/tmp").map_err(say)?;
        // The server runs as another user when this is root, and needs to get in.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).map_err(say)?;
        let home = dir.path().join("home");
        std::fs::create_dir(&home).map_err(say)?;
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(&home))?;
        }
        let data = home.join("data");
        run(as_postgres(&bin.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", "-D"])
            .arg(&data)
            .current_dir(&home))?;
        let mut last = String::new();
        // Another process may take the port between asking for a free one and using it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(say)?.port();
            let options = format!(
                "-c listen_addresses=127.0.0.1 -p {port} -k {} -c max_connections=200 -c shared_buffers=16MB -c fsync=off -c full_page_writes=off",
                home.display()
            );
            let started = run(as_postgres(&bin.join("pg_ctl"))
                .args(["-w", "-t", "30", "start", "-D"])
                .arg(&data)
                .arg("-l")
                .arg(home.join("log"))
                .args(["-o", &options])
                .current_dir(&home));
            match started {
                Ok(()) => {
                    let keeper = keep(&bin, dir.path()).map_err(say)?;
                    return Ok(Self { bin, port, databases: AtomicU32::new(0), keeper, _dir: dir });
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("scratch{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        let made = run(Command::new(self.bin.join("createdb")).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            &name,
        ]));
        if let Err(why) = made {
            panic!("cannot make a database: {why}");
        }
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing the pipe makes the keeper stop the server.
        drop(self.keeper.stdin.take());
        if let Err(why) = self.keeper.wait() {
            eprintln!("the private PostgreSQL server on port {} could not be stopped: {why}", self.port);
        }
    }
}

/// Starts the shell that stops the server and removes its data when the other end of its standard input is closed.
fn keep(bin: &Path, dir: &Path) -> std::io::Result<Child> {
    let mut command = as_postgres(Path::new("sh"));
    command
        .args([
            "-c",
            "read -r _; \"$1/pg_ctl\" -m immediate -w stop -D \"$2/home/data\"; rm -rf \"$2/home\"",
            "keeper",
        ])
        .arg(bin)
        .arg(dir)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not in this process's group: Ctrl-C ends the tests, the keeper has still work to do.
        .process_group(0)
        .spawn()
}

/// PostgreSQL refuses to run as root: as root, becomes the user `postgres`.
fn as_postgres(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// Where `initdb`, `pg_ctl` and `createdb` are.
fn binaries() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
    places.sort();
    places.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path));
    places
        .into_iter()
        .find(|dir| ["initdb", "pg_ctl", "createdb"].iter().all(|name| dir.join(name).is_file()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_owned();
    let name = OsStr::new(&name).to_string_lossy().into_owned();
    // A server that is started would keep pipes open: its output goes to a file, this one's nowhere.
    let out = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let errors = out.reopen().map_err(|e| e.to_string())?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .status()
        .map_err(|e| format!("{name}: {e}"))?;
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read_to_string(out.path()).unwrap_or_default();
    Err(format!("{name} ended with {status}: {said}"))
}

//! The long-running commands: the console, the engines without a screen, the demo.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_demo::{ChildSpec, Platform, PlatformOptions};
use quarterdeck_kernel::action::Via;
use quarterdeck_kernel::{Subject, SystemClock};
use quarterdeck_ui::run::Signal;
use tokio::process::{Child, ChildStdin};

use crate::cli::{Demo, Global};
use crate::commands::act::actor;
use crate::config::Loaded;
use crate::exit::Failure;
use crate::keeper::{Keeper, MARKER};
use crate::logs;
use crate::paths::Paths;
use crate::screen;
use crate::system::{Setup, Stage, System};

/// Shows the console on what the configuration names.
///
/// # Errors
/// When it cannot start, in words.
pub fn console(global: &Global, at: Option<Subject>) -> Result<(), Failure> {
    let paths = Paths::new(global, "")?;
    let setup = setup(global, paths, false)?;
    runtime()?.block_on(with_screen(setup, at, None))
}

/// Runs the engines without a screen until a signal.
///
/// # Errors
/// When it cannot start, in words.
pub fn serve(global: &Global) -> Result<(), Failure> {
    let paths = Paths::new(global, "")?;
    let setup = setup(global, paths, false)?;
    runtime()?.block_on(headless(setup, None))
}

/// Starts the simulated platform and looks at it.
///
/// # Errors
/// When it cannot start, in words.
pub fn demo(global: &Global, demo: &Demo) -> Result<(), Failure> {
    let mut paths = Paths::new(global, "demo")?;
    // The keeper is there before anything that it might have to end.
    let keeper =
        Keeper::start().map_err(|e| Failure::Failed(format!("the keeper cannot be started: {e}")))?;
    let options =
        PlatformOptions { seed: demo.seed, ..PlatformOptions::new(paths.data_dir.join("platform")) };
    let platform = Platform::prepare(&options).map_err(|e| Failure::Data(e.to_string()))?;
    if global.config.is_none() {
        paths.config_file = platform.config().to_path_buf();
        paths.config_named = true;
    }
    let setup = setup(global, paths, true)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let children = Children::start(&keeper, &platform, &setup.paths.data_dir)?;
        let result = if demo.headless {
            headless(setup, Some(&children)).await
        } else {
            with_screen(setup, None, Some(&children)).await
        };
        children.end(&keeper).await;
        result
    });
    keeper.finish();
    result
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(32)
        .thread_name("quarterdeck")
        .build()
        .map_err(|e| Failure::Failed(format!("the runtime cannot be started: {e}")))
}

fn setup(global: &Global, paths: Paths, demo: bool) -> Result<Setup, Failure> {
    let loaded = Loaded::start(global, &paths)?;
    let mut actor = actor(Via::Console);
    if !loaded.config.ui.operator.is_empty() {
        actor.user.clone_from(&loaded.config.ui.operator);
    }
    let level = logs::start(&paths.data_dir.join("log"), loaded.config.log.level.into()).map_err(|e| {
        Failure::Data(format!(
            "the log cannot be opened in {}: {e}; choose another with --data-dir DIR",
            paths.data_dir.display()
        ))
    })?;
    Ok(Setup { paths, loaded, actor, demo, level, clock: Arc::new(SystemClock) })
}

/// The screen is there at once; the engines start behind it.
async fn with_screen(setup: Setup, at: Option<Subject>, children: Option<&Children>) -> Result<(), Failure> {
    let stage = Stage::new(&setup);
    let (told, mut outcome) = tokio::sync::mpsc::channel::<Result<System, Failure>>(1);
    let begin = setup.clone();
    let stage_ref = &stage;
    let starting = async {
        let _ = told.send(System::start(begin, stage_ref).await).await;
        std::future::pending::<()>().await;
    };
    let mut system = None;
    let failed = async {
        match outcome.recv().await {
            Some(Ok(started)) => system = Some(started),
            Some(Err(failure)) => return failure,
            None => {}
        }
        match children {
            Some(children) => children.one_ended().await,
            None => std::future::pending().await,
        }
    };
    let shown = tokio::select! {
        shown = screen::show(&setup, &stage, at, failed) => shown,
        () = starting => Ok(String::new()),
    };
    let why = shown.as_ref().map_or_else(ToString::to_string, Clone::clone);
    if let Some(system) = system {
        system.shutdown(&why, second_signal()).await;
    }
    shown.map(|_| ())
}

async fn headless(setup: Setup, children: Option<&Children>) -> Result<(), Failure> {
    let stage = Stage::new(&setup);
    let mut signals = quarterdeck_ui::terminal::signals()
        .map_err(|e| Failure::Failed(format!("signals cannot be caught: {e}")))?;
    let system = tokio::select! {
        started = System::start(setup, &stage) => started?,
        why = ending(&mut signals, None) => {
            tracing::info!(why, "ended before it had started");
            return Ok(());
        }
    };
    eprintln!("quarterdeck: serving on {}", system.url);
    let reload = stage.backstage.clone();
    let failed = async {
        match children {
            Some(children) => children.one_ended().await,
            None => std::future::pending().await,
        }
    };
    let (why, result) = tokio::select! {
        why = ending(&mut signals, Some(reload)) => (why.to_owned(), Ok(())),
        failure = failed => (failure.to_string(), Err(failure)),
    };
    system.shutdown(&why, second_signal()).await;
    result
}

/// Waits for a signal that ends the process. SIGHUP reads the configuration again, as daemons do.
async fn ending(
    signals: &mut (impl futures_util::Stream<Item = Signal> + Unpin),
    reload: Option<tokio::sync::watch::Receiver<Option<crate::host::Backstage>>>,
) -> &'static str {
    use futures_util::StreamExt;
    while let Some(signal) = signals.next().await {
        match (signal, &reload) {
            (Signal::End("SIGHUP"), Some(backstage)) => {
                let backstage = backstage.borrow().clone();
                if let Some(backstage) = backstage {
                    let actor = quarterdeck_kernel::Actor::system("SIGHUP");
                    let invocation = quarterdeck_kernel::Invocation::new("console.reload", actor);
                    // What came of it is on the timeline and in the log.
                    let _ = backstage.dispatch(invocation).await;
                }
            }
            (Signal::End(name), _) => return name,
            (Signal::Stop | Signal::Continue, _) => {}
        }
    }
    "signals are gone"
}

/// Completes when a signal asks for the end while the end is under way.
async fn second_signal() {
    if let Ok(mut signals) = quarterdeck_ui::terminal::signals() {
        ending(&mut signals, None).await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// The demo's processes, each under a lease of the keeper's.
struct Children {
    running: Vec<Running>,
}

struct Running {
    name: String,
    lease: uuid::Uuid,
    child: tokio::sync::Mutex<Child>,
    /// Kept open: its end tells the child to end.
    pipe: Option<ChildStdin>,
}

impl Children {
    fn start(keeper: &Keeper, platform: &Platform, data_dir: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::Failed(format!("this program is not found: {e}")))?;
        let logs = data_dir.join("platform").join("log");
        std::fs::create_dir_all(&logs).map_err(|e| Failure::Data(format!("{}: {e}", logs.display())))?;
        let mut running = Vec::new();
        for spec in platform.children().iter().filter(|c| c.autostart) {
            running.push(Self::spawn(keeper, &program, spec, &logs.join(format!("{}.log", spec.name)))?);
        }
        Ok(Self { running })
    }

    fn spawn(keeper: &Keeper, program: &Path, spec: &ChildSpec, log: &Path) -> Result<Running, Failure> {
        let fail =
            |e: std::io::Error| Failure::Failed(format!("the demo's {} cannot be started: {e}", spec.name));
        let lease = keeper.lease().map_err(fail)?;
        let output = std::fs::File::create(log).map_err(fail)?;
        let errors = output.try_clone().map_err(fail)?;
        let mut command = Command::new(program);
        command
            .args(&spec.args)
            .envs(spec.env.iter().map(|(k, v)| (k, v)))
            .env(MARKER, lease.to_string())
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors);
        // Ctrl-C in the terminal is the console's: it ends the platform in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = tokio::process::Command::from(command).spawn().map_err(fail)?;
        let pipe = child.stdin.take();
        Ok(Running { name: spec.name.clone(), lease, child: tokio::sync::Mutex::new(child), pipe })
    }

    /// Completes when a process has ended that should not have.
    async fn one_ended(&self) -> Failure {
        loop {
            for running in &self.running {
                if let Ok(Some(status)) = running.child.lock().await.try_wait() {
                    return Failure::Failed(format!(
                        "the demo's {} has ended ({status}); its log is in the platform/log folder of the data directory",
                        running.name
                    ));
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Closes the pipes and waits; what does not end in time is the keeper's business.
    async fn end(self, keeper: &Keeper) {
        let (mut pipes, mut children) = (Vec::new(), Vec::new());
        for running in self.running {
            pipes.push(running.pipe);
            children.push((running.lease, running.child.into_inner()));
        }
        drop(pipes);
        for (lease, mut child) in children {
            if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(3), child.wait()).await {
                keeper.release(lease);
            }
        }
    }
}

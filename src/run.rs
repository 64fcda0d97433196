//! The long-running commands: the console, the engines without a screen, the demo.

use std::sync::Arc;

use quarterdeck_demo::{Platform, PlatformOptions};
use quarterdeck_kernel::action::Via;
use quarterdeck_kernel::{Subject, SystemClock};
use quarterdeck_ui::run::Signal;

use crate::cli::{Demo, Global};
use crate::commands::act::actor;
use crate::config::Loaded;
use crate::demo::Children;
use crate::exit::Failure;
use crate::keeper::Keeper;
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
    let keeper = keeper(true)?;
    let setup = Setup { keeper: Some(Arc::clone(&keeper)), ..setup(global, paths)? };
    let result = runtime()?.block_on(with_screen(setup, at, None));
    keeper.finish();
    result
}

/// Runs the engines without a screen until a signal.
///
/// # Errors
/// When it cannot start, in words.
pub fn serve(global: &Global) -> Result<(), Failure> {
    let paths = Paths::new(global, "")?;
    let setup = setup(global, paths)?;
    // Only who starts processes needs somebody to end them.
    let deploys = setup.loaded.config.deploy.services.values().any(|service| service.process.is_some());
    let keeper = if deploys { Some(keeper(false)?) } else { None };
    let setup = Setup { keeper: keeper.clone(), ..setup };
    let result = runtime()?.block_on(headless(setup, None));
    if let Some(keeper) = keeper {
        keeper.finish();
    }
    result
}

/// Starts the simulated platform and looks at it.
///
/// # Errors
/// When it cannot start, in words.
pub fn demo(global: &Global, demo: &Demo) -> Result<(), Failure> {
    let mut paths = Paths::new(global, "demo")?;
    // The keeper is there before anything that it might have to end.
    let keeper = keeper(!demo.headless)?;
    let options = PlatformOptions {
        seed: demo.seed,
        // A configuration of one's own names no gateway for the platform.
        gateway: global.config.is_none(),
        ..PlatformOptions::new(paths.data_dir.join("platform"))
    };
    let platform = Platform::prepare(&options).map_err(|e| Failure::Data(e.to_string()))?;
    if global.config.is_none() {
        paths.config_file = platform.config().to_path_buf();
        paths.config_named = true;
    }
    let setup = setup(global, paths)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let children = Arc::new(Children::start(Arc::clone(&keeper), platform, &setup.paths.data_dir)?);
        let setup = Setup { demo: Some(Arc::clone(&children)), keeper: Some(Arc::clone(&keeper)), ..setup };
        let result = if demo.headless {
            headless(setup, Some(&children)).await
        } else {
            with_screen(setup, None, Some(&children)).await
        };
        children.end().await;
        result
    });
    keeper.finish();
    result
}

/// Starts who cleans up when this process dies.
fn keeper(screen: bool) -> Result<Arc<Keeper>, Failure> {
    let keeper = Keeper::start(screen);
    keeper.map(Arc::new).map_err(|e| Failure::Failed(format!("the keeper cannot be started: {e}")))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(32)
        .thread_name("quarterdeck")
        .build()
        .map_err(|e| Failure::Failed(format!("the runtime cannot be started: {e}")))
}

fn setup(global: &Global, paths: Paths) -> Result<Setup, Failure> {
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
    Ok(Setup { paths, loaded, actor, demo: None, keeper: None, level, clock: Arc::new(SystemClock) })
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
    for address in stage.traffic() {
        eprintln!("quarterdeck: taking traffic on {address}");
    }
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

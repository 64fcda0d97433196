//! Quarterdeck: a full-screen terminal operations console that hosts a whole operations stack in one process.
//!
//! This crate is the program: command line ([`cli`], [`commands`]), composition ([`system`], [`engines`], [`worlds`]), what listens
//! ([`http`]), the host that runs panes' effects ([`host`], [`answers`]), life and end ([`lifecycle`], [`keeper`]).

pub mod actions;
mod alerting;
pub mod answers;
pub mod cli;
pub mod commands;
pub mod config;
pub mod console;
pub mod demo;
pub mod engines;
pub mod exit;
pub mod host;
pub mod http;
pub mod incident;
pub mod incidents;
pub mod keeper;
pub mod lifecycle;
pub mod live;
pub mod logs;
mod memory;
pub mod own;
pub mod paths;
pub mod plot;
pub mod reload;
pub mod run;
pub mod screen;
pub mod screenshot;
pub mod system;
pub mod vigil;
pub mod worlds;

use std::pin::Pin;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use exit::Failure;

/// Runs the program: what the command line asks for, and the number it ends with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        // These are processes of their own kind: no runtime, no logs, nothing that could fail.
        Some(Command::Keeper) => {
            keeper::run(std::io::stdin().lock());
            ExitCode::SUCCESS
        }
        Some(Command::Launch { words }) => {
            eprintln!("{}", quarterdeck_deploy::target::process::launcher::become_process(&words));
            // As shells say that a program was not found.
            ExitCode::from(127)
        }
        Some(Command::DemoService { args }) => exit::report(demo_service(&args)),
        command => {
            // The TLS of everything below is rustls with ring; a second installation would be refused, and change nothing.
            let _ = rustls::crypto::ring::default_provider().install_default();
            exit::report(dispatch(&cli.global, &cli.traffic, command))
        }
    }
}

fn demo_service(args: &[String]) -> Result<(), Failure> {
    let (role, args) =
        args.split_first().ok_or_else(|| Failure::Usage("demo-service needs a role".to_owned()))?;
    quarterdeck_demo::role(role, args).map_err(|e| Failure::Failed(e.to_string()))
}

fn dispatch(global: &cli::Global, traffic: &cli::Traffic, command: Option<Command>) -> Result<(), Failure> {
    let with = |own: cli::Traffic| cli::Global { traffic: own.after(traffic), ..global.clone() };
    match command {
        None => run::console(&with(cli::Traffic::default()), None),
        Some(Command::Open { subject }) => {
            let subject = subject
                .parse()
                .map_err(|e: quarterdeck_kernel::subject::SubjectError| Failure::Usage(e.to_string()))?;
            run::console(&with(cli::Traffic::default()), Some(subject))
        }
        Some(Command::Serve(own)) => run::serve(&with(own)),
        Some(Command::Demo(demo)) => run::demo(&with(demo.traffic.clone()), &demo),
        Some(Command::Check { files }) => commands::check::run(global, &files),
        Some(Command::Query(query)) => block_on(commands::query::run(global, query)),
        Some(Command::Act(act)) => block_on(commands::act::run(global, act)),
        Some(Command::Deploy { command }) => block_on(commands::deploy::run(global, command)),
        Some(Command::Timeline { command }) => block_on(commands::timeline::run(global, command)),
        Some(Command::Config { command }) => commands::config::run(global, &command),
        Some(Command::Screenshot(shot)) => block_on(commands::screenshot::run(global, shot)),
        Some(Command::Import { command }) => commands::import::run(global, &command),
        Some(Command::Export(export)) => block_on(commands::export::run(global, export)),
        Some(Command::Backup { command }) => block_on(commands::export::backup(global, command)),
        Some(Command::Test { command }) => commands::test::run(&command),
        Some(Command::Docs { dir, check }) => commands::docs::run(&dir, check),
        Some(Command::Completions { shell }) => {
            commands::completions(shell);
            Ok(())
        }
        Some(Command::Man) => commands::man(),
        Some(Command::Keeper | Command::Launch { .. } | Command::DemoService { .. }) => Ok(()),
    }
}

/// Runs a short command to its end.
fn block_on<'a>(work: impl Future<Output = Result<(), Failure>> + 'a) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("the runtime cannot be started: {e}")))?;
    // Boxed: the runtime is compiled once for all commands.
    let work: Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> = Box::pin(work);
    runtime.block_on(work)
}

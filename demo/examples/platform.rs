//! Runs the whole platform on its own until Ctrl-C: each child is this program again, in one role.
//!
//! `cargo run -p quarterdeck-demo --example platform -- [DIR]`

use std::error::Error;
use std::process::Stdio;

use quarterdeck_demo::{Platform, PlatformOptions, SUBCOMMAND, Supervisor, role};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, name, rest @ ..] = args.as_slice()
        && command == SUBCOMMAND
    {
        return Ok(role(name, rest)?);
    }
    let dir = args.first().map_or_else(|| std::env::temp_dir().join("quarterdeck-demo"), Into::into);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(dir))
}

async fn run(dir: std::path::PathBuf) -> Result<(), Box<dyn Error>> {
    let platform = Platform::prepare(&PlatformOptions::new(dir))?;
    let program = std::env::current_exe()?;
    let mut supervisor = Supervisor::new();
    for spec in platform.children() {
        supervisor.start(&program, spec, Stdio::inherit()).await?;
        eprintln!("{} is ready: {}", spec.name, spec.readiness_url);
    }
    eprintln!("configuration: {}", platform.config().display());
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        name = supervisor.first_to_end() => eprintln!("{name} ended"),
    }
    for name in supervisor.stop().await {
        eprintln!("{name} had to be killed");
    }
    Ok(())
}

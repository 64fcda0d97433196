//! The gateway and nothing else, from the `[gateway]` section of a configuration file: what profiles and benches of traffic run,
//! so that nothing but the gateway is in them. Everything on the command line but `--config FILE` is passed over:
//! `QUARTERDECK=target/release/examples/alone benches/gateway`.

use std::process::ExitCode;
use std::sync::Arc;

use quarterdeck_gateway::{Config, Engine, Stored};
use quarterdeck_kernel::SystemClock;
use serde::Deserialize as _;

fn config() -> Result<Config, String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--config");
    let file = arguments.nth(1).ok_or("usage: alone --config FILE")?;
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let mut table: toml::Table = toml::from_str(&text).map_err(|e| format!("{file}: {e}"))?;
    let section = table.remove("gateway").ok_or(format!("{file} has no [gateway]"))?;
    Config::deserialize(section).map_err(|e| format!("{file}: {e}"))
}

fn run() -> Result<(), String> {
    let config = config()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let started = Engine::start(config, Stored::default(), Arc::new(SystemClock)).await;
        let (engine, handle) = started.map_err(|wrong| format!("{wrong:?}"))?;
        for address in handle.addresses() {
            println!("{address}");
        }
        engine.run(std::future::pending()).await;
        Ok(())
    })
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

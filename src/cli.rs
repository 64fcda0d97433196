//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A full-screen operations console that hosts a whole operations stack in one process.
///
/// Without a command it opens the console on what the configuration names. Try `quarterdeck demo` first: it
/// starts a small simulated trading platform and shows it.
#[derive(Debug, Parser)]
#[command(name = "quarterdeck", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// Settings that all commands share.
    #[command(flatten)]
    pub global: Global,
    /// The traffic gateway
    #[command(flatten)]
    pub traffic: Traffic,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Told at the end of `--help`; `src/exit.rs` is where the codes are given, `src/run.rs` where signals are taken.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the message says what and what to do; a rollout that was waited for did not go well
  2  the command line is wrong
  3  what was checked is not right (check, deploy check, timeline verify, test)
  4  refused: not available now, read-only, or not confirmed (act, deploy); a check before a rollout failed
  5  no console answers (act, deploy, screenshot, open, query without --config)
  6  the data directory is in use, not writable, or from a newer version
  7  what was waited for has not ended in time (deploy with --timeout); it goes on

Signals:
  SIGTERM, SIGINT, SIGQUIT  end it in order, within 25 s; a second one ends it at once
  SIGHUP                    serve, demo --headless: reads the configuration again;
                            with a screen: the terminal has hung up, it ends in order
";

/// Settings that all commands share.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Configuration file [default: quarterdeck.toml in the platform's configuration directory]
    #[arg(long, global = true, value_name = "FILE", env = "QUARTERDECK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory for what is stored [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR", env = "QUARTERDECK_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address that every HTTP interface is served on [default: 127.0.0.1:9990]
    #[arg(long, global = true, value_name = "ADDR", env = "QUARTERDECK_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// A Prometheus configuration file, taken as it is
    #[arg(long, global = true, value_name = "FILE")]
    pub prometheus_config: Option<PathBuf>,
    /// An Alertmanager configuration file, taken as it is
    #[arg(long, global = true, value_name = "FILE")]
    pub alertmanager_config: Option<PathBuf>,
    /// Start every alert group anew at a reload, as Alertmanager does
    #[arg(long, global = true)]
    pub reload_resets_timers: bool,
    /// Environment: picks the overlay of the configuration and is shown at the top
    #[arg(long, global = true, value_name = "NAME", env = "QUARTERDECK_ENVIRONMENT")]
    pub environment: Option<String>,
    /// Only safe actions: nothing that changes how services or this console behave; notes stay possible
    #[arg(long, global = true)]
    pub read_only: bool,
    /// The traffic gateway, of commands that have one.
    #[arg(skip)]
    pub traffic: Traffic,
}

/// The traffic gateway in one line.
#[derive(Clone, Debug, Default, Args)]
pub struct Traffic {
    /// Take traffic at this address, for the services of --upstream
    #[arg(long, value_name = "ADDR")]
    pub gateway: Option<SocketAddr>,
    /// Where a version of a service runs, such as orders=v1:http://127.0.0.1:9001; may be given several times
    #[arg(long, value_name = "SERVICE=VERSION:URL")]
    pub upstream: Vec<String>,
    /// How a service's traffic is split, such as orders=v1:90,v2:10; may be given several times
    #[arg(long, value_name = "SERVICE=VERSION:SHARE,…")]
    pub split: Vec<String>,
}

impl Traffic {
    /// What is said behind the command, and what was said before it.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.gateway = self.gateway.or(before.gateway);
        self.upstream.splice(0..0, before.upstream.iter().cloned());
        self.split.splice(0..0, before.split.iter().cloned());
        self
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engines without a screen, until a signal; SIGHUP reads the configuration again
    Serve(Traffic),
    /// Start a simulated trading platform and look at it
    Demo(Demo),
    /// Check configuration files: quarterdeck.toml, prometheus.yml, rule and exposition files
    Check {
        /// Files; the configuration in use if none is given
        files: Vec<PathBuf>,
    },
    /// Ask a PromQL question of a running console
    Query(Query),
    /// Take history from a file into the data directory of a console that does not run
    Import {
        /// What the file is
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Write samples of a running console to a file or to standard output
    Export(Export),
    /// Copy what a running console has stored
    Backup {
        /// What to copy
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Do an action in a running console, as a key would
    Act(Act),
    /// Roll out versions of services, watch that, take it back
    Deploy {
        /// What to do
        #[command(subcommand)]
        command: DeployCommand,
    },
    /// Read and verify the timeline
    Timeline {
        /// What to do with it
        #[command(subcommand)]
        command: TimelineCommand,
    },
    /// Tell about the configuration
    Config {
        /// What to tell
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Draw a pane of a running console to a picture
    Screenshot(Screenshot),
    /// Open the console at a subject, such as service:orders
    Open {
        /// The subject
        subject: String,
    },
    /// Run conformance and unit-test files
    Test {
        /// Which
        #[command(subcommand)]
        command: TestCommand,
    },
    /// Write the reference of configuration, actions and keys
    #[command(hide = true)]
    Docs {
        /// Directory to write to
        dir: PathBuf,
        /// Only compare; exit 3 if anything differs
        #[arg(long)]
        check: bool,
    },
    /// Print shell completions
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// The process that cleans up when the console dies
    #[command(hide = true)]
    Keeper,
    /// The step before a process whose use is limited
    #[command(hide = true, disable_help_flag = true)]
    Launch {
        /// Its limits, its program, and the arguments of that
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// One process of the demo's platform
    #[command(hide = true, disable_help_flag = true)]
    DemoService {
        /// Its role and settings
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// `demo`
#[derive(Debug, Default, Args)]
pub struct Demo {
    /// Without the screen, until a signal
    #[arg(long)]
    pub headless: bool,
    /// Seed of the market day
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// The traffic gateway
    #[command(flatten)]
    pub traffic: Traffic,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// Which running console to talk to.
#[derive(Clone, Debug, Default, Args)]
pub struct Server {
    /// The console's address [default: the one that runs on this machine]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// `query`
#[derive(Debug, Args)]
pub struct Query {
    /// The question
    pub promql: String,
    /// Which console
    #[command(flatten)]
    pub server: Server,
    /// Evaluate at this time (RFC 3339 or Unix seconds) [default: now]
    #[arg(long)]
    pub time: Option<String>,
    /// Reach back this far from --time, as a range query
    #[arg(long, value_name = "DURATION")]
    pub range: Option<String>,
    /// Step of a range query [default: the range in 60 steps]
    #[arg(long, value_name = "DURATION", requires = "range")]
    pub step: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `import …`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// OpenMetrics, with a timestamp in every line
    Openmetrics {
        /// The file
        file: PathBuf,
    },
    /// Prometheus text format 0.0.4, with a timestamp in every line
    Text {
        /// The file
        file: PathBuf,
    },
}

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// Which series, such as 'up{job="api"}'; may be given several times
    #[arg(long = "match", value_name = "SELECTOR", required = true)]
    pub select: Vec<String>,
    /// From this time on (RFC 3339 or Unix seconds) [default: the oldest sample]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this time [default: the newest sample]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// How samples are written
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which console
    #[command(flatten)]
    pub server: Server,
}

/// How `export` writes samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// What `import openmetrics` reads
    #[default]
    Openmetrics,
    /// A line per sample: series, time, value
    Csv,
    /// Lines of JSON: metric, values, timestamps in milliseconds
    Jsonl,
}

impl ExportFormat {
    /// As the console's interface names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openmetrics => "openmetrics",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// `backup …`
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Every sample taken so far, into DIR/metrics: to restore, copy that into a data directory
    Metrics {
        /// A directory on the console's machine
        dir: PathBuf,
        /// Which console
        #[command(flatten)]
        server: Server,
        /// Why; kept on the timeline
        #[arg(long)]
        reason: Option<String>,
    },
}

/// `act`
#[derive(Debug, Args)]
pub struct Act {
    /// The action, such as timeline.note; all are listed when it is left out
    pub action: Option<String>,
    /// The subject (service:orders), if the action has one, and arguments (key=value)
    pub words: Vec<String>,
    /// Which console
    #[command(flatten)]
    pub server: Server,
    /// Why; kept on the timeline
    #[arg(long)]
    pub reason: Option<String>,
    /// The target's name, for destructive actions
    #[arg(long, value_name = "TARGET")]
    pub confirm: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `deploy …`
#[derive(Debug, Subcommand)]
pub enum DeployCommand {
    /// Roll a version of a service out
    #[command(disable_version_flag = true)]
    Start {
        /// The service
        service: String,
        /// The version that it is to have
        #[arg(long, value_name = "VERSION")]
        version: String,
        /// A strategy file, or the name of a strategy that the console knows [default: the service's own]
        #[arg(long, value_name = "FILE|NAME")]
        strategy: Option<String>,
        /// When the change was committed (RFC 3339); for the lead time
        #[arg(long, value_name = "TIME")]
        commit_time: Option<String>,
        /// It was not planned: it mends what a deployment broke
        #[arg(long)]
        unplanned: bool,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Go on from where a rollout waits
    Promote {
        /// The service
        service: String,
        /// To the end, without the steps and analyses that are left
        #[arg(long)]
        full: bool,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// End the pause of a rollout now
    Skip {
        /// The service
        service: String,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Make a rollout stand still, whatever happens, until it is resumed
    Pause {
        /// The service
        service: String,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Let a rollout that stands still go on
    Resume {
        /// The service
        service: String,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Take a rollout under way back: all traffic returns to the stable version
    Abort {
        /// The service
        service: String,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Return to the version before, from the middle of a rollout or after it
    Rollback {
        /// The service
        service: String,
        /// The version to return to [default: the one before]
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        /// In steps instead of at once
        #[arg(long)]
        gradual: bool,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Give the new version of a blue-green deployment so many of 100 requests
    Weight {
        /// The service
        service: String,
        /// From 0 to 100
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        weight: u8,
        /// How it is done
        #[command(flatten)]
        operate: Operate,
    },
    /// Show services, their versions and rollouts
    Status {
        /// Only this service
        service: Option<String>,
        /// Follow what is under way to its end; the exit code tells how it, or else the service's last rollout, ended
        #[arg(long)]
        watch: bool,
        /// Follow no longer than this (90s, 1h30m); exit code 7 then
        #[arg(long, value_name = "DURATION", requires = "watch")]
        timeout: Option<String>,
        /// Which console
        #[command(flatten)]
        server: Server,
        /// How to print
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Show rollouts that have ended, newest first, and DORA's measures
    History {
        /// Only this service
        service: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Which console
        #[command(flatten)]
        server: Server,
        /// How to print
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Check strategy files; no console is needed
    Check {
        /// The files; templates of one can be used by the others
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// How an operator's word about a rollout is given.
#[derive(Debug, Args)]
pub struct Operate {
    /// Why; kept on the timeline
    #[arg(long)]
    pub reason: Option<String>,
    /// Wait until the rollout has ended, and tell every step; the exit code tells how it ended
    #[arg(long)]
    pub wait: bool,
    /// Wait no longer than this (90s, 1h30m); exit code 7 then
    #[arg(long, value_name = "DURATION", requires = "wait")]
    pub timeout: Option<String>,
    /// Which console
    #[command(flatten)]
    pub server: Server,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `timeline …`
#[derive(Debug, Subcommand)]
pub enum TimelineCommand {
    /// Print the newest entries of a running console
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only those about this service
        #[arg(long)]
        service: Option<String>,
        /// Which console
        #[command(flatten)]
        server: Server,
        /// How to print
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Check the chain of a data directory: a flipped byte, a missing entry, a cut-off end
    Verify,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the JSON Schema of quarterdeck.toml
    Schema,
    /// Print a commented configuration with every default
    Default,
    /// Print which files and directories are used
    Paths,
}

/// `screenshot`
#[derive(Debug, Args)]
pub struct Screenshot {
    /// The pane, such as overview
    pub pane: String,
    /// Columns and rows
    #[arg(long, default_value = "120x40", value_name = "WxH")]
    pub size: String,
    /// The picture; its ending tells the format
    #[arg(long, value_name = "FILE.svg|png")]
    pub out: PathBuf,
    /// Theme
    #[arg(long)]
    pub theme: Option<String>,
    /// Open this subject in the pane first
    #[arg(long, value_name = "SUBJECT")]
    pub at: Option<String>,
    /// Press these keys first, separated by spaces
    #[arg(long, value_name = "KEYS")]
    pub keys: Option<String>,
    /// Which console
    #[command(flatten)]
    pub server: Server,
}

/// `test …`
#[derive(Debug, Subcommand)]
pub enum TestCommand {
    /// Run a directory of promqltest files
    Promql {
        /// The directory
        dir: PathBuf,
    },
    /// Run unit tests of rules, in promtool's format
    Rules {
        /// The test files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

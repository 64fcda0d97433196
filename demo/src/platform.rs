use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::load::visitors;
use crate::{DemoError, Role};

/// The hidden command of the program under which a child process runs its role.
pub const SUBCOMMAND: &str = "demo-service";

/// Folder, beside the configuration, where services list themselves that come and go.
const TARGETS: &str = "targets";

/// Folder, beside the configuration, of the clients' API keys.
const KEYS: &str = "keys";

const TEMPLATE: &str = include_str!("../../assets/demo/quarterdeck.toml.in");

/// The platform's recording and alerting rules, which the configuration names.
const RULES: &str = include_str!("../../assets/demo/rules.yml");
/// The rules that any trading platform wants, which the platform has beside its own.
const STANDARD: &str = include_str!("../../assets/rules/trading.yml");
/// How the order API is rolled out.
const CANARY: &str = include_str!("../../assets/demo/canary.yml");
/// Who is told of what.
const ALERTMANAGER: &str = include_str!("../../assets/demo/alertmanager.yml");

/// One child process, as data, for whoever supervises it.
///
/// Run the program with `args` and `env` and keep the writing end of its standard input open: the child ends when
/// that closes. It also ends within two seconds of SIGTERM. Its standard output is one JSON object per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSpec {
    /// Unique among the children; what catalogue and logs call it (`orders`, `orders-v2`).
    pub name: String,
    /// All arguments after the program's name.
    pub args: Vec<String>,
    /// Environment to add.
    pub env: Vec<(String, String)>,
    /// Answers 200 when the child can do its work.
    pub readiness_url: String,
    /// Whether it is started with the platform; the second version of orders is started on demand.
    pub autostart: bool,
}

/// How the platform shall be.
#[derive(Clone, Debug)]
pub struct PlatformOptions {
    /// Folder for the configuration and the ledger; made if missing.
    pub dir: PathBuf,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Length of a market day.
    pub day: Duration,
    /// Orders per second at activity 1.
    pub order_rate: f64,
    /// Quotes per second at activity 1.
    pub quote_rate: f64,
    /// Whether clients reach the order API and the feed through a gateway at the address that the configuration names;
    /// without one they share orders between its versions themselves.
    pub gateway: bool,
}

impl PlatformOptions {
    /// The usual platform, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            seed: 7,
            day: Duration::from_secs(600),
            order_rate: 30.0,
            quote_rate: 140.0,
            gateway: false,
        }
    }
}

/// A platform that is ready to be started: ports are allotted, the console's configuration is written.
#[derive(Clone, Debug)]
pub struct Platform {
    config: PathBuf,
    children: Vec<ChildSpec>,
    ports: Ports,
    gateway: bool,
}

/// Where each service listens, on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    market_data: u16,
    ledger: u16,
    broker: u16,
    risk: u16,
    orders: u16,
    orders_v2: u16,
    load: u16,
    gateway: u16,
}

impl Platform {
    /// Allots ports and writes `quarterdeck.toml` to the folder.
    ///
    /// # Errors
    /// When the system has no ports or the folder cannot be written.
    pub fn prepare(options: &PlatformOptions) -> Result<Self, DemoError> {
        let write = |path: &Path, source| DemoError::Write { path: path.to_owned(), source };
        let targets = options.dir.join(TARGETS);
        std::fs::create_dir_all(&targets).map_err(|source| write(&targets, source))?;
        let ports = Ports::allot()?;
        let config = options.dir.join("quarterdeck.toml");
        let children = ports.children(options);
        let text = ports.fill(TEMPLATE).replace("@orders-command@", &command(&children));
        std::fs::write(&config, text).map_err(|source| write(&config, source))?;
        let alertmanager = ports.fill(ALERTMANAGER);
        let beside = [
            ("rules.yml", RULES),
            ("trading.yml", STANDARD),
            ("alertmanager.yml", &*alertmanager),
            ("canary.yml", CANARY),
        ];
        for (name, text) in beside {
            let file = options.dir.join(name);
            std::fs::write(&file, text).map_err(|source| write(&file, source))?;
        }
        // Who the clients are, as the configuration names them.
        let keys = options.dir.join(KEYS);
        std::fs::create_dir_all(&keys).map_err(|source| write(&keys, source))?;
        for consumer in visitors::consumers() {
            let file = keys.join(consumer);
            std::fs::write(&file, visitors::key(consumer)).map_err(|source| write(&file, source))?;
        }
        Ok(Self { config, children, ports, gateway: options.gateway })
    }

    /// The configuration that the console loads to see the platform.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The child processes, in an order in which they can be started.
    pub fn children(&self) -> &[ChildSpec] {
        &self.children
    }

    /// Whether clients reach the order API through a gateway.
    pub fn gateway(&self) -> bool {
        self.gateway
    }

    /// Base address of a child by its name (`http://127.0.0.1:…`).
    pub fn url(&self, name: &str) -> Option<String> {
        let named = |(known, port): (&str, u16)| (known == name).then(|| format!("http://127.0.0.1:{port}"));
        self.ports.named().into_iter().find_map(named)
    }
}

impl Ports {
    fn allot() -> Result<Self, DemoError> {
        let refused = |source| DemoError::Io { doing: "allotting a port", source };
        let mut held = Vec::new();
        let mut next = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?;
            let port = listener.local_addr().map_err(refused)?.port();
            // All are held until the last is allotted, so that no two are the same.
            held.push(listener);
            Ok::<u16, DemoError>(port)
        };
        Ok(Self {
            market_data: next()?,
            ledger: next()?,
            broker: next()?,
            risk: next()?,
            orders: next()?,
            orders_v2: next()?,
            load: next()?,
            gateway: next()?,
        })
    }

    fn named(&self) -> [(&'static str, u16); 8] {
        [
            ("market-data", self.market_data),
            ("ledger", self.ledger),
            ("broker", self.broker),
            ("risk", self.risk),
            ("orders", self.orders),
            ("orders-v2", self.orders_v2),
            ("load", self.load),
            ("gateway", self.gateway),
        ]
    }

    /// Puts the ports where the template names them, as in `@orders@`.
    fn fill(&self, template: &str) -> String {
        self.named().into_iter().fold(template.to_owned(), |text, (name, port)| {
            text.replace(&format!("@{name}@"), &port.to_string())
        })
    }

    fn children(&self, options: &PlatformOptions) -> Vec<ChildSpec> {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let feed = ["--feed-url".to_owned(), format!("ws://127.0.0.1:{}/feed", self.market_data)];
        let epoch = jiff::Timestamp::now().as_millisecond();
        let orders = |release: &str| {
            let mut args = vec!["--release".to_owned(), release.to_owned()];
            args.extend(feed.clone());
            for (name, port) in [("risk", self.risk), ("broker", self.broker), ("ledger", self.ledger)] {
                args.extend([format!("--{name}-url"), url(port)]);
            }
            args
        };
        let listed = options.dir.join(TARGETS).join("orders-v2.json").to_string_lossy().into_owned();
        let mut second = orders("v2");
        second.extend(["--register".to_owned(), listed]);
        let data = options.dir.join("ledger").to_string_lossy().into_owned();
        let mut load = vec!["--order-rate".to_owned(), options.order_rate.to_string()];
        if options.gateway {
            load.extend(["--orders-url".to_owned(), url(self.gateway)]);
            load.extend(["--feed-url".to_owned(), format!("ws://127.0.0.1:{}/feed", self.gateway)]);
            load.extend(["--reference-url".to_owned(), url(self.gateway)]);
        } else {
            load.extend(["--orders-url".to_owned(), url(self.orders)]);
            load.extend(["--orders-v2-url".to_owned(), url(self.orders_v2)]);
            load.extend(feed.clone());
        }
        let quotes = vec!["--quote-rate".to_owned(), options.quote_rate.to_string()];

        let child = |name: &str, role: Role, port: u16, own: Vec<String>| {
            let mut args = vec![SUBCOMMAND.to_owned(), role.name().to_owned()];
            args.extend(["--listen".to_owned(), format!("127.0.0.1:{port}"), "--parent-pipe".to_owned()]);
            args.extend(["--seed".to_owned(), options.seed.to_string()]);
            args.extend(["--day-ms".to_owned(), options.day.as_millis().to_string()]);
            args.extend(["--epoch-ms".to_owned(), epoch.to_string()]);
            args.extend(own);
            ChildSpec {
                name: name.to_owned(),
                args,
                env: Vec::new(),
                readiness_url: format!("{}/readyz", url(port)),
                autostart: name != "orders-v2",
            }
        };
        vec![
            child("market-data", Role::MarketData, self.market_data, quotes),
            child("ledger", Role::Ledger, self.ledger, vec!["--data-dir".to_owned(), data]),
            child("broker", Role::Broker, self.broker, Vec::new()),
            child("risk", Role::Risk, self.risk, vec!["--ledger-url".to_owned(), url(self.ledger)]),
            child("orders", Role::Orders, self.orders, orders("v1")),
            child("orders-v2", Role::Orders, self.orders_v2, second),
            child("load", Role::Load, self.load, load),
        ]
    }
}

/// What deployment control runs for a version of the order API: the program with the arguments of the second version, but on
/// the port that it is given and not tied to a pipe.
fn command(children: &[ChildSpec]) -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "quarterdeck".to_owned(), |p| p.display().to_string());
    let second = children.iter().find(|child| child.name == "orders-v2");
    let mut words = vec![program];
    let mut args = second.into_iter().flat_map(|child| child.args.iter().cloned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--parent-pipe" => {}
            "--listen" | "--release" => {
                args.next();
                let given = if arg == "--listen" { "127.0.0.1:{port}" } else { "{version}" };
                words.extend([arg, given.to_owned()]);
            }
            _ => words.push(arg),
        }
    }
    // Written as in JSON, a string of TOML says the same.
    words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Options;

    #[test]
    fn every_child_can_read_its_arguments_and_the_configuration_is_toml() {
        let dir = tempfile::tempdir().unwrap();
        let platform = Platform::prepare(&PlatformOptions::new(dir.path().join("demo"))).unwrap();
        assert_eq!(platform.children().len(), 7);
        for child in platform.children() {
            assert_eq!(child.args[0], SUBCOMMAND);
            Role::named(&child.args[1]).unwrap();
            let options = Options::try_parse_from(&child.args[2..]).unwrap();
            assert!(options.parent_pipe, "{}", child.name);
            let url = platform.url(&child.name).unwrap();
            assert_eq!(url, format!("http://{}", options.listen));
            assert_eq!(child.readiness_url, format!("{url}/readyz"));
        }
        let text = std::fs::read_to_string(platform.config()).unwrap();
        let config: toml::Table = text.parse().unwrap();
        assert!(config.contains_key("services"), "{text}");
        let consumers = config["gateway"]["auth"]["consumers"].as_table().unwrap();
        let known: Vec<&str> = consumers.keys().map(String::as_str).collect();
        let mut named: Vec<&str> = visitors::consumers().collect();
        named.sort_unstable();
        assert_eq!(known, named);
        for (name, consumer) in consumers {
            let file = dir.path().join("demo").join(consumer["keys"][0]["file"].as_str().unwrap());
            assert_eq!(std::fs::read_to_string(file).unwrap(), visitors::key(name));
        }
        assert!(!text.lines().any(|line| !line.starts_with('#') && line.contains('@')), "{text}");
    }
}

//! The configuration: layers, and what is said of every mistake.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quarterdeck_journal::configuration::{SecretRef, SecretSource, Sources, load, schema};
use quarterdeck_kernel::{Diagnostic, Severity};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
struct House {
    server: Server,
    store: Store,
    services: BTreeMap<String, Service>,
    feeds: Vec<Feed>,
    notify: Option<Notify>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
struct Server {
    listen: std::net::SocketAddr,
    port: u16,
    ratio: f64,
    quiet: bool,
    #[serde(with = "quarterdeck_kernel::time::text")]
    #[schemars(with = "String")]
    timeout: Duration,
    token: Option<SecretRef>,
    paths: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 9990).into(),
            port: 80,
            ratio: 0.5,
            quiet: false,
            timeout: Duration::from_secs(1),
            token: None,
            paths: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Store {
    #[default]
    Sqlite,
    Postgres {
        url: String,
        #[serde(default)]
        pool: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
struct Service {
    owner: String,
    #[serde(default)]
    depends_on: Vec<String>,
    #[serde(default)]
    #[schemars(with = "String")]
    severity: Severity,
    #[serde(default)]
    limits: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
struct Feed {
    url: String,
    #[serde(default)]
    overflow: Overflow,
    #[serde(default)]
    shift: i8,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Overflow {
    #[default]
    DropOldest,
    DropNewest,
    Block,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Notify {
    Webhook { url: String },
    Mail { to: String, port: u16 },
}

fn variables() -> Vec<(String, String)> {
    [("HOST", "db.example"), ("PORT", "8080"), ("TOKEN", "s3cret"), ("EMPTY", ""), ("WORD", "hunter2")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .to_vec()
}

fn errors(sources: &Sources) -> Vec<String> {
    load::<House>(sources).unwrap_err().iter().map(Diagnostic::to_string).collect()
}

/// Each `bad/NAME.toml` gets what `bad/NAME.expected` says, line by line. Written anew with `BLESS=1`, then to be
/// read by a person.
#[test]
fn every_mistake_of_the_corpus_is_told_where_it_is() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(files.len() >= 25, "{} files are too few", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let found = errors(&Sources::new().text(name.clone(), text).variables(variables())).join("\n");
        let expected = file.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, format!("{found}\n")).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if expected.trim_end() != found {
            wrong.push(format!("{name}\n  expected: {expected}\n  found:    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_lie_over_each_other_and_tables_merge() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("quarterdeck.toml");
    std::fs::write(dir.path().join("token"), "from a file\n").unwrap();
    std::fs::write(
        &path,
        r#"
            [server]
            port = 1
            ratio = 1
            paths = ["a", "b"]
            token = { file = "token" }
            [services.orders]
            owner = "team-${HOST}"
            limits = { checkout = 80, "$${plain}" = 1 }
            [environments.production.server]
            port = 2
            quiet = true
            paths = ["c"]
            [environments.staging.server]
            port = 9
        "#,
    )
    .unwrap();
    let overlay = dir.path().join("quarterdeck.production.toml");
    std::fs::write(&overlay, "[services.orders.limits]\nsearch = 5\n[server]\ntimeout = \"1m\"").unwrap();
    let set = [("QUARTERDECK_SERVER__QUIET", "false"), ("QUARTERDECK_CONFIG", "not a setting")];
    let sources = Sources::new()
        .text("defaults", "[server]\nport = 7\nratio = 0.25")
        .file(&path)
        .environment(Some("production".to_owned()))
        .variables(variables())
        .variables(set.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let loaded = load::<House>(&sources).unwrap();
    let house = &loaded.value;
    assert_eq!((house.server.port, house.server.ratio, house.server.quiet), (2, 1.0, false));
    assert_eq!((&house.server.paths, house.server.timeout), (&vec!["c".to_owned()], Duration::from_secs(60)));
    let orders = &house.services["orders"];
    assert_eq!(orders.owner, "team-db.example");
    assert_eq!(orders.limits.len(), 3);
    let token = house.server.token.as_ref().unwrap();
    assert_eq!(token.secret().expose(), "from a file");
    assert_eq!(token.source(), &SecretSource::File("token".to_owned()));
    assert_eq!(
        format!("{token:?} {}", serde_json::to_string(token).unwrap()),
        "SecretRef(File(\"token\")) {\"file\":\"token\"}"
    );
    assert_eq!(loaded.environments, ["production", "staging"]);
    let mut files = vec![path.clone(), overlay, dir.path().join("token")];
    files.sort();
    assert_eq!(loaded.files, files, "all that it depends on");

    let staging = load::<House>(&sources.clone().environment(Some("staging".to_owned()))).unwrap();
    assert_eq!(staging.value.server.port, 9);
    assert!(staging.files.contains(&dir.path().join("quarterdeck.staging.toml")), "it may appear");
    let typo = errors(&sources.environment(Some("prodution".to_owned())));
    assert_eq!(
        typo,
        ["the environment \"prodution\" has no overlay; did you mean \"production\"? there are production, staging"]
            .map(|s| s.replace("\"production\"?", "production?"))
    );
}

#[test]
fn variables_become_what_is_asked_for() {
    let set = [
        ("QUARTERDECK_SERVER__PORT", "8081"),
        ("QUARTERDECK_SERVER__RATIO", "2"),
        ("QUARTERDECK_SERVER__QUIET", "true"),
        ("QUARTERDECK_SERVER__TIMEOUT", "90s"),
        ("QUARTERDECK_SERVER__PATHS", "a, b"),
        ("QUARTERDECK_SERVER__TOKEN", "{ env = \"TOKEN\" }"),
        ("QUARTERDECK_SERVICES__ORDERS__OWNER", "42"),
        ("QUARTERDECK_SERVICES__MARKET_DATA__OWNER", "md"),
        ("QUARTERDECK_SERVICES__ORDERS__LIMITS", "{ checkout = 80 }"),
        ("QUARTERDECK_SERVICES__ORDERS__DEPENDS_ON", "[\"a,b\", \"c\"]"),
        ("QUARTERDECK_STORE__POSTGRES__URL", "postgres://x"),
    ];
    let sources = Sources::new()
        .text("f", "[services.market-data]\nowner = \"x\"\n[server]\nport = \"${PORT}\"")
        .variables(variables());
    assert_eq!(load::<House>(&sources).unwrap().value.server.port, 8080, "expanded text becomes a number");
    let sources = sources.variables(set.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let house = load::<House>(&sources).unwrap().value;
    assert_eq!((house.server.port, house.server.ratio, house.server.quiet), (8081, 2.0, true));
    assert_eq!((house.server.timeout, house.server.paths.len()), (Duration::from_secs(90), 2));
    assert_eq!(house.server.token.unwrap().secret().expose(), "s3cret");
    assert_eq!(house.services["orders"].owner, "42", "text stays text");
    assert_eq!(house.services["market-data"].owner, "md");
    assert_eq!(house.services["orders"].limits["checkout"], 80);
    assert_eq!(house.services["orders"].depends_on, ["a,b", "c"]);
    assert_eq!(house.store, Store::Postgres { url: "postgres://x".into(), pool: 0 });
}

#[test]
fn what_variables_hold_is_never_shown() {
    let set = [
        ("QUARTERDECK_SERVER__PORT", "hunter2"),
        ("QUARTERDECK_SERVER__TIMEOUT", "hunter2"),
        ("QUARTERDECK_SERVER__TOKEN", "hunter2"),
        ("QUARTERDECK_SERVER__PROT", "hunter2"),
    ];
    let sources = Sources::new().text("f", "").variables(set.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let found = errors(&sources);
    assert_eq!(
        found,
        [
            "QUARTERDECK_SERVER__PORT: its value does not fit; write a whole number from 0 to 65535",
            "QUARTERDECK_SERVER__PROT: unknown key \"prot\"; did you mean \"port\"? allowed: listen, port, ratio, quiet, timeout, token, paths",
            "QUARTERDECK_SERVER__TIMEOUT: its value is not a duration: write a number and a unit (ms, s, m, h, d, w, y), largest unit first, as in 90s or 1h30m",
            "QUARTERDECK_SERVER__TOKEN: a secret is never given as it is; write { env = \"NAME\" } or { file = \"path\" }",
        ]
    );
}

#[test]
fn files_that_cannot_be_read_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.toml");
    let found = errors(&Sources::new().file(&missing));
    assert_eq!(
        found,
        [format!("{}: the file cannot be read: No such file or directory (os error 2)", missing.display())]
    );
    let nothing = load::<House>(&Sources::new().optional_file(&missing)).unwrap();
    assert_eq!((nothing.value, nothing.files), (House::default(), vec![missing]));
}

#[test]
fn the_schema_knows_every_section() {
    let schema: serde_json::Value = serde_json::from_str(&schema::<House>()).unwrap();
    let sections: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(sections, ["server", "store", "services", "feeds", "notify"]);
    assert!(schema.to_string().contains("The environment variable that holds it."));
}

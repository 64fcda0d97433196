//! What the configuration takes, and what it says of mistakes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use quarterdeck_streams::config::{Config, HeaderValue, Overflow, TimeUnit, validate};

fn mistakes(feed: &str) -> Vec<String> {
    let config: Config = toml::from_str(&format!("[quotes]\n{feed}")).unwrap();
    validate(&config).into_iter().map(|(key, d)| format!("{key}: {d}")).collect()
}

#[test]
fn a_full_feed_reads() {
    let text = r#"
        [quotes]
        url = "wss://feeds.example/v1"
        subscribe = ['{"op":"subscribe"}']
        headers = { X-Plain = "v", X-Env = { env = "KEY" }, X-File = { file = "/run/key" } }
        ca_file = "/etc/ca.pem"
        connect_timeout = "5s"
        ping_interval = "0"
        pong_timeout = "2s"
        stale_after = "0"
        backoff = { min = "1s", max = "1m", jitter = 0.2, reset_after = "30s", seed = 7 }
        fields = { symbol = "s", price = "p[0]" }
        columns = ["price"]
        records = "data"
        sequence = { path = "$.seq", key = "s" }
        timestamp = { path = "t", unit = "us" }
        labels = { venue = "x" }
        max_series = 10
        buffer = 100
        on_overflow = "drop-newest"
        max_message_bytes = 65536
        rows = 50
        row_bytes = 100
        metrics = [{ name = "price", path = "p[0]", type = "gauge", labels = { symbol = "s" }, help = "h", unit = "dollars" }]
    "#;
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(validate(&config), []);
    let feed = &config["quotes"];
    assert_eq!(feed.ordered_columns(), ["price", "symbol"]);
    assert_eq!(feed.headers["X-Env"], HeaderValue::Env { env: "KEY".to_owned() });
    assert_eq!(
        (feed.on_overflow, feed.timestamp.as_ref().unwrap().unit),
        (Overflow::DropNewest, TimeUnit::Micros)
    );
    assert!(!format!("{feed:?}").contains("\"v\""), "headers do not print: {feed:?}");
}

#[test]
fn without_fields_columns_are_paths() {
    let config: Config =
        toml::from_str("[q]\nurl = \"ws://h\"\ncolumns = [\"symbol\", \"quote.bid\"]").unwrap();
    assert_eq!(validate(&config), []);
    let feed = &config["q"];
    assert_eq!(feed.ordered_columns(), ["symbol", "quote.bid"]);
    assert_eq!(feed.path_of("quote.bid"), "quote.bid");
    let wrong = mistakes("url = \"ws://h\"\ncolumns = [\"a..b\"]");
    assert!(wrong[0].starts_with("quotes.columns: \"a..b\" is not a JSON path"), "{wrong:?}");
}

#[test]
fn mistakes_name_the_key_the_value_and_what_is_allowed() {
    for (feed, expected) in [
        (
            "url = \"feeds\"",
            "quotes.url: \"feeds\" is not a URL: relative URL without a base; write ws://HOST:PORT/PATH or wss://HOST/PATH",
        ),
        (
            "url = \"ws://h\"\nfields = { a = \"x..y\" }",
            "quotes.fields.a: \"x..y\" is not a JSON path (a key is missing beside a dot): write it as in data.trades[0].price, or [\"dotted.key\"].x",
        ),
        (
            "url = \"ws://h\"\nfields = { price = \"p\" }\ncolumns = [\"prise\"]",
            "quotes.columns: \"prise\" is not a field; did you mean price?",
        ),
        (
            "url = \"ws://h\"\nlabels = { \"a-b\" = \"x\" }",
            "quotes.labels.a-b: \"a-b\" is not a label name; letters, digits and _, not starting with a digit",
        ),
        (
            "url = \"ws://h\"\nlabels = { stream = \"x\" }",
            "quotes.labels.stream: the label stream is set to the feed's name; choose another name",
        ),
        (
            "url = \"ws://h\"\nmetrics = [{ name = \"a b\", path = \"p\" }]",
            "quotes.metrics[0].name: \"a b\" is not a metric name; letters, digits, _ and :, not starting with a digit",
        ),
        (
            "url = \"ws://h\"\nmetrics = [{ name = \"a\" }]",
            "quotes.metrics[0].path: gauge a has no path; give a path, or type = \"counter\" to count records",
        ),
        ("url = \"ws://h\"\nbuffer = 0", "quotes.buffer: 0 is out of range; from 1 to 1048576"),
        (
            "url = \"ws://h\"\nbackoff = { jitter = 2.0 }",
            "quotes.backoff.jitter: 2 is out of range; from 0 to 1",
        ),
        (
            "url = \"ws://h\"\nbackoff = { min = \"1m\" }",
            "quotes.backoff.min: 60s with max 30s; min must be above zero and at most max",
        ),
        (
            "url = \"ws://h\"\npong_timeout = \"0\"",
            "quotes.pong_timeout: pong_timeout is zero; write a time such as 10s",
        ),
    ] {
        assert_eq!(mistakes(feed), [expected]);
    }
    let unknown = toml::from_str::<Config>("[q]\nurl = \"ws://h\"\nbufer = 1").unwrap_err().to_string();
    assert!(unknown.contains("unknown field `bufer`"), "{unknown}");
}

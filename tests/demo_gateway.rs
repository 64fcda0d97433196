//! The demo's gateway: every list of the pane is alive, and what it refuses makes nobody ill.

mod support;

use support::{Home, eventually, eventually_or};

/// The pane's lists, in the order of its key `v`, and the head of each one's first column.
const LISTS: [(&str, &str); 6] = [
    ("routes", "ROUTE"),
    ("upstreams", "SERVICE"),
    ("limits", "CONSUMER"),
    ("versions", "ROUTE"),
    ("cache", "ROUTE"),
    ("requests", "TIME"),
];

/// A list as the screen shows it, and the words of its rows.
fn rows(home: &Home, list: &str) -> (String, Vec<Vec<String>>) {
    let place = LISTS.iter().position(|(l, _)| *l == list).expect("a list");
    let (keys, out) = (vec!["v"; place].join(" "), home.path("gateway.txt").display().to_string());
    let (code, _, error) =
        home.run(&["screenshot", "gateway", "--size", "160x40", "--keys", &keys, "--out", &out]);
    assert_eq!(code, 0, "{list}: {error}");
    let text = std::fs::read_to_string(&out).expect("a picture");
    let left = text.lines().map(|line| line.split('│').next().unwrap_or_default().replace('▌', " "));
    let below = left.skip_while(|line| line.split_whitespace().next() != Some(LISTS[place].1)).skip(1);
    let rows = below
        .take_while(|line| !line.trim().is_empty() && !line.starts_with('─'))
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    (text, rows)
}

/// Waits until a list has a row with all of these words, and gives that row.
fn row(home: &Home, list: &str, words: &[&str]) -> Vec<String> {
    let found = || {
        let (_, rows) = rows(home, list);
        rows.into_iter().find(|row| words.iter().all(|word| row.iter().any(|w| w == word)))
    };
    eventually_or(&format!("{list}: {words:?}"), found, || rows(home, list).0)
}

/// The first number in a row that is at least this.
fn number(row: &[String], least: f64) -> Option<f64> {
    row.iter().filter_map(|word| word.parse().ok()).find(|n| *n >= least)
}

#[test]
fn every_list_of_the_gateway_is_alive() {
    let home = Home::new();
    let server = home.serve(&["demo", "--headless", "--listen", "127.0.0.1:0"]);

    for (route, service) in [("feed", "market-data"), ("orders", "orders"), ("reference", "market-data")] {
        let row = row(&home, "routes", &[route, "ok"]);
        let cut = row.iter().any(|word| service.starts_with(word.trim_end_matches('…')));
        assert!(cut, "{row:?}");
    }
    row(&home, "upstreams", &["orders", "v1"]);
    row(&home, "upstreams", &["orders", "v2"]);
    row(&home, "upstreams", &["market-data", "v1"]);

    // One has run into its limit, the others stay within theirs; those who order are nobody's to limit.
    row(&home, "limits", &["research", "within", "premium"]);
    row(&home, "limits", &["newsletter", "within", "basic"]);
    row(&home, "limits", &["anchor", "no", "limit"]);
    let refused = row(&home, "limits", &["chart-app", "tier", "free"]);
    assert!(["was", "at"].iter().any(|state| refused.iter().any(|word| word == state)), "{refused:?}");

    let old = row(&home, "versions", &["reference", "v1", "deprecated", "back-office"]);
    assert!(old.iter().any(|word| word == "2031-03-31") && number(&old, 1.0).is_some(), "{old:?}");
    row(&home, "versions", &["reference", "v2", "active"]);

    // Nearly all is read again and again.
    let helped = || {
        let (_, rows) = rows(&home, "cache");
        rows.into_iter().find(|row| row[0] == "reference" && number(row, 0.0).is_some_and(|hits| hits > 30.0))
    };
    eventually_or("the cache helps", helped, || rows(&home, "cache").0);

    row(&home, "requests", &["200", "GET", "reference"]);
    row(&home, "requests", &["201", "POST", "orders"]);
    assert!(rows(&home, "requests").1.len() > 10);

    // A refusal is no failure: nothing fires, and no route is in trouble.
    let gateway = "quarterdeck_gateway_requests_total{route=\"reference\"";
    eventually("the refusals are counted", || server.query(&format!("{gateway}, code=\"429\"}} > 0")).pop());
    assert!(server.query(&format!("{gateway}, code=~\"5..\"}} > 0")).is_empty());
    let ill = server.query("ALERTS{service=\"market-data\"}");
    assert!(ill.is_empty(), "{ill:?}");
}

//! What is told apart: late from early, wrong, missing and too much.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::judge::{Came, Told, judge};

fn told(name: &str) -> Told {
    let labels = BTreeMap::from([("alertname".to_owned(), name.to_owned())]);
    Told { labels, start: Some(1.0), ..Told::default() }
}

/// Wants `a` at 2 s, `b` at 4 s, and nothing at the other webhook.
fn case() -> Value {
    let want =
        |at: f64, alerts: Value| json!({ "collector": "co1", "between": [at, at + 0.5], "alerts": alerts });
    let alert = |name: &str| json!([{ "labels": { "alertname": name }, "annotations": {}, "active": [1.0] }]);
    let nothing = json!({ "collector": "co2", "between": [2.0, 2.5], "alerts": [] });
    json!({ "name": "case", "tolerance_s": 0.1, "want": [want(2.0, alert("a")), want(4.0, alert("b")), nothing] })
}

/// Passed, only late, how many problems.
fn judged(came: &[Came]) -> (bool, bool, usize) {
    let verdict = judge(&case(), came);
    (verdict.passed(), verdict.only_late(), verdict.problems.len())
}

#[test]
fn lateness_is_told_from_wrong_contents() {
    let good = (0, 4.2, vec![told("b")]);
    assert_eq!(judged(&[(0, 2.1, vec![told("a")]), good.clone()]), (true, false, 0));
    assert_eq!(judged(&[(0, 2.9, vec![told("a")]), good.clone()]), (false, true, 1), "late");
    assert_eq!(
        judged(&[(0, 2.9, vec![told("a")]), (0, 9.0, vec![told("b")])]),
        (false, true, 2),
        "both late"
    );
    assert_eq!(judged(&[(0, 1.5, vec![told("a")]), good.clone()]), (false, false, 2), "early is wrong");
    assert_eq!(judged(&[(0, 2.1, vec![told("c")]), good.clone()]), (false, false, 2), "another alert");
    assert_eq!(judged(std::slice::from_ref(&good)), (false, false, 1), "never");
    let twice = [(0, 2.1, vec![told("a")]), (0, 3.0, vec![told("a")]), good.clone()];
    assert_eq!(judged(&twice), (false, false, 1), "twice");
    let elsewhere = [(0, 2.9, vec![told("a")]), (1, 2.2, vec![told("a")]), good.clone()];
    assert_eq!(judged(&elsewhere), (false, false, 3), "where nothing should come, beside what is late");
    let ended = Told { end: Some(2.0), ..told("a") };
    assert_eq!(judged(&[(0, 2.9, vec![ended]), good]), (false, false, 2), "resolved, not firing");
    let after = [(0, 2.1, vec![told("a")]), (0, 4.2, vec![told("b")]), (0, 6.0, vec![told("b")])];
    assert_eq!(judged(&after), (true, false, 0), "after the case's end nobody looks");
}

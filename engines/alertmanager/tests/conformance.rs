//! Alertmanager's own tables and files: what it reads, how it routes, which files it refuses and why.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use std::path::{Path, PathBuf};

use quarterdeck_alertmanager::config::Config;
use quarterdeck_alertmanager::interval::{Range, TimeInterval, TimeRange, zone};
use quarterdeck_alertmanager::{GroupBy, Matcher, Matchers, Route};
use quarterdeck_kernel::{Labels, Timestamp};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join("alertmanager");
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no conformance folder; set QUARTERDECK_CONFORMANCE");
        return None;
    }
    Some(folder)
}

fn table(folder: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join("tables").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Matchers as the tables have them: operator, name, value.
fn expected(row: &Value) -> Vec<[String; 3]> {
    rows(&row["matchers"]).iter().map(|m| [0, 1, 2].map(|i| text(&m[i]).to_owned())).collect()
}

fn found(matchers: &Matchers) -> Vec<[String; 3]> {
    matchers.iter().map(|m| [m.op.as_str().to_owned(), m.name.clone(), m.value.clone()]).collect()
}

#[test]
fn the_utf8_grammar_reads_all_matchers_of_the_table() {
    let Some(folder) = folder() else { return };
    let table = table(&folder, "matcher_parse.json");
    let mut wrong = Vec::new();
    for row in rows(&table) {
        let input = text(&row["input"]);
        let read = match text(&row["fn"]) {
            "Matcher" => Matchers::parse_utf8(input).and_then(Matchers::only).map(|m| Matchers::new(vec![m])),
            _ => Matchers::parse_utf8(input),
        };
        let lawful = match (&read, row["error"].as_str()) {
            (Ok(matchers), None) => found(matchers) == expected(row),
            (Err(error), Some(reason)) => error.to_string() == reason,
            _ => false,
        };
        if !lawful {
            wrong.push(format!("{row}: {read:?}"));
        }
    }
    println!("{} of {} rows of matcher_parse.json", rows(&table).len() - wrong.len(), rows(&table).len());
    assert_eq!(rows(&table).len(), 75);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_fallback_reads_all_matchers_of_the_compliance_table() {
    let Some(folder) = folder() else { return };
    let table = table(&folder, "matcher_compliance.json");
    let mut wrong = Vec::new();
    for row in rows(&table) {
        let read = Matchers::parse(text(&row["input"]));
        let lawful = match (&read, row["error"].as_str()) {
            (Ok(matchers), None) => found(matchers) == expected(row),
            // The reason of a bad pattern is that of another library.
            (Err(error), Some(reason)) => {
                reason.starts_with("error parsing regexp") || error.to_string() == reason
            }
            _ => false,
        };
        // Where the table marks a row, the UTF-8 grammar alone refuses or reads otherwise: the fallback is what counts.
        let fallback = row["skip"] == true;
        let alone = Matchers::parse_utf8(text(&row["input"]));
        let needed = alone.as_ref().ok().map(found) != Some(expected(row));
        if !lawful || (row["error"].is_null() && fallback != needed) {
            wrong.push(format!("{row}: {read:?}, alone {alone:?}"));
        }
    }
    println!(
        "{} of {} rows of matcher_compliance.json",
        rows(&table).len() - wrong.len(),
        rows(&table).len()
    );
    assert_eq!(rows(&table).len(), 54);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A whole configuration around a route of the table.
fn around(route: &str) -> Config {
    let indented: String = route.lines().map(|line| format!("  {line}\n")).collect();
    let receiver = if route.contains("\nreceiver:") { "" } else { "  receiver: notify-def\n" };
    let names = [
        "default",
        "notify-def",
        "notify-A",
        "notify-B",
        "notify-BC",
        "notify-testing",
        "notify-productionA",
        "notify-productionB",
        "test1",
        "test2",
        "test3",
    ];
    let receivers: String = names.iter().map(|name| format!("- name: {name}\n")).collect();
    let whole = format!("route:\n{receiver}{indented}receivers:\n{receivers}");
    Config::parse(&whole, "route.yml", Path::new("")).unwrap_or_else(|e| panic!("{e:?}\n{whole}"))
}

fn seconds(go: &str, default: u64) -> u64 {
    if go.starts_with("def.") {
        return default;
    }
    let (count, unit) = go.split_once(" * ").unwrap_or_else(|| panic!("{go}"));
    let unit = match unit {
        "time.Second" => 1,
        "time.Minute" => 60,
        "time.Hour" => 3600,
        other => panic!("{other}"),
    };
    count.parse::<u64>().unwrap() * unit
}

fn as_the_table_says(route: &Route, expected: &Value) -> bool {
    let field = |name: &str| text(&expected[name]);
    let group_by = match (field("GroupByAll"), field("GroupBy")) {
        ("true", _) => GroupBy::All,
        (_, "def.GroupBy") => GroupBy::default(),
        (_, set) => GroupBy::labels(set.split('"').skip(1).step_by(2)),
    };
    *route.receiver == *field("Receiver").trim_matches('"')
        && route.group_by == group_by
        && route.group_wait.as_secs() == seconds(field("GroupWait"), 30)
        && route.group_interval.as_secs() == seconds(field("GroupInterval"), 300)
        && route.repeat_interval.as_secs() == seconds(field("RepeatInterval"), 14_400)
}

#[test]
fn alerts_are_routed_as_the_tables_say() {
    let Some(folder) = folder() else { return };
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for case in rows(&table(&folder, "route.json")) {
        let config = around(text(&case["route_yaml"]));
        for row in rows(&case["rows"]) {
            ran += 1;
            let labels: Labels = serde_json::from_value(row["labels"].clone()).unwrap();
            let matching = config.routes.matching(&labels);
            let routes: Vec<&Route> = matching.into_iter().map(|id| config.routes.get(id)).collect();
            let keys: Vec<&str> = routes.iter().map(|route| &*route.key).collect();
            let expected_keys: Vec<&str> = rows(&row["keys"]).iter().map(text).collect();
            let results = rows(&row["result"]);
            let same = results.len() == routes.len()
                && routes.iter().zip(results).all(|(route, expected)| as_the_table_says(route, expected));
            if keys != expected_keys || !same {
                wrong.push(format!("{} {labels}: {routes:?}", case["test"]));
            }
        }
    }
    println!("{} of {ran} rows of route.json", ran - wrong.len());
    assert_eq!(ran, 24);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The trees of the table that have no rows, and what Alertmanager's tests say of them.
#[test]
fn routes_inherit_and_are_named_as_alertmanagers() {
    let Some(folder) = folder() else { return };
    let table = table(&folder, "route.json");
    let tree = |test: &str| {
        let case = rows(&table).iter().find(|case| text(&case["test"]) == test);
        around(text(&case.unwrap_or_else(|| panic!("{test}"))["route_yaml"]))
    };
    let walked = tree("TestRouteWalk");
    let receivers: Vec<&str> = walked.routes.iter().map(|route| &*route.receiver).collect();
    assert_eq!(
        receivers,
        [
            "notify-def",
            "notify-A",
            "notify-testing",
            "notify-productionA",
            "notify-productionB",
            "notify-BC",
            "notify-def",
            "notify-testing",
            "notify-testing"
        ]
    );
    let inherited = tree("TestInheritParentGroupByAll");
    let groups: Vec<&GroupBy> = inherited.routes.iter().map(|route| &route.group_by).collect();
    assert_eq!(groups, [&GroupBy::default(), &GroupBy::All, &GroupBy::All, &GroupBy::labels(["foo"])]);
    let labelled = tree("TestRouteLabelsLoading");
    let labels: Vec<Vec<(&str, &str)>> = labelled
        .routes
        .iter()
        .map(|route| route.labels.iter().map(|(name, value)| (&**name, &**value)).collect())
        .collect();
    assert_eq!(
        labels,
        [
            vec![],
            vec![("team", "team-A")],
            vec![("team", "team-A-testing")],
            vec![("severity", "production"), ("team", "team-A")],
            vec![]
        ]
    );
    let identified = tree("TestRouteID");
    let paths: Vec<&str> = identified.routes.iter().map(|route| &*route.path).collect();
    assert_eq!(
        paths,
        [
            "{}",
            "{}/{foo=\"bar\"}/0",
            "{}/{foo=\"bar\"}/0/{bar=\"baz\"}/0",
            "{}/{foo=\"bar\"}/1",
            "{}/{foo=\"bar\"}/1/{bar=\"baz\"}/0",
            "{}/{foo=\"bar\"}/2",
            "{}/{foo=\"bar\"}/2/{bar=\"baz\"}/0",
            "{}/{bar=\"baz\"}/3",
            "{}/{bar=\"baz\"}/3/{baz=\"qux\"}/0",
            "{}/{bar=\"baz\"}/3/{qux=\"corge\"}/1",
            "{}/{qux=~\"[a-zA-Z0-9]+\"}/4",
            "{}/{corge!~\"[0-9]+\"}/5"
        ]
    );
    let indexed = tree("TestRouteIndices");
    let places: Vec<u32> = indexed.routes.iter().map(|route| route.id.0).collect();
    assert_eq!(places, (0..9).collect::<Vec<u32>>());
}

fn moment(go: &str) -> Timestamp {
    let padded = if go.as_bytes()[1] == b' ' { format!("0{go}") } else { go.to_owned() };
    let parsed = jiff::Zoned::strptime("%d %b %y %H:%M %z", &padded).unwrap_or_else(|e| panic!("{go}: {e}"));
    Timestamp::from_millis(parsed.timestamp().as_millisecond())
}

#[test]
fn time_intervals_are_read_as_the_table_says() {
    let Some(folder) = folder() else { return };
    let table = table(&folder, "timeinterval.json");
    let mut wrong = Vec::new();
    for row in rows(&table["yaml"]) {
        let yaml = text(&row["yaml"]).trim_start_matches("\n---\n");
        // Some rows are a list of intervals, some are one.
        let first = yaml.lines().find(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
        let list = first.is_some_and(|line| line.starts_with('-'));
        let body: String = yaml
            .lines()
            .enumerate()
            .map(|(n, line)| match (list, n) {
                (true, _) => format!("  {line}\n"),
                (false, 0) => format!("  - {line}\n"),
                (false, _) => format!("    {line}\n"),
            })
            .collect();
        let whole = format!(
            "route: {{receiver: r}}\nreceivers: [{{name: r}}]\ntime_intervals:\n- name: t\n  time_intervals:\n{body}"
        );
        match (Config::parse(&whole, "t.yml", Path::new("")), row["expectError"] == true) {
            (Ok(config), false) => {
                let holds = |at: &Value| config.time_intervals.contains("t", moment(text(at)));
                let missing = rows(&row["contains"]).iter().filter(|at| !holds(at));
                let extra = rows(&row["excludes"]).iter().filter(|at| holds(at));
                let off: Vec<&Value> = missing.chain(extra).collect();
                if !off.is_empty() {
                    wrong.push(format!("{whole}\n{off:?}"));
                }
            }
            (Err(mistakes), true) if mistakes.iter().any(|m| m.message == text(&row["err"])) => {}
            (read, _) => wrong.push(format!("{row}\n{read:?}")),
        }
    }
    println!(
        "{} of {} rows of timeinterval.json",
        rows(&table["yaml"]).len() - wrong.len(),
        rows(&table["yaml"]).len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The ranges of a field in Go's notation: `Months: []MonthRange{{InclusiveRange{Begin: 4, End: 4}}}`.
fn go_ranges(go: &str, field: &str, names: [&str; 2]) -> Option<Vec<(i32, i32)>> {
    let body = go.split_once(&format!("{field}: []"))?.1;
    let body = &body[..body.find("}}").unwrap_or(body.len())];
    let number = |part: &str, name: &str| -> i32 {
        let digits = part.split_once(&format!("{name}: ")).unwrap_or_else(|| panic!("{part}")).1;
        digits.split([',', '}']).next().unwrap_or_default().trim().parse().unwrap()
    };
    Some(vec![(number(body, names[0]), number(body, names[1]))])
}

#[test]
fn time_intervals_contain_what_the_table_says() {
    let Some(folder) = folder() else { return };
    let table = table(&folder, "timeinterval.json");
    let mut wrong = Vec::new();
    for row in rows(&table["contains"]) {
        let go = text(&row["interval_go"]);
        let ranges = |field: &str| {
            let found = go_ranges(go, field, ["Begin", "End"])?;
            Some(found.into_iter().map(|(begin, end)| Range { begin, end }).collect::<Vec<_>>())
        };
        let times = go_ranges(go, "Times", ["StartMinute", "EndMinute"]).map(|found| {
            let minute = |n: i32| u16::try_from(n).unwrap();
            found
                .into_iter()
                .map(|(start, end)| TimeRange { start_minute: minute(start), end_minute: minute(end) })
                .collect::<Vec<_>>()
        });
        let location = go.split_once("mustLoadLocation(\"").map(|(_, rest)| rest.split('"').next().unwrap());
        let interval = TimeInterval {
            times,
            weekdays: ranges("Weekdays"),
            days_of_month: ranges("DaysOfMonth"),
            months: ranges("Months"),
            years: ranges("Years"),
            location: location.map(|name| zone(name).unwrap()),
        };
        let missing = rows(&row["in"]).iter().filter(|at| !interval.contains(moment(text(at))));
        let extra = rows(&row["out"]).iter().filter(|at| interval.contains(moment(text(at))));
        let off: Vec<&Value> = missing.chain(extra).collect();
        if !off.is_empty() {
            wrong.push(format!("{go}: {off:?} as {interval:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files that are not `alertmanager.yml` at all: settings of amtool, of the cluster's TLS and of a mail server in tests.
const OTHER: [&str; 5] =
    ["cli__config__testdata__", "cluster__testdata__", "examples__ha__tls__", "notify__email__", "api__"];

/// Files that must be refused, with Alertmanager's reason.
const REFUSED: [(&str, &str); 28] = [
    ("cli__testdata__conf.bad.yml", "found no mapping"),
    (
        "config__testdata__conf.mattermost-both-webhook-url-and-file.yml",
        "at most one of mattermost_webhook_url & mattermost_webhook_url_file must be configured",
    ),
    (
        "config__testdata__conf.mattermost-no-webhook-url.yml",
        "missing webhook_url or webhook_url_file on mattermost_config",
    ),
    (
        "config__testdata__conf.mattermost-valid-receiver-both-webhook-url-and-file.yml",
        "at most one of mattermost_webhook_url & mattermost_webhook_url_file must be configured",
    ),
    ("config__testdata__conf.nil-match_re-route.yml", "invalid regexp value for \"invalid_label\""),
    (
        "config__testdata__conf.nil-source_match_re-inhibition.yml",
        "invalid regexp value for \"invalid_source_label\"",
    ),
    (
        "config__testdata__conf.nil-target_match_re-inhibition.yml",
        "invalid regexp value for \"invalid_target_label\"",
    ),
    (
        "config__testdata__conf.opsgenie-both-file-and-apikey.yml",
        "at most one of opsgenie_api_key & opsgenie_api_key_file must be configured",
    ),
    ("config__testdata__conf.opsgenie-default-apikey-old-team.yml", "unknown field \"teams\""),
    (
        "config__testdata__conf.opsgenie-no-apikey.yml",
        "no global OpsGenie API Key set either inline or in a file",
    ),
    (
        "config__testdata__conf.rocketchat-both-token-and-tokenfile.yml",
        "at most one of rocketchat_token & rocketchat_token_file must be configured",
    ),
    (
        "config__testdata__conf.rocketchat-both-tokenid-and-tokenidfile.yml",
        "at most one of rocketchat_token_id & rocketchat_token_id_file must be configured",
    ),
    (
        "config__testdata__conf.rocketchat-no-token.yml",
        "no global Rocketchat Token set either inline or in a file",
    ),
    (
        "config__testdata__conf.slack-both-file-and-token.yml",
        "at most one of slack_app_token & slack_app_token_file must be configured",
    ),
    (
        "config__testdata__conf.slack-both-file-and-url.yml",
        "at most one of slack_api_url & slack_api_url_file must be configured",
    ),
    (
        "config__testdata__conf.slack-both-url-and-token.yml",
        "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured",
    ),
    (
        "config__testdata__conf.slack-no-api-url-or-token.yml",
        "no Slack API URL nor App token set either inline or in a file",
    ),
    (
        "config__testdata__conf.slack-update-message-and-webhook.yml",
        "update_message can only be used with bot tokens. api_url must be set to https://slack.com/api/chat.postMessage",
    ),
    (
        "config__testdata__conf.smtp-both-password-and-file.yml",
        "at most one of smtp_auth_password & smtp_auth_password_file must be configured",
    ),
    (
        "config__testdata__conf.sns-invalid.yml",
        "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config",
    ),
    (
        "config__testdata__conf.telegram-both-bot-token-and-file.yml",
        "at most one of telegram_bot_token & telegram_bot_token_file must be configured",
    ),
    (
        "config__testdata__conf.telegram-valid-receiver-both-bot-token-and-file.yml",
        "at most one of telegram_bot_token & telegram_bot_token_file must be configured",
    ),
    (
        "config__testdata__conf.telegram-no-bot-token.yml",
        "missing bot_token or bot_token_file on telegram_config",
    ),
    (
        "config__testdata__conf.victorops-both-file-and-apikey.yml",
        "at most one of victorops_api_key & victorops_api_key_file must be configured",
    ),
    ("config__testdata__conf.victorops-no-apikey.yml", "no global VictorOps API Key set"),
    (
        "config__testdata__conf.wechat-both-file-and-secret.yml",
        "at most one of wechat_api_secret & wechat_api_secret_file must be configured",
    ),
    (
        "config__testdata__conf.wechat-no-api-secret.yml",
        "no global Wechat Api Secret set either inline or in a file",
    ),
    // A file of amtool's tests that is read as a configuration too.
    ("cli__config__testdata__amtool.bad.yml", "found no mapping"),
];

#[test]
fn good_files_are_accepted_and_bad_ones_refused_for_the_reason() {
    let Some(folder) = folder() else { return };
    let mut names: Vec<String> = std::fs::read_dir(folder.join("configs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let (mut wrong, mut good, mut refused) = (Vec::new(), 0, 0);
    for name in &names {
        let expected = REFUSED.iter().find(|(file, _)| file == name).map(|(_, reason)| *reason);
        if expected.is_none() && OTHER.iter().any(|prefix| name.starts_with(prefix)) {
            println!("not applicable: {name} is not an alertmanager.yml");
            continue;
        }
        match (Config::load(&folder.join("configs").join(name)), expected) {
            (Ok(config), None) => {
                good += 1;
                // What the API shows of it is a configuration again.
                if let Err(mistakes) = Config::parse(&config.original, "original", Path::new("")) {
                    wrong.push(format!("{name} as shown: {mistakes:?}\n{}", config.original));
                }
                if config.original.contains("mysecret") {
                    wrong.push(format!("{name} shows a secret:\n{}", config.original));
                }
            }
            (Err(mistakes), Some(reason)) if mistakes.iter().any(|m| m.message.contains(reason)) => {
                refused += 1;
                if mistakes.iter().any(|m| m.line == 0) {
                    wrong.push(format!("{name}: no place in {mistakes:?}"));
                }
            }
            (read, _) => wrong.push(format!("{name}: expected {expected:?}, found {read:?}")),
        }
    }
    println!("{good} files accepted, {refused} refused for the reason, of {}", names.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refused, REFUSED.len());
}

#[test]
fn route_keys_of_a_filter_are_read_back() {
    // A matcher that was printed is the matcher that was meant, whatever stands in it.
    for (name, value) in [("a", "b"), ("é", "\"x\" \\ \n"), ("with space", "{}")] {
        let matcher = Matcher::equal(name, value);
        assert_eq!(Matcher::parse(&matcher.to_string()).unwrap(), matcher);
    }
}

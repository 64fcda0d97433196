//! wrk and h2load: every answer is a good one, and the gateway has counted as many as they did.

use super::Gateway;
use super::support::eventually;
use super::support::peers::command;

/// The number before a word, as in `2000 requests in 2.00s`.
fn before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text.split([' ', ',', '\n']).filter(|w| !w.is_empty()).collect();
    let at = words.iter().position(|w| *w == word)?;
    words[..at].last()?.parse().ok()
}

/// What a load generator says at its end.
fn run(name: &str, args: &[&str]) -> Option<String> {
    let out = command(name)?.args(args).output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{name} {args:?}: {text}{}", String::from_utf8_lossy(&out.stderr));
    Some(text)
}

const REQUESTS: &str = "quarterdeck_gateway_requests_total";

#[test]
fn wrk_sees_good_answers_alone() {
    let Some(gateway) = Gateway::site() else { return };
    let url = format!("{}/who", gateway.url);
    let Some(text) = run("wrk", &["-t2", "-c8", "-d2s", "--timeout", "30s", &url]) else { return };
    let seen = before(&text, "requests").unwrap_or_default();
    assert!(seen > 100, "{text}");
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    // wrk leaves when its time is over: what was on its way then, one a connection, it does not count.
    let counted = eventually("all have ended", || {
        (gateway.counted("quarterdeck_gateway_requests_active", "site") == 0.0)
            .then(|| gateway.counted(REQUESTS, "code=\"2"))
    });
    assert!((seen as f64..=seen as f64 + 8.0).contains(&counted), "{seen} seen, {counted} counted");
    let others = gateway.counted(REQUESTS, "site") - counted - gateway.counted(REQUESTS, "code=\"499\"");
    assert_eq!(others, 0.0, "{}", gateway.server.get("/metrics").1);
}

#[test]
fn h2load_sees_good_answers_alone_on_many_streams() {
    let Some(gateway) = Gateway::site() else { return };
    let url = format!("{}/who", gateway.url);
    let mut sent = 0.0;
    // HTTP/2 with forty streams at a time, and HTTP/1.1.
    for (protocol, args) in
        [("h2c", &["-n2000", "-c4", "-m10", "-p", "h2c"][..]), ("http/1.1", &["-n500", "-c8", "--h1"])]
    {
        let Some(text) = run("h2load", &[args, &[&url]].concat()) else { return };
        assert!(text.contains(&format!("Application protocol: {protocol}")), "{text}");
        let number = if protocol == "h2c" { 2000 } else { 500 };
        assert!(text.contains(&format!("{number} succeeded, 0 failed, 0 errored, 0 timeout")), "{text}");
        assert!(text.contains(&format!("{number} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{text}");
        sent += f64::from(number);
        eventually("as many are counted", || (gateway.counted(REQUESTS, "code=\"2") == sent).then_some(()));
    }
    assert_eq!(gateway.counted(REQUESTS, "site"), sent, "{}", gateway.server.get("/metrics").1);
}

/// Half of the requests each, as far as chance goes: five times the standard deviation.
#[test]
fn h2load_is_split_as_it_was_told() {
    let Some(gateway) = Gateway::site() else { return };
    let (code, _, error) = gateway.home.run(&["act", "gateway.split", "site", "v1=75", "v2=25"]);
    assert_eq!(code, 0, "{error}");
    let Some(_) = run("h2load", &["-n2000", "-c2", "-m10", &format!("{}/who", gateway.url)]) else { return };
    let second = eventually("all are counted", || {
        (gateway.counted(REQUESTS, "code=\"200\"") == 2000.0)
            .then(|| gateway.counted(REQUESTS, "version=\"v2\""))
    });
    let deviation = (2000.0_f64 * 0.25 * 0.75).sqrt();
    assert!((second - 500.0).abs() < 5.0 * deviation, "{second} of 2000");
}

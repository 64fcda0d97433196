use proptest::prelude::*;
use quarterdeck_kernel::labels::METRIC_NAME;

use super::*;

struct Fixed;

impl Queries for Fixed {
    fn query(&self, text: &str) -> Result<Vec<(Labels, f64)>, String> {
        let sample = |instance: &str, value| {
            (Labels::from_pairs([(METRIC_NAME, "metric"), ("instance", instance)]), value)
        };
        match text {
            "metric" => Ok(vec![sample("b:1", 21.0), sample("a:1", 11.0)]),
            "nothing" => Ok(vec![]),
            _ => Err("bad query".to_owned()),
        }
    }
}

fn expand_value(text: &str, value: f64) -> Result<String, TemplateError> {
    let labels = Labels::from_pairs([("instance", "web-1.example.com:9090"), ("job", "web")]);
    let external = Labels::from_pairs([("region", "eu")]);
    let environment = Environment {
        external_labels: &external,
        external_url: "http://ops.example.com/console/",
        now: Timestamp::from_millis(1_435_781_430_781),
    };
    Template::parse("Test", text)?.expand(
        Subject { labels: &labels, value, histogram: None },
        &environment,
        &Fixed,
    )
}

fn expand(text: &str) -> String {
    expand_value(text, 0.5).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn templates_expand() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{ $labels.instance }} of {{ $labels.job }}", "web-1.example.com:9090 of web"),
        ("{{ .Labels.job }}{{ $.Value }}", "web0.5"),
        ("{{ $labels.nothing }}", ""),
        (
            "{{ . }}",
            "{map[instance:web-1.example.com:9090 job:web] map[region:eu] http://ops.example.com/console/ 0.5}",
        ),
        ("{{ index $labels \"nothing\" }}", ""),
        ("{{ $externalLabels.region }} {{ $externalURL }}", "eu http://ops.example.com/console/"),
        ("{{ externalURL }}{{ pathPrefix }}", "http://ops.example.com/console//console"),
        ("{{ $value | humanizePercentage }}", "50%"),
        ("{{ printf \"%.1f\" $value }}", "0.5"),
        ("{{ $value | printf \"%g!\" }}", "0.5!"),
        ("a {{- /* c */ -}} b", "ab"),
        ("a {{- 1 -}} b", "a1b"),
        ("{{ if gt $value 0.4 }}high{{ else if gt $value 0.2 }}mid{{ else }}low{{ end }}", "high"),
        ("{{ if and (gt $value 0.4) (eq $labels.job \"web\" \"x\") }}y{{ end }}", "y"),
        ("{{ with $labels.nothing }}x{{ else }}none{{ end }}", "none"),
        ("{{ with $x := \"a\" }}{{ . }}{{ $x }}{{ end }}", "aa"),
        (
            "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
            "instance=web-1.example.com:9090;job=web;",
        ),
        ("{{ range query \"metric\" }}{{ .Labels.instance }}:{{ .Value }} {{ end }}", "b:1:21 a:1:11 "),
        (
            "{{ range query \"metric\" | sortByLabel \"instance\" }}{{ . | label \"instance\" }} {{ end }}",
            "a:1 b:1 ",
        ),
        ("{{ query \"metric\" | first | value }}", "21"),
        ("{{ with query \"nothing\" }}x{{ else }}empty{{ end }}", "empty"),
        ("{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", "2"),
        ("{{ range $i, $e := query \"metric\" }}{{ if $i }}, {{ end }}{{ $e.Value }}{{ end }}", "21, 11"),
        ("{{ range query \"metric\" }}{{ .Value }}{{ break }}{{ end }}", "21"),
        ("{{ define \"x\" }}<{{ . }}>{{ end }}{{ template \"x\" $labels.job }}", "<web>"),
        ("{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"b\") }}", "1-b"),
        ("{{ reReplaceAll \"([^:]*):.*\" \"$1\" $labels.instance }}", "web-1.example.com"),
        ("{{ match \"^web\" $labels.job }}", "true"),
        (
            "{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }}",
            "web-1.example.com web-1:9090",
        ),
        ("{{ toUpper \"a\" }}{{ toLower \"B\" }}{{ title \"some words\" }}", "AbSome Words"),
        ("{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
        ("{{ tableLink \"up\" }}", "/graph?g0.expr=up&g0.tab=1"),
        ("{{ parseDuration \"1h2m10ms\" }}", "3720.01"),
        ("{{ 1435781430.781 | humanizeTimestamp }}", "2015-07-01 20:10:30.78 +0000 UTC"),
        ("{{ (1435781430 | toTime).Format \"15:04\" }} {{ (toTime 0).Year }}", "20:10 1970"),
        ("{{ len $labels }} {{ print 1 2 \"a\" 3 }} {{ slice \"abcd\" 1 3 }}", "2 1 2a3 bc"),
        ("{{ `raw` }}{{ \"q\\\"\" }}{{ 'a' }}{{ 0x10 }}{{ 1e3 }}{{ true }}", "rawq\"97161000true"),
        ("{{ not true }}{{ or \"\" \"b\" }}{{ and 1 0 }}{{ ne 1 2 }}{{ le 1 1 }}", "falseb0truetrue"),
        ("{{ html \"<a>\" }}{{ urlquery \"a b\" }}", "&lt;a&gt;a+b"),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
}

#[test]
fn mistakes_have_gos_words() {
    for (text, expected) in [
        ("{{ nothing }}", "function \"nothing\" not defined"),
        ("{{ $x }}", "undefined variable \"$x\""),
        ("{{ if true }}", "unexpected EOF"),
        ("{{ $value", "unclosed action"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ }}", "missing value for command"),
        ("{{ if }}{{ end }}", "missing value for if"),
        ("{{ \"a }}", "unterminated quoted string"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ 1 | 2 }}", "non executable command in pipeline stage 2"),
        ("{{ query \"nothing\" | first }}", "error calling first: first() called on vector with no elements"),
        ("{{ query \"x\" }}", "error calling query: bad query"),
        ("{{ gt $value 1 }}", "error calling gt: incompatible types for comparison"),
        ("{{ humanize \"x\" }}", "error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax"),
        ("{{ $value.x }}", "can't evaluate field x in type float64"),
        ("{{ toUpper 1 }}", "wrong type for value; expected string; got int"),
        ("{{ toUpper }}", "wrong number of args for toUpper: want 1 got 0"),
        (
            "{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
            "exceeded maximum template depth (50)",
        ),
        ("{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}", "more than 200000 steps"),
    ] {
        let error = expand_value(text, 0.5).expect_err(text);
        assert_eq!(error.reason, expected, "{text}: {error}");
    }
}

#[test]
fn messages_name_the_place_as_prometheus_does() {
    let error = expand_value("{{ humanize \"x\" }}", 0.5).unwrap_err();
    assert_eq!(
        error.message,
        "error executing template __alert_Test: template: __alert_Test:1:115: executing \"__alert_Test\" at <humanize \"x\">: error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax"
    );
    assert_eq!(error.at, 3);
    let error = expand_value("a\n{{ nothing }}", 0.5).unwrap_err();
    assert_eq!(
        error.message,
        "error parsing template __alert_Test: template: __alert_Test:2: function \"nothing\" not defined"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is written, in text or in pieces of the language, there is a result or an error.
    #[test]
    fn nothing_panics(
        text in ".{0,60}",
        pieces in proptest::collection::vec(prop_oneof![
            Just("{{"), Just("}}"), Just("{{-"), Just("-}}"), Just(" "), Just("$labels"), Just(".x"), Just("$value"),
            Just("if"), Just("else"), Just("end"), Just("range"), Just("with"), Just("|"), Just("("), Just(")"),
            Just("\"a\""), Just("1"), Just("-0.5e9"), Just("printf"), Just("humanize"), Just("index"), Just("slice"),
            Just("query \"metric\""), Just(":="), Just("="), Just(","), Just("/*"), Just("*/"), Just("'é'"), Just("`"),
            Just("define \"a\""), Just("template \"a\""), Just("break"), Just("\u{301}é"), Just("\\"), Just("%[1]*.3q"),
            Just("first"), Just("toTime"), Just(".Format"), Just("reReplaceAll"), Just("0x"), Just("nil"), Just("."),
        ], 0..25),
        value in any::<f64>(),
    ) {
        let _ = expand_value(&text, value);
        let _ = expand_value(&pieces.concat(), value);
        let _ = expand_value(&format!("{{{{ {} }}}}", pieces.join(" ")), value);
        for function in ["humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "humanizeTimestamp", "toTime", "toDuration", "printf \"%08.3g %+d %x\""] {
            let _ = expand_value(&format!("{{{{ $value | {function} }}}}"), value);
        }
    }
}

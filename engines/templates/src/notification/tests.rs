use proptest::prelude::*;

use super::*;

fn pairs(of: &[(&str, &str)]) -> Pairs {
    of.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

fn alert(firing: bool, instance: &str) -> Alert {
    Alert {
        firing,
        labels: pairs(&[("severity", "critical"), ("alertname", "Down"), ("instance", instance)]),
        annotations: pairs(&[("summary", "<b>gone</b> & lost")]),
        starts_at: "2024-05-06T07:08:09.5Z".parse().unwrap(),
        ends_at: (!firing).then(|| "2024-05-06T08:00:00Z".parse().unwrap()),
        generator_url: "http://prom/graph?g0.expr=up+%3D%3D+0&g0.tab=1".into(),
        fingerprint: "00000000000000ff".into(),
    }
}

fn data(alerts: Vec<Alert>) -> Data {
    Data {
        receiver: "web.hook".into(),
        firing: alerts.iter().any(|a| a.firing),
        alerts,
        group_labels: pairs(&[("alertname", "Down")]),
        common_labels: pairs(&[("severity", "critical"), ("alertname", "Down")]),
        common_annotations: pairs(&[("summary", "<b>gone</b> & lost")]),
        external_url: "http://am:9093".into(),
    }
}

fn now() -> Timestamp {
    "2024-05-06T09:08:09.5Z".parse().unwrap()
}

fn expand(text: &str) -> Result<String, Error> {
    let data = data(vec![alert(true, "a:1"), alert(true, "b:1"), alert(false, "c:1")]);
    Templates::default().text(text, &data.value(), now())
}

#[test]
fn the_defaults_can_be_parsed_and_expand() {
    let library = Library::at(now());
    let mut count = 0;
    for (name, text) in DEFAULTS {
        let template = Template::parse(name, text, &library).unwrap_or_else(|e| panic!("{e}"));
        count += template.defined.len();
    }
    assert!(count > 60, "{count}");
    let lists = [
        "__text_alert_list",
        "__text_alert_list_markdown",
        "email.default.alerts",
        "pagerduty.default.instances",
    ];
    for alerts in [vec![alert(true, "a:1")], vec![alert(false, "a:1")], vec![]] {
        let value = data(alerts).value();
        let templates = Templates::default();
        for name in templates.names() {
            let dot = if lists.contains(&name) { ".Alerts" } else { "." };
            let text = format!("{{{{ template {name:?} {dot} }}}}");
            templates.text(&text, &value, now()).unwrap_or_else(|e| panic!("{name}: {e}"));
            templates.html(&text, &value, now()).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn one_line_texts_are_alertmanagers() {
    for (alerts, subject) in [
        (vec![alert(true, "a:1"), alert(true, "b:1"), alert(false, "c:1")], "[FIRING:2] Down (critical)"),
        (vec![alert(false, "c:1")], "[RESOLVED] Down (critical)"),
    ] {
        let value = data(alerts).value();
        let templates = Templates::default();
        let of =
            |name: &str| templates.text(&format!("{{{{ template \"{name}\" . }}}}"), &value, now()).unwrap();
        for name in
            ["__subject", "slack.default.title", "email.default.subject", "pagerduty.default.description"]
        {
            assert_eq!(of(name), subject, "{name}");
        }
        assert_eq!(of("slack.default.titlelink"), "http://am:9093/#/alerts?receiver=web%5C.hook");
        assert_eq!(of("slack.default.fallback"), format!("{subject} | {}", of("slack.default.titlelink")));
        assert_eq!(of("pagerduty.default.client"), "Alertmanager");
        assert_eq!(of("slack.default.color"), if subject.contains("FIRING") { "danger" } else { "good" });
        assert_eq!(of("slack.default.text"), "");
        assert_eq!(of("jira.default.priority"), "High");
    }
    // Without other common labels nothing but the blank stands behind the group's.
    let mut bare = data(vec![alert(true, "a:1")]);
    bare.common_labels = bare.group_labels.clone();
    let text = Templates::default().text("{{ template \"__subject\" . }}", &bare.value(), now());
    assert_eq!(text.unwrap(), "[FIRING:1] Down ");
}

#[test]
fn fields_and_methods() {
    for (text, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}", "web\\.hook firing http://am:9093"),
        ("{{ len .Alerts }} {{ .Alerts.Firing | len }} {{ len .Alerts.Resolved }}", "3 2 1"),
        ("{{ (index .Alerts 0).Labels.instance }}", "a:1"),
        ("{{ range .Alerts.Resolved }}{{ .Labels.instance }}{{ .Status }}{{ end }}", "c:1resolved"),
        (
            "{{ range $i, $a := .Alerts }}{{ $i }}{{ $a.Fingerprint }} {{ end }}",
            "000000000000000ff 100000000000000ff 200000000000000ff ",
        ),
        ("{{ .CommonLabels }}", "alertname=Down, severity=critical"),
        ("{{ .CommonLabels.SortedPairs }}", "alertname=Down, severity=critical"),
        ("{{ .CommonLabels.SortedPairs.Names | join \",\" }}", "alertname,severity"),
        ("{{ .CommonLabels.SortedPairs.Values | join \" \" }}", "Down critical"),
        ("{{ .CommonLabels.Names }} {{ .CommonLabels.Values }}", "[alertname severity] [Down critical]"),
        ("{{ .CommonLabels.Remove .GroupLabels.Names }}", "severity=critical"),
        ("{{ (.CommonLabels.Remove (stringSlice \"severity\" \"x\")).Names }}", "[alertname]"),
        (
            "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}",
            "alertname=Down;severity=critical;",
        ),
        (
            "{{ range $k, $v := .CommonLabels }}{{ $k }}={{ $v }};{{ end }}",
            "alertname=Down;severity=critical;",
        ),
        ("{{ .CommonLabels.nothing }}|{{ index .CommonLabels \"severity\" }}", "|critical"),
        ("{{ if .CommonAnnotations.runbook }}y{{ else }}n{{ end }}", "n"),
        ("{{ (index .Alerts 0).StartsAt }}", "2024-05-06 07:08:09.5 +0000 UTC"),
        (
            "{{ (index .Alerts 0).EndsAt.IsZero }} {{ (index .Alerts 0).EndsAt }}",
            "true 0001-01-01 00:00:00 +0000 UTC",
        ),
        ("{{ (index .Alerts 0).StartsAt | tz \"Europe/Paris\" | date \"15:04 MST\" }}", "09:08 CEST"),
        ("{{ (index .Alerts 0).StartsAt.Format \"2006-01-02\" }}", "2024-05-06"),
        (
            "{{ since (index .Alerts 0).StartsAt }} {{ since (index .Alerts 0).StartsAt | humanizeDuration }}",
            "2h0m0s 2h 0m 0s",
        ),
        ("{{ toJson .GroupLabels }}", "{\"alertname\":\"Down\"}"),
        ("{{ toJson .CommonAnnotations.summary }}", "\"\\u003cb\\u003egone\\u003c/b\\u003e \\u0026 lost\""),
        ("{{ title \"some WORDS here\" }} {{ trimSpace \"  a \" }}", "Some Words Here a"),
        (
            "{{ reReplaceAll \"(.)o\" \"${1}0\" \"foo\" }} {{ match \"^D\" .GroupLabels.alertname }}",
            "f0o true",
        ),
        ("{{ urlUnescape \"a%20b+c\" }} {{ safeUrl \"x:y\" }} {{ safeHtml \"<i>\" }}", "a b c x:y <i>"),
        ("{{ $d := dict \"a\" 1 }}{{ $d.a }}{{ len (append (list 1 2) 3) }}", "13"),
        ("{{ define \"x\" }}[{{ . }}]{{ end }}{{ template \"x\" .Status }}", "[firing]"),
        ("{{ define \"__subject\" }}mine{{ end }}{{ template \"slack.default.title\" . }}", "mine"),
    ] {
        assert_eq!(expand(text).unwrap_or_else(|e| panic!("{text}: {e}")), expected, "{text}");
    }
}

#[test]
fn json_of_an_alert_is_the_webhooks() {
    assert_eq!(
        expand("{{ .Alerts.Resolved | toJson }}").unwrap(),
        "[{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Down\",\"instance\":\"c:1\",\"severity\":\"critical\"},\
         \"annotations\":{\"summary\":\"\\u003cb\\u003egone\\u003c/b\\u003e \\u0026 lost\"},\
         \"startsAt\":\"2024-05-06T07:08:09.5Z\",\"endsAt\":\"2024-05-06T08:00:00Z\",\
         \"generatorURL\":\"http://prom/graph?g0.expr=up+%3D%3D+0\\u0026g0.tab=1\",\"fingerprint\":\"00000000000000ff\"}]"
    );
    assert_eq!(expand("{{ toJson . }}").unwrap().matches("\"fingerprint\"").count(), 3);
}

#[test]
fn html_is_escaped_for_its_place() {
    let data = data(vec![alert(true, "a:1")]);
    let html =
        Templates::default().html("{{ template \"email.default.html\" . }}", &data.value(), now()).unwrap();
    assert!(html.contains("&lt;b&gt;gone&lt;/b&gt; &amp; lost"), "{html}");
    assert!(!html.contains("<b>gone"), "{html}");
    assert!(html.contains("href=\"http://am:9093/#/alerts?receiver=web%5C.hook\""), "{html}");
    assert!(html.contains("href=\"http://prom/graph?g0.expr=up&#43;%3D%3D&#43;0&amp;g0.tab=1\""), "{html}");
    assert!(html.contains("solid #c62f2f"), "{html}");
    assert!(html.contains("<title>[FIRING:1] Down (critical)</title>"), "{html}");
}

#[test]
fn files_replace_defaults_and_add_names() {
    let mut templates = Templates::default();
    templates.add("mine.tmpl", "noise {{ define \"slack.default.text\" }}{{ range .Alerts }}{{ template \"one\" . }}{{ end }}{{ end }}{{ define \"one\" }}<{{ .Labels.instance }}>{{ end }}").unwrap();
    // A body of blanks does not replace.
    templates.add("blank.tmpl", "{{ define \"slack.default.text\" }} {{ end }}").unwrap();
    let value = data(vec![alert(true, "a:1"), alert(true, "b:1")]).value();
    let text = |text: &str| templates.text(text, &value, now());
    assert_eq!(text("{{ template \"slack.default.text\" . }}").unwrap(), "<a:1><b:1>");
    assert_eq!(text("{{ template \"mine.tmpl\" . }}").unwrap(), "noise ");
    let error = text("{{ template \"nothing\" . }}").unwrap_err();
    assert_eq!(
        error.message,
        "template: :1:12: executing \"\" at <{{template \"nothing\" .}}>: template \"nothing\" not defined"
    );
    let error = templates.add("bad.tmpl", "a\n{{ end }}").unwrap_err();
    assert_eq!(error.message, "template: bad.tmpl:2: unexpected {{end}}");
    assert!(templates.add("twice.tmpl", "{{ define \"a\" }}1{{ end }}{{ define \"a\" }}2{{ end }}").is_err());
}

#[test]
fn errors_name_the_file_in_which_they_are() {
    let mut templates = Templates::default();
    templates.add("mine.tmpl", "{{ define \"bad\" }}\n  {{ .Nothing }}{{ end }}").unwrap();
    let value = data(vec![alert(true, "a:1")]).value();
    let error = templates.text("{{ template \"bad\" . }}", &value, now()).unwrap_err();
    assert_eq!(
        error.message,
        "template: mine.tmpl:2:5: executing \"bad\" at <.Nothing>: can't evaluate field Nothing in type *template.Data"
    );
    assert_eq!((error.template.as_str(), error.line), ("mine.tmpl", 2));
    for (text, reason) in [
        ("{{ join \",\" 1 }}", "wrong type for value; expected []string; got int"),
        ("{{ join \",\" .Alerts }}", "wrong type for value; expected []string; got []interface {}"),
        ("{{ .GroupLabels.Remove }}", "wrong number of args for Remove: want 1 got 0"),
        ("{{ tz \"Nowhere\" (index .Alerts 0).StartsAt }}", "error calling tz: unknown time zone Nowhere"),
        ("{{ urlUnescape \"%zz\" }}", "error calling urlUnescape: invalid URL escape \"%zz\""),
        ("{{ index .Alerts 7 }}", "error calling index: index out of range: 7"),
    ] {
        assert_eq!(templates.text(text, &value, now()).unwrap_err().reason, reason, "{text}");
    }
}

#[test]
fn what_loops_or_grows_ends() {
    for (text, reason) in [
        (
            "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
            "exceeded maximum template depth (100)",
        ),
        ("{{ range 5000000 }}{{ range 5000000 }}{{ end }}{{ end }}", "more than 5000000 steps"),
        (
            "{{ $x := \"12345678\" }}{{ range 60 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}",
            "the result of printf is longer than 8388608 bytes",
        ),
        (
            "{{ $x := \"12345678\" }}{{ range 20 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}{{ range 9 }}{{ $x }}{{ end }}",
            "the result is longer than 8388608 bytes",
        ),
        ("{{ range 300000 }}{{ printf \"%9000d\" . }}{{ end }}", "the result is longer than 8388608 bytes"),
        ("{{ $x := list }}{{ range 100 }}{{ $x = list $x }}{{ end }}", "values are nested more than 32 deep"),
        (
            "{{ $x := printf \"%1000000d\" 1 }}{{ range 1000000 }}{{ if eq $x (toUpper $x) }}{{ end }}{{ end }}",
            "functions handle more than 536870912 bytes",
        ),
        (
            "{{ range 2000 }}{{ if match (printf \"a{%d}\" .) \"a\" }}{{ end }}{{ end }}",
            "error calling match: more than 1000 regular expressions in one template",
        ),
        (
            "{{ reReplaceAll \"\" (printf \"%9999d\" 1) (printf \"%9999d\" 1) }}",
            "error calling reReplaceAll: the result is longer than 16777216 bytes",
        ),
        (
            "{{ join (printf \"%9999d\" 1) (slice (stringSlice \"a\") 0 1) | len }}{{ fail }}",
            "function \"fail\" not defined",
        ),
    ] {
        let error = expand(text).expect_err(text);
        assert_eq!(error.reason, reason, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Whatever is written there is a result or an error, as text and as HTML.
    #[test]
    fn nothing_panics(
        text in ".{0,60}",
        value in ".{0,20}",
        pieces in proptest::collection::vec(prop_oneof![
            Just("{{ .V.x }}"), Just("<a href=\""), Just("'"), Just("\""), Just(">"), Just("<"), Just("</"), Just("<script>"),
            Just("</script>"), Just("<style"), Just(" style="), Just(" onclick="), Just("<!--"), Just("-->"), Just("="), Just(" "),
            Just("?q="), Just("é"), Just("<title>"), Just("</title>"), Just("\\"), Just("/"), Just("{{ safeHtml .V.x }}"),
            Just("{{ .V.x | urlquery }}"), Just("{{ toJson . }}"), Just("{{ range $k, $v := . }}{{ $k }}{{ end }}"),
        ], 0..20),
    ) {
        let inner = Value::Map(Arc::new(crate::Map::of_texts([("x", value.as_str())])));
        let mut map = crate::Map::default();
        map.entries.insert("V".into(), inner);
        let dot = Value::Map(Arc::new(map));
        let templates = Templates::default();
        let html = templates.html(&pieces.concat(), &dot, now());
        prop_assert!(html.is_ok(), "{html:?}");
        let _ = templates.html(&text, &dot, now());
        let _ = templates.text(&text, &dot, now());
    }

    /// No value ends the place where it stands, wherever that is.
    #[test]
    fn no_value_breaks_out(value in "[<>\"'`&/;:(){}a-z =\\\\\n-]{0,24}") {
        let dot = Value::text(value.clone());
        let templates = Templates::default();
        for (before, after) in [
            ("<p>", "</p>"), ("<a href=\"", "\">"), ("<a href='", "'>"), ("<a title=\"", "\">"), ("<p style=\"color: ", "\">"),
            ("<p style=\"font-family: 'x", "'\">"), ("<script>var a = ", ";</script>"), ("<script>var a = \"", "\";</script>"),
            ("<style>p { color: ", "; }</style>"), ("<title>", "</title>"), ("<b onclick=\"f(", ")\">"), ("<a title=", ">"),
        ] {
            let html = templates.html(&format!("{before}{{{{ . }}}}{after}"), &dot, now()).unwrap();
            let inner = html.strip_prefix(before).and_then(|h| h.strip_suffix(after)).unwrap();
            let scripted = before.contains("script>");
            let unlawful: &[char] = if scripted { &['<', '>', '\''] } else { &['<', '>', '"', '\''] };
            prop_assert!(!inner.contains(unlawful) , "{before}{inner}{after} from {value:?}");
            if before.ends_with("title=") {
                prop_assert!(!inner.contains([' ', '\n', '=']), "{inner:?}");
            }
        }
        let link = templates.html("<a href=\"{{ . }}\">", &Value::text(format!("javascript:{value}")), now()).unwrap();
        prop_assert_eq!(link, "<a href=\"#ZgotmplZ\">");
    }
}

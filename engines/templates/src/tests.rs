use super::*;

fn html(text: &str, dot: &Value) -> String {
    let common = Common::default();
    let template = Template::parse("t", text, &common).unwrap();
    template.run(&Set::new(), dot, &common, Escape::Html, &Limits::default()).unwrap()
}

#[test]
fn values_are_escaped_as_html_template_does() {
    let dot = Value::text("O'Reilly: <a&b> ?x=1");
    for (text, expected) in [
        ("<p>{{ . }}</p>", "<p>O&#39;Reilly: &lt;a&amp;b&gt; ?x=1</p>"),
        ("<a title='{{ . }}'>", "<a title='O&#39;Reilly: &lt;a&amp;b&gt; ?x=1'>"),
        ("<a title={{ . }}>", "<a title=O&#39;Reilly:&#32;&lt;a&amp;b&gt;&#32;?x&#61;1>"),
        ("<a href=\"/s?q={{ . }}\">", "<a href=\"/s?q=O%27Reilly%3a%20%3ca%26b%3e%20%3fx%3d1\">"),
        ("<a href=\"/{{ . }}\">", "<a href=\"/O%27Reilly:%20%3ca&amp;b%3e%20?x=1\">"),
        ("<a href=\"{{ . }}\">", "<a href=\"#ZgotmplZ\">"),
        ("<a href=\"{{ `https://x/?a=b c` }}\">", "<a href=\"https://x/?a=b%20c\">"),
        (
            "<script>f({{ . }}, \"{{ . }}\")</script>",
            "<script>f(\"O\\u0027Reilly: \\u003ca\\u0026b\\u003e ?x=1\", \"O\\u0027Reilly: \\u003ca\\u0026b\\u003e ?x=1\")</script>",
        ),
        (
            "<p style=\"color: {{ `red` }}; x: {{ `expression(1)` }}\">",
            "<p style=\"color: red; x: ZgotmplZ\">",
        ),
        ("a<!-- {{ . }} -->b", "ab"),
        ("{{ safeHtml `<b>` }}<i title=\"{{ safeHtml `<b>x</b>` }}\">", "<b><i title=\"x\">"),
        ("<{{ `b` }} {{ `onload` }}=1>", "<b ZgotmplZ=1>"),
        ("<p>{{ html `<` }}{{ .nothing.x }}</p>", "<p>&lt;</p>"),
        ("1 < 2 {{ `<` }}", "1 < 2 &lt;"),
        ("<br/><p>{{ `<` }}", "<br/><p>&lt;"),
        ("<title>{{ `</title>` }}</title>{{ `<` }}", "<title>&lt;/title&gt;</title>&lt;"),
    ] {
        let dot = if text.contains("nothing") { &Value::Missing } else { &dot };
        assert_eq!(html(text, dot), expected, "{text}");
    }
}

#[test]
fn sets_call_each_other() {
    let common = Common::default();
    let mut set = Set::new();
    set.add(&Template::parse("one", "<{{ template \"two\" . }}>", &common).unwrap());
    set.add(
        &Template::parse("two", "{{ define \"x\" }}x{{ . }}{{ end }}2{{ template \"x\" . }}", &common)
            .unwrap(),
    );
    let main =
        Template::parse("main", "{{ template \"one\" . }}{{ block \"own\" 1 }}b{{ . }}{{ end }}", &common)
            .unwrap();
    let text = main.run(&set, &Value::Int(7), &common, Escape::None, &Limits::default());
    assert_eq!(text.unwrap(), "<2x7>b1");
    assert_eq!(set.names().collect::<Vec<_>>(), ["one", "two", "x"]);
}

#[test]
fn json_is_as_go_writes_it() {
    for (value, text) in [
        (Value::Float(1.0), "1"),
        (Value::Float(0.1), "0.1"),
        (Value::Float(1e21), "1e+21"),
        (Value::Float(1e-7), "1e-7"),
        (Value::Float(f64::NAN), "null"),
        (Value::texts(["a", "b\"\u{1}"]), "[\"a\",\"b\\\"\\u0001\"]"),
        (Value::Nil, "null"),
        (Value::Bool(true), "true"),
    ] {
        assert_eq!(value.to_json(), text);
    }
}

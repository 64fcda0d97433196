use super::*;
use quarterdeck_kernel::Labels;

fn rule(json: &str) -> Result<Rule, String> {
    serde_json::from_str(json).map_err(|e| e.to_string())
}

fn builder(text: &str) -> LabelBuilder {
    let mut builder = LabelBuilder::default();
    for pair in text.split(' ').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        builder.set(name, value);
    }
    builder
}

fn show(labels: &Labels) -> String {
    labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
}

/// Rules, labels before, labels after (none: dropped).
const TABLE: &[(&[&str], &str, Option<&str>)] = &[
    (
        &[
            r#"{"source_labels":["a"],"regex":"f(.*)","target_label":"d","separator":";","replacement":"ch${1}-ch${1}"}"#,
        ],
        "a=foo b=bar c=baz",
        Some("a=foo b=bar c=baz d=choo-choo"),
    ),
    (
        &[
            r#"{"source_labels":["a","b"],"regex":"f(.*);(.*)r","target_label":"a","replacement":"b${1}${2}m"}"#,
            r#"{"source_labels":["c","a"],"regex":"(b).*b(.*)ba(.*)","target_label":"d","separator":"","replacement":"$1$2$2$3"}"#,
        ],
        "a=foo b=bar c=baz",
        Some("a=boobam b=bar c=baz d=boooom"),
    ),
    (&[r#"{"source_labels":["a"],"regex":".*o.*","action":"drop"}"#], "a=foo", None),
    (&[r#"{"source_labels":["a"],"regex":"f","action":"drop"}"#], "a=foo", Some("a=foo")),
    (&[r#"{"source_labels":["a"],"regex":"no-match","action":"keep"}"#], "a=foo", None),
    (&[r#"{"source_labels":["missing"],"regex":"","action":"keep"}"#], "a=foo", Some("a=foo")),
    // A pattern that does not match leaves the target as it was; an empty replacement removes it.
    (
        &[r#"{"source_labels":["a"],"regex":"x","target_label":"b","replacement":"y"}"#],
        "a=foo b=bar",
        Some("a=foo b=bar"),
    ),
    (
        &[r#"{"source_labels":["a"],"regex":"f.*","target_label":"b","replacement":""}"#],
        "a=foo b=bar",
        Some("a=foo"),
    ),
    (&[r#"{"target_label":"env","replacement":"prod"}"#], "a=foo", Some("a=foo env=prod")),
    (
        &[r#"{"source_labels":["a"],"target_label":"${1}","regex":"(.*)","replacement":"x"}"#],
        "a=foo",
        Some("a=foo foo=x"),
    ),
    // `$1x` names a group `1x`, which does not exist.
    (
        &[r#"{"source_labels":["a"],"regex":"(f)oo","target_label":"b","replacement":"$1x-${1}x"}"#],
        "a=foo",
        Some("a=foo b=-fx"),
    ),
    (
        &[r#"{"source_labels":["a"],"regex":"(?P<first>.).*","target_label":"b","replacement":"$first"}"#],
        "a=foo",
        Some("a=foo b=f"),
    ),
    (
        &[r#"{"source_labels":["a"],"target_label":"m","modulus":1000,"action":"hashmod"}"#],
        "a=foo\nbar",
        Some("a=foo\nbar m=734"),
    ),
    (
        &[r#"{"source_labels":["c"],"target_label":"d","modulus":1000,"action":"hashmod"}"#],
        "c=baz",
        Some("c=baz d=976"),
    ),
    (
        &[r#"{"regex":"(b.*)","replacement":"bar_${1}","action":"labelmap"}"#],
        "a=foo b1=bar b2=baz",
        Some("a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz"),
    ),
    (
        &[r#"{"regex":"__meta_(my.*)","replacement":"${1}","action":"labelmap"}"#],
        "__meta_my_bar=aaa a=foo",
        Some("__meta_my_bar=aaa a=foo my_bar=aaa"),
    ),
    (&[r#"{"regex":"(b.*)","action":"labeldrop"}"#], "a=foo b1=bar b2=baz", Some("a=foo")),
    (&[r#"{"regex":"(b.*)","action":"labelkeep"}"#], "a=foo b1=bar b2=baz", Some("b1=bar b2=baz")),
    (
        &[
            r#"{"source_labels":["foo"],"target_label":"up","action":"uppercase"}"#,
            r#"{"source_labels":["foo"],"target_label":"low","action":"LowerCase"}"#,
        ],
        "foo=bAr123Foo",
        Some("foo=bAr123Foo low=bar123foo up=BAR123FOO"),
    ),
    (
        &[r#"{"source_labels":["__tmp_port"],"target_label":"__port","action":"keepequal"}"#],
        "__tmp_port=1234 __port=1234",
        Some("__port=1234 __tmp_port=1234"),
    ),
    (
        &[r#"{"source_labels":["__tmp_port"],"target_label":"__port","action":"keepequal"}"#],
        "__tmp_port=1234 __port=5678",
        None,
    ),
    (
        &[r#"{"source_labels":["__tmp_port"],"target_label":"__port","action":"dropequal"}"#],
        "__tmp_port=1234 __port=1234",
        None,
    ),
    (
        &[r#"{"source_labels":["__tmp_port"],"target_label":"__port","action":"dropequal"}"#],
        "__tmp_port=1234 __port=5678",
        Some("__port=5678 __tmp_port=1234"),
    ),
    // A later rule sees what an earlier one wrote, and nothing runs after a drop.
    (
        &[
            r#"{"target_label":"x","replacement":"1"}"#,
            r#"{"source_labels":["x"],"regex":"1","action":"drop"}"#,
            r#"{"target_label":"y","replacement":"2"}"#,
        ],
        "a=b",
        None,
    ),
];

#[test]
fn rules_do_what_prometheus_does() {
    for (rules, before, after) in TABLE {
        let rules: Vec<Rule> = rules.iter().map(|r| rule(r).unwrap_or_else(|e| panic!("{r}: {e}"))).collect();
        let mut labels = builder(before);
        let kept = apply(&rules, &mut labels);
        let got = kept.then(|| show(&labels.build()));
        assert_eq!(got.as_deref(), *after, "{rules:?} on {before}");
    }
}

#[test]
fn unlawful_rules_say_what_to_do() {
    for (json, expected) in [
        (r#"{"action":"replac"}"#, "did you mean replace?"),
        (r#"{"source_labels":["a"]}"#, "replace needs target_label"),
        (r#"{"target_label":"m","action":"hashmod"}"#, "hashmod needs a modulus greater than zero"),
        (r#"{"target_label":"m","action":"lowercase","replacement":"x"}"#, "remove replacement"),
        (r#"{"target_label":"m","action":"keepequal","regex":"x"}"#, "remove regex"),
        (r#"{"source_labels":["a"],"action":"labeldrop","regex":"x"}"#, "remove source_labels"),
        (r#"{"action":"labelmap","regex":"x","replacement":""}"#, "\"\" is not a label name"),
        (r#"{"action":"keep","source_labels":["a"],"regex":"("}"#, "unclosed group"),
        (r#"{"source_label":["a"]}"#, "unknown field `source_label`"),
    ] {
        let error = rule(json).map(|r| format!("{r:?}")).unwrap_err();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn equal_rules_are_equal_whatever_was_compiled() {
    let text = r#"{"source_labels":["a"],"regex":"f(.*)","target_label":"d"}"#;
    assert_eq!(rule(text).unwrap(), rule(text).unwrap());
    assert_ne!(
        rule(text).unwrap(),
        rule(r#"{"source_labels":["a"],"regex":"g(.*)","target_label":"d"}"#).unwrap()
    );
}

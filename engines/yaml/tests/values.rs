//! Values, places and mistakes.

use std::collections::BTreeMap;

use quarterdeck_yaml::{Spanned, parse};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    name: Option<Spanned<String>>,
    count: Option<Spanned<u64>>,
    share: Option<f64>,
    on: Option<bool>,
    kind: Option<Kind>,
    list: Option<Vec<Spanned<String>>>,
    labels: BTreeMap<String, String>,
    inner: Option<Box<Settings>>,
    any: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Round,
    Square,
}

fn read(text: &str) -> Settings {
    parse(text, "f.yml").unwrap_or_else(|mistake| panic!("{text}\n{mistake}"))
}

fn refused(text: &str) -> String {
    match parse::<Settings>(text, "f.yml") {
        Ok(settings) => panic!("{text}\n{settings:?}"),
        Err(mistake) => mistake.to_string(),
    }
}

#[test]
fn a_text_is_what_is_written_even_where_it_looks_like_a_number() {
    let name = |text: &str| read(text).name.expect("a name").value;
    for (written, value) in [
        ("1.10", "1.10"),
        ("0x1F", "0x1F"),
        ("yes", "yes"),
        ("1e3", "1e3"),
        ("007", "007"),
        ("-5", "-5"),
        (".inf", ".inf"),
        ("'1.10'", "1.10"),
        ("\"a\\tb\"", "a\tb"),
        ("two words", "two words"),
        ("''", ""),
        ("!!str 5", "5"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ] {
        assert_eq!(name(&format!("name: {written}")), value, "{written}");
    }
    assert_eq!(name("on: true\nname:   2.50   # a comment\ncount: 3"), "2.50");
    assert_eq!(name("list: [&a 1.10]\nname: *a"), "1.10", "through an alias");
    assert_eq!(read("labels: {1.50: 2.50, on: off}").labels["1.50"], "2.50");
    assert_eq!(read("labels: {1.50: 2.50, on: off}").labels["on"], "off");
}

#[test]
fn values_have_their_types_and_places() {
    let settings =
        read("share: 5\non: 'no'\ncount: \"7\"\nkind: square\nlist:\n- a\n-  b\nany: {x: [1, 2.5, null]}\n");
    assert_eq!(settings.share, Some(5.0));
    assert_eq!(settings.on, Some(false));
    assert_eq!(settings.kind, Some(Kind::Square));
    let count = settings.count.expect("a count");
    assert_eq!((count.value, count.referenced.line(), count.referenced.column()), (7, 3, 8));
    let b = &settings.list.expect("a list")[1];
    assert_eq!((b.referenced.line(), b.referenced.column(), b.referenced.length()), (7, 4, 1));
    assert_eq!(settings.any, Some(serde_json::json!({ "x": [1, 2.5, null] })));
    assert_eq!(read(""), Settings::default());
    assert_eq!(read("# nothing but this"), Settings::default());
    assert_eq!(read("name:\nlist: ~\ninner: null"), Settings::default());
    let merged = read("labels: &l {a: b}\ninner:\n  labels:\n    <<: *l\n    c: d\n");
    assert_eq!(
        merged.inner.expect("inner").labels,
        BTreeMap::from([("a", "b"), ("c", "d")].map(|(k, v)| (k.into(), v.into())))
    );
}

#[test]
fn mistakes_have_their_places_and_what_is_allowed() {
    assert_eq!(refused("nam: x"), "f.yml:1:1: unknown field \"nam\"; did you mean \"name\"?");
    assert_eq!(
        refused("inner:\n  inner:\n    colour: red"),
        "f.yml:3:5: unknown field \"colour\"; allowed here: name, count, share, on, kind, list, labels, inner, any"
    );
    assert_eq!(refused("kind: squar"), "f.yml:1:7: \"squar\" is not known here; did you mean \"square\"?");
    assert_eq!(refused("on: 1\ncount: many"), "f.yml:1:5: found \"1\"; write a boolean");
    assert_eq!(refused("name: x\ncount: many"), "f.yml:2:8: found \"many\"; write u64");
    assert_eq!(refused("count: -1"), "f.yml:1:8: found integer `-1`; write u64");
    assert_eq!(
        refused("inner: text"),
        "f.yml:1:8: found no mapping but \"text\"; write settings with their names, as in name: value"
    );
    assert_eq!(
        refused("list: text"),
        "f.yml:1:7: found no list but \"text\"; write entries, each behind a dash"
    );
    assert_eq!(refused("name: [a]"), "f.yml:1:7: found a list; write a string");
    assert_eq!(refused("labels: {a: }"), "f.yml:1:11: found nothing; write a string");
    assert!(
        refused("name: a\nname: b").contains("\"name\" is there twice"),
        "{}",
        refused("name: a\nname: b")
    );
    assert!(refused("name: [a").starts_with("f.yml:"), "{}", refused("name: [a"));
    assert!(refused(&"inner: {".repeat(200)).starts_with("f.yml:1:"), "{}", refused(&"inner: {".repeat(200)));
}

#[test]
fn an_explosion_of_aliases_is_refused() {
    let mut text = "any:\n- &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = format!("*a{}", level - 1);
        text.push_str(&format!("- &a{level} [{}]\n", [inner.as_str(); 9].join(", ")));
    }
    let told = refused(&text);
    assert!(told.starts_with("f.yml:"), "{told}");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_much(text in "[a-z:{}\\[\\]\\-&*!|>'\" \n0-9.#~<]{0,120}") {
        let _ = parse::<Settings>(&text, "f.yml");
    }
}

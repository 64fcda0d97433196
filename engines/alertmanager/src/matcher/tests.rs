use super::*;
use proptest::prelude::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

#[test]
fn an_absent_label_is_the_empty_value() {
    let none = Labels::default();
    let holds = |text: &str| Matchers::parse(text).unwrap().matches(&none);
    assert!(holds("a=\"\"") && holds("a!=\"b\"") && holds("a=~\".*\"") && holds("a!~\".+\"") && holds("{}"));
    assert!(!holds("a=\"b\"") && !holds("a!=\"\"") && !holds("a=~\".+\"") && !holds("a=\"\",b=\"c\""));
}

#[test]
fn all_must_hold() {
    let matchers = Matchers::parse("{a=\"1\",b=~\"x|y\",c!~\"z.*\"}").unwrap();
    assert!(matchers.matches(&labels(&[("a", "1"), ("b", "y")])));
    assert!(!matchers.matches(&labels(&[("a", "1"), ("b", "y"), ("c", "zoo")])));
}

#[test]
fn printed_as_alertmanager_prints_them() {
    let printed = |op, name: &str, value: &str| Matcher::new(op, name, value).unwrap().to_string();
    assert_eq!(printed(MatchOp::Equal, "a", "b\"\\\n"), "a=\"b\\\"\\\\\\n\"");
    assert_eq!(printed(MatchOp::NotRegex, "a b", "c\t"), "\"a b\"!~\"c\\t\"");
    assert_eq!(printed(MatchOp::Equal, "é", "🙂"), "é=\"🙂\"");
    let sorted = Matchers::parse("b=\"1\",a!=\"2\",a=\"2\",a=\"1\"").unwrap().sorted();
    assert_eq!(sorted.to_string(), "{a=\"1\",a=\"2\",a!=\"2\",b=\"1\"}");
}

#[test]
fn one_matcher_has_no_braces() {
    assert_eq!(Matcher::parse("a=b").unwrap(), Matcher::equal("a", "b"));
    for bad in ["{a=b}", "a=b}", "", "a=b,c=d"] {
        assert!(Matcher::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn places_of_mistakes() {
    let told = |text| Matchers::parse_utf8(text).unwrap_err().to_string();
    assert_eq!(told("!"), "0:1: unexpected end of input, expected one of '=~'");
    assert_eq!(
        told("a!b"),
        "1:2: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'"
    );
    assert_eq!(told("é=\"x"), "2:4: \"x: missing end \": expected label value");
    assert_eq!(told("{a=b}}"), "5:6: }: expected end of input");
    assert_eq!(told("a"), "0:1: end of input: expected an operator such as '=', '!=', '=~' or '!~'");
}

#[test]
fn what_is_too_long_is_not_read() {
    let long = format!("a=\"{}\"", "x".repeat(MAX_TEXT));
    assert_eq!(Matchers::parse(&long), Err(MatcherError::TooLong(long.len())));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = Matchers::parse(&text);
        let _ = Matcher::parse(&text);
    }

    #[test]
    fn texts_of_the_grammars_signs_are_read_or_refused(text in "[ab{}=!~,\\\\\"'`\\[\\]().*+?|é\n -]{0,40}") {
        if let Ok(matchers) = Matchers::parse(&text) {
            let _ = matchers.matches(&labels(&[("a", "b")]));
        }
    }

    #[test]
    fn what_is_printed_reads_back(
        parts in prop::collection::vec(("[a-z_é. =\"\\\\{}]{1,8}", 0u8..2, "\\PC{0,12}"), 0..5),
    ) {
        let matchers: Matchers = parts
            .into_iter()
            .map(|(name, op, value)| {
                let op = if op == 0 { MatchOp::Equal } else { MatchOp::NotEqual };
                Matcher::new(op, name, value).unwrap()
            })
            .collect();
        prop_assert_eq!(Matchers::parse_utf8(&matchers.to_string()).unwrap(), matchers.clone());
    }

    #[test]
    fn patterns_never_panic(pattern in "[ab\\\\\\[\\](){}^$.|*+?QEdwsxp0-9:&~,-]{0,24}", value in "[ab0]{0,6}") {
        if let Ok(matcher) = Matcher::new(MatchOp::Regex, "l", pattern) {
            let _ = matcher.matches_value(&value);
        }
    }
}

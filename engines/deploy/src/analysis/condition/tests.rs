use super::{Condition, Value};

fn met(text: &str, result: &Value) -> Result<bool, String> {
    Condition::parse(text).map_err(|e| e.to_string())?.met(result).map_err(|e| e.to_string())
}

/// Condition, what the query gave, and what it means: `Ok` or a part of the error.
#[test]
fn conditions_of_scalars_and_vectors() {
    let v = Value::vector;
    let s = Value::scalar;
    let nan = f64::NAN;
    let table: Vec<(&str, Value, Result<bool, &str>)> = vec![
        ("result[0] >= 0.95", v(&[0.95]), Ok(true)),
        ("result[0] >= 0.95", v(&[0.94]), Ok(false)),
        ("result[0] >= 0.95", v(&[]), Err("no data")),
        ("result[0] >= 0.95", s(1.0), Err("a scalar")),
        ("result[1] >= 0.95", v(&[1.0]), Err("element 1 is not there")),
        ("result[-1] == 2", v(&[1.0, 2.0]), Ok(true)),
        ("result[-3] == 2", v(&[1.0, 2.0]), Err("not there")),
        ("result[0.5] == 2", v(&[1.0, 2.0]), Err("not the place")),
        ("result < 0.05", s(0.04), Ok(true)),
        ("result < 0.05", v(&[0.04]), Err("write `result[0]`")),
        ("len(result) > 0", v(&[]), Ok(false)),
        ("len(result) > 0", v(&[nan]), Ok(true)),
        ("len(result) == 0 || result[0] < 1", v(&[]), Ok(true)),
        ("len(result) > 0 && result[0] < 1", v(&[]), Ok(false)),
        ("isNaN(result[0])", v(&[nan]), Ok(true)),
        ("isNaN(result[0]) || result[0] < 1", v(&[nan]), Ok(true)),
        ("result[0] < 1", v(&[nan]), Ok(false)),
        ("result[0] >= 1", v(&[nan]), Ok(false)),
        ("result[0] != 1", v(&[nan]), Ok(true)),
        ("isInf(result)", s(f64::NEG_INFINITY), Ok(true)),
        ("isInf(result)", s(0.0), Ok(false)),
        ("isNil(result)", s(0.0), Ok(false)),
        ("default(result[0], 0) == 0", v(&[]), Ok(true)),
        ("default(result[0], 0) == 0", v(&[3.0]), Ok(false)),
        ("default(result, 0) == 0", v(&[]), Ok(true)),
        ("default(first(result), 7) == 7", v(&[]), Ok(true)),
        ("first(result) == nil", v(&[]), Ok(true)),
        ("all(result, # < 1)", v(&[0.1, 0.9]), Ok(true)),
        ("all(result, {# < 1})", v(&[0.1, 1.9]), Ok(false)),
        ("all(result, # < 1)", v(&[]), Ok(true)),
        ("any(result, # < 1)", v(&[]), Ok(false)),
        ("any(result, # > 1)", v(&[0.1, 1.9]), Ok(true)),
        ("none(result, # > 1)", v(&[0.1, 1.9]), Ok(false)),
        ("one(result, # > 1)", v(&[0.1, 1.9]), Ok(true)),
        ("count(result, # > 1) / len(result) <= 0.5", v(&[0.1, 1.9]), Ok(true)),
        ("len(filter(result, not isNaN(#))) == 1", v(&[nan, 1.9]), Ok(true)),
        ("sum(result) == 6 and mean(result) == 2", v(&[1.0, 2.0, 3.0]), Ok(true)),
        ("median(result) == 2.5", v(&[4.0, 1.0, 3.0, 2.0]), Ok(true)),
        ("max(result) - min(result) < 3", v(&[1.0, 5.0]), Ok(false)),
        ("max(result) > 0", v(&[]), Err("no data")),
        ("!(result < 1) && !false", s(2.0), Ok(true)),
        ("-result < 0 and +result > 0", s(2.0), Ok(true)),
        ("1 + 2 * 3 == 7 && 2 ** 3 ** 2 == 512 && (1 + 2) * 3 == 9", s(0.0), Ok(true)),
        ("10 % 4 == 2 && 7 - 4 - 3 == 0 && 8 / 4 / 2 == 1", s(0.0), Ok(true)),
        ("result % 2 == 0", s(1.5), Err("whole numbers")),
        ("result > 1 ? result < 3 : result == 0", s(0.0), Ok(true)),
        ("1_000 == 1e3 && .5 == 5e-1", s(0.0), Ok(true)),
        ("abs(round(result)) == 3 and ceil(result) == -2 and floor(result) == -3", s(-2.6), Ok(true)),
        ("asInt(result) == 2 && asFloat(result) == 2.6", s(2.6), Ok(true)),
        ("true || result[0] > 1", v(&[]), Ok(true)),
    ];
    for (text, value, wanted) in table {
        let found = met(text, &value);
        match (&found, wanted) {
            (Ok(a), Ok(b)) => assert_eq!(*a, b, "{text} of {value}"),
            (Err(e), Err(part)) => assert!(e.contains(part), "{text} of {value}: {e}"),
            _ => panic!("{text} of {value}: {found:?}, wanted {wanted:?}"),
        }
    }
}

/// Condition, where it is refused (characters, from 0), and a part of the reason.
#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let table = [
        ("", 0, "empty"),
        ("  ", 0, "empty"),
        ("result[0]", 0, "gives a number; compare it"),
        ("result", 0, "compare an element"),
        ("len(result)", 0, "gives a number"),
        ("result[0] >", 11, "the end is not expected"),
        ("result[0] > 1 2", 14, "not expected here"),
        ("result[0] = 1", 10, "`==` does"),
        ("result[0] & 1", 10, "`&&`"),
        ("result == \"up\"", 10, "texts"),
        ("result.value > 1", 6, "members"),
        ("reslt[0] > 1", 0, "did you mean `result`"),
        ("lenn(result) > 1", 0, "did you mean `len`"),
        ("len(result, 1) > 1", 0, "takes 1 argument, not 2"),
        ("all(result) ", 0, "takes 2 arguments, not 1"),
        ("all(result, #)", 12, "yes or no is expected"),
        ("# < 1", 0, "is an item of a list"),
        ("all(3, # < 1)", 4, "a list is expected"),
        ("1 < result < 3", 0, "a number is expected, this gives yes or no"),
        ("result && true", 0, "yes or no is expected"),
        ("!result", 1, "yes or no is expected"),
        ("-true == 1", 1, "a number is expected"),
        ("result == true", 7, "never equal"),
        ("result[0:1] > 1", 8, "slices"),
        ("(result > 1", 11, "to close the parenthesis"),
        ("result > 1.2.3", 9, "is not a number"),
        ("result > 1 ? 2 : true", 17, "both must give the same"),
        ("default(true, 1) > 1", 8, "not yes or no"),
        ("result[0] > ½", 12, "means nothing"),
    ];
    for (text, at, part) in table {
        let error = Condition::parse(text).expect_err(text);
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(error.at, at, "{text}: {error}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let long = format!("result > 1{}", " || result > 1".repeat(400));
    assert!(Condition::parse(&long).is_err());
    let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
    assert!(Condition::parse(&deep).expect_err("too deep").message.contains("deep"));
    let powers = format!("1{} > 0", "**1".repeat(2000));
    assert!(Condition::parse(&powers).is_err());
}

#[test]
fn a_condition_is_stored_as_it_is_written() {
    let condition = Condition::parse("result[0]  >= 0.95").expect("a condition");
    let text = serde_json::to_string(&condition).expect("JSON");
    assert_eq!(text, "\"result[0]  >= 0.95\"");
    let back: Condition = serde_json::from_str(&text).expect("read again");
    assert_eq!(back.met(&Value::vector(&[0.96])), Ok(true));
    assert!(serde_json::from_str::<Condition>("\"result >\"").is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fall_over(text in "[-+*/%^&|!<>=()\\[\\]{},#?:. a-zA-Z0-9_\"½]{0,80}", values in proptest::collection::vec(proptest::num::f64::ANY, 0..5)) {
        if let Ok(condition) = Condition::parse(&text) {
            let _ = condition.met(&Value::vector(&values));
            let _ = condition.met(&Value::scalar(values.first().copied().unwrap_or(0.0)));
        }
    }

    #[test]
    fn well_formed_conditions_agree_with_the_language(a in -100i32..100, b in -100i32..100, c in -100i32..100) {
        let (x, y, z) = (f64::from(a), f64::from(b), f64::from(c));
        let text = format!("result[0] + {y} * {z} < {x} - ({y} - {z}) || !(result[0] >= {y}) && {z} != {x}");
        let wanted = x + y * z < x - (y - z) || x < y && z != x;
        proptest::prop_assert_eq!(met(&text, &Value::vector(&[x])), Ok(wanted), "{}", text);
    }
}

#[test]
fn conditions_in_words() {
    let said = |text: &str| {
        let condition = Condition::parse(text).expect(text);
        (condition.words(), condition.words_negated())
    };
    for (text, holds, does_not) in [
        ("result[0] >= 0.95", "at least 0.95", "less than 0.95"),
        ("result < 0.05", "less than 0.05", "at least 0.05"),
        ("0.05 > result", "less than 0.05", "at least 0.05"),
        ("result[0] == -1", "-1", "other than -1"),
        ("!(result[0] > 5)", "at most 5", "more than 5"),
        ("isNaN(result[0]) || result[0] < 1", "NaN or less than 1", "a number and at least 1"),
        ("len(result) == 0 || result[0] < 1", "without data or less than 1", "with data and at least 1"),
        ("len(result) > 0 && result[0] <= 2", "with data and at most 2", "without data or more than 2"),
        ("all(result, # < 3)", "less than 3 everywhere", "such that not `all(result, # < 3)`"),
        (
            "sum(result) / len(result) < 2",
            "such that `sum(result) / len(result) < 2`",
            "such that not `sum(result) / len(result) < 2`",
        ),
    ] {
        assert_eq!(said(text), (holds.to_owned(), does_not.to_owned()), "{text}");
    }
}

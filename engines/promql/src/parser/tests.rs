use super::*;

fn ok(text: &str) -> Expr {
    parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn err(text: &str) -> ParseError {
    match parse(text) {
        Ok(expr) => panic!("{text} parsed as {expr}"),
        Err(e) => e,
    }
}

#[test]
fn printing_gives_back_what_was_parsed() {
    for text in [
        "1",
        "-1 ^ 2",
        "5m",
        "Inf",
        "up",
        "up{job=\"api\", instance!~\"a.*\"}",
        "{\"my.metric\", \"k.x\"=\"v\"}",
        "{__name__=~\"a|b\"}",
        "up[5m] @ 1.500 offset -5m",
        "up @ start() offset 1h30m",
        "sum by (job, \"a.b\") (rate(up[5m]))",
        "topk without () (3, up)",
        "count_values(\"version\", build_info)",
        "a + on (job) group_left (x) b",
        "a > bool 1",
        "a unless ignoring (x) b",
        "max_over_time((a + b)[1h:1m] offset 1d)",
        "max_over_time(a[1h:])",
        "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\\\\d\")",
        "-(a)",
        "time()",
        "{\"sum\"}",
    ] {
        assert_eq!(ok(text).to_string(), text);
    }
}

#[test]
fn operators_bind_as_documented() {
    let shape = |text: &str| match ok(text).kind {
        ExprKind::Binary(b) => (b.lhs.to_string(), b.op.as_str(), b.rhs.to_string()),
        other => panic!("{other:?}"),
    };
    let is = |text: &str, l: &str, op: &str, r: &str| {
        assert_eq!(shape(text), (l.into(), op_of(op), r.into()), "{text}");
    };
    is("1 + 2 * 3", "1", "+", "2 * 3");
    is("1 * 2 + 3", "1 * 2", "+", "3");
    is("2 ^ 3 ^ 2", "2", "^", "3 ^ 2");
    is("1 - 2 - 3", "1 - 2", "-", "3");
    is("-2 ^ 2 * 3", "-2 ^ 2", "*", "3");
    is("a or b and c", "a", "or", "b and c");
    is("a == bool b + 1", "a", "==", "b + 1");
}

fn op_of(text: &str) -> &'static str {
    use BinaryOp::*;
    [Add, Sub, Mul, Div, Pow, Or, Eq].into_iter().map(BinaryOp::as_str).find(|s| *s == text).unwrap()
}

#[test]
fn every_node_knows_its_bytes() {
    let text = " sum by (a) ( rate(up{x=\"y\"}[5m] offset 1m) ) > 2";
    let expr = ok(text);
    let mut seen = vec![];
    expr.walk(&mut |e| seen.push(&text[e.span.range()]));
    assert_eq!(
        seen,
        [
            "sum by (a) ( rate(up{x=\"y\"}[5m] offset 1m) ) > 2",
            "sum by (a) ( rate(up{x=\"y\"}[5m] offset 1m) )",
            "rate(up{x=\"y\"}[5m] offset 1m)",
            "up{x=\"y\"}[5m] offset 1m",
            "2"
        ]
    );
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let case = |text: &str, message: &str, at: &str, advice: &str| {
        let e = err(text);
        assert_eq!(e.message, message, "{text}");
        assert_eq!(&text[e.range.clone()], at, "{text}");
        assert_eq!(e.advice.as_deref().unwrap_or_default(), advice, "{text}");
    };
    case(
        "rate(up)",
        "expected type range vector in call to function \"rate\", got instant vector",
        "up",
        "add a range such as [5m]",
    );
    case("raate(up[5m])", "unknown function with name \"raate\"", "raate", "did you mean rate?");
    case("sum(up", "unexpected end of input in the arguments of sum", "", "write \",\" or \")\" here");
    case("up{job=api}", "unexpected \"api\" in label matching", "api", "write the label's value in quotes");
    case("1 == 1", "comparisons between scalars must use BOOL modifier", "==", "write == bool");
    case(
        "{}",
        "vector selector must contain at least one non-empty matcher",
        "{}",
        "name a metric, or demand a label with a value",
    );
    case("up[5m] offset 1m offset 2m", "offset may not be set multiple times", "offset", "remove one");
    case("up @ start() @ end()", "@ <timestamp> may not be set multiple times", "@", "remove one");
    case(
        "sum(up) offset 5m",
        "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        "sum(up) offset",
        "move offset to the selector itself",
    );
    case(
        "up offset 5m[1m]",
        "no offset modifiers allowed before range",
        "[1m]",
        "write the range first: metric[5m] offset …",
    );
    case("up & up", "unexpected character: '&'", "&", "write `and`, `or` or `unless` between vectors");
    case("up{a=\"b", "unterminated quoted string", "\"b", "close it with \"");
    case("a{__name__=\"b\"}", "metric name must not be set twice: \"a\" or \"b\"", "}", "");
    case(
        "up[2 * 5m]",
        "experimental duration expression is not enabled",
        "2 * 5m",
        "write one duration, such as 1h30m",
    );
    case(
        "limitk(1, up)",
        "limitk() is experimental and must be enabled",
        "limitk",
        "switch experimental functions on to use it",
    );
}

#[test]
fn several_type_errors_are_reported_at_once() {
    let e = err("rate(up) + sum(1)");
    assert_eq!(e.all().count(), 2);
    assert!(e.range.start < e.others[0].range.start);
}

#[test]
fn refused() {
    for text in [
        "",
        "   ",
        "#only a comment",
        "(",
        ")",
        "1 +",
        "up[",
        "up[5m",
        "up[5m:",
        "up[0]",
        "up[-5m]",
        "up[5m][5m]",
        "up{",
        "up{a}",
        "up{a=}",
        "up{a=\"b\" c=\"d\"}",
        "sum()",
        "sum(1)",
        "topk(up)",
        "topk(up, up)",
        "rate()",
        "a and 1",
        "1 + bool 2",
        "a + on (x) group_left (x) b",
        "a and on (x) group_left b",
        "\"a\" + 1",
        "-\"a\"",
        "-up[5m]",
        "a == on (x)",
        "up @ x",
        "up @ Inf",
        "round(up,)",
        "bool",
        "on",
        "up offset",
        "a:b{c:d=\"e\"}",
        "up{job=~\"(\"}",
        "rate(up[5m]) by (x)",
        "up[5m:0s]",
        "1[5m:]",
        "sum(up)[5m]",
        "up{\"a\", \"b\"}",
        "99999999999999999999y",
        "\"\\xff\" or up",
    ] {
        let e = err(text);
        assert!(!e.message.is_empty() && e.range.end <= text.len().max(e.range.start), "{text}: {e:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let parens = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let minus = format!("{}1", "-".repeat(10_000));
    let chain = vec!["1"; 10_000].join(" + ");
    let powers = vec!["1"; 10_000].join(" ^ ");
    let calls = format!("{}up{}", "abs(".repeat(10_000), ")".repeat(10_000));
    let subqueries = format!("up{}", "[5m:]".repeat(10_000));
    for text in [parens, minus, chain, powers, calls] {
        assert!(err(&text).message.contains("levels deep"), "{}", &text[..20]);
    }
    err(&subqueries);
    ok(&format!("{}1{}", "(".repeat(MAX_NESTING - 1), ")".repeat(MAX_NESTING - 1)));
    ok(&vec!["up"; MAX_DEPTH - 1].join(" or "));
}

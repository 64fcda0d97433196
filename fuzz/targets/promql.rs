//! PromQL: whatever parses prints as something that parses to the same print; completion takes any cursor.
#![no_main]

libfuzzer_sys::fuzz_target!(|query: &str| {
    if let Ok(expr) = quarterdeck_promql::parse(query) {
        let printed = expr.to_string();
        let again = quarterdeck_promql::parse(&printed).expect("what was printed parses");
        assert_eq!(printed, again.to_string());
    }
    for cursor in (0..=query.len()).filter(|at| query.is_char_boundary(*at)).take(64) {
        let _ = quarterdeck_promql::complete(query, cursor);
    }
});

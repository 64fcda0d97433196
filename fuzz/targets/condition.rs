//! Conditions of analyses: whatever parses has an answer or an error for any result, and is stored as it was written.
#![no_main]

use quarterdeck_deploy::analysis::{Condition, Value};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(condition) = Condition::parse(text) else { return };
    assert_eq!(condition.text(), text);
    for value in [
        Value::scalar(0.95),
        Value::scalar(f64::NAN),
        Value::vector(&[]),
        Value::vector(&[0.95]),
        Value::vector(&[1.0, f64::INFINITY, -2.5]),
    ] {
        let first = condition.met(&value);
        assert_eq!(first, condition.met(&value));
    }
});

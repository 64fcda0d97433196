//! Rule files with their templates.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(wrong) = quarterdeck_rules::file::parse(text, "rules.yml") {
        assert!(!wrong.is_empty(), "a refusal says why");
    }
});

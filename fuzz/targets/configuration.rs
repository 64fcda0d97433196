//! quarterdeck.toml: any text is read or refused with a place, never a panic.
#![no_main]

use quarterdeck_journal::configuration::{Sources, load};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let sources = Sources::new().text("fuzz.toml", text).environment(Some("production".to_owned()));
    if let Err(wrong) = load::<toml::Table>(&sources) {
        assert!(!wrong.is_empty(), "a refusal says why");
    }
});

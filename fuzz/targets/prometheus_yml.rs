//! prometheus.yml
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(wrong) = quarterdeck_scrape::prometheus::parse(text, "prometheus.yml", std::path::Path::new(".")) {
        assert!(!wrong.is_empty(), "a refusal says why");
    }
});

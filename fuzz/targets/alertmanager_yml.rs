//! alertmanager.yml: any text is read or refused with a place, never a panic; what was read can be routed by.
#![no_main]

use quarterdeck_alertmanager::Config;
use quarterdeck_kernel::Labels;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Config::parse(text, "alertmanager.yml", std::path::Path::new(".")) {
        Err(wrong) => assert!(!wrong.is_empty(), "a refusal says why"),
        Ok(config) => {
            let labels = Labels::from_pairs([("alertname", "A"), ("severity", "critical"), ("service", "orders")]);
            assert!(!config.routes.matching(&labels).is_empty(), "the root takes whatever nobody else takes");
        }
    }
});

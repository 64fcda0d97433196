//! Exposition pages: both formats, leniently as a scrape reads them and strictly as `check` does.
#![no_main]

use quarterdeck_metrics::exposition::{Format, parse, validate};

libfuzzer_sys::fuzz_target!(|page: &[u8]| {
    for format in [Format::Text, Format::OpenMetrics] {
        let read = parse(format, page).take_while(Result::is_ok).count();
        if validate(format, page).is_ok() {
            assert!(parse(format, page).all(|item| item.is_ok()), "what is strictly right is read whole ({read} items)");
        }
    }
});

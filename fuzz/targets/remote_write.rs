//! Bodies of remote write, after decompression.
#![no_main]

libfuzzer_sys::fuzz_target!(|message: &[u8]| {
    let _ = quarterdeck_metrics::api::remote_write_samples(message);
});

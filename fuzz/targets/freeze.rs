//! Freezes: times and cron of any text; one that holds began before and ends later.
#![no_main]

use std::time::Duration;

use quarterdeck_deploy::checks::freeze::Freeze;
use quarterdeck_deploy::config::FreezeConfig;
use quarterdeck_kernel::Timestamp;

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &str, u32, u32)| {
    let (one, other, zone, lasts, at) = input;
    let lasts = Duration::from_secs(u64::from(lasts));
    let timezone = zone.to_owned();
    let once = FreezeConfig {
        from: Some(one.to_owned()),
        to: Some(other.to_owned()),
        timezone: timezone.clone(),
        ..FreezeConfig::default()
    };
    let again = FreezeConfig { cron: Some(one.to_owned()), lasts, timezone, ..FreezeConfig::default() };
    for config in [once, again] {
        match Freeze::new(&config) {
            Ok(freeze) => {
                let at = Timestamp::from_millis(i64::from(at) * 1000);
                if let Some(frozen) = freeze.holds("orders", at) {
                    assert!(frozen.from <= at && at < frozen.until, "{config:?}: {frozen:?} at {at}");
                }
            }
            Err(wrong) => assert!(!wrong.is_empty()),
        }
    }
});

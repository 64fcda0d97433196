//! Label matchers, in both grammars: what is read prints as something that reads as the same, and matches the same.
#![no_main]

use quarterdeck_alertmanager::Matchers;
use quarterdeck_kernel::Labels;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Matchers::parse_classic(text);
    let Ok(matchers) = Matchers::parse(text) else { return };
    let printed = matchers.to_string();
    let again = Matchers::parse(&printed).expect("what was printed parses");
    assert_eq!(printed, again.to_string());
    for labels in [Labels::default(), Labels::from_pairs([("a", "b"), ("severity", "critical"), ("x", text)])] {
        assert_eq!(matchers.matches(&labels), again.matches(&labels), "{printed}");
    }
});

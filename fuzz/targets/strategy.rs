//! Strategy files, Argo's documents among them: whatever is read keeps what it promises, and stays itself when it is stored.
#![no_main]

use quarterdeck_deploy::strategy::{Strategy, StrategyKind, Templates, read};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut library = Templates::default();
    let _ = library.add(text, "library.yaml");
    match read(text, "strategy.yaml", "strategy", &library) {
        Ok(found) => {
            if let StrategyKind::Canary(canary) = &found.strategy.kind {
                assert!(canary.background.as_ref().is_none_or(|(_, from)| *from <= canary.steps.len()));
            }
            let _ = (found.strategy.to_string(), found.strategy.longest(3), found.strategy.busy(3));
            let stored = serde_json::to_string(&found.strategy).expect("a strategy can be stored");
            let again: Strategy = serde_json::from_str(&stored).expect("what was stored can be read");
            assert_eq!(again.to_string(), found.strategy.to_string());
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
});

//! What a cache may be told.

use super::Checks;
use crate::config::filters::CacheRule;

impl Checks<'_> {
    pub(super) fn cache(&mut self, key: &str, cache: &CacheRule) {
        for header in &cache.vary {
            self.header(&format!("{key}.vary"), header);
        }
        for (i, rule) in cache.rules.iter().enumerate() {
            let at = format!("{key}.rules[{i}].path");
            let path = &rule.path;
            if !path.starts_with(['/', '*']) || path.contains(['?', '#']) {
                let advice = "write /prices, /prices/*, */day or the like, without a query";
                self.wrong(at, format!("{path:?} is not a path"), advice);
            } else if let Some(before) = cache.rules[..i].iter().position(|other| other.path == *path) {
                let message = format!("{path:?} is there already: rules[{before}] comes first");
                self.wrong(at, message, "leave one of them out");
            }
        }
    }
}

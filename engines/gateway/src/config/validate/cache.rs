//! What a cache may be told.

use super::Checks;
use crate::config::filters::CacheRule;
use crate::warm::Origin;

impl Checks<'_> {
    pub(super) fn cache(&mut self, key: &str, cache: &CacheRule) {
        for header in &cache.vary {
            self.header(&format!("{key}.vary"), header);
        }
        if key == "filters.cache" && !cache.warm.is_empty() {
            let advice = "write it as [gateway.routes.NAME.filters.cache] or that of a service";
            self.wrong(format!("{key}.warm"), "paths belong to a route", advice);
        }
        for (i, path) in cache.warm.iter().enumerate() {
            if !path.starts_with('/') || path.contains('#') || path.parse::<hyper::Uri>().is_err() {
                self.wrong(
                    format!("{key}.warm[{i}]"),
                    format!("{path:?} is not a path"),
                    "such as /instruments?all",
                );
            }
        }
        for (i, origin) in cache.warm_as.iter().enumerate() {
            if Origin::read(origin).is_none() {
                let message = format!("{origin:?} is no scheme and host");
                self.wrong(format!("{key}.warm_as[{i}]"), message, "such as https://shop.example.com");
            }
        }
        if let Some(every) = cache.warm_every {
            self.above_zero(&format!("{key}.warm_every"), every);
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

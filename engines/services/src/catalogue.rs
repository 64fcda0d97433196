//! The catalogue, compiled: which series belong to which service, and what to ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::is_legacy_label_name;
use quarterdeck_kernel::time::format_duration;

use crate::config::{Catalogue, Convention, ServiceConfig, SignalsConfig};
use crate::conventions;
use crate::selector::Selector;

/// The configuration, ready for use.
#[derive(Debug)]
pub struct Plan {
    /// `[signals]`
    pub signals: SignalsConfig,
    /// `[services]`
    pub catalogue: Catalogue,
    /// Conventions in use, those that count first before the others.
    pub conventions: Vec<(Arc<str>, Convention)>,
    /// Services that need a service, by its name.
    pub dependents: BTreeMap<String, Vec<String>>,
    /// Circles in `depends_on`.
    pub cycles: Vec<Vec<String>>,
    selectors: Vec<(Arc<str>, Vec<Selector>)>,
    by: BTreeSet<String>,
}

impl Plan {
    /// Compiles a configuration that [`crate::config::validate::validate`] has found no fault in.
    #[must_use]
    pub fn new(catalogue: Catalogue, signals: SignalsConfig) -> Self {
        let mut by: BTreeSet<String> = signals.service_labels.iter().cloned().collect();
        let mut selectors = Vec::new();
        for (name, service) in &catalogue {
            let own = Self::selectors_of(name, service, &signals);
            by.extend(own.iter().flat_map(Selector::matchers).map(|m| m.name.clone()));
            selectors.push((Arc::from(name.as_str()), own));
        }
        let mut dependents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, service) in &catalogue {
            for needed in &service.depends_on {
                dependents.entry(needed.clone()).or_default().push(name.clone());
            }
        }
        let cycles = cycles(&catalogue);
        let conventions = conventions::in_use(&signals.conventions);
        Self { signals, catalogue, conventions, dependents, cycles, selectors, by }
    }

    fn selectors_of(name: &str, service: &ServiceConfig, signals: &SignalsConfig) -> Vec<Selector> {
        let written = service.matches.selectors();
        if written.is_empty() {
            return signals.service_labels.iter().map(|l| Selector::equal(l, name)).collect();
        }
        written.iter().filter_map(|s| Selector::parse(s).ok()).collect()
    }

    /// The PromQL selectors of a service's series, configured or inferred.
    #[must_use]
    pub fn selectors(&self, service: &str) -> Vec<String> {
        match self.selectors.iter().find(|(name, _)| &**name == service) {
            Some((_, own)) => own.iter().map(ToString::to_string).collect(),
            None => {
                self.signals.service_labels.iter().map(|l| Selector::equal(l, service).to_string()).collect()
            }
        }
    }

    /// The services that a series belongs to: every configured one that it matches; the one that its labels name when
    /// it matches none.
    #[must_use]
    pub fn services_of(&self, labels: &Labels) -> Vec<Arc<str>> {
        let matching = self.selectors.iter().filter(|(_, own)| own.iter().any(|s| s.matches(labels)));
        let found: Vec<Arc<str>> = matching.map(|(name, _)| Arc::clone(name)).collect();
        if !found.is_empty() || !self.signals.infer {
            return found;
        }
        let named = self.signals.service_labels.iter().find_map(|l| labels.get(l));
        named.map(Arc::from).into_iter().collect()
    }

    /// Whether queries group by a label to tell services apart.
    #[must_use]
    pub fn groups_by(&self, label: &str) -> bool {
        self.by.contains(label)
    }

    /// A query from its template: `$by` and `$window` filled in.
    #[must_use]
    pub fn query(&self, template: &str, extra: &[String], window: Duration) -> String {
        let labels = self.by.iter().chain(extra.iter().filter(|l| !self.by.contains(*l)));
        let by: Vec<String> = labels.map(|l| quoted(l)).collect();
        template.replace("$by", &by.join(", ")).replace("$window", &format_duration(window))
    }
}

/// A label's name as PromQL takes it.
fn quoted(label: &str) -> String {
    if is_legacy_label_name(label) { label.to_owned() } else { format!("{label:?}") }
}

/// Circles among `depends_on`, each told once, beginning at its first name.
fn cycles(catalogue: &Catalogue) -> Vec<Vec<String>> {
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in catalogue.keys() {
        // Depth first, with the way back kept beside: (service, next dependency to look at).
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((service, next)) = way.last_mut() {
            let service = *service;
            let needed = catalogue.get(service).and_then(|s| s.depends_on.get(*next));
            *next += 1;
            let Some(needed) = needed.map(String::as_str) else {
                way.pop();
                done.insert(service);
                continue;
            };
            if let Some(at) = way.iter().position(|(on_way, _)| *on_way == needed) {
                let mut circle: Vec<String> = way[at..].iter().map(|(s, _)| (*s).to_owned()).collect();
                let first = circle.iter().enumerate().min_by(|a, b| a.1.cmp(b.1)).map_or(0, |(i, _)| i);
                circle.rotate_left(first);
                found.insert(circle);
            } else if !done.contains(needed) && catalogue.contains_key(needed) {
                way.push((needed, 0));
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Matches;

    fn catalogue(edges: &[(&str, &[&str])]) -> Catalogue {
        let service = |needs: &[&str]| ServiceConfig {
            depends_on: needs.iter().map(|n| (*n).to_owned()).collect(),
            ..ServiceConfig::default()
        };
        edges.iter().map(|(name, needs)| ((*name).to_owned(), service(needs))).collect()
    }

    #[test]
    fn circles_are_found_once() {
        assert!(cycles(&catalogue(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
        assert_eq!(cycles(&catalogue(&[("b", &["c"]), ("c", &["a"]), ("a", &["b"])])), [["a", "b", "c"]]);
        assert_eq!(cycles(&catalogue(&[("a", &["a"])])), [["a"]]);
        let two = cycles(&catalogue(&[("a", &["b", "c"]), ("b", &["a"]), ("c", &["a"])]));
        assert_eq!(two, [["a", "b"], ["a", "c"]]);
    }

    #[test]
    fn series_belong_to_what_they_match_or_what_they_name() {
        let mut services = catalogue(&[("orders", &[]), ("edge", &[])]);
        if let Some(edge) = services.get_mut("edge") {
            edge.matches = Matches::Any(vec!["{job=\"nginx\"}".to_owned(), "{tier=\"edge\"}".to_owned()]);
        }
        let plan = Plan::new(services, SignalsConfig::default());
        let of =
            |pairs: &[(&str, &str)]| plan.services_of(&Labels::from_pairs(pairs.iter().copied())).join(",");
        assert_eq!(of(&[("job", "orders")]), "orders");
        assert_eq!(of(&[("job", "x"), ("service", "orders")]), "orders");
        assert_eq!(of(&[("job", "nginx")]), "edge");
        assert_eq!(of(&[("job", "x"), ("tier", "edge")]), "edge");
        assert_eq!(of(&[("job", "x"), ("service_name", "y")]), "y");
        assert_eq!(of(&[("job", "x")]), "x");
        assert_eq!(of(&[("instance", "x")]), "");
        assert_eq!(plan.selectors("edge"), ["{job=\"nginx\"}", "{tier=\"edge\"}"]);
        assert_eq!(
            plan.query(
                "sum by ($by, le) (rate(x[$window]))",
                &["http.route".to_owned()],
                Duration::from_secs(60)
            ),
            "sum by (job, service, service_name, tier, \"http.route\", le) (rate(x[1m]))"
        );
    }
}

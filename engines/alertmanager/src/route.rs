//! The routing tree: which receivers an alert goes to, and how it is grouped on the way.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Labels;

use crate::matcher::Matchers;
use crate::quote::quote;

/// How long a new group waits before its first notification, unless a route says.
pub const DEFAULT_GROUP_WAIT: Duration = Duration::from_secs(30);
/// How long a group waits between looks for something new, unless a route says.
pub const DEFAULT_GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// After how long an unchanged group is told again, unless a route says.
pub const DEFAULT_REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 3600);

/// By what alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By all their labels (`['...']`): each alert is its own group.
    All,
    /// By these labels, sorted; by none of them: all alerts of the route are one group.
    Labels(Arc<[Arc<str>]>),
}

impl Default for GroupBy {
    fn default() -> Self {
        Self::Labels(Arc::from([]))
    }
}

impl GroupBy {
    /// By these labels.
    #[must_use]
    pub fn labels<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        names.sort();
        names.dedup();
        Self::Labels(names.into())
    }

    /// The labels of the group that an alert belongs to.
    #[must_use]
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match self {
            Self::All => labels.clone(),
            Self::Labels(names) => labels.filter(|name| names.binary_search_by(|n| (**n).cmp(name)).is_ok()),
        }
    }
}

/// A route as the file has it: what it does not say comes from its parent.
#[derive(Clone, Debug, Default)]
pub struct RouteSpec {
    /// Name of the receiver.
    pub receiver: Option<Arc<str>>,
    /// By what alerts are grouped.
    pub group_by: Option<GroupBy>,
    /// What an alert must fulfil (`match`, `match_re` and `matchers` together).
    pub matchers: Matchers,
    /// Whether an alert that it takes goes on to its siblings.
    pub continues: bool,
    /// How long a new group waits before its first notification.
    pub group_wait: Option<Duration>,
    /// How long a group waits between looks for something new.
    pub group_interval: Option<Duration>,
    /// After how long an unchanged group is told again.
    pub repeat_interval: Option<Duration>,
    /// Names of the time intervals in which it is muted; not inherited.
    pub mute_time_intervals: Vec<Arc<str>>,
    /// Names of the time intervals in which alone it is active; not inherited.
    pub active_time_intervals: Vec<Arc<str>>,
    /// Route labels: templates by name, added to the parent's.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Its children, in order.
    pub routes: Vec<RouteSpec>,
}

/// A node of a [`Routes`] tree, by its place in depth-first order; the root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// A node of the tree, with everything that it inherits.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its place.
    pub id: RouteId,
    /// Its parent; the root has none.
    pub parent: Option<RouteId>,
    /// Its children, in order.
    pub children: Vec<RouteId>,
    /// What an alert must fulfil, in Alertmanager's order.
    pub matchers: Matchers,
    /// Whether an alert that it takes goes on to its siblings.
    pub continues: bool,
    /// Name of the receiver; empty when no route above names one, which the configuration does not allow.
    pub receiver: Arc<str>,
    /// By what alerts are grouped.
    pub group_by: GroupBy,
    /// How long a new group waits before its first notification.
    pub group_wait: Duration,
    /// How long a group waits between looks for something new.
    pub group_interval: Duration,
    /// After how long an unchanged group is told again.
    pub repeat_interval: Duration,
    /// Names of the time intervals in which it is muted.
    pub mute_time_intervals: Vec<Arc<str>>,
    /// Names of the time intervals in which alone it is active; when there is none, always.
    pub active_time_intervals: Vec<Arc<str>>,
    /// Route labels: templates by name, sorted.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// `{}/{severity="critical"}`: the matchers from the root to here. Two routes may share it.
    pub key: Arc<str>,
    /// `{}/{severity="critical"}/0`: the same with each node's position among its siblings, unique in the tree.
    pub path: Arc<str>,
}

impl Route {
    /// The labels of the group that an alert belongs to here.
    #[must_use]
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        self.group_by.group_labels(labels)
    }

    /// Alertmanager's key of a group of this route: `{}/{severity="critical"}:{alertname="Down"}`.
    #[must_use]
    pub fn group_key(&self, group_labels: &Labels) -> String {
        group_key(&self.key, group_labels)
    }
}

/// Alertmanager's key of a group: the route's key, a colon, the group's labels as Go prints them.
#[must_use]
pub fn group_key(route_key: &str, group_labels: &Labels) -> String {
    let mut key = format!("{route_key}:{{");
    for (index, (name, value)) in group_labels.iter().enumerate() {
        if index > 0 {
            key.push_str(", ");
        }
        key.push_str(name);
        key.push('=');
        key.push_str(&quote(value));
    }
    key.push('}');
    key
}

/// A routing tree.
#[derive(Clone, Debug)]
pub struct Routes {
    nodes: Vec<Route>,
}

impl Routes {
    /// The tree under a root.
    #[must_use]
    pub fn new(root: &RouteSpec) -> Self {
        let mut routes = Self { nodes: Vec::new() };
        routes.add(root, None, 0);
        routes
    }

    fn add(&mut self, spec: &RouteSpec, parent: Option<RouteId>, position: usize) -> RouteId {
        let id = RouteId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let above = parent.map(|parent| self.get(parent).clone());
        let matchers = spec.matchers.clone().sorted();
        let (key, path) = match &above {
            Some(above) => (
                format!("{}/{matchers}", above.key),
                // The original writes the node's matchers and then its position.
                format!("{}/{matchers}/{position}", above.path),
            ),
            None => (matchers.to_string(), matchers.to_string()),
        };
        let mut labels = above.as_ref().map(|above| above.labels.clone()).unwrap_or_default();
        for (name, value) in &spec.labels {
            labels.retain(|(known, _)| known != name);
            labels.push((Arc::clone(name), Arc::clone(value)));
        }
        labels.sort();
        let timer = |said: Option<Duration>, inherited: Option<Duration>, default| {
            said.or(inherited).unwrap_or(default)
        };
        let above = above.as_ref();
        self.nodes.push(Route {
            id,
            parent,
            children: Vec::new(),
            matchers,
            continues: spec.continues,
            receiver: spec
                .receiver
                .clone()
                .or_else(|| above.map(|a| Arc::clone(&a.receiver)))
                .unwrap_or_default(),
            group_by: spec.group_by.clone().or_else(|| above.map(|a| a.group_by.clone())).unwrap_or_default(),
            group_wait: timer(spec.group_wait, above.map(|a| a.group_wait), DEFAULT_GROUP_WAIT),
            group_interval: timer(
                spec.group_interval,
                above.map(|a| a.group_interval),
                DEFAULT_GROUP_INTERVAL,
            ),
            repeat_interval: timer(
                spec.repeat_interval,
                above.map(|a| a.repeat_interval),
                DEFAULT_REPEAT_INTERVAL,
            ),
            mute_time_intervals: spec.mute_time_intervals.clone(),
            active_time_intervals: spec.active_time_intervals.clone(),
            labels,
            key: key.into(),
            path: path.into(),
        });
        for (position, child) in spec.routes.iter().enumerate() {
            let child = self.add(child, Some(id), position);
            self.nodes[id.0 as usize].children.push(child);
        }
        id
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Route {
        &self.nodes[0]
    }

    /// The node with this place.
    ///
    /// # Panics
    /// When the place is of another tree that has more nodes; see [`Routes::find`].
    #[must_use]
    pub fn get(&self, id: RouteId) -> &Route {
        &self.nodes[id.0 as usize]
    }

    /// The node with this place, if there is one.
    #[must_use]
    pub fn find(&self, id: RouteId) -> Option<&Route> {
        self.nodes.get(id.0 as usize)
    }

    /// The node with this [path](Route::path), if there is one: the same route in another version of the file.
    #[must_use]
    pub fn by_path(&self, path: &str) -> Option<&Route> {
        self.nodes.iter().find(|node| &*node.path == path)
    }

    /// All nodes, depth first.
    pub fn iter(&self) -> std::slice::Iter<'_, Route> {
        self.nodes.iter()
    }

    /// The nodes that take an alert, in the order of the tree: in each node the first child that matches (and, while
    /// children say `continue`, the next ones), the node itself when no child does. The root takes what is left;
    /// empty only when the root has matchers, which the configuration does not allow.
    #[must_use]
    pub fn matching(&self, labels: &Labels) -> Vec<RouteId> {
        let mut found = Vec::new();
        self.collect(RouteId(0), labels, &mut found);
        found
    }

    fn collect(&self, id: RouteId, labels: &Labels, found: &mut Vec<RouteId>) -> bool {
        let node = self.get(id);
        if !node.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &node.children {
            if self.collect(*child, labels, found) && !self.get(*child).continues {
                break;
            }
        }
        if found.len() == before {
            found.push(id);
        }
        true
    }

    /// The nodes from the root to a node, both included: the path that an explanation shows.
    #[must_use]
    pub fn ancestry(&self, id: RouteId) -> Vec<RouteId> {
        let mut path: Vec<RouteId> =
            std::iter::successors(Some(id), |id| self.find(*id).and_then(|node| node.parent)).collect();
        path.reverse();
        path
    }
}

impl<'a> IntoIterator for &'a Routes {
    type Item = &'a Route;
    type IntoIter = std::slice::Iter<'a, Route>;

    fn into_iter(self) -> Self::IntoIter {
        self.nodes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(matchers: &str, routes: Vec<RouteSpec>) -> RouteSpec {
        RouteSpec { matchers: Matchers::parse(matchers).unwrap(), routes, ..RouteSpec::default() }
    }

    fn tree() -> Routes {
        let continuing = RouteSpec { continues: true, ..route("a=1", vec![route("b=1", vec![])]) };
        Routes::new(&RouteSpec {
            receiver: Some("def".into()),
            group_by: Some(GroupBy::labels(["x", "a"])),
            routes: vec![continuing, route("a=1", vec![]), route("a=1", vec![])],
            ..RouteSpec::default()
        })
    }

    #[test]
    fn the_deepest_match_wins_and_continue_goes_on_to_the_next_sibling() {
        let routes = tree();
        let paths = |pairs: &[(&str, &str)]| -> Vec<String> {
            let found = routes.matching(&Labels::from_pairs(pairs.iter().copied()));
            found.into_iter().map(|id| routes.get(id).path.to_string()).collect()
        };
        assert_eq!(paths(&[]), ["{}"]);
        assert_eq!(paths(&[("a", "1")]), ["{}/{a=\"1\"}/0", "{}/{a=\"1\"}/1"]);
        assert_eq!(paths(&[("a", "1"), ("b", "1")]), ["{}/{a=\"1\"}/0/{b=\"1\"}/0", "{}/{a=\"1\"}/1"]);
    }

    #[test]
    fn what_a_route_does_not_say_is_inherited() {
        let routes = tree();
        let leaf = routes.by_path("{}/{a=\"1\"}/0/{b=\"1\"}/0").unwrap();
        assert_eq!((&*leaf.receiver, leaf.group_wait), ("def", DEFAULT_GROUP_WAIT));
        assert_eq!(leaf.group_by, GroupBy::labels(["a", "x"]));
        assert_eq!(&*leaf.key, "{}/{a=\"1\"}/{b=\"1\"}");
        assert_eq!(routes.ancestry(leaf.id), [RouteId(0), RouteId(1), RouteId(2)]);
    }

    #[test]
    fn group_keys_are_alertmanagers() {
        let routes = tree();
        let labels = Labels::from_pairs([("a", "1\n"), ("x", "ü"), ("z", "")]);
        let group = routes.root().group_labels(&labels.with("c", "3"));
        assert_eq!(routes.root().group_key(&group), "{}:{a=\"1\\n\", x=\"ü\"}");
        assert_eq!(group_key("{}", &Labels::default()), "{}:{}");
        assert_eq!(GroupBy::All.group_labels(&labels), labels);
    }
}

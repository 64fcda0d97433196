//! The list of target groups that files and URLs answer with: `[{"targets": ["host:port"], "labels": {…}}]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::TargetGroup;

/// How many targets one answer may list.
pub(crate) const MAX_TARGETS: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(default)]
    targets: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Reads groups in JSON. `source` becomes part of their names.
///
/// # Errors
/// With what is wrong and where.
pub(crate) fn json(text: &str, source: &str) -> Result<Vec<TargetGroup>, String> {
    let groups: Option<Vec<Option<Group>>> =
        serde_json::from_str(text).map_err(|e| format!("{source}: {e}"))?;
    collect(groups.unwrap_or_default(), source)
}

/// Reads groups in YAML.
///
/// # Errors
/// With what is wrong and where.
pub(crate) fn yaml(text: &str, source: &str) -> Result<Vec<TargetGroup>, String> {
    let groups: Option<Vec<Option<Group>>> =
        quarterdeck_yaml::parse(text, source).map_err(|mistake| mistake.to_string())?;
    collect(groups.unwrap_or_default(), source)
}

fn collect(groups: Vec<Option<Group>>, source: &str) -> Result<Vec<TargetGroup>, String> {
    let mut out = Vec::with_capacity(groups.len());
    let mut count = 0;
    for (index, group) in groups.into_iter().enumerate() {
        let Some(group) = group else { return Err(format!("{source}: group {index} is null")) };
        let targets: Vec<Arc<str>> = group.targets.unwrap_or_default().into_iter().map(Arc::from).collect();
        count += targets.len();
        if count > MAX_TARGETS {
            return Err(format!("{source}: lists more than {MAX_TARGETS} targets"));
        }
        let labels = group.labels.unwrap_or_default();
        out.push(TargetGroup { source: Arc::from(format!("{source}:{index}")), targets, labels });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_in_both_notations() {
        let from_json =
            json(r#"[{"targets":["a:1","b:2"],"labels":{"x":"y"}},{"targets":[]}]"#, "s").unwrap();
        let from_yaml =
            yaml("- targets: ['a:1', \"b:2\"]\n  labels:\n    x: y\n- targets: []\n", "s").unwrap();
        assert_eq!(from_json, from_yaml);
        assert_eq!(from_json[0].targets.len(), 2);
        assert_eq!(&*from_json[1].source, "s:1");
        assert_eq!(yaml("", "s"), Ok(Vec::new()));
    }

    #[test]
    fn mistakes_name_their_place() {
        let error = json("[{\"targets\": [}]", "t.json").unwrap_err();
        assert!(error.starts_with("t.json: ") && error.contains("line 1"), "{error}");
        let error = yaml("- targets: [a:1]\n  label: {}\n", "t.yml").unwrap_err();
        assert!(error.starts_with("t.yml:2:"), "{error}");
        assert_eq!(json("[null]", "s").unwrap_err(), "s: group 0 is null");
    }
}

//! Alerts that take a rollout back.

use quarterdeck_kernel::Matcher;
use quarterdeck_promql::ast::ExprKind;

use super::Strategy;

/// Reads conditions on labels: `severity="critical", team=~"a|b"`, with or without braces around them.
///
/// # Errors
/// What is wrong, in words.
pub fn conditions(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.trim();
    let braced = if text.starts_with('{') { text.to_owned() } else { format!("{{{text}}}") };
    let parsed = quarterdeck_promql::parse(&braced).map_err(|error| error.to_string())?;
    match parsed.kind {
        ExprKind::Vector(selector) if selector.name.is_none() => Ok(selector.matchers),
        _ => Err("conditions on labels are wanted, as in severity=\"critical\"".to_owned()),
    }
}

impl Strategy {
    /// Whether an alert with these labels takes back a rollout of a service. An alert of another service does only when
    /// the condition names the label `service`.
    #[must_use]
    pub fn aborts_on(&self, service: &str, of: Option<&str>, labels: &[(String, String)]) -> bool {
        let value = |name: &str| {
            labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value.as_str())
        };
        self.abort_on_alerts.iter().any(|text| {
            // Read when the file was; what cannot be read any more holds for nothing.
            let Ok(matchers) = conditions(text) else { return false };
            let names_service = matchers.iter().any(|matcher| matcher.name == "service");
            (names_service || of == Some(service))
                && matchers.iter().all(|matcher| matcher.matches(value(&matcher.name)))
        })
    }
}

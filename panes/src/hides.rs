//! What matchers of a silence would hide.

use std::sync::Arc;

use quarterdeck_alerting::model::Alert;
use quarterdeck_alertmanager::Matchers;
use quarterdeck_widgets::Role;

use crate::World;

/// Names that are told of what would be hidden.
const NAMES: usize = 6;

/// What matchers would hide, or what is wrong with them.
pub(crate) fn preview(world: &World, text: &str) -> Vec<(String, Role)> {
    let matchers = match Matchers::parse(text) {
        Ok(matchers) if matchers.is_empty() => {
            return vec![("say which alerts: alertname=\"HighLatency\"".to_owned(), Role::Warning)];
        }
        Ok(matchers) => matchers,
        Err(error) => return vec![(error.to_string(), Role::Critical)],
    };
    let alerts = world.alerting.alerts.alerts.iter().filter(|alert| alert.state.is_open());
    let hidden: Vec<&Arc<Alert>> = alerts.filter(|alert| matchers.matches(&alert.labels)).collect();
    let mut names: Vec<&str> = Vec::new();
    for alert in &hidden {
        if names.len() < NAMES && !names.contains(&alert.name()) {
            names.push(alert.name());
        }
    }
    match hidden.len() {
        0 => vec![("hides nothing that is open now".to_owned(), Role::Warning)],
        1 => vec![(format!("hides 1 open alert: {}", names.join(", ")), Role::Info)],
        n => vec![(format!("hides {n} open alerts: {}", names.join(", ")), Role::Info)],
    }
}

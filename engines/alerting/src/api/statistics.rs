//! How fast people were, and which rules cry wolf.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::{Api, running};
use crate::model::{AlertState, Stats};

pub(super) async fn statistics(State(api): State<Api>) -> Response {
    match running(&api) {
        Ok(handle) => {
            let view = handle.view();
            Json(value(&view.alerts.stats, view.turned_away)).into_response()
        }
        Err(response) => *response,
    }
}

fn value(stats: &Stats, turned_away: u64) -> Value {
    let totals = &stats.totals;
    let seconds = |mean: Option<std::time::Duration>| mean.map(|mean| mean.as_secs_f64());
    let states: Map<String, Value> =
        AlertState::ALL.iter().zip(stats.states).map(|(s, n)| (s.as_str().to_owned(), n.into())).collect();
    let rules: Map<String, Value> = stats
        .rules
        .iter()
        .map(|(name, rule)| {
            let told = json!({
                "fired": rule.fired,
                "acknowledged": rule.acknowledged,
                "resolvedByItself": rule.self_resolved,
                "silenced": rule.silenced,
            });
            (name.to_string(), told)
        })
        .collect();
    json!({
        "open": { "info": stats.open[0], "warning": stats.open[1], "critical": stats.open[2] },
        "states": states,
        "meanSecondsToAcknowledge": seconds(stats.mtta()),
        "meanSecondsToResolve": seconds(stats.mttr()),
        "fired": totals.fired,
        "acknowledged": totals.acknowledged,
        "resolved": totals.resolved,
        "notifications": {
            "sent": totals.sent,
            "failed": totals.failed,
            "unknown": totals.unknown,
            "resent": totals.resent,
        },
        "posted": { "received": totals.received, "refused": totals.refused },
        "turnedAway": turned_away,
        "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::model::{RuleStats, Totals};

    #[test]
    fn means_are_of_what_there_is() {
        let rule = RuleStats { fired: 4, acknowledged: 1, self_resolved: 3, silenced: 2 };
        let stats = Stats {
            open: [0, 1, 2],
            states: [2, 1, 0, 0, 5],
            totals: Totals {
                acknowledged: 2,
                to_acknowledge_ms: 3_000,
                sent: 7,
                failed: 1,
                ..Totals::default()
            },
            rules: Arc::new(BTreeMap::from([("Slow".into(), rule)])),
        };
        let told = value(&stats, 5);
        assert_eq!(told["open"]["critical"], 2);
        assert_eq!(told["states"]["resolved"], 5);
        assert_eq!(told["meanSecondsToAcknowledge"], 1.5);
        assert_eq!(told["meanSecondsToResolve"], Value::Null, "of nothing there is no mean");
        assert_eq!(told["notifications"]["failed"], 1);
        assert_eq!(told["turnedAway"], 5);
        assert_eq!(told["rules"]["Slow"]["resolvedByItself"], 3);
    }
}

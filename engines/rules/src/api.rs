//! `/api/v1/rules` and `/api/v1/alerts`, as Prometheus answers them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use quarterdeck_kernel::{Labels, Matcher, Timestamp};
use quarterdeck_promql::ast::ExprKind;
use quarterdeck_promql::labels_hash;
use serde_json::{Map, Value, json};

use crate::model::{AlertView, GroupView, RuleView, Snapshot};

/// Where the newest snapshot is had from.
pub type Current = Arc<dyn Fn() -> Arc<Snapshot> + Send + Sync>;

/// The routes.
pub fn router(current: Current) -> Router {
    Router::new().route("/api/v1/rules", get(rules)).route("/api/v1/alerts", get(alerts)).with_state(current)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn bad(why: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({ "status": "error", "errorType": "bad_data", "error": why }))
}

async fn alerts(State(current): State<Current>) -> Response {
    let snapshot = current();
    let rules = snapshot.groups.iter().flat_map(|group| group.rules.iter());
    let all: Vec<Value> = rules
        .filter_map(|rule| rule.alerting.as_ref())
        .flat_map(|a| a.alerts.iter())
        .map(|a| alert(a))
        .collect();
    answer(StatusCode::OK, &json!({ "status": "success", "data": { "alerts": all } }))
}

async fn rules(State(current): State<Current>, RawQuery(query): RawQuery) -> Response {
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return bad(&why),
    };
    let snapshot = current();
    let mut groups = Vec::new();
    let mut next = None;
    let mut waiting = asked.token.as_deref();
    for view in snapshot.groups.iter() {
        if waiting.is_some_and(|token| token != self::token(view)) {
            continue;
        }
        waiting = None;
        let Some(shown) = asked.group(view) else { continue };
        if asked.limit.is_some_and(|limit| groups.len() >= limit) {
            next = Some(token(view));
            break;
        }
        groups.push(shown);
    }
    if let Some(token) = waiting {
        return bad(&format!("invalid group_next_token {token:?}. were rule groups changed?"));
    }
    let mut data = json!({ "groups": groups });
    if let Some(token) = next {
        data["groupNextToken"] = token.into();
    }
    answer(StatusCode::OK, &json!({ "status": "success", "data": data }))
}

/// Names the group at which a page begins.
fn token(group: &GroupView) -> String {
    format!("{:016x}", labels_hash(&Labels::from_pairs([("file", &*group.file), ("name", &*group.name)])))
}

/// What of it is wanted.
#[derive(Default)]
struct Asked {
    alerting: Option<bool>,
    rules: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    matchers: Vec<Vec<Matcher>>,
    without_alerts: bool,
    limit: Option<usize>,
    token: Option<String>,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "type" => match value.to_ascii_lowercase().as_str() {
                    "" => {}
                    "alert" => asked.alerting = Some(true),
                    "record" => asked.alerting = Some(false),
                    _ => return Err(format!("invalid parameter \"type\": not supported value {value:?}")),
                },
                "rule_name[]" => asked.rules.push(value),
                "rule_group[]" => asked.groups.push(value),
                "file[]" => asked.files.push(value),
                "match[]" => asked.matchers.push(matchers(&value)?),
                "exclude_alerts" => match value.as_str() {
                    "1" | "t" | "T" | "true" | "TRUE" | "True" => asked.without_alerts = true,
                    "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => {}
                    _ => return Err(format!("invalid parameter \"exclude_alerts\": {value:?} is no boolean")),
                },
                "group_limit" => match value.parse() {
                    Ok(limit) if limit > 0 => asked.limit = Some(limit),
                    _ => return Err("invalid parameter \"group_limit\": group_limit needs to be a valid number greater than 0".to_owned()),
                },
                "group_next_token" if !value.is_empty() => asked.token = Some(value),
                _ => {}
            }
        }
        if asked.token.is_some() && asked.limit.is_none() {
            return Err("group_limit needs to be set in order to paginate over the groups".to_owned());
        }
        Ok(asked)
    }

    fn group(&self, group: &GroupView) -> Option<Value> {
        let wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
        if !wanted(&self.groups, &group.name) || !wanted(&self.files, &group.file) {
            return None;
        }
        let fits = |rule: &&Arc<RuleView>| {
            let labels = Labels::from_pairs(rule.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let matches =
                |set: &Vec<Matcher>| set.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()));
            wanted(&self.rules, &rule.name)
                && self.alerting.is_none_or(|alerting| rule.alerting.is_some() == alerting)
                && (self.matchers.is_empty() || self.matchers.iter().any(matches))
        };
        let rules: Vec<Value> =
            group.rules.iter().filter(fits).map(|rule| self::rule(rule, !self.without_alerts)).collect();
        // A filter that leaves nothing of a group leaves the group out.
        let filtered = self.alerting.is_some() || !self.rules.is_empty() || !self.matchers.is_empty();
        if rules.is_empty() && filtered {
            return None;
        }
        Some(json!({
            "name": &*group.name,
            "file": &*group.file,
            "rules": rules,
            "interval": group.interval.as_secs_f64(),
            "limit": group.limit,
            "evaluationTime": group.duration.as_secs_f64(),
            "lastEvaluation": moment(group.last_evaluation),
        }))
    }
}

fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let wrong = |why: String| format!("invalid parameter \"match[]\": {why}");
    let expr = quarterdeck_promql::parse(text).map_err(|error| wrong(error.with_position(text)))?;
    match &expr.unwrapped().kind {
        ExprKind::Vector(selector) => Ok(selector.matchers.clone()),
        _ => Err(wrong(format!("{text:?} is not a selector"))),
    }
}

fn pairs(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect())
}

fn rule(rule: &RuleView, with_alerts: bool) -> Value {
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    if let Some(alerting) = &rule.alerting {
        set("state", alerting.state().as_str().into());
        set("name", (*rule.name).into());
        set("query", (*rule.query).into());
        set("duration", json!(alerting.hold.as_secs_f64()));
        set("keepFiringFor", json!(alerting.keep_firing.as_secs_f64()));
        set("labels", pairs(&rule.labels));
        set("annotations", pairs(&alerting.annotations));
        if with_alerts {
            set("alerts", alerting.alerts.iter().map(|a| alert(a)).collect());
        }
    } else {
        set("name", (*rule.name).into());
        set("query", (*rule.query).into());
        if !rule.labels.is_empty() {
            set("labels", pairs(&rule.labels));
        }
    }
    set("health", rule.health.as_str().into());
    if let Some(error) = &rule.last_error {
        set("lastError", (**error).into());
    }
    set("evaluationTime", json!(rule.duration.as_secs_f64()));
    set("lastEvaluation", moment(rule.last_evaluation).into());
    set("type", if rule.alerting.is_some() { "alerting" } else { "recording" }.into());
    Value::Object(out)
}

fn alert(alert: &AlertView) -> Value {
    let mut out = json!({
        "labels": alert.labels,
        "annotations": pairs(&alert.annotations),
        "state": alert.state.as_str(),
        "activeAt": moment(Some(alert.active_at)),
    });
    if let Some(since) = alert.keep_firing_since {
        out["keepFiringSince"] = moment(Some(since)).into();
    }
    out["value"] = exponential(alert.value).into();
    out
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

/// A number with an exponent always, as this interface has it: `1e+00`.
fn exponential(v: f64) -> String {
    if !v.is_finite() {
        return quarterdeck_promql::format_float(v);
    }
    let text = format!("{v:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{mantissa}e-{exponent:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::model::{AlertState, AlertingView, RuleHealth};

    fn snapshot() -> Arc<Snapshot> {
        let view = |name: &str, alerting| {
            Arc::new(RuleView {
                name: name.into(),
                query: "up == 0".into(),
                labels: Arc::new([("severity".to_owned(), "page".to_owned())]),
                health: RuleHealth::Ok,
                last_error: None,
                last_evaluation: Some(Timestamp::from_millis(0)),
                duration: Duration::from_millis(5),
                line: 3,
                alerting,
            })
        };
        let alert = Arc::new(AlertView {
            labels: Labels::from_pairs([("alertname", "Down")]),
            annotations: Arc::new([]),
            state: AlertState::Firing,
            active_at: Timestamp::from_millis(1500),
            fired_at: None,
            keep_firing_since: None,
            value: 12.5,
        });
        let alerting = AlertingView {
            hold: Duration::from_secs(300),
            keep_firing: Duration::ZERO,
            annotations: Arc::new([]),
            alerts: Arc::new([alert]),
        };
        let group = |name: &str| {
            Arc::new(GroupView {
                name: name.into(),
                file: "r.yml".into(),
                interval: Duration::from_secs(60),
                limit: 0,
                last_evaluation: None,
                duration: Duration::ZERO,
                missed: 0,
                rules: Arc::new([view("Down", Some(alerting.clone())), view("a:b", None)]),
            })
        };
        Arc::new(Snapshot { groups: Arc::new([group("one"), group("two")]), ..Snapshot::default() })
    }

    async fn get(path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(Arc::new(snapshot)).oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn rules_and_alerts_look_as_prometheus_tells_them() {
        let (_, body) = get("/api/v1/alerts").await;
        let alert = &body["data"]["alerts"][0];
        assert_eq!(
            (&alert["value"], &alert["activeAt"]),
            (&json!("1.25e+01"), &json!("1970-01-01T00:00:01.500Z"))
        );
        let (_, body) = get("/api/v1/rules?type=alert&rule_group[]=two").await;
        let groups = body["data"]["groups"].as_array().unwrap();
        assert_eq!(
            (groups.len(), &groups[0]["name"], &groups[0]["lastEvaluation"]),
            (1, &json!("two"), &json!("0001-01-01T00:00:00Z"))
        );
        let rule = &groups[0]["rules"][0];
        assert_eq!(rule["state"], "firing");
        assert_eq!(
            (&rule["duration"], &rule["type"], &rule["alerts"][0]["state"]),
            (&json!(300.0), &json!("alerting"), &json!("firing"))
        );
        let (_, body) = get("/api/v1/rules?type=record&exclude_alerts=true").await;
        assert_eq!(body["data"]["groups"][0]["rules"].as_array().unwrap().len(), 1);
        let (_, body) = get("/api/v1/rules?match[]=%7Bseverity%3D%22none%22%7D").await;
        assert_eq!(body["data"]["groups"], json!([]));
    }

    #[tokio::test]
    async fn groups_come_in_pages_and_bad_questions_are_refused() {
        let (_, first) = get("/api/v1/rules?group_limit=1").await;
        let token = first["data"]["groupNextToken"].as_str().unwrap().to_owned();
        let (_, second) = get(&format!("/api/v1/rules?group_limit=1&group_next_token={token}")).await;
        assert_eq!(second["data"]["groups"][0]["name"], "two");
        assert_eq!(second["data"].get("groupNextToken"), None);
        for path in [
            "type=x",
            "group_limit=0",
            "group_next_token=x",
            "group_limit=1&group_next_token=x",
            "exclude_alerts=maybe",
            "match[]=up%2B1",
        ] {
            let (status, body) = get(&format!("/api/v1/rules?{path}")).await;
            assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")), "{path}");
        }
    }
}

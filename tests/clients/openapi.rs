//! Checks answers against the published schema of Prometheus's HTTP API: as much of OpenAPI as that file uses.

use serde_json::{Map, Value};

/// A schema document.
pub(crate) struct Schema(Value);

impl Schema {
    /// The schema beside the conformance data, if it is here.
    pub(crate) fn load() -> Option<Self> {
        let folder = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
            std::path::PathBuf::from,
        );
        let Ok(text) = std::fs::read_to_string(folder.join("prometheus-api.openapi.yaml")) else {
            eprintln!("SKIPPED: prometheus-api.openapi.yaml is not at $QUARTERDECK_CONFORMANCE");
            return None;
        };
        Some(Self(serde_saphyr::from_str(&text).expect("the schema is YAML")))
    }

    /// What is wrong with an answer of an operation, a line each.
    pub(crate) fn faults(&self, path: &str, method: &str, status: u16, answer: &Value) -> Vec<String> {
        let responses = &self.0["paths"][path][method]["responses"];
        let response = match responses.get(status.to_string()) {
            Some(response) => response,
            None => &responses["default"],
        };
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            return vec![format!("{method} {path} has no schema for {status}")];
        }
        let mut faults = Vec::new();
        self.check(schema, answer, "$", &mut faults);
        faults
    }

    fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        while let Some(reference) = schema["$ref"].as_str() {
            schema = self.0.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere");
        }
        schema
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema);
        let fits = |schema: &Value| {
            let mut found = Vec::new();
            self.check(schema, value, at, &mut found);
            found
        };
        for part in list(&schema["allOf"]) {
            self.check(part, value, at, faults);
        }
        for several in ["oneOf", "anyOf"] {
            let choices = list(&schema[several]);
            if !choices.is_empty() && choices.iter().all(|choice| !fits(choice).is_empty()) {
                let why: Vec<String> = choices.iter().flat_map(fits).collect();
                faults.push(format!("{at}: none of {several} fits: {}", why.join("; ")));
            }
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            faults.push(format!("{at}: {value} is not one of {allowed:?}"));
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is(value, kind)) {
            faults.push(format!("{at}: {value} is not {kinds:?}"));
            return;
        }
        if schema["format"] == "date-time"
            && value.as_str().is_none_or(|text| text.parse::<jiff::Timestamp>().is_err())
        {
            faults.push(format!("{at}: {value} is not a date"));
        }
        if let Some(map) = value.as_object() {
            self.object(schema, map, at, faults);
        }
        if let Some(items) = value.as_array()
            && !schema["items"].is_null()
        {
            for (i, item) in items.iter().enumerate() {
                self.check(&schema["items"], item, &format!("{at}[{i}]"), faults);
            }
        }
    }

    fn object(&self, schema: &Value, map: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
        for name in list(&schema["required"]).iter().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                faults.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, value) in map {
            let place = format!("{at}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Bool(false)) => faults.push(format!("{place}: not in the schema")),
                (Value::Null, more @ Value::Object(_)) => self.check(more, value, &place, faults),
                (Value::Null, _) => {}
                (known, _) => self.check(known, value, &place, faults),
            }
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the schema names a type {other:?} that is not known here"),
    }
}

/// The checker finds what it is there to find.
#[test]
fn faults_are_found() {
    let schema = Schema(serde_json::json!({
        "paths": {"/x": {"get": {"responses": {"200": {"content": {"application/json": {"schema":
            {"$ref": "#/components/schemas/X"}}}}}}}},
        "components": {"schemas": {"X": {"type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {"a": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]}}}}},
    }));
    for (answer, count) in [
        (serde_json::json!({"a": "x"}), 0),
        (serde_json::json!({"a": [1, 2]}), 0),
        (serde_json::json!({"a": [1, "2"]}), 1),
        (serde_json::json!({"b": 1}), 2),
        (serde_json::json!([]), 1),
    ] {
        let faults = schema.faults("/x", "get", 200, &answer);
        assert_eq!(faults.len(), count, "{answer}: {faults:?}");
    }
    assert_eq!(schema.faults("/x", "get", 500, &serde_json::json!({})).len(), 1);
}

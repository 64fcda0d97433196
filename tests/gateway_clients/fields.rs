//! http-sfv (of PyPI) reads what the gateway tells in structured fields.

use super::support::peers::peers;
use super::{Gateway, python};

const CONFIG: &str = r#"
[gateway]
listen = ["127.0.0.1:GATEWAY"]

[gateway.services.api]
versions = { v1 = "http://127.0.0.1:PORT" }

[gateway.auth.consumers.alice]
keys = [{ file = "alice.key" }]
tier = "gold"

[gateway.tiers.gold]
rate = { count = 50, per = "1h" }
daily = 100

[gateway.routes.limited]
path = "/limited"
service = "api"
filters.rate_limit = { rate = { count = 2, per = "60s" }, tiers = true }

[gateway.routes.cached]
service = "api"
filters.cache = { ttl = "60s" }

[gateway.routes.once]
path = "/once"
service = "api"
filters.cache = { ttl = "1s", stale = "60s" }

[gateway.routes.api]
prefix = "/api"
service = "api"

[gateway.routes.api.filters.api_versions.versions.v1]
state = "sunset"
deprecated = "2026-06-30T23:59:59Z"
sunset = "2036-12-31T23:59:59Z"
link = "https://example.com/moving"
successor = "/api/v2"

[gateway.routes.api.filters.api_versions.versions.v2]
"#;

#[test]
fn http_sfv_reads_every_structured_field() {
    let folder = peers().join("sfv");
    if !folder.join("http_sfv").is_dir() {
        eprintln!("SKIPPED: the Python library http-sfv is not here; tests/run fetches it");
        return;
    }
    let Some(gateway) = Gateway::before("service.py", &[("alice.key", "k-alice")], CONFIG) else { return };
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway_clients/fields.py");
    let mut client = python().expect("Python");
    client.env("PYTHONPATH", folder).arg(script).arg(gateway.url.trim_start_matches("http://"));
    let out = client.output().expect("the client runs");
    let (said, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.trim() == "OK", "{said}{error}");
}

//! Who calls and whom the gateway itself shows who it is: keys by URL, certificates to services.

#![expect(clippy::unwrap_used, reason = "what fails in a helper here fails a test")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hyper::Response;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use support::{Gateway, Service, config, service, until};

fn pem(name: &str) -> String {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tls").join(name);
    file.display().to_string()
}

/// An issuer with one key.
struct Issuer {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Issuer {
    fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self { pair: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap(), kid }
    }

    fn set(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        serde_json::json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y }] })
            .to_string()
    }

    /// A header line with a token about somebody, good for long.
    fn token(&self, subject: &str) -> String {
        let header = serde_json::json!({ "alg": "ES256", "kid": self.kid });
        let claims = serde_json::json!({ "sub": subject, "exp": 4_000_000_000_u64 });
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signed = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("Authorization: Bearer {message}.{}\r\n", BASE64.encode(signed.as_ref()))
    }
}

fn needs_tokens(echo: &Service, url: &str, more: &str) -> String {
    let auth = format!("filters.auth = {{ required = true }}\nauth.jwt = {{ jwks_url = \"{url}\"{more} }}\n");
    service(&[echo.address], &auth)
}

fn keys(gateway: &Gateway) -> quarterdeck_gateway::model::KeySetView {
    gateway.handle.snapshot().keys.clone().expect("a set is configured")
}

#[tokio::test]
async fn the_issuers_keys_are_fetched_and_stay_over_a_reload() {
    let echo = Service::echo().await;
    let issuer = Arc::new(Issuer::new("k1"));
    let set = issuer.set();
    let server = Service::start(move |parts, _| {
        assert_eq!(parts.uri.to_string(), "/keys?app=1");
        Response::new(set.clone())
    })
    .await;
    let text = needs_tokens(&echo, &format!("http://{}/keys?app=1", server.address), "");
    let gateway = Gateway::start(&text).await;
    until("the set has come", || keys(&gateway).keys == 1).await;
    assert!(keys(&gateway).fetched.is_some() && keys(&gateway).error.is_none());
    assert_eq!(gateway.get("/", &issuer.token("alice")).await.status, 200);
    // The same name, another key; and a key that nobody knows.
    assert_eq!(gateway.get("/", &Issuer::new("k1").token("eve")).await.code(), "unauthenticated");
    assert_eq!(gateway.get("/", &Issuer::new("k2").token("eve")).await.code(), "unauthenticated");
    let more = format!("listen = [\"{}\"]\nfilters.max_body = 10\n", gateway.address);
    gateway.handle.reload(config(&format!("{text}{more}"))).await.unwrap();
    assert_eq!(gateway.get("/", &issuer.token("alice")).await.status, 200);
    assert_eq!(server.count(), 1, "what is there already is not fetched again");
    let page = quarterdeck_metrics::gather::page(
        &gateway.handle.families(),
        quarterdeck_metrics::exposition::Format::Text,
    );
    assert!(page.contains("quarterdeck_gateway_jwks_keys 1"), "{page}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_no_set_or_leads_elsewhere_is_not_taken() {
    let echo = Service::echo().await;
    let issuer = Issuer::new("k1");
    let set = issuer.set();
    let elsewhere = Service::start(move |_, _| Response::new(set.clone())).await;
    let location = format!("http://{}/keys", elsewhere.address);
    let redirecting = Service::start(move |_, _| {
        Response::builder().status(302).header("location", &location).body(String::new()).unwrap()
    })
    .await;
    let huge = Service::start(|_, _| Response::new(format!("{{\"keys\": [{}]}}", " ".repeat(300_000)))).await;
    let page = Service::start(|_, _| Response::new("<html>".to_owned())).await;
    for (server, why) in [(&redirecting, "302"), (&huge, "bytes"), (&page, "expected value")] {
        let url = format!("http://{}/", server.address);
        let gateway = Gateway::start(&needs_tokens(&echo, &url, "")).await;
        until("it is told", || keys(&gateway).error.is_some_and(|error| error.contains(why))).await;
        let answer = gateway.get("/", &issuer.token("alice")).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "keys_unavailable"));
        assert_eq!(answer.header("retry-after"), Some("2"));
        gateway.stop().await;
    }
    assert_eq!((elsewhere.count(), echo.count()), (0, 0));
}

#[tokio::test]
async fn the_issuer_is_asked_over_tls_and_must_be_who_it_is() {
    let echo = Service::echo().await;
    let issuer = Issuer::new("k1");
    let set = issuer.set();
    let server = Service::start(move |_, _| Response::new(set.clone())).await;
    let (cert, key) = (pem("server.pem"), pem("server.key"));
    let tls = format!(
        "[listeners.edge]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = \"{cert}\", key = \"{key}\" }}\n"
    );
    let front = Gateway::start(&service(&[server.address], &tls)).await;
    let url = format!("https://localhost:{}/keys", front.address.port());
    let trusting =
        Gateway::start(&needs_tokens(&echo, &url, &format!(", jwks_ca_file = \"{}\"", pem("ca.pem")))).await;
    until("the set has come", || keys(&trusting).keys == 1).await;
    assert_eq!(trusting.get("/", &issuer.token("alice")).await.status, 200);
    let asked = server.count();
    // Neither the machine's authorities nor a certificate that is none vouch for it.
    for ca in [String::new(), format!(", jwks_ca_file = \"{}\"", pem("client.pem"))] {
        let doubting = Gateway::start(&needs_tokens(&echo, &url, &ca)).await;
        until("it is told", || keys(&doubting).failures > 0).await;
        assert_eq!(doubting.get("/", &issuer.token("alice")).await.code(), "keys_unavailable");
        doubting.stop().await;
    }
    assert_eq!(server.count(), asked);
    trusting.stop().await;
    front.stop().await;
    let wrong =
        quarterdeck_gateway::validate(&config(&needs_tokens(&echo, "http://id.example.com/keys", "")));
    assert_eq!(wrong[0].0, "auth.jwt.jwks_url");
    assert!(wrong[0].1.to_string().contains("not encrypted"), "{}", wrong[0].1);
}

#[tokio::test]
async fn services_are_shown_a_certificate() {
    let echo = Service::echo().await;
    let (cert, key, ca) = (pem("server.pem"), pem("server.key"), pem("ca.pem"));
    let tls = format!(
        "[listeners.edge]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ cert = \"{cert}\", key = \"{key}\", client_ca = \"{ca}\" }}\n"
    );
    let inner = Gateway::start(&service(&[echo.address], &tls)).await;
    let port = inner.address.port();
    let text = |protocol: &str, more: &str| {
        format!(
            "[services.s]\nversions.v1 = \"https://localhost:{port}\"\nprotocol = \"{protocol}\"\nca_file = \"{ca}\"\n{more}"
        )
    };
    let shown = format!("client_cert = \"{}\"\nclient_key = \"{}\"\n", pem("client.pem"), pem("client.key"));
    for protocol in ["http1", "http2"] {
        let outer = Gateway::start(&text(protocol, &shown)).await;
        assert_eq!(outer.get("/", "").await.status, 200, "{protocol}");
        outer.stop().await;
        let outer = Gateway::start(&text(protocol, "")).await;
        assert_eq!(outer.get("/", "").await.status, 502, "{protocol}");
        outer.stop().await;
    }
    inner.stop().await;
    let alone =
        quarterdeck_gateway::validate(&config(&text("http1", &format!("client_cert = \"{cert}\"\n"))));
    assert_eq!((alone.len(), alone[0].0.as_str()), (1, "services.s.client_cert"));
    // A key that is another's.
    let wrong = format!("client_cert = \"{}\"\nclient_key = \"{key}\"\n", pem("client.pem"));
    let wrong = quarterdeck_gateway::validate(&config(&text("http1", &wrong)));
    assert_eq!((wrong.len(), wrong[0].0.as_str()), (1, "services.s.client_cert"));
}

/// A file that is being written, or gone, is no reason to refuse an operator or a rollout a change of traffic.
#[tokio::test]
async fn a_split_reads_no_files_and_a_reload_reads_them_all() {
    let echo = Service::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let (ca, set) = (folder.path().join("ca.pem"), folder.path().join("keys.json"));
    std::fs::copy(pem("ca.pem"), &ca).unwrap();
    let issuer = Issuer::new("k1");
    std::fs::write(&set, issuer.set()).unwrap();
    let text = format!(
        "[services.s]\nca_file = \"{}\"\nversions = {{ v1 = \"http://{}\", v2 = \"https://localhost:1\" }}\n\
         [filters.auth]\nrequired = true\n[auth.jwt]\njwks_file = \"{}\"\n",
        ca.display(),
        echo.address,
        set.display()
    );
    let gateway = Gateway::start(&text).await;
    assert_eq!(gateway.get("/", &issuer.token("alice")).await.status, 200);
    std::fs::remove_file(&ca).unwrap();
    std::fs::write(&set, "{ half a set").unwrap();
    for share in [1, 2, 3] {
        gateway.handle.set_split("s", Some(&[("v1".to_owned(), share)])).unwrap();
    }
    assert_eq!(gateway.get("/", &issuer.token("alice")).await.status, 200);
    let listening = format!("listen = [\"{}\"]\n{text}", gateway.address);
    let wrong = gateway.handle.reload(config(&listening)).await.unwrap_err();
    let mut keys: Vec<&str> = wrong.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["auth.jwt.jwks_file", "services.s.ca_file"]);
    gateway.handle.set_split("s", Some(&[("v1".to_owned(), 4)])).unwrap();
    assert_eq!(gateway.get("/", &issuer.token("alice")).await.status, 200);
    // With other keys in it, a reload takes those and no others.
    let other = Issuer::new("k2");
    std::fs::write(&set, other.set()).unwrap();
    std::fs::copy(pem("ca.pem"), &ca).unwrap();
    gateway.handle.reload(config(&listening)).await.unwrap();
    assert_eq!(gateway.get("/", &issuer.token("alice")).await.code(), "unauthenticated");
    assert_eq!(gateway.get("/", &other.token("alice")).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_must_fit_their_schema() {
    let echo = Service::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order.json");
    let schema = serde_json::json!({
        "type": "object",
        "required": ["symbol"],
        "properties": { "symbol": { "type": "string" }, "legs": { "items": { "type": "integer" } } }
    });
    std::fs::write(&file, schema.to_string()).unwrap();
    let more = format!("filters.validate = {{ schema = \"{}\" }}\n", file.display());
    let gateway = Gateway::before(&[echo.address], &more).await;
    let good = "{ \"symbol\" : \"A\" }";
    let answer = gateway.ask("POST", "/", "", good).await;
    assert!(answer.status == 200 && answer.body.ends_with(good), "{answer:?}");
    assert_eq!(gateway.get("/", "").await.status, 200);
    let answer = gateway.ask("POST", "/", "", "{\"legs\": [1, \"two\"]}").await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid_body"));
    let errors = answer.problem()["errors"].clone();
    let mut places: Vec<&str> =
        errors.as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, ["#", "#/legs/1"], "{errors}");
    assert!(errors.to_string().contains("want integer, but got string"), "{errors}");
    // In parts of unknown length, nonsense, nothing at all, and more than is looked at.
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n";
    assert!(gateway.raw(chunked).await.starts_with("HTTP/1.1 422"));
    assert_eq!(gateway.ask("POST", "/", "", "{").await.code(), "bad_request");
    assert_eq!(gateway.ask("PUT", "/", "", "").await.code(), "bad_request");
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    assert_eq!(gateway.ask("POST", "/", "", &long).await.code(), "body_too_large");
    // As deep as may be, and deeper: neither takes more of the thread than it has.
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(gateway.ask("POST", "/", "", &deep(32)).await.code(), "invalid_body");
    assert_eq!(gateway.ask("POST", "/", "", &deep(33)).await.code(), "bad_request");
    let many = format!("[{}1]", "1,".repeat(200_000));
    assert_eq!(gateway.ask("POST", "/", "", &many).await.code(), "body_too_large");
    assert_eq!(echo.count(), 2, "what does not fit goes nowhere");
    // Its file gone, an operator's change of the split still works; a reload says what is missing.
    std::fs::remove_file(&file).unwrap();
    gateway.handle.set_split("s", Some(&[("v1".to_owned(), 5)])).unwrap();
    assert_eq!(gateway.ask("POST", "/", "", "[]").await.status, 422);
    let reload = config(&service(&[echo.address], &format!("listen = [\"{}\"]\n{more}", gateway.address)));
    let wrong = gateway.handle.reload(reload).await.unwrap_err();
    assert_eq!(wrong[0].0, "filters.validate.schema");
    gateway.stop().await;
}

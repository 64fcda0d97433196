//! Encryption on both sides: one gateway in front of another, the one between them encrypted.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use support::{Answer, Gateway, Service, service, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn pem(name: &str) -> String {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tls").join(name);
    file.display().to_string()
}

fn listener(more: &str) -> String {
    let (cert, key) = (pem("server.pem"), pem("server.key"));
    format!(
        "[listeners.edge]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = \"{cert}\", key = \"{key}\"{more} }}\n"
    )
}

#[tokio::test]
async fn both_sides_are_encrypted() {
    let echo = Service::echo().await;
    let inner = Gateway::start(&service(&[echo.address], &listener(""))).await;
    for protocol in ["http1", "http2"] {
        let text = format!(
            "[services.s]\nversions.v1 = \"https://localhost:{}\"\nprotocol = \"{protocol}\"\nca_file = \"{}\"\n",
            inner.address.port(),
            pem("ca.pem")
        );
        let outer = Gateway::start(&text).await;
        for _ in 0..3 {
            let answer = outer.ask("POST", "/x", "Host: shop.test\r\n", "hello").await;
            assert_eq!(answer.status, 200, "{protocol}: {answer:?}");
            assert!(answer.body.starts_with("POST /x\n") && answer.body.ends_with("hello"), "{answer:?}");
            assert!(answer.body.contains("host: shop.test\n"), "{answer:?}");
            assert!(
                answer.body.contains("x-forwarded-proto: https\n"),
                "the inner one was called encrypted: {answer:?}"
            );
        }
        outer.stop().await;
    }
    inner.stop().await;
}

#[tokio::test]
async fn encrypted_endpoints_stay_what_they_are_over_every_change() {
    let echo = Service::echo().await;
    let inner = Gateway::start(&service(&[echo.address], &listener(""))).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::copy(pem("ca.pem"), &ca).unwrap();
    let text = format!(
        "threads = 1\nlisten = [\"127.0.0.1:0\"]\n[services.s]\nca_file = \"{}\"\n\
         versions = {{ v1 = \"https://localhost:{port}\", v2 = \"https://localhost:{port}/b\" }}\n\
         health = {{ path = \"/\", period = \"1h\" }}\n",
        ca.display(),
        port = inner.address.port()
    );
    let outer = Gateway::start(&text).await;
    let endpoint = || {
        let table = outer.handle.table();
        Arc::clone(&table.service("s").unwrap().versions[0].endpoints[0])
    };
    until("it is found well", || endpoint().available()).await;
    assert_eq!(outer.get("/", "").await.status, 200);
    let (first, opened) = (endpoint(), endpoint().connections.load(Relaxed));
    for share in 1..=10 {
        let shares = [("v1".to_owned(), 11 - share), ("v2".to_owned(), 0)];
        outer.handle.set_split("s", Some(&shares)).unwrap();
        assert_eq!(outer.get("/", "").await.status, 200, "it needs no new check");
    }
    outer.handle.reload(support::config(&format!("access_log = \"all\"\n{text}"))).await.unwrap();
    assert_eq!(outer.get("/", "").await.status, 200);
    assert_eq!(
        (endpoint().id, endpoint().connections.load(Relaxed)),
        (first.id, opened),
        "nor a new connection"
    );
    // Other authorities are another matter.
    std::fs::copy(pem("client.pem"), &ca).unwrap();
    outer.handle.reload(support::config(&text)).await.unwrap();
    assert_ne!(endpoint().id, first.id);
    outer.stop().await;
    inner.stop().await;
}

#[tokio::test]
async fn certificates_that_are_not_good_are_refused() {
    let echo = Service::echo().await;
    let inner = Gateway::start(&service(&[echo.address], &listener(""))).await;
    // A certificate is no authority, and the name is not that of the certificate.
    for (host, ca) in [("localhost", "client.pem"), ("localhost.localdomain", "ca.pem")] {
        let text = format!(
            "[services.s]\nversions.v1 = \"https://{host}:{}\"\nca_file = \"{}\"\n",
            inner.address.port(),
            pem(ca)
        );
        let outer = Gateway::start(&text).await;
        let answer = outer.get("/", "").await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "connect_failed"), "{host}");
        outer.stop().await;
    }
    // Plain HTTP to an encrypted listener gets no answer, and others are served.
    assert!(!inner.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.contains("200 OK"));
    inner.stop().await;
}

#[tokio::test]
async fn callers_show_certificates_where_they_must() {
    let echo = Service::echo().await;
    let ca = pem("ca.pem");
    let gateway =
        Gateway::start(&service(&[echo.address], &listener(&format!(", client_ca = \"{ca}\"")))).await;
    let ask = |address: std::net::SocketAddr, shown: Option<&'static str>| async move {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(
            CertificateDer::pem_file_iter(pem("ca.pem")).unwrap().map(Result::unwrap),
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = if let Some(shown) = shown {
            let chain = CertificateDer::pem_file_iter(pem(&format!("{shown}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(pem(&format!("{shown}.key"))).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        (!all.is_empty()).then(|| Answer::read(&String::from_utf8_lossy(&all)).status)
    };
    assert_eq!(ask(gateway.address, Some("client")).await, Some(200));
    // None, and one of an authority that is not believed.
    assert_eq!(ask(gateway.address, None).await, None);
    assert_eq!(ask(gateway.address, Some("expired")).await, None);
    until("they are counted", || gateway.handle.snapshot().totals.handshake_errors == 2).await;
    assert_eq!(ask(gateway.address, Some("client")).await, Some(200));
    gateway.stop().await;
    // One of an authority that is believed, whose time is over.
    let ca = format!(", client_ca = \"{}\"", pem("expired-ca.pem"));
    let gateway = Gateway::start(&service(&[echo.address], &listener(&ca))).await;
    assert_eq!(ask(gateway.address, Some("expired")).await, None);
    gateway.stop().await;
    assert_eq!(echo.count(), 2);
}

#[tokio::test]
async fn a_service_whose_certificate_has_ended_is_not_called() {
    let echo = Service::echo().await;
    let (cert, key) = (pem("expired.pem"), pem("expired.key"));
    let tls = format!(
        "[listeners.edge]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = \"{cert}\", key = \"{key}\" }}\n"
    );
    let inner = Gateway::start(&service(&[echo.address], &tls)).await;
    for protocol in ["http1", "http2"] {
        let text = format!(
            "[services.s]\nversions.v1 = \"https://localhost:{}\"\nprotocol = \"{protocol}\"\nca_file = \"{}\"\n",
            inner.address.port(),
            pem("expired-ca.pem")
        );
        let outer = Gateway::start(&text).await;
        let answer = outer.get("/", "").await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "connect_failed"), "{protocol}");
        // The operator is told what the caller is not.
        until("it is kept to be looked at", || {
            let samples = Arc::clone(&outer.handle.snapshot().samples);
            samples.iter().any(|s| s.error.as_ref().is_some_and(|error| error.contains("xpired")))
        })
        .await;
        assert!(!answer.body.contains("xpired"), "{}", answer.body);
        outer.stop().await;
    }
    assert_eq!(echo.count(), 0);
    inner.stop().await;
}

//! Feeds over TLS. The certificates beside this file are for tests alone: their authority's key is not kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

use quarterdeck_streams::config::Sequence;

use crate::support::{Running, feed, tcp_server};

/// Messages that the server sends.
const RECORDS: u64 = 300;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sockets/tls").join(name)
}

async fn server() -> String {
    let certificates =
        CertificateDer::pem_file_iter(file("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let url = tcp_server(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            // Fast enough to be read in beats, and more than one TLS record at a time.
            for n in 1..=RECORDS {
                if socket.feed(Message::text(format!("{{\"seq\":{n}}}"))).await.is_err() {
                    return;
                }
                if n % 3 != 0 && socket.flush().await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let _ = socket.flush().await;
            while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
        }
    })
    .await;
    url.replace("ws://127.0.0.1", "wss://localhost")
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    let mut config = feed(&server().await);
    config.ca_file = Some(file("ca.pem"));
    config.sequence = Some(Sequence { path: "seq".to_owned(), key: None });
    let engine = Running::feed(config);
    let view = engine.until(|f| f.stats.records == RECORDS).await;
    assert!(view.last_error.is_none(), "{:?}", view.last_error);
    assert_eq!((view.stats.missing, view.stats.out_of_order), (0, 0));
}

#[tokio::test]
async fn an_unknown_authority_is_not() {
    let engine = Running::feed(feed(&server().await));
    let view = engine.until(|f| f.last_error.is_some()).await;
    let error = view.last_error.as_ref().map(|e| e.1.to_string()).unwrap_or_default();
    assert!(error.starts_with("cannot connect: ") && error.contains("unknown authority"), "{error}");
    let mut config = feed("wss://localhost:1/");
    config.ca_file = Some(file("server.key"));
    let engine = Running::feed(config);
    let view = engine.until(|f| f.last_error.is_some()).await;
    let error = view.last_error.as_ref().map(|e| e.1.to_string()).unwrap_or_default();
    assert!(error.ends_with("server.key holds no certificate"), "{error}");
}

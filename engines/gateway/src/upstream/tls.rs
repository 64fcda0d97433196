//! Whom the gateway trusts when it calls an encrypted endpoint.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::config::Protocol;

/// The authorities of a file.
///
/// # Errors
/// When it cannot be read or holds none.
pub fn roots(file: &Path) -> Result<RootCertStore, String> {
    crate::server::tls::root_store(file)
}

/// How encrypted endpoints are called: those of `ca` are trusted, or else the machine's.
///
/// # Errors
/// When there is nobody to trust.
pub fn client_config(ca: Option<&Path>, protocol: Protocol) -> Result<Arc<rustls::ClientConfig>, String> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let mut config = match ca {
        Some(file) => builder.with_root_certificates(roots(file)?).with_no_client_auth(),
        None => builder.with_platform_verifier().map_err(|e| e.to_string())?.with_no_client_auth(),
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

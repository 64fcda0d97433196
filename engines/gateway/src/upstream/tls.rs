//! Whom the gateway trusts when it calls an encrypted endpoint.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::config::{Protocol, ServiceConfig};

/// The authorities of a file.
///
/// # Errors
/// When it cannot be read or holds none.
pub fn roots(file: &Path) -> Result<RootCertStore, String> {
    crate::server::tls::root_store(file)
}

/// How the encrypted endpoints of a service are called.
#[derive(Clone, Debug)]
pub struct Trust {
    /// As rustls wants it.
    pub config: Arc<rustls::ClientConfig>,
    /// What it was made from: where this is the same, so is the configuration.
    pub digest: [u8; 32],
}

/// The SHA-256 of everything that says how the encrypted endpoints of a service are called.
///
/// # Errors
/// When a file cannot be read.
pub fn digest(service: &ServiceConfig) -> Result<[u8; 32], String> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(match service.protocol {
        Protocol::Http1 => b"http1",
        Protocol::Http2 => b"http2",
    });
    let files = [("ca", &service.ca_file), ("cert", &service.client_cert), ("key", &service.client_key)];
    for (kind, file) in files {
        let Some(file) = file else { continue };
        let pem = std::fs::read(file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
        context.update(kind.as_bytes());
        // Where one ends and the next begins is part of it.
        context.update(&(pem.len() as u64).to_be_bytes());
        context.update(&pem);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}

/// How the encrypted endpoints of a service are called: those of its authority are trusted, or else the machine's; who asks for
/// a certificate is shown that of the service's section.
///
/// # Errors
/// When there is nobody to trust, or certificate and key cannot be read or do not fit.
pub fn client_config(service: &ServiceConfig) -> Result<Arc<rustls::ClientConfig>, String> {
    let (ca, protocol) = (service.ca_file.as_deref(), service.protocol);
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match ca {
        Some(file) => builder.with_root_certificates(roots(file)?),
        None => builder.with_platform_verifier().map_err(|e| e.to_string())?,
    };
    let mut config = match service.client_cert.as_deref().zip(service.client_key.as_deref()) {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = crate::server::tls::certificates(cert)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}", key.display()))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|e| format!("{} and {}: {e}", cert.display(), key.display()))?
        }
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

//! TLS as configured: whom to trust, who this client is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use quarterdeck_alertmanager::config::{SecretSource, Tls, TlsVersion};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::failure::Failure;
use crate::secret;

/// Whose signatures are trusted.
#[derive(Debug)]
enum Trust {
    Anyone,
    /// Whom the system trusts, loaded when it is first needed.
    System,
    Given(Arc<WebPkiServerVerifier>),
}

/// Judges a server's certificate.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    /// The name that the certificate must carry, if not the host's.
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

static SYSTEM: OnceLock<Result<rustls_platform_verifier::Verifier, rustls::Error>> = OnceLock::new();

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        match &self.trust {
            Trust::Anyone => Ok(ServerCertVerified::assertion()),
            Trust::Given(given) => given.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            Trust::System => {
                let load = || rustls_platform_verifier::Verifier::new(Arc::clone(&self.provider));
                let system = SYSTEM.get_or_init(load).as_ref().map_err(Clone::clone)?;
                system.verify_server_cert(end_entity, intermediates, name, ocsp, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The client's side of TLS, without protocols of the application. Reads the files that it names; blocks.
pub(crate) fn client(tls: &Tls) -> Result<ClientConfig, Failure> {
    let bad = |what: &str, why: &dyn std::fmt::Display| Failure::never(format!("tls_config.{what}: {why}"));
    let provider = Arc::new(ring::default_provider());
    let given = pem(tls.ca.as_deref(), tls.ca_file.as_deref())?;
    let trust = match given {
        _ if tls.insecure_skip_verify => Trust::Anyone,
        None => Trust::System,
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("ca", &pem)? {
                roots.add(certificate).map_err(|e| bad("ca", &e))?;
            }
            let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            Trust::Given(judge.build().map_err(|e| bad("ca", &e))?)
        }
    };
    let name = match tls.server_name.as_str() {
        "" => None,
        name => {
            let parsed = ServerName::try_from(name.to_owned());
            Some(parsed.map_err(|_| bad("server_name", &format!("{name:?} is not a host name")))?)
        }
    };
    let judge = Judge { trust, name, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(tls))
        .map_err(|e| bad("min_version", &e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    match (pem(tls.cert.as_deref(), tls.cert_file.as_deref())?, &tls.key) {
        (Some(chain), Some(key)) => {
            let key = secret::read(key)?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|_| bad("key", &"there is no private key in it (PEM)"))?;
            builder.with_client_auth_cert(certificates("cert", &chain)?, key).map_err(|e| bad("cert", &e))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The files that a client is made from.
pub(crate) fn files(tls: &Tls) -> Vec<PathBuf> {
    let key = tls.key.as_ref().and_then(|key| match key {
        SecretSource::File(path) => Some(path.clone()),
        SecretSource::Inline(_) => None,
    });
    [tls.ca_file.clone(), tls.cert_file.clone(), key].into_iter().flatten().collect()
}

fn pem(inline: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    match (inline, file) {
        (Some(text), _) => Ok(Some(text.to_owned())),
        (None, Some(path)) => secret::text(path).map(Some),
        (None, None) => Ok(None),
    }
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::never(format!("tls_config.{what}: there is no certificate in it (PEM)"))),
    }
}

fn versions(tls: &Tls) -> Vec<&'static SupportedProtocolVersion> {
    let newest = tls.max_version.is_none_or(|v| v >= TlsVersion::Tls13);
    let older = tls.min_version.is_none_or(|v| v <= TlsVersion::Tls12);
    let mut versions = Vec::new();
    if newest {
        versions.push(&rustls::version::TLS13);
    }
    if older {
        versions.push(&rustls::version::TLS12);
    }
    versions
}

//! TLS as configured: whom to trust, under which name.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};

use crate::config::{SecretSource, Tls, TlsVersion};

/// Whom to trust.
#[derive(Debug)]
enum Roots {
    /// Anyone.
    Any,
    /// Whom the system trusts; read from it when the first certificate is to be judged.
    System,
    /// These authorities.
    Given(Arc<WebPkiServerVerifier>),
}

/// Judges a target's certificate.
#[derive(Debug)]
struct Verifier {
    roots: Roots,
    /// The name the certificate must carry instead of the URL's.
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

/// The system's authorities, read once.
fn system(
    provider: &Arc<CryptoProvider>,
) -> Result<&'static rustls_platform_verifier::Verifier, rustls::Error> {
    static SYSTEM: OnceLock<Result<rustls_platform_verifier::Verifier, rustls::Error>> = OnceLock::new();
    SYSTEM
        .get_or_init(|| rustls_platform_verifier::Verifier::new(Arc::clone(provider)))
        .as_ref()
        .map_err(Clone::clone)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        match &self.roots {
            Roots::Any => Ok(ServerCertVerified::assertion()),
            Roots::System => system(&self.provider)?.verify_server_cert(
                end_entity,
                intermediates,
                name,
                ocsp_response,
                now,
            ),
            Roots::Given(given) => {
                given.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Builds the TLS client. Reads the files it names.
pub(super) fn config(tls: &Tls, http2: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let roots = match (&tls.ca, tls.insecure_skip_verify) {
        (_, true) => Roots::Any,
        (None, false) => Roots::System,
        (Some(ca), false) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates("tls_config.ca", ca)? {
                store.add(certificate).map_err(|e| format!("tls_config.ca: {e}"))?;
            }
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                    .build()
                    .map_err(|e| format!("tls_config.ca: {e}"))?;
            Roots::Given(verifier)
        }
    };
    let name = match &tls.server_name {
        Some(name) => Some(
            ServerName::try_from(name.clone())
                .map_err(|_| format!("tls_config.server_name: {name:?} is not a host name"))?,
        ),
        None => None,
    };
    let verifier = Arc::new(Verifier { roots, name, provider: Arc::clone(&provider) });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(tls))
        .map_err(|e| format!("tls_config: {e}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates("tls_config.cert", cert)?;
            let key = key.read().map_err(|e| format!("tls_config.key: {e}"))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|_| "tls_config.key: there is no private key in it (PEM)".to_owned())?;
            builder.with_client_auth_cert(chain, key).map_err(|e| format!("tls_config: {e}"))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { Vec::new() };
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

fn certificates(what: &str, source: &SecretSource) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = source.read().map_err(|e| format!("{what}: {e}"))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("{what}: there is no certificate in it (PEM)")),
    }
}

fn versions(tls: &Tls) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
    let newest = tls.max_version.is_none_or(|v| v >= TlsVersion::Tls13);
    let oldest = tls.min_version.is_none_or(|v| v <= TlsVersion::Tls12);
    match (newest, oldest) {
        (true, true) => &BOTH,
        (true, false) => &BOTH[..1],
        (false, _) => &BOTH[1..],
    }
}

//! Who calls: by API key, bearer token, certificate or address; and whether they may.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use quarterdeck_journal::configuration::SecretRef;
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, ServerName};

use super::jwks::Remote;
use super::jwt::{TokenError, Verifier};
use crate::address::Network;
use crate::config::Config;
use crate::config::filters::{AuthRule, RateConfig};
use crate::problem::{Code, Refusal};

/// What a tier allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Its name.
    pub name: Arc<str>,
    /// Requests in a period.
    pub rate: Option<RateConfig>,
    /// Requests a day.
    pub daily: Option<u64>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Arc<str>,
    /// Its tier; that of callers nothing is known of, if it has none.
    pub tier: Option<Arc<Tier>>,
    /// What it may do.
    pub scopes: Arc<[String]>,
}

/// How callers are known.
#[derive(Debug)]
pub struct Auth {
    /// The header of API keys.
    pub key_header: HeaderName,
    /// By the digest of a key: a lookup then tells nothing of how near a wrong key was.
    keys: HashMap<[u8; 32], Arc<Consumer>>,
    networks: Vec<(Network, Arc<Consumer>)>,
    certificates: Vec<(ServerName<'static>, Arc<Consumer>)>,
    verifier: Option<Verifier>,
    /// The issuer's keys, where they are fetched.
    pub remote: Option<Arc<Remote>>,
    tiers: BTreeMap<String, Arc<Tier>>,
}

/// What is known of a connection's caller.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its address.
    pub address: IpAddr,
    /// Its certificate, which has been verified.
    pub certificate: Option<&'a CertificateDer<'static>>,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

impl Auth {
    /// From the configuration; `remote` are the issuer's keys, where they are fetched.
    ///
    /// # Errors
    /// When the key set cannot be read.
    pub fn new(config: &Config, remote: Option<Arc<Remote>>) -> Result<Self, String> {
        let tiers: BTreeMap<String, Arc<Tier>> = config
            .all_tiers()
            .into_iter()
            .map(|(name, tier)| {
                let made = Tier { name: name.as_str().into(), rate: tier.rate, daily: tier.daily };
                (name, Arc::new(made))
            })
            .collect();
        let mut auth = Self {
            key_header: config
                .auth
                .key_header
                .as_deref()
                .and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok())
                .unwrap_or(HeaderName::from_static("x-api-key")),
            keys: HashMap::new(),
            networks: Vec::new(),
            certificates: Vec::new(),
            verifier: config
                .auth
                .jwt
                .as_ref()
                .map(|jwt| Verifier::new(jwt, remote.clone()))
                .transpose()
                .map_err(|e| e.to_string())?,
            remote,
            tiers,
        };
        for (name, consumer) in &config.auth.consumers {
            let made = Arc::new(Consumer {
                name: name.as_str().into(),
                tier: consumer.tier.as_ref().and_then(|tier| auth.tiers.get(tier)).cloned(),
                scopes: consumer.scopes.clone().into(),
            });
            for key in consumer.keys.iter().map(SecretRef::secret).filter(|k| !k.is_empty()) {
                auth.keys.insert(sha256(key.expose().as_bytes()), Arc::clone(&made));
            }
            let networks = consumer.addresses.iter().filter_map(|n| n.parse().ok());
            auth.networks.extend(networks.map(|n: Network| (n, Arc::clone(&made))));
            if let Some(name) =
                consumer.certificate.as_ref().and_then(|n| ServerName::try_from(n.clone()).ok())
            {
                auth.certificates.push((name, Arc::clone(&made)));
            }
        }
        Ok(auth)
    }

    /// A tier by its name.
    #[must_use]
    pub fn tier(&self, name: &str) -> Option<&Arc<Tier>> {
        self.tiers.get(name)
    }

    /// Whether anybody could be known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
            && self.networks.is_empty()
            && self.certificates.is_empty()
            && self.verifier.is_none()
    }

    /// Who calls; None if nothing is known. What is shown and not good is an error, though nothing might have been needed.
    ///
    /// # Errors
    /// The refusal.
    pub fn identify(&self, evidence: Evidence<'_>) -> Result<Option<Arc<Consumer>>, Refusal> {
        if let Some(key) = evidence.headers.get(&self.key_header).filter(|_| !self.keys.is_empty()) {
            let found = self.keys.get(&sha256(key.as_bytes())).cloned();
            return found
                .map(Some)
                .ok_or_else(|| unauthenticated("the API key is not known", "invalid_token"));
        }
        if let Some(verifier) = &self.verifier
            && let Some(token) = bearer(evidence.headers)
        {
            let claims = verifier.verify(token, crate::clock::unix()).map_err(|why| match why {
                TokenError::Keys => Refusal::new(Code::KeysUnavailable, why.to_string())
                    .retry_after(Some(std::time::Duration::from_secs(2))),
                why => unauthenticated(&why.to_string(), "invalid_token"),
            })?;
            let tier = claims.tier.as_deref().and_then(|tier| self.tiers.get(tier)).cloned();
            let consumer = Consumer { name: claims.subject.into(), tier, scopes: claims.scopes.into() };
            return Ok(Some(Arc::new(consumer)));
        }
        if let Some(certificate) = evidence.certificate
            && let Ok(parsed) = rustls::server::ParsedCertificate::try_from(certificate)
        {
            let shown = |(name, _): &&(ServerName<'static>, Arc<Consumer>)| {
                rustls::client::verify_server_name(&parsed, name).is_ok()
            };
            if let Some((_, consumer)) = self.certificates.iter().find(shown) {
                return Ok(Some(Arc::clone(consumer)));
            }
        }
        let near = self.networks.iter().find(|(network, _)| network.contains(evidence.address));
        Ok(near.map(|(_, consumer)| Arc::clone(consumer)))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthenticated(detail: &str, error: &str) -> Refusal {
    let challenge = if error.is_empty() {
        HeaderValue::from_static("Bearer")
    } else {
        HeaderValue::from_str(&format!("Bearer error=\"{error}\""))
            .unwrap_or(HeaderValue::from_static("Bearer"))
    };
    Refusal::new(Code::Unauthenticated, detail).header(WWW_AUTHENTICATE, challenge)
}

/// Whether a caller may do what a route is for.
///
/// # Errors
/// Why not.
pub fn authorize(rule: &AuthRule, consumer: Option<&Consumer>) -> Result<(), Refusal> {
    let Some(consumer) = consumer else {
        if rule.required || !rule.scopes.is_empty() {
            return Err(unauthenticated("an API key or a token is needed", ""));
        }
        return Ok(());
    };
    let missing: Vec<&str> =
        rule.scopes.iter().filter(|scope| !consumer.scopes.contains(scope)).map(String::as_str).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Refusal::new(Code::Forbidden, format!("the scope {} is needed", missing.join(", "))))
    }
}

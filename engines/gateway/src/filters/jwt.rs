//! Bearer tokens (RFC 7519): HS256, RS256 and ES256, the keys from a JSON Web Key Set (RFC 7517) or a shared secret. The
//! algorithm is the key's, never the token's: a token cannot choose how it is verified.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::{hmac, signature};
use serde::Deserialize;
use serde_json::Value;

use super::jwks::Remote;
use crate::config::JwtConfig;

/// The longest token that is looked at.
const LONGEST: usize = 8 << 10;

/// The shortest secret for HS256: as long as the hash (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

/// Keys of a set; further ones are a mistake.
const MOST_KEYS: usize = 64;
/// Keys that a token which names none is tried with: verifying costs the gateway more than making such a token costs anybody.
const TRIED: usize = 8;

/// Keys, by their ids.
#[derive(Debug, Default)]
pub struct Keys {
    named: HashMap<String, Vec<Key>>,
    nameless: Vec<Key>,
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    keys: Keys,
    remote: Option<Arc<Remote>>,
    issuer: Option<String>,
    audience: Option<String>,
    tier_claim: String,
    leeway: i64,
}

/// Why tokens cannot be verified: the key of the section, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct KeyError {
    /// Such as `jwks_file`.
    pub field: &'static str,
    /// In words.
    pub why: String,
}

enum Key {
    Hs256(hmac::Key),
    Rs256(signature::RsaPublicKeyComponents<Vec<u8>>),
    Es256(signature::UnparsedPublicKey<Vec<u8>>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.algorithm())
    }
}

impl Key {
    fn hs256(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < SHORTEST_SECRET {
            return Err(format!(
                "the secret for HS256 has {} bytes and must have {SHORTEST_SECRET} or more (RFC 7518, 3.2): a shorter one \
                 can be guessed from any token",
                secret.len()
            ));
        }
        Ok(Self::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Rs256(key) => {
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Self::Es256(key) => key.verify(message, signature).is_ok(),
        }
    }
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token.
    #[error("the token is malformed")]
    Malformed,
    /// No key verifies it.
    #[error("the token's signature is not good")]
    Signature,
    /// The issuer's keys have not come yet.
    #[error("the issuer's keys are not known yet")]
    Keys,
    /// Its time is over, or has not come.
    #[error("the token is not valid now")]
    Time,
    /// It is from somebody else.
    #[error("the token is from another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It does not say who it is about.
    #[error("the token names nobody")]
    Subject,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who.
    pub subject: String,
    /// The tier, if it names one.
    pub tier: Option<String>,
    /// What they may do.
    pub scopes: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<WebKey>,
}

#[derive(Deserialize)]
struct WebKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default)]
    k: String,
}

impl WebKey {
    fn key(&self) -> Result<Option<Key>, String> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let bytes = |text: &str| {
            BASE64.decode(text.trim_end_matches('=')).map_err(|e| format!("a key is malformed: {e}"))
        };
        let is = |wanted: &str| self.alg.as_deref().is_none_or(|alg| alg == wanted);
        match (self.kty.as_str(), self.crv.as_str()) {
            ("RSA", _) if is("RS256") => {
                let (n, e) = (bytes(&self.n)?, bytes(&self.e)?);
                Ok(Some(Key::Rs256(signature::RsaPublicKeyComponents { n, e })))
            }
            ("EC", "P-256") if is("ES256") => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err("a key on P-256 has not the right length".to_owned());
                }
                let point = [vec![4], x, y].concat();
                Ok(Some(Key::Es256(signature::UnparsedPublicKey::new(
                    &signature::ECDSA_P256_SHA256_FIXED,
                    point,
                ))))
            }
            ("oct", _) if is("HS256") => {
                let secret = bytes(&self.k)?;
                Ok(Some(Key::hs256(&secret)?))
            }
            // Keys of other kinds may be there for others.
            _ => Ok(None),
        }
    }
}

impl Keys {
    fn add(&mut self, id: Option<String>, key: Key) {
        match id {
            Some(id) => self.named.entry(id).or_default().push(key),
            None => self.nameless.push(key),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nameless.len() + self.named.values().map(Vec::len).sum::<usize>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nameless.is_empty() && self.named.is_empty()
    }

    /// Takes the keys of a set that are understood.
    fn read(&mut self, text: &[u8], symmetric: bool) -> Result<(), String> {
        let set: KeySet = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if set.keys.len() > MOST_KEYS {
            return Err(format!("there are {} keys in it; {MOST_KEYS} are taken at most", set.keys.len()));
        }
        let before = self.len();
        for web in set.keys.into_iter().filter(|web| symmetric || web.kty != "oct") {
            if let Some(key) = web.key()? {
                self.add(web.kid, key);
            }
        }
        if self.len() == before {
            let kinds = if symmetric { "RS256, ES256 or HS256" } else { "RS256 or ES256" };
            return Err(format!("there is no key for {kinds} in it"));
        }
        Ok(())
    }

    /// The set that an issuer tells everybody: a secret in it is none, and not taken.
    ///
    /// # Errors
    /// Why it is no set that could be used.
    pub fn of_issuer(text: &[u8]) -> Result<Self, String> {
        let mut keys = Self::default();
        keys.read(text, false)?;
        Ok(keys)
    }

    /// Those that a token may be verified with: the one it names and those without a name, or all of its algorithm.
    fn fitting<'a>(&'a self, algorithm: &'a str, id: Option<&str>) -> impl Iterator<Item = &'a Key> {
        let (own, all) = match id {
            Some(id) => (self.named.get(id), None),
            None => (None, Some(self.named.values().flatten())),
        };
        let keys = own.into_iter().flatten().chain(&self.nameless).chain(all.into_iter().flatten());
        keys.filter(move |key| key.algorithm() == algorithm).take(TRIED)
    }

    fn knows(&self, id: &str) -> bool {
        self.named.contains_key(id)
    }
}

impl Verifier {
    /// Reads the keys; `remote` are those that are fetched.
    ///
    /// # Errors
    /// When the key set cannot be read or holds no key that is understood, or the secret is too short.
    pub fn new(config: &JwtConfig, remote: Option<Arc<Remote>>) -> Result<Self, KeyError> {
        let mut keys = Keys::default();
        if let Some(secret) = &config.secret {
            let key = Key::hs256(secret.secret().expose().as_bytes());
            keys.add(None, key.map_err(|why| KeyError { field: "secret", why })?);
        }
        if let Some(file) = &config.jwks_file {
            let fail = |why: &dyn std::fmt::Display| KeyError {
                field: "jwks_file",
                why: format!("{}: {why}", file.display()),
            };
            let text = std::fs::read(file).map_err(|e| fail(&e))?;
            keys.read(&text, true).map_err(|e| fail(&e))?;
        }
        Ok(Self {
            keys,
            remote,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            tier_claim: config.tier_claim.clone(),
            leeway: i64::try_from(config.leeway.as_secs()).unwrap_or(i64::MAX),
        })
    }

    /// Verifies a token at a moment, in seconds since 1970.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn verify(&self, token: &str, now: i64) -> Result<Claims, TokenError> {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
            #[serde(default)]
            kid: Option<String>,
            #[serde(default)]
            crit: Option<Value>,
        }
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let decode = |text: &str| BASE64.decode(text).map_err(|_| TokenError::Malformed);
        let signature = decode(signature)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        // RFC 7515, 4.1.11: what is critical must be understood, and nothing is.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let (algorithm, id) = (header.alg.as_str(), header.kid.as_deref());
        let good =
            |keys: &Keys| keys.fitting(algorithm, id).any(|key| key.verifies(message.as_bytes(), &signature));
        let fetched = self.remote.as_ref().map(|remote| (remote, remote.keys()));
        let verified = good(&self.keys) || matches!(&fetched, Some((_, Some(keys))) if good(keys));
        if !verified {
            return Err(match &fetched {
                Some((_, None)) => TokenError::Keys,
                Some((remote, Some(keys))) => {
                    // A key that nobody has told of yet may have been told of meanwhile.
                    if id.is_some_and(|id| !keys.knows(id) && !self.keys.knows(id)) {
                        remote.want();
                    }
                    TokenError::Signature
                }
                None => TokenError::Signature,
            });
        }
        let claims: BTreeMap<String, Value> =
            serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Malformed)?;
        self.claims(&claims, now)
    }

    fn claims(&self, claims: &BTreeMap<String, Value>, now: i64) -> Result<Claims, TokenError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(|t| Some(t as i64)).ok_or(TokenError::Malformed),
        };
        // A token without an end would be good for ever: it is not taken.
        let expires = time("exp")?.ok_or(TokenError::Time)?;
        let begins = time("nbf")?.unwrap_or(i64::MIN);
        if now >= expires.saturating_add(self.leeway) || now < begins.saturating_sub(self.leeway) {
            return Err(TokenError::Time);
        }
        if self.issuer.is_some() && text("iss") != self.issuer.as_deref() {
            return Err(TokenError::Issuer);
        }
        if let Some(audience) = &self.audience {
            let named = match claims.get("aud") {
                Some(Value::String(one)) => one == audience,
                Some(Value::Array(many)) => many.iter().any(|a| a.as_str() == Some(audience)),
                _ => false,
            };
            if !named {
                return Err(TokenError::Audience);
            }
        }
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let scopes = match claims.get("scope").or_else(|| claims.get("scp")) {
            Some(Value::String(scopes)) => words(scopes),
            Some(Value::Array(scopes)) => {
                scopes.iter().filter_map(|s| s.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        let subject = text("sub").filter(|s| !s.is_empty()).ok_or(TokenError::Subject)?.to_owned();
        Ok(Claims { subject, tier: text(&self.tier_claim).map(str::to_owned), scopes, expires })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quarterdeck_journal::configuration::{SecretRef, SecretSource};
    use quarterdeck_kernel::Secret;
    use ring::rand::SystemRandom;
    use ring::signature::KeyPair;

    use super::*;

    const SECRET: &str = "a secret of exactly thirty-two b";

    fn config() -> JwtConfig {
        JwtConfig {
            jwks_file: None,
            jwks_url: None,
            jwks_ca_file: None,
            jwks_refresh: Duration::from_secs(300),
            secret: None,
            issuer: Some("me".to_owned()),
            audience: Some("api".to_owned()),
            tier_claim: "tier".to_owned(),
            leeway: Duration::from_secs(30),
        }
    }

    fn message(alg: &str, claims: &Value) -> String {
        let header = serde_json::json!({ "alg": alg, "typ": "JWT" });
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
    }

    fn good() -> Value {
        serde_json::json!({ "sub": "alice", "iss": "me", "aud": ["x", "api"], "exp": 1000, "scope": "a b", "tier": "basic" })
    }

    fn hs256(alg: &str, claims: &Value) -> String {
        let message = message(alg, claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
        format!("{message}.{}", BASE64.encode(tag.as_ref()))
    }

    fn shared() -> Verifier {
        let secret = SecretRef::new(SecretSource::Env("X".to_owned()), Secret::new(SECRET));
        Verifier::new(&JwtConfig { secret: Some(secret), ..config() }, None).unwrap()
    }

    #[test]
    fn a_good_token_says_who_it_is_about() {
        let claims = shared().verify(&hs256("HS256", &good()), 900).unwrap();
        assert_eq!((claims.subject.as_str(), claims.tier.as_deref()), ("alice", Some("basic")));
        assert_eq!(claims.scopes, ["a", "b"]);
    }

    #[test]
    fn what_is_not_good_is_refused() {
        let verifier = shared();
        let but = |key: &str, value: Value| {
            let mut claims = good();
            claims[key] = value;
            hs256("HS256", &claims)
        };
        assert_eq!(verifier.verify(&hs256("HS256", &good()), 1031), Err(TokenError::Time));
        assert_eq!(verifier.verify(&but("exp", Value::Null), 0), Err(TokenError::Malformed));
        assert_eq!(verifier.verify(&but("nbf", 2000.into()), 900), Err(TokenError::Time));
        assert_eq!(verifier.verify(&but("iss", "you".into()), 900), Err(TokenError::Issuer));
        assert_eq!(verifier.verify(&but("aud", "y".into()), 900), Err(TokenError::Audience));
        assert_eq!(verifier.verify(&but("sub", "".into()), 900), Err(TokenError::Subject));
        // `none`, and an algorithm that the key is not for.
        assert_eq!(
            verifier.verify(&format!("{}.", message("none", &good())), 900),
            Err(TokenError::Signature)
        );
        assert_eq!(verifier.verify(&hs256("RS256", &good()), 900), Err(TokenError::Signature));
        let token = hs256("HS256", &good());
        let tampered = token.replacen('.', &format!(".{}", &BASE64.encode("x")[..1]), 1);
        assert!(verifier.verify(&tampered, 900).is_err());
        for bad in ["", ".", "..", "a.b.c", "a.b", "\u{1f600}.b.c"] {
            assert!(verifier.verify(bad, 900).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_that_can_be_guessed_are_refused() {
        for short in ["", "s3cret", &SECRET[1..]] {
            let secret = SecretRef::new(SecretSource::Env("X".to_owned()), Secret::new(short));
            let error = Verifier::new(&JwtConfig { secret: Some(secret), ..config() }, None).unwrap_err();
            assert_eq!(error.field, "secret");
            assert!(error.why.contains(&format!("has {} bytes", short.len())), "{}", error.why);
            assert!(error.why.contains("RFC 7518") && (short.is_empty() || !error.why.contains(short)));
        }
        let set = serde_json::json!({ "keys": [{ "kty": "oct", "k": BASE64.encode("short") }] }).to_string();
        assert!(Keys::default().read(set.as_bytes(), true).unwrap_err().contains("5 bytes"));
        // A secret that an issuer tells everybody is none.
        let set = serde_json::json!({ "keys": [{ "kty": "oct", "k": BASE64.encode(SECRET) }] }).to_string();
        assert!(Keys::default().read(set.as_bytes(), true).is_ok());
        assert!(Keys::of_issuer(set.as_bytes()).is_err());
    }

    #[test]
    fn a_token_is_verified_with_the_key_it_names() {
        let key = |n: u8| Key::hs256(&[n; 32]).unwrap();
        let mut keys = Keys::default();
        for n in 0..20 {
            keys.add(Some(format!("k{n}")), key(n));
        }
        keys.add(None, key(99));
        assert_eq!(keys.len(), 21);
        assert_eq!(keys.fitting("HS256", Some("k7")).count(), 2);
        assert_eq!(keys.fitting("HS256", Some("none")).count(), 1);
        assert_eq!(keys.fitting("RS256", Some("k7")).count(), 0);
        assert_eq!(keys.fitting("HS256", None).count(), TRIED);
        let many: Vec<Value> = (0..65).map(|_| serde_json::json!({ "kty": "OKP" })).collect();
        let many = serde_json::json!({ "keys": many }).to_string();
        assert!(Keys::of_issuer(many.as_bytes()).unwrap_err().contains("65 keys"));
    }

    #[test]
    fn keys_come_from_a_key_set() {
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let set = serde_json::json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "x": "AA" },
            { "kty": "EC", "crv": "P-256", "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]) },
        ] });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), set.to_string()).unwrap();
        let verifier =
            Verifier::new(&JwtConfig { jwks_file: Some(file.path().into()), ..config() }, None).unwrap();
        let message = message("ES256", &good());
        let signed = pair.sign(&random, message.as_bytes()).unwrap();
        let token = format!("{message}.{}", BASE64.encode(signed.as_ref()));
        assert_eq!(verifier.verify(&token, 900).unwrap().subject, "alice");
        // The public key is no secret: it must not serve as one.
        assert_eq!(verifier.verify(&hs256("HS256", &good()), 900), Err(TokenError::Signature));
        std::fs::write(file.path(), "{\"keys\": []}").unwrap();
        assert!(Verifier::new(&JwtConfig { jwks_file: Some(file.path().into()), ..config() }, None).is_err());
    }
}

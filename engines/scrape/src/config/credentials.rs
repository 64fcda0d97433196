//! How a target is reached: credentials, TLS, proxies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quarterdeck_kernel::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret comes from. It is read at each use, so that a rotated file takes effect at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; white space at its end is not part of the secret.
    File(PathBuf),
    /// Written in `prometheus.yml` itself; not accepted in `quarterdeck.toml`.
    #[serde(skip)]
    #[schemars(skip)]
    Inline(Secret),
}

/// Why a secret cannot be had. Tells where it should come from, never what it is.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is not text.
    #[error("the environment variable {0} is not set; it should hold the credential")]
    Env(String),
    /// The file cannot be read.
    #[error("the credential file {} cannot be read: {why}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
}

impl SecretSource {
    /// Reads the secret. Blocks for as long as the file takes.
    ///
    /// # Errors
    /// When the variable is not set or the file cannot be read.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => {
                std::env::var(name).map(Secret::new).map_err(|_| SecretError::Env(name.clone()))
            }
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| Secret::new(text.trim()))
                .map_err(|why| SecretError::File { path: path.clone(), why }),
            Self::Inline(secret) => Ok(secret.clone()),
        }
    }
}

/// What is sent in the `Authorization` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// Nothing.
    #[default]
    None,
    /// User name and password.
    Basic {
        /// User name, which is no secret unless it comes from a file.
        username: SecretSource,
        /// Password; none is sent as the empty one.
        password: Option<SecretSource>,
    },
    /// A scheme (`Bearer`) and a credential.
    Scheme {
        /// The word before the credential.
        scheme: String,
        /// The credential.
        credentials: SecretSource,
    },
}

/// TLS versions by their usual names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    Tls10,
    /// TLS 1.1
    Tls11,
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// How TLS is spoken with a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificate authorities to trust instead of the system's, in PEM.
    pub ca: Option<SecretSource>,
    /// Our certificate chain, in PEM.
    pub cert: Option<SecretSource>,
    /// Its private key, in PEM.
    pub key: Option<SecretSource>,
    /// The name the target's certificate must carry, where it is not the one in the URL.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// The oldest version to accept.
    pub min_version: Option<TlsVersion>,
    /// The newest version to accept.
    pub max_version: Option<TlsVersion>,
}

/// The proxy a target is reached through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Its URL.
    pub url: Option<String>,
    /// Hosts that are reached directly, separated by commas.
    pub no_proxy: Option<String>,
    /// Take both from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub from_environment: bool,
    /// Headers for the proxy itself.
    pub connect_headers: BTreeMap<String, Vec<SecretSource>>,
}

/// How HTTP is spoken with a target or a discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClient {
    /// The `Authorization` header.
    pub authorization: Authorization,
    /// TLS.
    pub tls: Tls,
    /// Proxy.
    pub proxy: Proxy,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be used over TLS.
    pub enable_http2: bool,
    /// Further request headers.
    pub headers: BTreeMap<String, Vec<SecretSource>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            authorization: Authorization::None,
            tls: Tls::default(),
            proxy: Proxy::default(),
            follow_redirects: true,
            enable_http2: true,
            headers: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_secret_is_told_by_its_place() {
        let error = SecretSource::Env("QUARTERDECK_NO_SUCH_VARIABLE".into()).read().unwrap_err();
        assert!(error.to_string().contains("QUARTERDECK_NO_SUCH_VARIABLE"), "{error}");
        let error = SecretSource::File("/no/such/file".into()).read().unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }

    #[test]
    fn secrets_do_not_print() {
        let source = SecretSource::Inline(Secret::new("hunter2"));
        assert!(!format!("{source:?}").contains("hunter2"));
        assert_eq!(source.read().unwrap().expose(), "hunter2");
    }

    #[test]
    fn files_lose_their_last_newline() {
        let path = std::env::temp_dir().join(format!("quarterdeck-secret-{}", std::process::id()));
        std::fs::write(&path, "token\n").unwrap();
        let secret = SecretSource::File(path.clone()).read().unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(secret.expose(), "token");
    }
}

//! The settings of an HTTP client, as Prometheus's programs share them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quarterdeck_kernel::Secret;

use super::receiver::SecretSource;

/// How requests are made.
#[derive(Clone, Debug)]
pub struct HttpClient {
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// Authorization header; `bearer_token` is one too.
    pub authorization: Option<Authorization>,
    /// OAuth 2.
    pub oauth2: Option<Box<OAuth2>>,
    /// TLS.
    pub tls: Tls,
    /// Whether redirects are followed where the program follows them at all.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is spoken.
    pub enable_http2: bool,
    /// Proxy; may hold a password.
    pub proxy_url: Option<Secret>,
    /// Hosts that are not asked through the proxy, separated by commas.
    pub no_proxy: String,
    /// Whether the environment names the proxy.
    pub proxy_from_environment: bool,
    /// Headers sent to the proxy.
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    /// More headers.
    pub headers: Vec<Header>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: Tls::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy_url: None,
            no_proxy: String::new(),
            proxy_from_environment: false,
            proxy_connect_header: BTreeMap::new(),
            headers: Vec::new(),
        }
    }
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user.
    pub username: SecretSource,
    /// The password.
    pub password: SecretSource,
}

/// Authorization header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Its scheme, `Bearer` unless it says.
    pub scheme: String,
    /// What follows the scheme; an empty inline one when there is none.
    pub credentials: SecretSource,
}

/// OAuth 2 with client credentials.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// Client.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretSource>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Where tokens come from.
    pub token_url: String,
    /// More parameters for it.
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS for it.
    pub tls: Tls,
    /// Proxy for it.
    pub proxy_url: Option<Secret>,
}

/// TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of authorities, as PEM.
    pub ca: Option<String>,
    /// File with certificates of authorities.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate, as PEM.
    pub cert: Option<String>,
    /// File with this client's certificate.
    pub cert_file: Option<PathBuf>,
    /// This client's key, or the file that holds it.
    pub key: Option<SecretSource>,
    /// Name that the server's certificate must have, if not the host's.
    pub server_name: String,
    /// Whether the server's certificate is not verified.
    pub insecure_skip_verify: bool,
    /// The oldest version spoken.
    pub min_version: Option<TlsVersion>,
    /// The newest version spoken.
    pub max_version: Option<TlsVersion>,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0
    Tls10,
    /// 1.1
    Tls11,
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

/// A header with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its values: open ones, secret ones, then those in files.
    pub values: Vec<SecretSource>,
}

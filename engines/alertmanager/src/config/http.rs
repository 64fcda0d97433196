//! The settings of an HTTP client, as Prometheus's programs share them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quarterdeck_kernel::Secret;
use quarterdeck_yaml::Location;

use super::address::hidden;
use super::place::{Check, filled, place, text, value};
use super::raw::{self, Placed};
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

/// Reads `http_config` and checks it as Prometheus's programs do.
pub(super) fn read(check: &mut Check<'_>, raw: &raw::Http) -> HttpClient {
    methods(check, raw);
    let authorization = match (&raw.authorization, bearer(check, raw)) {
        (Some(settings), _) => authorization(check, &settings.value, settings.referenced),
        (None, credentials) => {
            credentials.map(|credentials| Authorization { scheme: "Bearer".to_owned(), credentials })
        }
    };
    let proxy = Proxy {
        url: &raw.proxy_url,
        no_proxy: &raw.no_proxy,
        from_environment: &raw.proxy_from_environment,
        connect_header: &raw.proxy_connect_header,
    };
    proxy.check(check);
    HttpClient {
        basic_auth: raw.basic_auth.as_ref().map(|settings| basic_auth(check, &settings.value)),
        authorization,
        oauth2: raw
            .oauth2
            .as_ref()
            .map(|settings| Box::new(oauth2(check, &settings.value, settings.referenced))),
        tls: raw
            .tls_config
            .as_ref()
            .map(|tls| self::tls(check, &tls.value, tls.referenced))
            .unwrap_or_default(),
        follow_redirects: value(&raw.follow_redirects, true),
        enable_http2: value(&raw.enable_http2, true),
        proxy_url: proxy.secret(),
        no_proxy: text(&raw.no_proxy).to_owned(),
        proxy_from_environment: value(&raw.proxy_from_environment, false),
        proxy_connect_header: raw
            .proxy_connect_header
            .iter()
            .flat_map(|headers| &headers.value)
            .map(|(name, values)| (name.clone(), values.iter().map(|value| value.0.clone()).collect()))
            .collect(),
        headers: headers(check, &raw.http_headers),
    }
}

/// That there is one way to authenticate.
fn methods(check: &mut Check<'_>, raw: &raw::Http) {
    let token = hidden(&raw.bearer_token).or(filled(&raw.bearer_token_file));
    let basic = place(&raw.basic_auth);
    let (oauth2, authorization) = (place(&raw.oauth2), place(&raw.authorization));
    let count = |ways: [Option<Location>; 3]| ways.into_iter().flatten().count();
    if let Some(token) = token {
        if count([basic, oauth2, Some(token)]) > 1 {
            let what =
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured";
            check.refuse(token, what, "keep one of them");
        }
        if authorization.is_some() {
            let what = "authorization is not compatible with bearer_token & bearer_token_file";
            check.refuse(token, what, "keep authorization");
        }
    }
    if count([basic, oauth2, authorization]) > 1 {
        let last =
            [basic, oauth2, authorization].into_iter().flatten().next_back().unwrap_or(Location::UNKNOWN);
        check.refuse(
            last,
            "at most one of basic_auth, oauth2 & authorization must be configured",
            "keep one of them",
        );
    }
}

fn bearer(check: &mut Check<'_>, raw: &raw::Http) -> Option<SecretSource> {
    let found =
        check.secret(("bearer_token", &raw.bearer_token), ("bearer_token_file", &raw.bearer_token_file));
    in_folder(check, found)
}

/// Files that HTTP settings name are looked for in the file's folder.
fn in_folder(check: &Check<'_>, source: Option<SecretSource>) -> Option<SecretSource> {
    source.map(|source| match source {
        SecretSource::File(path) => SecretSource::File(check.join(&path.to_string_lossy())),
        inline @ SecretSource::Inline(_) => inline,
    })
}

/// A reference to a secret manager, which Alertmanager has none of.
fn no_reference(check: &mut Check<'_>, name: &str, setting: &Placed<String>) {
    if let Some(place) = filled(setting) {
        check.refuse(
            place,
            format!("{name} names a secret manager, and there is none"),
            "use a file instead",
        );
    }
}

fn basic_auth(check: &mut Check<'_>, raw: &raw::BasicAuth) -> BasicAuth {
    no_reference(check, "username_ref", &raw.username_ref);
    no_reference(check, "password_ref", &raw.password_ref);
    if let (Some(_), Some(place)) = (filled(&raw.username), filled(&raw.username_file)) {
        let what = "at most one of basic_auth username, username_file & username_ref must be configured";
        check.refuse(place, what, "remove one of them");
    }
    if let (Some(_), Some(place)) = (hidden(&raw.password), filled(&raw.password_file)) {
        let what = "at most one of basic_auth password, password_file & password_ref must be configured";
        check.refuse(place, what, "remove one of them");
    }
    let file =
        |setting: &Placed<String>| filled(setting).map(|_| SecretSource::File(check.join(text(setting))));
    BasicAuth {
        username: file(&raw.username_file)
            .unwrap_or_else(|| SecretSource::Inline(Secret::new(text(&raw.username)))),
        password: file(&raw.password_file).unwrap_or_else(|| {
            SecretSource::Inline(
                raw.password.as_ref().map(|password| password.value.0.clone()).unwrap_or_default(),
            )
        }),
    }
}

fn authorization(check: &mut Check<'_>, raw: &raw::Authorization, whole: Location) -> Option<Authorization> {
    no_reference(check, "credentials_ref", &raw.credentials_ref);
    if let (Some(_), Some(place)) = (hidden(&raw.credentials), filled(&raw.credentials_file)) {
        let what = "at most one of authorization credentials & credentials_file must be configured";
        check.refuse(place, what, "remove one of them");
    }
    let scheme = text(&raw.scheme).trim();
    let scheme = if scheme.is_empty() { "Bearer" } else { scheme };
    if scheme.eq_ignore_ascii_case("basic") {
        let what = "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
        check.refuse(
            place(&raw.scheme).unwrap_or(whole),
            what,
            "write basic_auth with username and password",
        );
    }
    let found = check_source(raw.credentials.as_ref().map(|secret| &secret.value.0), &raw.credentials_file);
    let credentials = in_folder(check, found).unwrap_or_else(|| SecretSource::Inline(Secret::default()));
    Some(Authorization { scheme: scheme.to_owned(), credentials })
}

fn check_source(inline: Option<&Secret>, file: &Placed<String>) -> Option<SecretSource> {
    let inline =
        inline.filter(|secret| !secret.is_empty()).map(|secret| SecretSource::Inline(secret.clone()));
    inline.or_else(|| filled(file).map(|_| SecretSource::File(PathBuf::from(text(file)))))
}

fn oauth2(check: &mut Check<'_>, raw: &raw::OAuth2, whole: Location) -> OAuth2 {
    no_reference(check, "client_secret_ref", &raw.client_secret_ref);
    no_reference(check, "client_certificate_key_ref", &raw.client_certificate_key_ref);
    if filled(&raw.client_id).is_none() {
        check.refuse(whole, "oauth2 client_id must be configured", "add client_id");
    }
    if filled(&raw.token_url).is_none() {
        check.refuse(whole, "oauth2 token_url must be configured", "add token_url");
    }
    if let (Some(_), Some(place)) = (hidden(&raw.client_secret), filled(&raw.client_secret_file)) {
        let what =
            "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured";
        check.refuse(place, what, "remove one of them");
    }
    let proxy = Proxy {
        url: &raw.proxy_url,
        no_proxy: &raw.no_proxy,
        from_environment: &raw.proxy_from_environment,
        connect_header: &raw.proxy_connect_header,
    };
    proxy.check(check);
    let secret =
        check_source(raw.client_secret.as_ref().map(|secret| &secret.value.0), &raw.client_secret_file);
    OAuth2 {
        client_id: text(&raw.client_id).to_owned(),
        client_secret: in_folder(check, secret),
        scopes: raw.scopes.as_ref().map(|scopes| scopes.value.clone()).unwrap_or_default(),
        token_url: text(&raw.token_url).to_owned(),
        endpoint_params: raw.endpoint_params.as_ref().map(|params| params.value.clone()).unwrap_or_default(),
        tls: raw
            .tls_config
            .as_ref()
            .map(|tls| self::tls(check, &tls.value, tls.referenced))
            .unwrap_or_default(),
        proxy_url: proxy.secret(),
    }
}

/// The settings of a proxy, which an HTTP client and its OAuth 2 both have.
struct Proxy<'a> {
    url: &'a Placed<raw::Address>,
    no_proxy: &'a Placed<String>,
    from_environment: &'a Placed<bool>,
    connect_header: &'a Placed<BTreeMap<String, Vec<raw::Hidden>>>,
}

impl Proxy<'_> {
    fn given(&self) -> Option<Location> {
        self.url.as_ref().filter(|url| !url.value.0.is_empty()).map(|url| url.referenced)
    }

    fn secret(&self) -> Option<Secret> {
        self.given()?;
        self.url.as_ref().map(|url| Secret::new(url.value.0.as_str()))
    }

    fn check(&self, check: &mut Check<'_>) {
        let environment = self.from_environment.as_ref().filter(|setting| setting.value);
        let given = self.given();
        if let (Some(headers), None, None) = (self.connect_header, given, environment)
            && !headers.value.is_empty()
        {
            let what = "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured";
            check.refuse(headers.referenced, what, "add proxy_url");
        }
        if let (Some(environment), Some(_)) = (environment, given) {
            let what = "if proxy_from_environment is configured, proxy_url must not be configured";
            check.refuse(environment.referenced, what, "remove one of them");
        }
        let Some(no_proxy) = filled(self.no_proxy) else { return };
        if environment.is_some() {
            let what = "if proxy_from_environment is configured, no_proxy must not be configured";
            check.refuse(no_proxy, what, "remove one of them");
        } else if given.is_none() {
            check.refuse(
                no_proxy,
                "if no_proxy is configured, proxy_url must also be configured",
                "add proxy_url",
            );
        }
    }
}

/// Headers that other settings make.
const RESERVED: [&str; 13] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
];

/// Headers with their values.
pub(super) fn headers(check: &mut Check<'_>, raw: &Placed<BTreeMap<String, raw::Header>>) -> Vec<Header> {
    let Some(raw) = raw else { return Vec::new() };
    let mut headers = Vec::new();
    for (name, header) in &raw.value {
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            let what = format!("setting header {name:?} is not allowed");
            check.refuse(raw.referenced, what, "other settings make it");
        }
        let open = header.values.iter().flat_map(|values| &values.value);
        let secrets = header.secrets.iter().flat_map(|values| &values.value);
        let files = header.files.iter().flat_map(|values| &values.value);
        let values = open
            .map(|value| SecretSource::Inline(Secret::new(value.as_str())))
            .chain(secrets.map(|secret| SecretSource::Inline(secret.0.clone())))
            .chain(files.map(|file| SecretSource::File(check.join(file))))
            .collect();
        headers.push(Header { name: name.clone(), values });
    }
    headers
}

/// Reads `tls_config` and checks it as Prometheus's programs do.
pub(super) fn tls(check: &mut Check<'_>, raw: &raw::Tls, whole: Location) -> Tls {
    for (name, setting) in [("ca_ref", &raw.ca_ref), ("cert_ref", &raw.cert_ref), ("key_ref", &raw.key_ref)] {
        no_reference(check, name, setting);
    }
    check.not_both(("ca", filled(&raw.ca)), ("ca_file", filled(&raw.ca_file)));
    check.not_both(("cert", filled(&raw.cert)), ("cert_file", filled(&raw.cert_file)));
    check.not_both(("key", hidden(&raw.key)), ("key_file", filled(&raw.key_file)));
    let cert = filled(&raw.cert).or(filled(&raw.cert_file));
    let key = hidden(&raw.key).or(filled(&raw.key_file));
    match (cert, key) {
        (Some(cert), None) => check.refuse(
            cert,
            "exactly one of key or key_file must be configured when a client certificate is configured",
            "add key_file",
        ),
        (None, Some(key)) => check.refuse(
            key,
            "exactly one of cert or cert_file must be configured when a client key is configured",
            "add cert_file",
        ),
        _ => {}
    }
    let versions = (version(check, &raw.min_version), version(check, &raw.max_version));
    if let (Some(least), Some(most)) = versions
        && most < least
    {
        let place = place(&raw.max_version).unwrap_or(whole);
        check.refuse(
            place,
            "tls_config.max_version must be greater than or equal to tls_config.min_version",
            "",
        );
    }
    let file = |setting: &Placed<String>| filled(setting).map(|_| check.join(text(setting)));
    let inline = |setting: &Placed<String>| filled(setting).map(|_| text(setting).to_owned());
    let key = check_source(raw.key.as_ref().map(|key| &key.value.0), &raw.key_file);
    Tls {
        ca: inline(&raw.ca),
        ca_file: file(&raw.ca_file),
        cert: inline(&raw.cert),
        cert_file: file(&raw.cert_file),
        key: in_folder(check, key),
        server_name: text(&raw.server_name).to_owned(),
        insecure_skip_verify: value(&raw.insecure_skip_verify, false),
        min_version: versions.0,
        max_version: versions.1,
    }
}

fn version(check: &mut Check<'_>, setting: &Placed<String>) -> Option<TlsVersion> {
    let setting = setting.as_ref().filter(|setting| !setting.value.is_empty())?;
    let found = match setting.value.as_str() {
        "TLS10" => TlsVersion::Tls10,
        "TLS11" => TlsVersion::Tls11,
        "TLS12" => TlsVersion::Tls12,
        "TLS13" => TlsVersion::Tls13,
        other => {
            let what = format!("unknown TLS version: {other}");
            check.refuse(setting.referenced, what, "write TLS10, TLS11, TLS12 or TLS13");
            return None;
        }
    };
    Some(found)
}

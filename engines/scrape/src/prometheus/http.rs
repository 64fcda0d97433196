//! The settings of an HTTP client, checked and turned into the common form.

use std::collections::BTreeMap;
use std::path::Path;

use quarterdeck_kernel::{Diagnostic, Secret};
use quarterdeck_yaml::{Location, Spanned};

use super::file::{AuthorizationHeader, BasicAuth, HttpSettings, Placed, TlsConfig};
use crate::config::{Authorization, HttpClient, Proxy, SecretSource, Tls, TlsVersion};

/// What came of it.
pub(super) struct Converted {
    pub(super) client: HttpClient,
    /// Why it cannot be used in this version; empty when it can.
    pub(super) unavailable: Vec<String>,
    pub(super) mistakes: Vec<(Diagnostic, Location)>,
}

/// Converts; `place` is where to point when a setting has no place of its own.
pub(super) fn convert(settings: HttpSettings, base: &Path, place: Location) -> Converted {
    let mut converter = Converter { base, place, unavailable: Vec::new(), mistakes: Vec::new() };
    let client = HttpClient {
        authorization: converter.authorization(&settings),
        tls: settings.tls_config.map(|tls| converter.tls(tls)).unwrap_or_default(),
        proxy: converter.proxy(
            settings.proxy_url,
            settings.no_proxy,
            settings.proxy_from_environment.unwrap_or(false),
            settings.proxy_connect_header,
        ),
        follow_redirects: settings.follow_redirects.unwrap_or(true),
        enable_http2: settings.enable_http2.unwrap_or(true),
        headers: settings.http_headers.map(|headers| converter.headers(headers)).unwrap_or_default(),
    };
    Converted { client, unavailable: converter.unavailable, mistakes: converter.mistakes }
}

struct Converter<'a> {
    base: &'a Path,
    place: Location,
    unavailable: Vec<String>,
    mistakes: Vec<(Diagnostic, Location)>,
}

/// Request headers that the scrape itself sets.
const RESERVED: [&str; 16] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-prometheus-scrape-timeout-seconds",
];

impl Converter<'_> {
    fn fail(&mut self, location: Location, message: impl Into<String>, advice: &str) {
        self.mistakes.push((Diagnostic::new(message).advise(advice), location));
    }

    fn file(&self, path: &str) -> SecretSource {
        SecretSource::File(self.base.join(path))
    }

    fn authorization(&mut self, settings: &HttpSettings) -> Authorization {
        let place = |at: Option<Location>| at.unwrap_or(self.place);
        let basic = settings.basic_auth.as_ref();
        let header = settings.authorization.as_ref();
        let oauth2 = settings.oauth2.as_ref();
        let token = settings.bearer_token.as_ref();
        let token_file = settings.bearer_token_file.as_ref();
        let bearer = token.map(|t| t.referenced).or(token_file.map(|t| t.referenced));

        if let (Some(_), Some(file)) = (token, token_file) {
            self.fail(file.referenced, "both bearer_token and bearer_token_file are set", "keep one of them");
        } else if let (Some(_), Some(at)) = (header, bearer) {
            self.fail(at, "authorization is set as well as a bearer token", "keep one of them");
        } else {
            let ways = [
                basic.map(|b| b.referenced),
                header.map(|h| h.referenced),
                oauth2.map(|o| o.referenced),
                bearer,
            ];
            if ways.iter().flatten().count() > 1 {
                let at = place(ways.into_iter().flatten().last());
                self.fail(
                    at,
                    "more than one of basic_auth, authorization, oauth2 and bearer_token is set",
                    "keep one of them",
                );
            }
        }
        if oauth2.is_some() {
            self.unavailable.push("oauth2 is not supported by this version".to_owned());
        }
        if let Some(basic) = basic {
            return self.basic(basic);
        }
        if let Some(header) = header {
            return self.header(header);
        }
        let credentials = match (token, token_file) {
            (Some(token), _) => SecretSource::Inline(token.value.clone()),
            (None, Some(file)) => self.file(&file.value),
            (None, None) => return Authorization::None,
        };
        Authorization::Scheme { scheme: "Bearer".to_owned(), credentials }
    }

    fn basic(&mut self, basic: &Spanned<BasicAuth>) -> Authorization {
        let (at, basic) = (basic.referenced, &basic.value);
        if basic.username_ref.is_some() || basic.password_ref.is_some() {
            self.unavailable
                .push("basic_auth names a secret manager, which this version does not have".to_owned());
        }
        if basic.username.is_some() && basic.username_file.is_some() {
            self.fail(at, "both username and username_file are set", "keep one of them");
        }
        if basic.password.is_some() && basic.password_file.is_some() {
            self.fail(at, "both password and password_file are set", "keep one of them");
        }
        let username = match &basic.username_file {
            Some(file) => self.file(file),
            None => SecretSource::Inline(Secret::new(basic.username.clone().unwrap_or_default())),
        };
        let password = match (&basic.password, &basic.password_file) {
            (_, Some(file)) => Some(self.file(file)),
            (Some(password), None) => Some(SecretSource::Inline(password.clone())),
            (None, None) => None,
        };
        Authorization::Basic { username, password }
    }

    fn header(&mut self, header: &Spanned<AuthorizationHeader>) -> Authorization {
        let (at, header) = (header.referenced, &header.value);
        let scheme = header.scheme.as_deref().map(str::trim).filter(|s| !s.is_empty()).unwrap_or("Bearer");
        if scheme.eq_ignore_ascii_case("basic") {
            self.fail(at, "the authorization type cannot be \"basic\"", "write basic_auth instead");
        }
        if header.credentials_ref.is_some() {
            self.unavailable
                .push("authorization names a secret manager, which this version does not have".to_owned());
        }
        let credentials = match (&header.credentials, &header.credentials_file) {
            (Some(_), Some(_)) => {
                self.fail(at, "both credentials and credentials_file are set", "keep one of them");
                return Authorization::None;
            }
            (Some(secret), None) => SecretSource::Inline(secret.clone()),
            (None, Some(file)) => self.file(file),
            (None, None) => SecretSource::Inline(Secret::default()),
        };
        Authorization::Scheme { scheme: scheme.to_owned(), credentials }
    }

    fn tls(&mut self, tls: TlsConfig) -> Tls {
        if tls.ca_ref.is_some() || tls.cert_ref.is_some() || tls.key_ref.is_some() {
            self.unavailable
                .push("tls_config names a secret manager, which this version does not have".to_owned());
        }
        let public = |text: Option<String>| text.map(Secret::new);
        let ca = self.pem("ca", public(tls.ca), tls.ca_file);
        let cert = self.pem("cert", public(tls.cert), tls.cert_file);
        let key = self.pem("key", tls.key.map(|k| k.value), tls.key_file);
        if cert.is_some() != key.is_some() && self.unavailable.is_empty() {
            self.fail(self.place, "tls_config has only one of certificate and key", "write both, or none");
        }
        let (min_version, max_version) = (self.version(tls.min_version), self.version(tls.max_version));
        if let (Some(min), Some(max)) = (min_version, max_version)
            && min > max
        {
            self.fail(self.place, "tls_config.min_version is newer than max_version", "swap them");
        }
        if max_version.is_some_and(|v| v < TlsVersion::Tls12) {
            self.unavailable.push("TLS older than 1.2 is not supported by this version".to_owned());
        }
        Tls {
            ca,
            cert,
            key,
            server_name: tls.server_name.filter(|name| !name.is_empty()),
            insecure_skip_verify: tls.insecure_skip_verify.unwrap_or(false),
            min_version,
            max_version,
        }
    }

    fn pem(&mut self, what: &str, inline: Option<Secret>, file: Placed<String>) -> Option<SecretSource> {
        let inline = inline.filter(|text| !text.is_empty());
        match (inline, file.filter(|file| !file.value.is_empty())) {
            (Some(_), Some(file)) => {
                self.fail(
                    file.referenced,
                    format!("both {what} and {what}_file are set"),
                    "keep one of them",
                );
                None
            }
            (Some(text), None) => Some(SecretSource::Inline(text)),
            (None, Some(file)) => Some(self.file(&file.value)),
            (None, None) => None,
        }
    }

    fn version(&mut self, version: Placed<String>) -> Option<TlsVersion> {
        let version = version?;
        match version.value.as_str() {
            "TLS10" => Some(TlsVersion::Tls10),
            "TLS11" => Some(TlsVersion::Tls11),
            "TLS12" => Some(TlsVersion::Tls12),
            "TLS13" => Some(TlsVersion::Tls13),
            other => {
                self.fail(
                    version.referenced,
                    format!("{other:?} is not a TLS version"),
                    "write TLS10, TLS11, TLS12 or TLS13",
                );
                None
            }
        }
    }

    fn proxy(
        &mut self,
        url: Placed<String>,
        no_proxy: Placed<String>,
        from_environment: bool,
        connect_headers: Option<BTreeMap<String, Vec<Secret>>>,
    ) -> Proxy {
        let url = url.filter(|url| !url.value.is_empty());
        if let Some(found) = url.as_ref() {
            if url::Url::parse(&found.value).is_err() {
                self.fail(
                    found.referenced,
                    "proxy_url is not a URL",
                    "write a URL such as http://proxy:3128",
                );
            } else if from_environment {
                self.fail(
                    found.referenced,
                    "proxy_url is set as well as proxy_from_environment",
                    "keep one of them",
                );
            }
        } else if let Some(no_proxy) = no_proxy.as_ref().filter(|n| !n.value.is_empty()) {
            self.fail(
                no_proxy.referenced,
                "no_proxy is set without proxy_url",
                "set proxy_url, or remove no_proxy",
            );
        }
        let connect_headers: BTreeMap<String, Vec<SecretSource>> = connect_headers
            .unwrap_or_default()
            .into_iter()
            .map(|(name, values)| (name, values.into_iter().map(SecretSource::Inline).collect()))
            .collect();
        if !connect_headers.is_empty() && url.is_none() && !from_environment {
            self.fail(
                self.place,
                "proxy_connect_header is set without a proxy",
                "set proxy_url, or remove it",
            );
        }
        Proxy {
            url: url.map(|url| url.value),
            no_proxy: no_proxy.map(|n| n.value).filter(|n| !n.is_empty()),
            from_environment,
            connect_headers,
        }
    }

    fn headers(
        &mut self,
        headers: BTreeMap<String, super::file::Header>,
    ) -> BTreeMap<String, Vec<SecretSource>> {
        let mut out = BTreeMap::new();
        for (name, header) in headers {
            if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
                self.fail(
                    self.place,
                    format!("the header {name:?} cannot be set under http_headers"),
                    "remove it: the scrape sets it",
                );
                continue;
            }
            let plain = header.values.unwrap_or_default().into_iter().map(Secret::new);
            let secret = header.secrets.unwrap_or_default();
            let mut values: Vec<SecretSource> = plain.chain(secret).map(SecretSource::Inline).collect();
            values.extend(header.files.unwrap_or_default().iter().map(|path| self.file(path)));
            out.insert(name, values);
        }
        out
    }
}

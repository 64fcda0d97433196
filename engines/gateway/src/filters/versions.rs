//! Versions of an interface, and what callers are told of their life: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), `Link`.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use jiff::Timestamp;

use crate::config::filters::{ApiVersions, VersionBy, VersionState};
use crate::problem::{Code, Refusal};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// A version, ready to be told of.
#[derive(Debug)]
pub struct Version {
    /// As callers name it.
    pub name: Arc<str>,
    /// Where it is in its life.
    pub state: VersionState,
    /// The version of the service that answers, by its name.
    pub upstream: Option<String>,
    /// Since when it is deprecated.
    pub deprecated: Option<Timestamp>,
    /// When it ends.
    pub sunset: Option<Timestamp>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The versions of a route.
#[derive(Debug)]
pub struct Versions {
    by: VersionBy,
    header: HeaderName,
    default: Option<Arc<Version>>,
    all: BTreeMap<String, Arc<Version>>,
}

/// A moment as HTTP writes it (RFC 9110, 5.6.7).
fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl Versions {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn new(config: &ApiVersions) -> Self {
        let mut all = BTreeMap::new();
        for (name, version) in &config.versions {
            let mut headers = Vec::new();
            let mut add =
                |name, text: String| headers.extend(HeaderValue::from_str(&text).ok().map(|v| (name, v)));
            let time = |text: &Option<String>| text.as_ref().and_then(|t| t.parse::<Timestamp>().ok());
            if let Some(since) = time(&version.deprecated) {
                add(DEPRECATION, format!("@{}", since.as_second()));
            }
            if let Some(ends) = time(&version.sunset) {
                add(SUNSET, http_date(ends));
            }
            if let Some(link) = &version.link {
                if version.deprecated.is_some() {
                    add(LINK, format!("<{link}>; rel=\"deprecation\""));
                }
                if version.sunset.is_some() {
                    add(LINK, format!("<{link}>; rel=\"sunset\""));
                }
            }
            if let Some(successor) = &version.successor {
                add(LINK, format!("<{successor}>; rel=\"successor-version\""));
            }
            let made = Version {
                name: name.as_str().into(),
                state: version.state,
                upstream: version.upstream.clone(),
                deprecated: time(&version.deprecated),
                sunset: time(&version.sunset),
                headers,
            };
            all.insert(name.clone(), Arc::new(made));
        }
        let default = config.default.as_ref().and_then(|name| all.get(name)).cloned();
        let header = HeaderName::from_bytes(config.header.as_bytes())
            .unwrap_or(HeaderName::from_static("api-version"));
        Self { by: config.by, header, default, all }
    }

    /// The version that a request means; `path` is what comes behind the route's prefix.
    ///
    /// # Errors
    /// That there is none such, or that it has ended.
    pub fn of(&self, path: &str, headers: &HeaderMap) -> Result<Arc<Version>, Refusal> {
        let named = match self.by {
            VersionBy::Path => {
                path.trim_start_matches('/').split('/').next().filter(|part| self.all.contains_key(*part))
            }
            VersionBy::Header => headers.get(&self.header).and_then(|v| v.to_str().ok()).map(str::trim),
            VersionBy::MediaType => [ACCEPT, CONTENT_TYPE]
                .iter()
                .filter_map(|name| headers.get(name)?.to_str().ok())
                .find_map(|types| self.media(types)),
        };
        let version = match named {
            Some(name) => self.all.get(name).ok_or_else(|| {
                let there: Vec<&str> = self.all.keys().map(String::as_str).collect();
                Refusal::new(Code::VersionUnknown, format!("there are the versions {}", there.join(", ")))
            })?,
            None => self
                .default
                .as_ref()
                .ok_or_else(|| Refusal::new(Code::VersionUnknown, "the request must name a version"))?,
        };
        if version.state == VersionState::Retired {
            let mut refusal =
                Refusal::new(Code::VersionRetired, format!("the version {} has ended", version.name));
            refusal.headers.extend(version.headers.iter().cloned());
            return Err(refusal);
        }
        Ok(Arc::clone(version))
    }

    /// The version in `application/vnd.acme.v1+json` or `application/json; version=v1`.
    fn media<'a>(&self, types: &'a str) -> Option<&'a str> {
        types.split(',').find_map(|one| {
            let mut parts = one.split(';').map(str::trim);
            let essence = parts.next()?;
            let parameter = parts.find_map(|p| p.strip_prefix("version=")).map(|v| v.trim_matches('"'));
            parameter.or_else(|| {
                let tree = essence.split_once("/vnd.")?.1;
                let name = tree.split('+').next()?;
                name.rsplit('.').next().filter(|last| self.all.contains_key(*last))
            })
        })
    }

    /// All, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.all.values()
    }
}

impl Version {
    /// Tells the caller of its life.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::filters::ApiVersion;

    fn versions(by: VersionBy, default: Option<&str>) -> Versions {
        let old = ApiVersion {
            state: VersionState::Sunset,
            deprecated: Some("2023-06-30T23:59:59Z".to_owned()),
            sunset: Some("2018-12-31T23:59:59Z".to_owned()),
            link: Some("https://example.com/v1".to_owned()),
            successor: Some("/v2".to_owned()),
            ..ApiVersion::default()
        };
        let gone = ApiVersion { state: VersionState::Retired, ..ApiVersion::default() };
        Versions::new(&ApiVersions {
            by,
            header: "api-version".to_owned(),
            default: default.map(str::to_owned),
            versions: [("v0", gone), ("v1", old), ("v2", ApiVersion::default())]
                .map(|(name, version)| (name.to_owned(), version))
                .into(),
        })
    }

    fn of(versions: &Versions, path: &str, header: &[(&'static str, &str)]) -> Result<String, Code> {
        let headers = header.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect();
        versions.of(path, &headers).map(|v| v.name.to_string()).map_err(|r| r.code)
    }

    #[test]
    fn versions_are_found_where_callers_name_them() {
        let path = versions(VersionBy::Path, None);
        assert_eq!(of(&path, "/v1/orders", &[]), Ok("v1".to_owned()));
        assert_eq!(of(&path, "/v0/orders", &[]), Err(Code::VersionRetired));
        assert_eq!(of(&path, "/orders", &[]), Err(Code::VersionUnknown));
        let header = versions(VersionBy::Header, Some("v2"));
        assert_eq!(of(&header, "/", &[("api-version", "v1")]), Ok("v1".to_owned()));
        assert_eq!(of(&header, "/", &[("api-version", "v9")]), Err(Code::VersionUnknown));
        assert_eq!(of(&header, "/", &[]), Ok("v2".to_owned()));
        let media = versions(VersionBy::MediaType, Some("v2"));
        assert_eq!(
            of(&media, "/", &[("accept", "text/html, application/vnd.acme.v1+json")]),
            Ok("v1".to_owned())
        );
        assert_eq!(
            of(&media, "/", &[("content-type", "application/json; version=\"v1\"")]),
            Ok("v1".to_owned())
        );
        assert_eq!(of(&media, "/", &[("accept", "*/*")]), Ok("v2".to_owned()));
    }

    #[test]
    fn their_life_is_told() {
        let versions = versions(VersionBy::Path, None);
        let mut headers = HeaderMap::new();
        versions.of("/v1", &HeaderMap::new()).unwrap().write(&mut headers);
        assert_eq!(headers["deprecation"], "@1688169599");
        assert_eq!(headers["sunset"], "Mon, 31 Dec 2018 23:59:59 GMT");
        let links: Vec<_> = headers.get_all(LINK).iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(links.len(), 3);
        assert!(links.contains(&"</v2>; rel=\"successor-version\""));
    }
}

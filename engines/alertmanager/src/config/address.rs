//! Addresses: URLs and `host:port`.

use std::path::PathBuf;

use quarterdeck_yaml::Location;
use url::Url;

use super::place::{Check, filled};
use super::raw::{Address, Hidden, Placed};
use super::receiver::SecretSource;

/// What stands for a secret in a configuration that was shown; it is taken for an address wherever one is a secret.
pub(super) const SHOWN: &str = "<secret>";

/// Reads a URL as Alertmanager does: HTTP or HTTPS, with a host.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let lawful = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let scheme = if lawful { scheme.to_ascii_lowercase() } else { String::new() };
    if scheme != "http" && scheme != "https" {
        return Err(format!("unsupported scheme {scheme:?} for URL"));
    }
    let behind = &text[scheme.len() + 1..];
    let host = behind.strip_prefix("//").unwrap_or_default();
    if host.is_empty() || host.starts_with(['/', '?', '#']) {
        return Err("missing host for URL".to_owned());
    }
    Url::parse(text).map_err(|e| format!("not a URL: {e}"))
}

impl Check<'_> {
    /// A URL that is no secret.
    pub(super) fn url(&mut self, setting: &Placed<Address>) -> Option<Url> {
        let setting = setting.as_ref()?;
        match parse_url(&setting.value.0) {
            Ok(url) => Some(url),
            Err(why) => {
                self.refuse(setting.referenced, why, "write http:// or https:// and a host");
                None
            }
        }
    }

    /// A URL that is a secret, here or in a file: where it is, if it is lawful. The message does not show it.
    pub(super) fn secret_url(
        &mut self,
        inline: (&str, &Placed<Hidden>),
        file: (&str, &Placed<String>),
    ) -> Option<SecretSource> {
        if let Some(setting) = inline.1 {
            let url = setting.value.0.expose();
            if url != SHOWN
                && let Err(why) = parse_url(url)
            {
                self.refuse(setting.referenced, why, "write http:// or https:// and a host");
            }
        }
        // A URL that is there but empty is there.
        let place = inline.1.as_ref().map(|setting| setting.referenced);
        self.not_both((inline.0, place), (file.0, filled(file.1)));
        source(inline.1.as_ref().map(|setting| &setting.value), file.1)
    }

    /// A secret, here or in a file.
    pub(super) fn secret(
        &mut self,
        inline: (&str, &Placed<Hidden>),
        file: (&str, &Placed<String>),
    ) -> Option<SecretSource> {
        self.not_both((inline.0, hidden(inline.1)), (file.0, filled(file.1)));
        source(inline.1.as_ref().map(|setting| &setting.value).filter(|secret| !secret.is_empty()), file.1)
    }

    /// `host:port`.
    pub(super) fn host_port(&mut self, setting: &Placed<String>) -> Option<(String, String)> {
        let setting = setting.as_ref().filter(|setting| !setting.value.is_empty())?;
        match host_port(&setting.value) {
            Ok(parts) => Some(parts),
            Err(why) => {
                self.refuse(setting.referenced, why, "write host:port, as in smtp.example.org:587");
                None
            }
        }
    }
}

fn source(inline: Option<&Hidden>, file: &Placed<String>) -> Option<SecretSource> {
    match (inline, file) {
        (Some(secret), _) => Some(SecretSource::Inline(secret.0.clone())),
        (None, Some(file)) if !file.value.is_empty() => Some(SecretSource::File(PathBuf::from(&file.value))),
        (None, _) => None,
    }
}

/// Where a secret is, if it is there and not empty.
pub(super) fn hidden(setting: &Placed<Hidden>) -> Option<Location> {
    setting.as_ref().filter(|setting| !setting.value.is_empty()).map(|setting| setting.referenced)
}

fn host_port(text: &str) -> Result<(String, String), String> {
    let told = |what: &str| format!("address {text}: {what}");
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, behind) = inner.split_once(']').ok_or_else(|| told("missing ']' in address"))?;
            (host, behind.strip_prefix(':').ok_or_else(|| told("missing port in address"))?)
        }
        None => text.rsplit_once(':').ok_or_else(|| told("missing port in address"))?,
    };
    if port.contains(':') || (host.contains(':') && !text.starts_with('[')) {
        return Err(told("too many colons in address"));
    }
    if port.is_empty() {
        return Err(format!("address {text:?}: port cannot be empty"));
    }
    Ok((host.to_owned(), port.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_http_with_a_host() {
        assert!(parse_url("https://example.com/x?y").is_ok());
        assert!(parse_url("HTTP://[::1]:80").is_ok());
        for (bad, why) in [
            ("", "unsupported scheme \"\" for URL"),
            ("example.com", "unsupported scheme \"\" for URL"),
            ("ftp://example.com", "unsupported scheme \"ftp\" for URL"),
            ("http:example.com", "missing host for URL"),
            ("http:///x", "missing host for URL"),
        ] {
            assert_eq!(parse_url(bad), Err(why.to_owned()), "{bad}");
        }
        assert!(parse_url("http://a b").is_err());
    }

    #[test]
    fn hosts_have_ports() {
        assert_eq!(host_port("localhost:25"), Ok(("localhost".to_owned(), "25".to_owned())));
        assert_eq!(host_port("[::1]:smtp"), Ok(("::1".to_owned(), "smtp".to_owned())));
        for bad in ["localhost", "localhost:", "::1:25", "[::1]", "[::1", "a:1:2"] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }
}

//! What messages say themselves of how long they are good (RFC 9111, 5.2 and 5.3).

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, DATE, EXPIRES, HeaderName};
use quarterdeck_kernel::{Clock, SystemClock};

/// What `Cache-Control` says.
#[derive(Debug, Default)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    /// It must not be given past its time (`must-revalidate`, `proxy-revalidate`, and `s-maxage` means the latter).
    pub(super) revalidate: bool,
    pub(super) max_age: Option<u64>,
    pub(super) shared_max_age: Option<u64>,
}

pub(super) fn directives(headers: &HeaderMap) -> Directives {
    let mut found = Directives::default();
    for value in headers.get_all(CACHE_CONTROL).iter().filter_map(|v| v.to_str().ok()) {
        for word in value.split(',').map(str::trim) {
            let (name, argument) = word.split_once('=').unwrap_or((word, ""));
            let seconds = || argument.trim_matches('"').parse().ok();
            match name.to_ascii_lowercase().as_str() {
                "no-store" => found.no_store = true,
                "no-cache" => found.no_cache = true,
                "private" => found.private = true,
                "public" => found.public = true,
                "must-revalidate" | "proxy-revalidate" => found.revalidate = true,
                "max-age" => found.max_age = seconds().or(Some(0)),
                "s-maxage" => {
                    found.shared_max_age = seconds().or(Some(0));
                    found.revalidate = true;
                }
                _ => {}
            }
        }
    }
    found
}

/// How long an answer says by `Expires` that it is good for, where it says so (RFC 9111, 4.2.1). A date that makes no sense is
/// one that is past (5.3).
pub(super) fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let date = |name: HeaderName| {
        let value = headers.get(name)?;
        Some(value.to_str().ok().and_then(http_date))
    };
    let Some(expires) = date(EXPIRES)? else { return Some(Duration::ZERO) };
    let made = date(DATE).flatten().unwrap_or_else(|| SystemClock.now().as_millis() / 1000);
    Some(Duration::from_secs(u64::try_from(expires - made).unwrap_or(0)))
}

/// A moment as HTTP writes it, in any of its three ways (RFC 9110, 5.6.7), in seconds since 1970.
pub(super) fn http_date(text: &str) -> Option<i64> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(
        |format| {
            let read = jiff::civil::DateTime::strptime(format, text.trim()).ok()?;
            Some(read.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::headers;
    use super::*;

    #[test]
    fn expires_is_read_in_all_its_ways() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("0"), None);
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let of = |expires| lifetime(&headers(&[date, ("expires", expires)]));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:36 GMT"), Some(Duration::ZERO));
        assert_eq!(of("-1"), Some(Duration::ZERO));
        assert_eq!(lifetime(&headers(&[date])), None);
    }
}

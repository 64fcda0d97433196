//! Conditions of requests: whether the caller has the same already (RFC 9110, 13).

use hyper::HeaderMap;
use hyper::header::{self, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

use super::control::http_date;

/// What a caller says it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    none_match: Vec<HeaderValue>,
    modified_since: Option<HeaderValue>,
}

impl Conditions {
    /// As a request has them.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Self {
        Self {
            none_match: request.get_all(IF_NONE_MATCH).iter().cloned().collect(),
            modified_since: request.get(IF_MODIFIED_SINCE).cloned(),
        }
    }

    /// Takes them out of a request whose answer others wait for: what it gets must be whole.
    #[must_use]
    pub fn take(request: &mut HeaderMap) -> Self {
        let taken = Self::of(request);
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            request.remove(name);
        }
        taken
    }

    /// Whether an answer with these headers is what the caller has. A date counts only where there is no tag.
    #[must_use]
    pub fn met(&self, answer: &HeaderMap) -> bool {
        if self.none_match.is_empty() {
            let date = |value: &HeaderValue| value.to_str().ok().and_then(http_date);
            let had = self.modified_since.as_ref().and_then(date);
            return had.zip(answer.get(LAST_MODIFIED).and_then(date)).is_some_and(|(had, last)| last <= had);
        }
        fn weak(tag: &str) -> &str {
            tag.trim().trim_start_matches("W/")
        }
        let own = answer.get(ETAG).and_then(|tag| tag.to_str().ok());
        self.none_match.iter().filter_map(|tags| tags.to_str().ok()).any(|tags| {
            tags.trim() == "*" || own.is_some_and(|own| tags.split(',').any(|tag| weak(tag) == weak(own)))
        })
    }
}

/// What of an answer's header belongs to one that says that nothing has changed (RFC 9110, 15.4.5).
pub(crate) const TOLD: [HeaderName; 8] = [
    ETAG,
    LAST_MODIFIED,
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::EXPIRES,
    header::LOCATION,
    header::VARY,
];

#[cfg(test)]
mod tests {
    use super::super::tests::headers;
    use super::*;

    #[test]
    fn what_the_caller_has_is_known() {
        let answer = headers(&[("etag", "W/\"1\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        for (name, value, met) in [
            ("if-none-match", "\"1\"", true),
            ("if-none-match", "\"0\", W/\"1\"", true),
            ("if-none-match", "\"0\"", false),
            ("if-none-match", "*", true),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT", false),
            ("if-modified-since", "yesterday", false),
            ("accept", "*/*", false),
        ] {
            let mut request = headers(&[(name, value), ("x-kept", "1")]);
            assert_eq!(Conditions::of(&request).met(&answer), met, "{name}: {value}");
            assert_eq!(Conditions::take(&mut request).met(&answer), met, "{name}: {value}");
            assert_eq!(request.contains_key(name), name == "accept");
        }
        let both = [("if-none-match", "\"0\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert!(!Conditions::of(&headers(&both)).met(&answer), "the tag knows better");
    }
}

//! Parameters of a request: from the address, and from the form in its body.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, RawQuery, Request};
use axum::http::{Method, header};
use quarterdeck_kernel::{Matcher, Timestamp, time};
use quarterdeck_promql::Engine;
use quarterdeck_promql::ast::ExprKind;

use super::error::ApiError;

/// All parameters, in order; a name may come several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let mut list = Vec::new();
        let is_form =
            parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_none_or(
                |value| {
                    value
                        .split(';')
                        .next()
                        .is_some_and(|media| media.trim() == "application/x-www-form-urlencoded")
                },
            );
        let is_post = parts.method == Method::POST;
        let query =
            match <RawQuery as axum::extract::FromRequestParts<S>>::from_request_parts(&mut parts, state)
                .await
            {
                Ok(RawQuery(query)) => query.unwrap_or_default(),
            };
        if is_post && is_form {
            let bytes = Bytes::from_request(Request::from_parts(parts, body), state)
                .await
                .map_err(|error| ApiError::bad_data(format!("the form cannot be read: {error}")))?;
            list.extend(url::form_urlencoded::parse(&bytes).into_owned());
        }
        list.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
        Ok(Self(list))
    }
}

impl Params {
    /// The first value of a name; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::parameter(name, "it is missing"))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.get(name).map(|text| parse_time(name, text)).transpose()
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        self.get(name).map(|text| parse_duration(name, text)).transpose()
    }

    /// A count; 0 means that there is no limit.
    pub(super) fn limit(&self, name: &str) -> Result<usize, ApiError> {
        match self.get(name) {
            None => Ok(usize::MAX),
            Some(text) => match text.parse::<usize>() {
                Ok(0) => Ok(usize::MAX),
                Ok(limit) => Ok(limit),
                Err(_) => Err(ApiError::parameter(name, "limit must be a non-negative number")),
            },
        }
    }

    /// What `match[]` selects: one list of matchers for each.
    pub(super) fn matches(&self, engine: &Engine) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let parse = |text: &str| {
            let wrong = |why: String| ApiError::parameter("match[]", why);
            let expr = engine.parse(text).map_err(|error| wrong(error.with_position(text)))?;
            match expr.unwrapped().kind {
                ExprKind::Vector(ref selector) => Ok(selector.matchers.clone()),
                _ => Err(wrong(format!("{text:?} is not a selector: write name{{label=\"value\"}}"))),
            }
        };
        self.all("match[]").map(parse).collect()
    }

    /// `start` and `end`, everything if they are absent.
    pub(super) fn range(&self) -> Result<(Timestamp, Timestamp), ApiError> {
        let start = self.time("start")?.unwrap_or(Timestamp::MIN);
        let end = self.time("end")?.unwrap_or(Timestamp::MAX);
        if end < start {
            return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
        }
        Ok((start, end))
    }
}

/// Seconds since 1970, or RFC 3339.
fn parse_time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    if let Some(seconds) = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()) {
        return Ok(Timestamp::from_secs_f64(seconds));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Timestamp::from_millis(time.as_millisecond())),
        Err(_) => Err(ApiError::parameter(name, format!("cannot parse {text:?} to a valid timestamp"))),
    }
}

/// Seconds, or a duration such as `1h30m`.
fn parse_duration(name: &str, text: &str) -> Result<Duration, ApiError> {
    let wrong =
        |why: &str| ApiError::parameter(name, format!("cannot parse {text:?} to a valid duration{why}"));
    if let Ok(seconds) = text.parse::<f64>() {
        if seconds <= 0.0 {
            let why =
                "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(ApiError::parameter(name, why));
        }
        return Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|duration| duration.as_millis() < i64::MAX as u128)
            .ok_or_else(|| wrong(". It overflows int64"));
    }
    time::parse_duration(text).map_err(|_| wrong(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_dates() {
        let time = |text| parse_time("time", text).map(Timestamp::as_millis);
        assert_eq!(time("1700000000.123"), Ok(1_700_000_000_123));
        assert_eq!(time("-1"), Ok(-1000));
        assert_eq!(time("2015-07-01T20:10:30.781Z"), Ok(1_435_781_430_781));
        assert_eq!(time("2015-07-01T22:10:30+02:00"), Ok(1_435_781_430_000));
        for bad in ["", "NaN", "Inf", "yesterday", "2015-07-01"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn steps_are_seconds_or_durations() {
        assert_eq!(parse_duration("step", "15"), Ok(Duration::from_secs(15)));
        assert_eq!(parse_duration("step", "0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("step", "1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["0", "-1", "1e300", "NaN", "soon"] {
            assert!(parse_duration("step", bad).is_err(), "{bad}");
        }
    }
}

//! Whether a request looks as it must.

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use hyper::{HeaderMap, Method};

use crate::config::filters::Validation;
use crate::problem::{Code, Refusal};

/// The largest JSON that is looked at whole.
pub const LARGEST_JSON: u64 = 1 << 20;

/// Whether the header of a request is as it must be; `body` tells whether there is one.
///
/// # Errors
/// What is not.
pub fn head(
    rule: Option<&Validation>,
    max_body: Option<u64>,
    method: &Method,
    headers: &HeaderMap,
    body: bool,
) -> Result<(), Refusal> {
    if let Some(most) = max_body {
        let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most) {
            return Err(Refusal::new(Code::BodyTooLarge, format!("a body may have {most} bytes")));
        }
    }
    let Some(rule) = rule else { return Ok(()) };
    for name in &rule.required_headers {
        if HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| !headers.contains_key(name)) {
            return Err(Refusal::new(Code::BadRequest, format!("the header {name} is missing")));
        }
    }
    if !body && rule.schema.is_some() && is_sent_with_body(method) {
        return Err(Refusal::new(Code::BadRequest, "a JSON body is needed"));
    }
    if body && !rule.content_types.is_empty() {
        let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim();
        if !rule.content_types.iter().any(|taken| taken.eq_ignore_ascii_case(essence)) {
            let taken = rule.content_types.join(", ");
            return Err(Refusal::new(
                Code::UnsupportedMediaType,
                format!("bodies of the type {taken} are taken"),
            ));
        }
    }
    Ok(())
}

/// Whether requests of a method are about what their body says.
fn is_sent_with_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Whether a body that came whole is JSON.
///
/// # Errors
/// Where it is not.
pub fn json(body: &[u8]) -> Result<(), Refusal> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body)
        .map(|_| ())
        .map_err(|e| Refusal::new(Code::BadRequest, format!("the body is not JSON: {e}")))
}

/// Whether a request may be sent twice (RFC 9110, 9.2.2).
#[must_use]
pub fn idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_must_look_as_they_must() {
        let rule = Validation {
            content_types: vec!["application/json".to_owned()],
            required_headers: vec!["x-user".to_owned()],
            json: true,
            schema: Some("order.json".into()),
        };
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect()
        };
        let code = |pairs: &[(&'static str, &str)]| {
            head(Some(&rule), Some(10), &Method::POST, &headers(pairs), true).map_err(|r| r.code)
        };
        assert_eq!(code(&[("x-user", "a"), ("content-type", "Application/JSON; charset=utf-8")]), Ok(()));
        assert_eq!(code(&[("content-type", "application/json")]), Err(Code::BadRequest));
        assert_eq!(code(&[("x-user", "a"), ("content-type", "text/xml")]), Err(Code::UnsupportedMediaType));
        assert_eq!(code(&[("content-length", "11")]), Err(Code::BodyTooLarge));
        let bare = |method| {
            head(Some(&rule), None, &method, &headers(&[("x-user", "a")]), false).map_err(|r| r.code)
        };
        assert_eq!((bare(Method::PUT), bare(Method::GET)), (Err(Code::BadRequest), Ok(())));
        assert!(json(b"{\"a\": [1]}").is_ok() && json(b"{\"a\": [1}").is_err() && json(b"").is_err());
    }
}

//! Which format a page is in.

/// A text exposition format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text format 0.0.4 (and 1.0.0, its quoted names).
    #[default]
    Text,
    /// OpenMetrics text format 1.0.
    OpenMetrics,
}

/// A content type that names neither format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "content type {found:?} is not supported: answer with text/plain; version=0.0.4 or application/openmetrics-text; version=1.0.0"
)]
pub struct UnsupportedType {
    /// What was found.
    pub found: String,
}

impl Format {
    /// What a scraper sends as `Accept`.
    pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,\
         text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    /// The `Content-Type` of a page in this format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format a `Content-Type` names. An empty one, and any kind of plain text, is read as text 0.0.4.
    ///
    /// # Errors
    /// When it names something else.
    pub fn from_content_type(content_type: &str) -> Result<Self, UnsupportedType> {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "" | "text/plain" => Ok(Self::Text),
            "application/openmetrics-text" => Ok(Self::OpenMetrics),
            _ => Err(UnsupportedType { found: content_type.to_owned() }),
        }
    }

    /// The best format for a client that sent this `Accept`.
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        let mut best = (Self::Text, 0.0f32);
        for part in accept.split(',') {
            let mut fields = part.split(';').map(str::trim);
            let media = fields.next().unwrap_or_default();
            let quality =
                fields.filter_map(|f| f.strip_prefix("q=")).find_map(|q| q.parse().ok()).unwrap_or(1.0f32);
            let format = match media {
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" => Self::Text,
                _ => continue,
            };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_chooses_the_format() {
        for (content_type, format) in [
            ("", Some(Format::Text)),
            ("text/plain", Some(Format::Text)),
            ("text/plain; version=0.0.4; charset=utf-8; escaping=values", Some(Format::Text)),
            ("Application/OpenMetrics-Text; version=1.0.0", Some(Format::OpenMetrics)),
            ("text/html", None),
            ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily", None),
        ] {
            assert_eq!(Format::from_content_type(content_type).ok(), format, "{content_type}");
        }
    }

    #[test]
    fn the_preferred_format_is_answered() {
        assert_eq!(Format::negotiate(""), Format::Text);
        assert_eq!(Format::negotiate("*/*"), Format::Text);
        assert_eq!(Format::negotiate(Format::ACCEPT), Format::OpenMetrics);
        assert_eq!(
            Format::negotiate("text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1"),
            Format::Text
        );
    }
}

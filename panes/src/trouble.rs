//! Errors of connections as people say them.

use std::borrow::Cow;

/// What each way to fail means, by a piece of what the system says.
const MEANINGS: [(&str, &str); 12] = [
    ("Connection refused", "nothing listens there (connection refused)"),
    ("Connection reset", "the other side broke the connection off"),
    ("Broken pipe", "the other side broke the connection off"),
    ("connection closed before message completed", "the other side hung up before it had answered"),
    ("failed to lookup address", "its name is not known to DNS"),
    ("Name or service not known", "its name is not known to DNS"),
    ("No route to host", "no route leads there"),
    ("Network is unreachable", "its network cannot be reached"),
    ("Permission denied", "this system does not permit the connection"),
    ("Connection timed out", "nobody answers there (connection timed out)"),
    ("certificate has expired", "its certificate has expired"),
    ("UnknownIssuer", "its certificate comes from an authority that is not trusted here"),
];

/// The error in a few words for a list; what is not known by a better name stays as it is. The whole error belongs beside
/// it wherever there is room.
pub(crate) fn plain(error: &str) -> Cow<'_, str> {
    match MEANINGS.iter().find(|(piece, _)| error.contains(piece)) {
        Some((_, meaning)) => Cow::Borrowed(meaning),
        None => Cow::Borrowed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_the_system_says_is_told_in_words() {
        let refused = "client error (Connect): tcp connect error: Connection refused (os error 111)";
        assert_eq!(plain(refused), "nothing listens there (connection refused)");
        let unknown = "server returned HTTP status 503 Service Unavailable";
        assert_eq!(plain(unknown), unknown);
    }
}

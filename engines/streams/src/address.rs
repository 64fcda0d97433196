//! Addresses as they are shown: without what might be secret.

use url::Url;

/// An address without user and password, with the values of its query hidden.
#[must_use]
pub fn shown(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return "(not a URL)".to_owned();
    };
    // Both fail only for addresses that cannot have a user, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    url.set_query(None);
    url.set_fragment(None);
    let mut text = url.to_string();
    for (i, name) in names.iter().enumerate() {
        let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        text.push_str(if i == 0 { "?" } else { "&" });
        text.push_str(&encoded);
        text.push_str("=…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_shown() {
        for (address, expected) in [
            ("wss://ann:s3cret@feeds.example/q", "wss://feeds.example/q"),
            ("ws://h:9001/a?token=s3cret&v=1#x", "ws://h:9001/a?token=…&v=…"),
            ("ws://h/", "ws://h/"),
            ("ws://s3cret@", "(not a URL)"),
        ] {
            assert_eq!(shown(address), expected);
        }
    }
}

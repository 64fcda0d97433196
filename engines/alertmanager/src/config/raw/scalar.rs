//! Texts that must not be written out as they are.

use quarterdeck_kernel::Secret;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// What stands for a secret where a configuration is shown.
const SHOWN: &str = "<secret>";

/// A secret; written out as `<secret>`, or as nothing when it is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct Hidden(pub(in crate::config) Secret);

impl Hidden {
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { SHOWN })
    }
}

/// Writes a secret address with nothing but its scheme and host: what is secret is the path.
pub(super) fn host_only<S: Serializer>(
    address: &Option<quarterdeck_yaml::Spanned<Hidden>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Some(address) = address else { return serializer.serialize_none() };
    match Url::parse(address.value.0.expose()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let host = url.host_str().unwrap_or_default();
            serializer.serialize_str(&format!("{}://{host}{port}/{SHOWN}", url.scheme()))
        }
        _ => address.value.serialize(serializer),
    }
}

/// An address that is no secret, but for a password within.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct Address(pub(in crate::config) String);

impl Address {
    fn shown(&self) -> String {
        match Url::parse(&self.0) {
            Ok(mut url) if url.password().is_some() => {
                let hidden = url.set_password(Some("xxxxx")).is_ok();
                if hidden { url.to_string() } else { SHOWN.to_owned() }
            }
            Ok(_) => self.0.clone(),
            // Not an address: nobody knows what is in it, but a text without an @ has no password.
            Err(_) if self.0.contains('@') => SHOWN.to_owned(),
            Err(_) => self.0.clone(),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

//! Secrets: named in the configuration, never written in it.

use std::borrow::Cow;
use std::fmt;

use quarterdeck_kernel::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What tells this loader that a secret is asked for. No other data format gives it a meaning.
pub(super) const NAME: &str = "$quarterdeck::secret";
/// The key under which this loader hands over the value.
pub(super) const VALUE: &str = "$value";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In an environment variable.
    Env(String),
    /// In a file (relative to the one that names it), without the line's end behind it.
    File(String),
}

/// A secret of the configuration: `{ env = "NAME" }` or `{ file = "path" }`. Its value was read when the
/// configuration was loaded; it is neither printed nor serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRef {
    source: SecretSource,
    value: Secret,
}

impl SecretRef {
    /// A secret that was read from `source`.
    #[must_use]
    pub fn new(source: SecretSource, value: Secret) -> Self {
        Self { source, value }
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.value
    }

    /// Where it was read from.
    #[must_use]
    pub fn source(&self) -> &SecretSource {
        &self.source
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretRef").field(&self.source).finish()
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, name) = match &self.source {
            SecretSource::Env(name) => ("env", name),
            SecretSource::File(path) => ("file", path),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, name)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<SecretRef, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let (mut source, mut value) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "env" => source = Some(SecretSource::Env(map.next_value()?)),
                "file" => source = Some(SecretSource::File(map.next_value()?)),
                VALUE => value = Some(Secret::new(map.next_value::<String>()?)),
                other => return Err(A::Error::unknown_field(other, &["env", "file"])),
            }
        }
        let source = source.ok_or_else(|| A::Error::custom("a secret needs env or file"))?;
        let value = match value {
            Some(value) => value,
            None => read(&source, |name| std::env::var(name).ok(), std::path::Path::new("."))
                .map_err(A::Error::custom)?,
        };
        Ok(SecretRef { source, value })
    }
}

/// Reads a secret.
pub(super) fn read(
    source: &SecretSource,
    variable: impl Fn(&str) -> Option<String>,
    base: &std::path::Path,
) -> Result<Secret, String> {
    match source {
        SecretSource::Env(name) => variable(name)
            .map(Secret::new)
            .ok_or_else(|| format!("the variable {name}, which holds a secret, is not set")),
        SecretSource::File(path) => {
            let text = std::fs::read_to_string(base.join(path))
                .map_err(|e| format!("the secret file {path} cannot be read: {e}"))?;
            Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |key: &str, what: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "description": what } },
                "required": [key],
                "additionalProperties": false
            })
        };
        json_schema!({
            "description": "A secret: where it is, never what it is.",
            "oneOf": [
                one("env", "The environment variable that holds it."),
                one("file", "The file that holds it, relative to this one."),
            ]
        })
    }
}

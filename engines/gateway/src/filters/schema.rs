//! Bodies against a JSON Schema (draft 2020-12 unless the schema names another), and what is told of those that do not fit:
//! where in the body (a JSON Pointer, RFC 6901) and what was expected there.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use boon::{Compiler, Draft, ErrorKind, InstanceToken, SchemaIndex, Schemas, UrlLoader, ValidationError};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::problem::{Code, Mismatch, Refusal};

/// The largest file of a schema.
const LARGEST_FILE: u64 = 1 << 20;
/// The most values (numbers, texts, lists, …) of a body: each could be a mismatch of its own, which takes many times its room
/// until it is told.
const MOST_VALUES: usize = 100_000;
/// How deep they may be within each other: each level is a level of calls, or several, as the schema is.
const DEEPEST: usize = 32;
/// The stack of a thread that checks bodies; a system gives it memory only as far as it is used.
pub(crate) const STACK: usize = 8 << 20;
/// Mismatches that are told.
const TOLD: usize = 10;
/// Bytes of what is told of one, and of where it is.
const LONGEST: usize = 256;
/// What a schema without an own `$id` is called while it is read; never asked for.
const BASE: &str = "http://schema.invalid/";

/// A schema, ready to be used.
pub struct Schema {
    schemas: Schemas,
    root: SchemaIndex,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

/// Loads nothing: neither files nor addresses are read because a schema names them.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, _: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err("what a schema refers to must be in the same file, under $defs".into())
    }
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn new(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|e| format!("it is not JSON: {e}"))?;
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nowhere));
        let words = |e: boon::CompileError| format!("{e:#}").replace(BASE, "");
        compiler.add_resource(BASE, value).map_err(words)?;
        let mut schemas = Schemas::new();
        let root = compiler.compile(BASE, &mut schemas).map_err(words)?;
        Ok(Self { schemas, root })
    }

    /// Whether a body that came whole fits.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        bounded(body)?;
        let value: Value = serde_json::from_slice(body)
            .map_err(|e| Refusal::new(Code::BadRequest, format!("the body is not JSON: {e}")))?;
        let Err(error) = self.schemas.validate(&value, self.root) else { return Ok(()) };
        let mut found = Found { mismatches: Vec::new(), count: 0 };
        found.collect(&error);
        let more = found.count - found.mismatches.len();
        let mut detail = match found.count {
            1 => "the body does not fit the schema at 1 place".to_owned(),
            n => format!("the body does not fit the schema at {n} places"),
        };
        if more > 0 {
            let _ = write!(detail, ", of which the first {TOLD} are told");
        }
        let mut refusal = Refusal::new(Code::InvalidBody, detail);
        refusal.mismatches = found.mismatches;
        Err(refusal)
    }
}

/// Looks at the outermost shape of a text that may be JSON, before anything is made of it.
fn bounded(body: &[u8]) -> Result<(), Refusal> {
    let (mut values, mut depth, mut text, mut escaped) = (1_usize, 0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            _ if text => {}
            b',' => values += 1,
            b'[' | b'{' => {
                values += 1;
                depth += 1;
                if depth > DEEPEST {
                    let detail = format!("the body has values more than {DEEPEST} deep within each other");
                    return Err(Refusal::new(Code::BadRequest, detail));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if values > MOST_VALUES {
        return Err(Refusal::new(Code::BodyTooLarge, format!("a body may have {MOST_VALUES} values here")));
    }
    Ok(())
}

struct Found {
    mismatches: Vec<Mismatch>,
    count: usize,
}

impl Found {
    fn collect(&mut self, error: &ValidationError<'_, '_>) {
        // Of alternatives it is told that none fits: why each does not would hide what is meant.
        let whole = matches!(
            error.kind,
            ErrorKind::AnyOf
                | ErrorKind::OneOf(_)
                | ErrorKind::Not
                | ErrorKind::Contains
                | ErrorKind::MinContains { .. }
                | ErrorKind::PropertyName { .. }
        );
        if !whole && !error.causes.is_empty() {
            error.causes.iter().for_each(|cause| self.collect(cause));
            return;
        }
        self.count += 1;
        if self.mismatches.len() < TOLD {
            let mut detail = Cut(String::new());
            // What does not fit is cut off.
            let _ = write!(detail, "{}", Expected(&error.kind));
            let pointer = pointer(&error.instance_location.tokens);
            self.mismatches.push(Mismatch { pointer, detail: detail.0 });
        }
    }
}

/// What was expected, in words.
struct Expected<'a>(&'a ErrorKind<'a, 'a>);

impl std::fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ErrorKind::AnyOf | ErrorKind::OneOf(None) => f.write_str("it fits none of the alternatives"),
            ErrorKind::OneOf(Some(_)) => f.write_str("it fits more than one of the alternatives"),
            ErrorKind::Not => f.write_str("it is what it must not be"),
            ErrorKind::FalseSchema => f.write_str("nothing may be here"),
            ErrorKind::Contains => f.write_str("one item at least must fit, and none does"),
            // What the caller sent need not be said to it again.
            ErrorKind::Pattern { want, .. } => write!(f, "it must fit the pattern {want}"),
            ErrorKind::PropertyName { .. } => f.write_str("the name of a property does not fit"),
            other => write!(f, "{other}"),
        }
    }
}

/// Takes so many bytes and no more.
struct Cut(String);

impl std::fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let mut end = room;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push_str(&text[..end]);
        self.0.push('…');
        Err(std::fmt::Error)
    }
}

/// A JSON Pointer as the fragment of a URI (RFC 6901, 6), as RFC 9457 has it in its example.
fn pointer(tokens: &[InstanceToken<'_>]) -> String {
    let mut out = Cut("#".to_owned());
    for token in tokens {
        let written = match token {
            InstanceToken::Item(place) => write!(out, "/{place}"),
            InstanceToken::Prop(name) => {
                let mut text = String::with_capacity(name.len() + 1);
                text.push('/');
                for byte in name.bytes() {
                    match byte {
                        b'~' => text.push_str("~0"),
                        b'/' => text.push_str("~1"),
                        b if b.is_ascii_alphanumeric() || b"-._!$&'()*+,;=:@?".contains(&b) => {
                            text.push(char::from(b));
                        }
                        b => {
                            let _ = write!(text, "%{b:02X}");
                        }
                    }
                    if text.len() > LONGEST {
                        break;
                    }
                }
                out.write_str(&text)
            }
        };
        if written.is_err() {
            break;
        }
    }
    out.0
}

/// Reads the schema of a file.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(file: &Path) -> Result<Schema, String> {
    let text = text(file)?;
    Schema::new(&text).map_err(|why| format!("{}: {why}", file.display()))
}

fn text(file: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let fail = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let mut text = Vec::new();
    let opened = std::fs::File::open(file).map_err(|e| fail(&e))?;
    opened.take(LARGEST_FILE + 1).read_to_end(&mut text).map_err(|e| fail(&e))?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(fail(&format!("it has more than {LARGEST_FILE} bytes")));
    }
    Ok(text)
}

/// Schemas that are in use: one is made anew only when its file says something else.
#[derive(Debug, Default)]
pub struct Kept(HashMap<PathBuf, (Vec<u8>, Arc<Schema>)>);

impl Kept {
    /// The schema of a file as it is now; as it last was, if it cannot be read any more.
    ///
    /// # Errors
    /// What is wrong with it, when it was never read.
    pub fn get(&mut self, file: &Path) -> Result<Arc<Schema>, String> {
        let known = self.0.get(file);
        let read = text(file).and_then(|text| {
            let hash = digest(&SHA256, &text).as_ref().to_vec();
            match known {
                Some((before, schema)) if *before == hash => Ok((hash, Arc::clone(schema))),
                _ => {
                    let schema = Schema::new(&text).map_err(|why| format!("{}: {why}", file.display()))?;
                    Ok((hash, Arc::new(schema)))
                }
            }
        });
        match (read, known) {
            (Ok((hash, schema)), _) => {
                self.0.insert(file.to_owned(), (hash, Arc::clone(&schema)));
                Ok(schema)
            }
            (Err(why), Some((_, schema))) => {
                tracing::error!(why, "a schema cannot be read any more; it holds as it was");
                Ok(Arc::clone(schema))
            }
            (Err(why), None) => Err(why),
        }
    }

    /// Forgets those that are no longer named.
    pub fn retain(&mut self, named: impl Fn(&Path) -> bool) {
        self.0.retain(|file, _| named(file));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schema(value: &Value) -> Schema {
        Schema::new(value.to_string().as_bytes()).unwrap()
    }

    fn order() -> Schema {
        schema(&serde_json::json!({
            "type": "object",
            "required": ["symbol", "quantity"],
            "properties": {
                "symbol": { "type": "string", "pattern": "^[A-Z]{1,8}$" },
                "quantity": { "type": "integer", "minimum": 1 },
                "side": { "enum": ["buy", "sell"] },
                "legs": { "type": "array", "items": { "$ref": "#/$defs/leg" }, "maxItems": 3 },
                "a/b~c d": { "type": "null" }
            },
            "additionalProperties": false,
            "$defs": { "leg": { "type": "object", "required": ["id"] } }
        }))
    }

    fn told(schema: &Schema, body: &str) -> Vec<(String, String)> {
        match schema.check(body.as_bytes()) {
            Ok(()) => Vec::new(),
            Err(refusal) => {
                assert_eq!(refusal.code, Code::InvalidBody, "{refusal:?}");
                refusal.mismatches.into_iter().map(|m| (m.pointer, m.detail)).collect()
            }
        }
    }

    #[test]
    fn it_is_told_where_a_body_does_not_fit_and_what_was_expected() {
        let order = order();
        assert!(told(&order, r#"{"symbol":"ABC","quantity":1,"side":"buy","legs":[{"id":1}]}"#).is_empty());
        let places = |body: &str| told(&order, body).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        let mut all =
            places(r#"{"symbol":"abc","quantity":0,"side":"hold","legs":[{"id":1},{}],"a/b~c d":1}"#);
        all.sort();
        assert_eq!(all, ["#/a~1b~0c%20d", "#/legs/1", "#/quantity", "#/side", "#/symbol"]);
        assert_eq!(told(&order, "[]"), [("#".to_owned(), "want object, but got array".to_owned())]);
        let missing = told(&order, r#"{"symbol":"A"}"#);
        assert_eq!(missing, [("#".to_owned(), "missing properties 'quantity'".to_owned())]);
        assert_eq!(places(r#"{"symbol":"A","quantity":1,"more":1}"#), ["#"]);
        for (body, code) in
            [("", Code::BadRequest), ("{", Code::BadRequest), ("{\"symbol\": nan}", Code::BadRequest)]
        {
            assert_eq!(order.check(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
    }

    #[test]
    fn what_is_told_is_bounded() {
        let words = schema(&serde_json::json!({ "type": "array", "items": { "type": "string" } }));
        let many = format!("[{}1]", "1,".repeat(5000));
        let refusal = words.check(many.as_bytes()).unwrap_err();
        assert_eq!(refusal.mismatches.len(), TOLD);
        assert!(refusal.detail.contains("5001 places"), "{}", refusal.detail);
        let too_many = format!("[{}1]", "1,".repeat(MOST_VALUES));
        assert_eq!(words.check(too_many.as_bytes()).unwrap_err().code, Code::BodyTooLarge);
        let long = format!("{{\"{}\":1}}", "é/".repeat(2000));
        let closed = schema(&serde_json::json!({ "additionalProperties": { "type": "string" } }));
        let (at, _) = told(&closed, &long).remove(0);
        assert!(at.len() < LONGEST + 20, "{at}");
        let none = schema(&serde_json::json!({ "additionalProperties": false }));
        let (_, detail) = told(&none, &long).remove(0);
        assert!(detail.len() < LONGEST + 20, "{detail}");
    }

    #[test]
    fn a_schema_that_leads_into_itself_bears_what_is_as_deep_as_may_be() {
        // Several calls for each level, on a thread as those are that carry traffic.
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(bear);
        thread.unwrap().join().unwrap();
    }

    fn bear() {
        let nested = schema(&serde_json::json!({
            "$ref": "#/$defs/value",
            "$defs": { "value": { "allOf": [{ "if": true, "then": { "anyOf": [
                { "type": "integer" },
                { "type": "array", "items": { "$ref": "#" } },
                { "type": "object", "additionalProperties": { "$ref": "#" } }
            ] } }] } }
        }));
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(nested.check(deep(DEEPEST).as_bytes()).is_ok());
        assert_eq!(nested.check(deep(DEEPEST + 1).as_bytes()).unwrap_err().code, Code::BadRequest);
        assert!(
            nested
                .check(format!("[{:?}]", "[".repeat(1000)).as_bytes())
                .is_err_and(|r| r.code == Code::InvalidBody)
        );
    }

    #[test]
    fn schemas_that_are_none_are_told() {
        for (bad, why) in [
            (r#"{"type": "strin"}"#, "metaschema"),
            (r#"{"pattern": "("}"#, "metaschema"),
            (r##"{"$ref": "#/$defs/none"}"##, "not found"),
            (r#"{"$ref": "http://example.com/other.json"}"#, "same file"),
            (r#"{"$ref": "file:///etc/passwd"}"#, "same file"),
            ("{", "not JSON"),
        ] {
            let said = Schema::new(bad.as_bytes()).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
        assert!(Schema::new(br#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#).is_ok());
    }

    #[test]
    fn a_file_is_read_again_when_it_says_something_else_and_missed_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema.json");
        let mut kept = Kept::default();
        assert!(kept.get(&file).unwrap_err().contains("schema.json"));
        std::fs::write(&file, "true").unwrap();
        let first = kept.get(&file).unwrap();
        assert!(Arc::ptr_eq(&first, &kept.get(&file).unwrap()));
        std::fs::write(&file, "false").unwrap();
        let second = kept.get(&file).unwrap();
        assert!(first.check(b"1").is_ok() && second.check(b"1").is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(Arc::ptr_eq(&second, &kept.get(&file).unwrap()));
        kept.retain(|_| false);
        assert!(kept.get(&file).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:0-9a-z\\\\]{0,100}") {
            let order = order();
            let _ = order.check(&body);
            let _ = order.check(text.as_bytes());
        }
    }
}

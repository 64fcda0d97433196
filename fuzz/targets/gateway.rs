//! What callers of the gateway send: the framing of requests and the PROXY protocol never panic, and where the bytes are cut
//! changes no verdict; nor do bodies against a schema that leads into itself, and what an issuer says are its keys.
#![no_main]

use std::sync::LazyLock;

use quarterdeck_gateway::filters::jwt::Keys;
use quarterdeck_gateway::filters::schema::Schema;
use quarterdeck_gateway::server::framing::Framing;
use quarterdeck_gateway::server::proxy_protocol::{Read, read};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = br##"{
        "type": ["object", "array", "integer", "string"],
        "properties": { "a": { "$ref": "#" }, "b": { "type": "string", "pattern": "^[a-z]+$" } },
        "required": ["a"],
        "additionalProperties": { "anyOf": [{ "type": "null" }, { "$ref": "#" }] },
        "items": { "$ref": "#" },
        "uniqueItems": true
    }"##;
    Schema::new(text).expect("the schema is one")
});

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    if let Err(refusal) = SCHEMA.check(bytes) {
        assert!(refusal.mismatches.len() <= 10);
    }
    if let Ok(keys) = Keys::of_issuer(bytes) {
        assert!(!keys.is_empty());
    }
    if let Ok(Read::Done(length, _)) = read(bytes) {
        assert!(length <= bytes.len());
    }
    let cut = usize::from(cut).min(bytes.len());
    let whole = Framing::new(4096, 100).read(bytes);
    let mut framing = Framing::new(4096, 100);
    let parts = framing.read(&bytes[..cut]).and_then(|_| framing.read(&bytes[cut..]));
    assert_eq!(whole.is_ok(), parts.is_ok());
    if let Err((at, _)) = whole {
        assert!(at < bytes.len());
    }
});

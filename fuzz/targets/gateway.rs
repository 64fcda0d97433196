//! What callers of the gateway send first: the framing of requests and the PROXY protocol never panic, and where the bytes
//! are cut changes no verdict.
#![no_main]

use quarterdeck_gateway::server::framing::Framing;
use quarterdeck_gateway::server::proxy_protocol::{Read, read};

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
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

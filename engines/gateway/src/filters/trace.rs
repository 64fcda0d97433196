//! Request ids and W3C trace context: what a caller sends is passed on if it is lawful, otherwise a new trace begins.

use std::cell::RefCell;

use bytes::BytesMut;
use hyper::HeaderMap;
use hyper::header::HeaderValue;

use crate::headers::{TRACEPARENT, TRACESTATE, X_REQUEST_ID};

/// Bytes of values that are taken at once.
const ROOM_FOR: usize = 4096;

/// A generator of numbers that need not be secret: SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly spread in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a request is known by.
#[derive(Clone, Debug)]
pub struct Ids {
    /// Its id.
    pub request: HeaderValue,
}

/// Gives a request its id and its place in a trace.
pub fn apply(headers: &mut HeaderMap, random: &mut Random) -> Ids {
    let kept = headers.get(X_REQUEST_ID).filter(|id| lawful_id(id)).cloned();
    let parent = headers.get(TRACEPARENT).filter(|_| headers.get_all(TRACEPARENT).iter().count() == 1);
    let mut text = [0_u8; 55];
    let span = random.number() | 1;
    let trace = match parent.and_then(|parent| lawful_parent(parent.as_bytes())) {
        Some(trace) => {
            text.copy_from_slice(&trace);
            None
        }
        None => {
            text.copy_from_slice(b"00-00000000000000000000000000000000-0000000000000000-01");
            let (high, low) = (random.number(), random.number() | 1);
            hex(high, &mut text[3..19]);
            hex(low, &mut text[19..35]);
            // The state belongs to the trace that was not lawful.
            headers.remove(TRACESTATE);
            Some(())
        }
    };
    hex(span, &mut text[36..52]);
    let request = match kept {
        Some(kept) => kept,
        None => {
            // A request that begins a trace is known by it; one within a trace by its own span too.
            let mut id = [0_u8; 32];
            id.copy_from_slice(&text[3..35]);
            if trace.is_none() {
                hex(random.number(), &mut id[..16]);
                id[16..].copy_from_slice(&text[36..52]);
            }
            let value = header(&id);
            headers.insert(X_REQUEST_ID, value.clone());
            value
        }
    };
    headers.insert(TRACEPARENT, header(&text));
    Ids { request }
}

/// A value in the room that the thread's values share: one that is made, passed on and copied allocates nothing of its own.
fn header(bytes: &[u8]) -> HeaderValue {
    thread_local! {
        static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    }
    let own = ROOM.with_borrow_mut(|room| {
        if room.capacity() < bytes.len() {
            room.reserve(ROOM_FOR);
        }
        room.extend_from_slice(bytes);
        room.split().freeze()
    });
    HeaderValue::from_maybe_shared(own).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

fn hex(number: u64, to: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (i, digit) in to.iter_mut().rev().enumerate() {
        *digit = DIGITS[(number >> (4 * i) & 0xf) as usize];
    }
}

/// An id of a caller's that can stand in logs and answers.
fn lawful_id(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 128
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'='))
}

/// The trace context of a caller (W3C, "Trace Context", level 1, 3.2), if it is lawful; what a later version adds is left out.
fn lawful_parent(parent: &[u8]) -> Option<[u8; 55]> {
    let hexadecimal = |range: std::ops::Range<usize>| {
        parent[range].iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    if parent.len() < 55 || parent[2] != b'-' || parent[35] != b'-' || parent[52] != b'-' {
        return None;
    }
    let version = &parent[..2];
    let whole = parent.len() == 55 || (version != b"00" && parent[55] == b'-');
    let lawful = hexadecimal(0..2) && hexadecimal(3..35) && hexadecimal(36..52) && hexadecimal(53..55);
    let zero = |range: std::ops::Range<usize>| parent[range].iter().all(|b| *b == b'0');
    if !whole || !lawful || version == b"ff" || zero(3..35) || zero(36..52) {
        return None;
    }
    let mut own = [0; 55];
    own.copy_from_slice(&parent[..55]);
    own[..2].copy_from_slice(b"00");
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn apply_to(pairs: &[(&'static str, &str)]) -> (HeaderMap, String) {
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(n, v)| (hyper::header::HeaderName::from_static(n), v.parse().unwrap()))
            .collect();
        let ids = apply(&mut headers, &mut Random::new(7));
        (headers, ids.request.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_lawful_trace_goes_on_with_a_span_of_its_own() {
        let (headers, id) =
            apply_to(&[("traceparent", PARENT), ("tracestate", "a=b"), ("x-request-id", "r-1")]);
        let told = headers["traceparent"].to_str().unwrap();
        assert_eq!((&told[..36], &told[52..]), (&PARENT[..36], "-01"));
        assert_ne!(&told[36..52], &PARENT[36..52]);
        assert_eq!((headers["tracestate"].to_str().unwrap(), id.as_str()), ("a=b", "r-1"));
    }

    #[test]
    fn an_unlawful_one_begins_anew() {
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            let (headers, id) =
                apply_to(&[("traceparent", bad), ("tracestate", "a=b"), ("x-request-id", "a b")]);
            let told = headers["traceparent"].to_str().unwrap();
            assert!(lawful_parent(told.as_bytes()).is_some() && !told.contains("4bf92f35"), "{bad}: {told}");
            assert!(!headers.contains_key("tracestate"));
            assert_eq!(id, told[3..35]);
        }
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x";
        assert!(apply_to(&[("traceparent", later)]).0["traceparent"].to_str().unwrap().contains("4bf92f35"));
    }
}

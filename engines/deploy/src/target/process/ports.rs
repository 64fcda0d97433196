//! Ports for replicas: free ones, each for one replica.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use parking_lot::Mutex;

/// Reads `FIRST-LAST`, or one port.
pub(crate) fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = number(first)?..=number(last)?;
    (!range.is_empty()).then_some(range)
}

/// The ports that replicas have.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<BTreeSet<u16>>);

impl Ports {
    /// A port that nobody listens at and no replica has: of the range, or any. None if there is none.
    pub(crate) fn take(&self, range: Option<&RangeInclusive<u16>>) -> Option<u16> {
        let mut taken = self.0.lock();
        let found = match range {
            Some(range) => range.clone().find(|port| !taken.contains(port) && is_free(*port)),
            // The system seldom gives the same one twice in a row.
            None => (0..100).filter_map(|_| any()).find(|port| !taken.contains(port)),
        };
        taken.extend(found);
        found
    }

    /// A replica has this one.
    pub(crate) fn keep(&self, port: u16) {
        self.0.lock().insert(port);
    }

    /// It has it no more.
    pub(crate) fn give_back(&self, port: u16) {
        self.0.lock().remove(&port);
    }
}

/// Whether nobody listens at a port of this machine.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn any() -> Option<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    Some(listener.local_addr().ok()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_one_owner() {
        assert_eq!(parse("9100-9199"), Some(9100..=9199));
        assert_eq!(parse("80"), Some(80..=80));
        for bad in ["", "0-5", "9-8", "x", "1-70000", "1-2-3"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let ports = Ports::default();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        assert_eq!(ports.take(Some(&(port..=port))), None, "somebody listens there");
        let (a, b) = (ports.take(None).unwrap(), ports.take(None).unwrap());
        assert_ne!(a, b);
        assert_eq!(ports.take(Some(&(a..=a))), None, "a replica has it");
        ports.give_back(a);
        assert_eq!(ports.take(Some(&(a..=a))), Some(a));
    }
}

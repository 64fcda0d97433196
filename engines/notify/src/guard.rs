//! Addresses that a notification must not reach: link-local ones and those where clouds hand out credentials.
//!
//! What counts is the address that is connected to, not the name: a name that resolves to such an address is refused,
//! unless the name itself is allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// That a host leads to an address that is not allowed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{host} leads to {address}, a link-local or metadata address: allow the host by name if it is meant")]
pub(crate) struct Forbidden {
    host: String,
    address: IpAddr,
}

/// Which hosts are allowed whatever they lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    allowed: Arc<[String]>,
}

impl Guard {
    pub(crate) fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.iter().map(|host| plain(host)).collect() }
    }

    /// Refuses an address to which a host leads.
    pub(crate) fn check(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        if !is_forbidden(address) || self.allowed.contains(&plain(host)) {
            return Ok(());
        }
        Err(Forbidden { host: plain(host), address })
    }

    /// Refuses a host that is itself such an address; names are judged when they are resolved.
    pub(crate) fn check_literal(&self, host: &str) -> Result<(), Forbidden> {
        match plain(host).parse() {
            Ok(address) => self.check(host, address),
            Err(_) => Ok(()),
        }
    }

    /// The addresses of a host, none of them forbidden.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((plain(host).as_str(), port)).await?.collect();
        // One forbidden address is enough: which one is tried is nobody's choice.
        for address in &found {
            self.check(host, address.ip())?;
        }
        Ok(found)
    }
}

/// Why a host has no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// It is not allowed.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It is not known.
    #[error("cannot resolve the host: {0}")]
    Unknown(#[from] std::io::Error),
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A host without brackets and the dot of the root, in small letters.
fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

/// Whether an address is link-local, or one where a cloud's machines ask for their credentials.
fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_forbidden_v4(v4),
        IpAddr::V6(v6) => {
            let inner = v6.to_ipv4().or_else(|| nat64(v6));
            v6.is_unicast_link_local()
                || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || v6 == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
                || inner.is_some_and(is_forbidden_v4)
        }
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    // Beside 169.254/16: Alibaba, Oracle, Azure.
    address.is_link_local()
        || matches!(address.octets(), [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16])
}

/// The IPv4 address within `64:ff9b::/96`.
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused() {
        let guard = Guard::new(&["metadata.internal".to_owned(), "169.254.7.7".to_owned()]);
        for host in [
            "169.254.169.254",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
            "100.100.100.200",
        ] {
            assert!(guard.check_literal(host).is_err(), "{host}");
        }
        for host in ["127.0.0.1", "10.0.0.1", "[::1]", "192.168.1.1", "example.com", "169.254.7.7"] {
            assert!(guard.check_literal(host).is_ok(), "{host}");
        }
        let metadata = "169.254.169.254".parse().unwrap();
        assert!(guard.check("Metadata.Internal.", metadata).is_ok());
        assert!(guard.check("other.internal", metadata).is_err());
    }
}

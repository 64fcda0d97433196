//! The gateway in one line: `orders=v1:http://127.0.0.1:9001` and `orders=v1:90,v2:10`.

use super::{Config, OneOrMany};

/// Why a word of the command line is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OneLineError {
    /// It has not the form of an upstream.
    #[error("{0:?} is not an upstream: write SERVICE=VERSION:URL, as in orders=v1:http://127.0.0.1:9001")]
    Upstream(String),
    /// It has not the form of a split.
    #[error("{0:?} is not a split: write SERVICE=VERSION:SHARE,…, as in orders=v1:90,v2:10")]
    Split(String),
    /// It names a service that no upstream names.
    #[error("--split names {0}, but no --upstream does: write --upstream {0}=v1:http://HOST:PORT")]
    Service(String),
    /// A version's share is said twice.
    #[error("{0:?} names the version {1} twice")]
    Twice(String, String),
}

/// An upstream as on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The service.
    pub service: String,
    /// The version.
    pub version: String,
    /// Where it is.
    pub url: String,
}

/// A split as on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The service.
    pub service: String,
    /// Shares by version, in the order written.
    pub shares: Vec<(String, u32)>,
}

/// Whether a name can stand in routes, labels and on the command line.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Reads `SERVICE=VERSION:URL`.
///
/// # Errors
/// When it has another form.
pub fn upstream(text: &str) -> Result<Upstream, OneLineError> {
    let wrong = || OneLineError::Upstream(text.to_owned());
    let (service, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (version, url) = rest.split_once(':').ok_or_else(wrong)?;
    // Without a version the scheme would be taken for one.
    if !is_name(service) || !is_name(version) || !url.contains("://") {
        return Err(wrong());
    }
    Ok(Upstream { service: service.to_owned(), version: version.to_owned(), url: url.to_owned() })
}

/// Reads `SERVICE=v1:90,v2:10`.
///
/// # Errors
/// When it has another form, or a version is named twice.
pub fn split(text: &str) -> Result<Split, OneLineError> {
    let wrong = || OneLineError::Split(text.to_owned());
    let (service, rest) = text.split_once('=').ok_or_else(wrong)?;
    if !is_name(service) {
        return Err(wrong());
    }
    let shares =
        shares(rest, ':').map_err(|e| e.map_or_else(wrong, |v| OneLineError::Twice(text.to_owned(), v)))?;
    Ok(Split { service: service.to_owned(), shares })
}

/// Reads `v1:90,v2:10` (or with `=` between). The error names a version that is there twice, if that is what is wrong.
pub(crate) fn shares(text: &str, between: char) -> Result<Vec<(String, u32)>, Option<String>> {
    let mut shares: Vec<(String, u32)> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (version, share) = part.split_once(between).ok_or(None)?;
        let share = share.trim_end_matches('%').parse().map_err(|_| None)?;
        if !is_name(version) || share > super::validate::LARGEST_SHARE {
            return Err(None);
        }
        if shares.iter().any(|(known, _)| known == version) {
            return Err(Some(version.to_owned()));
        }
        shares.push((version.to_owned(), share));
    }
    Ok(shares)
}

impl Config {
    /// Listens at one more address.
    pub fn listen_too(&mut self, address: Option<std::net::SocketAddr>) {
        self.listen.extend(address.filter(|address| !self.listen.contains(address)));
    }

    /// Whether it takes traffic at all.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.listen.is_empty() || !self.listeners.is_empty()
    }

    /// Whether what differs takes effect at the next start only: threads, connections, samples, and the first listener.
    #[must_use]
    pub fn needs_restart(&self, old: &Self) -> bool {
        let first = self.listens() && !old.listens();
        let fixed = |c: &Self| (c.threads, c.limits.connections, c.limits.samples);
        first || (old.listens() && fixed(self) != fixed(old))
    }

    /// Adds what the command line says: its upstreams beside those of the file, its splits before them.
    ///
    /// # Errors
    /// When a word is not understood, or a split names a service that is not there.
    pub fn add(&mut self, upstreams: &[String], splits: &[String]) -> Result<(), OneLineError> {
        for word in upstreams {
            let Upstream { service, version, url } = upstream(word)?;
            let versions = &mut self.services.entry(service).or_default().versions;
            match versions.get_mut(&version) {
                Some(known) => {
                    let mut urls = known.as_slice().to_vec();
                    urls.push(url);
                    *known = OneOrMany::Many(urls);
                }
                None => drop(versions.insert(version, OneOrMany::One(url))),
            }
        }
        for word in splits {
            let Split { service, shares } = split(word)?;
            let known = self.services.get_mut(&service).ok_or(OneLineError::Service(service))?;
            known.split = shares.into_iter().collect();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_makes_a_gateway() {
        let mut config = Config::default();
        let upstreams =
            ["orders=v1:http://127.0.0.1:1", "orders=v2:http://[::1]:2/base", "orders=v1:http://b"];
        config.add(&upstreams.map(str::to_owned), &["orders=v1:90,v2:10%".to_owned()]).unwrap();
        let orders = &config.services["orders"];
        assert_eq!(orders.versions["v1"].as_slice(), ["http://127.0.0.1:1", "http://b"]);
        assert_eq!(orders.versions["v2"].as_slice(), ["http://[::1]:2/base"]);
        assert_eq!(
            orders.split.clone().into_iter().collect::<Vec<_>>(),
            [("v1".into(), 90), ("v2".into(), 10)]
        );
        assert_eq!(super::super::validate(&config), []);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for bad in ["orders", "orders=http://a", "=v1:http://a", "or ders=v1:http://a", "orders=v1:a:1"] {
            assert_eq!(upstream(bad), Err(OneLineError::Upstream(bad.to_owned())), "{bad}");
        }
        for bad in ["orders", "orders=", "orders=v1", "orders=v1:x", "orders=v1:-1", "orders=v1:99999999999"]
        {
            assert_eq!(split(bad), Err(OneLineError::Split(bad.to_owned())), "{bad}");
        }
        assert_eq!(split("a=v1:1,v1:2"), Err(OneLineError::Twice("a=v1:1,v1:2".into(), "v1".into())));
        let told = Config::default().add(&[], &["orders=v1:1".to_owned()]).unwrap_err().to_string();
        assert!(told.contains("--upstream orders=v1:http://HOST:PORT"), "{told}");
    }
}

//! Which alerts and silences a call asks for.

use quarterdeck_alertmanager::{MatchOp, Matcher};
use regex::Regex;

/// The parameters of the lists.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) active: bool,
    pub(super) silenced: bool,
    pub(super) inhibited: bool,
    pub(super) muted: bool,
    pub(super) expired: bool,
    pub(super) pending: bool,
    pub(super) filter: Vec<Matcher>,
    pub(super) receiver: Option<Regex>,
}

impl Asked {
    /// Reads a query.
    ///
    /// # Errors
    /// Which parameter cannot be read, and why.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self {
            active: true,
            silenced: true,
            inhibited: true,
            muted: true,
            expired: true,
            pending: true,
            filter: Vec::new(),
            receiver: None,
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let truth = || {
                // What Go's strconv.ParseBool and the API's validation take.
                match &*value {
                    "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(true),
                    "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(false),
                    other => Err(format!("{name} is {other:?}, which is neither true nor false")),
                }
            };
            match &*name {
                "active" => asked.active = truth()?,
                "silenced" => asked.silenced = truth()?,
                "inhibited" => asked.inhibited = truth()?,
                "muted" => asked.muted = truth()?,
                "expired" => asked.expired = truth()?,
                "pending" => asked.pending = truth()?,
                // Every alert here is processed as soon as it is taken.
                "unprocessed" => {
                    truth()?;
                }
                "filter" => {
                    asked
                        .filter
                        .push(Matcher::parse(&value).map_err(|e| format!("bad matcher format: {e}"))?);
                }
                "receiver" => {
                    let anchored = format!("^(?:{value})$");
                    let built = regex::RegexBuilder::new(&anchored).size_limit(1 << 20).build();
                    asked.receiver = Some(built.map_err(|e| format!("failed to parse receiver param: {e}"))?);
                }
                _ => {}
            }
        }
        Ok(asked)
    }

    /// Whether any of the receivers is asked for.
    pub(super) fn wants_receiver<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        self.receiver.as_ref().is_none_or(|pattern| names.any(|name| pattern.is_match(name)))
    }

    /// Whether values by name pass the filter. A name that is not there matches only what is unlike something, or the
    /// empty value.
    pub(super) fn passes<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.filter.iter().all(|matcher| {
            let found = value(&matcher.name);
            match matcher.op {
                MatchOp::NotEqual | MatchOp::NotRegex => {
                    matcher.value.is_empty() && found.is_some()
                        || matcher.matches_value(found.unwrap_or_default())
                }
                MatchOp::Equal | MatchOp::Regex => match found {
                    Some(found) => matcher.matches_value(found),
                    None => matcher.value.is_empty(),
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_bad_ones_named() {
        let asked = Asked::parse("active=false&filter=a%3D%22b%22&filter=c!~x&receiver=team-.*").unwrap();
        assert!(!asked.active && asked.silenced);
        assert_eq!(asked.filter.len(), 2);
        assert!(asked.wants_receiver(["team-a"].into_iter()));
        assert!(!asked.wants_receiver(["a-team-a"].into_iter()));
        assert!(Asked::parse("active=perhaps").unwrap_err().contains("neither true nor false"));
        assert!(Asked::parse("receiver=(").unwrap_err().contains("receiver param"));
        assert!(Asked::parse("filter=%7B").is_err());
    }

    #[test]
    fn a_label_that_is_not_there_matches_only_what_is_unlike() {
        let passes = |filter: &str, value: Option<&'static str>| {
            let asked = Asked::parse(&format!(
                "filter={}",
                url::form_urlencoded::byte_serialize(filter.as_bytes()).collect::<String>()
            ))
            .unwrap();
            asked.passes(|name| if name == "a" { value } else { None })
        };
        assert!(passes("a=\"1\"", Some("1")) && !passes("a=\"1\"", None));
        assert!(passes("a!=\"1\"", None) && !passes("a!=\"1\"", Some("1")));
        assert!(passes("a=\"\"", None) && !passes("a=~\".+\"", None));
        assert!(!passes("a=~\".*\"", None), "as Alertmanager has it: the label must be there");
    }
}

//! Places in commands and variables that are filled in for each replica.

/// What may stand in braces, for people.
pub(crate) const PLACES: &str = "{service}, {version}, {replica}, {port}, or {{ for a brace";

/// What the places stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) service: &'a str,
    pub(crate) version: &'a str,
    pub(crate) replica: u32,
    pub(crate) port: u16,
}

enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let open = rest.find('{').unwrap_or(rest.len());
        if open > 0 {
            let (text, behind) = rest.split_at(open);
            rest = behind;
            return Some(Part::Text(text));
        }
        if rest.starts_with("{{") {
            rest = &rest[2..];
            return Some(Part::Text("{"));
        }
        let close = rest.find('}').unwrap_or(rest.len());
        let place = &rest[1..close];
        rest = rest.get(close + 1..).unwrap_or_default();
        Some(Part::Place(place))
    })
}

/// Whether every place is known.
///
/// # Errors
/// Which is not.
pub(crate) fn check(text: &str) -> Result<(), String> {
    for part in parts(text) {
        if let Part::Place(place) = part
            && !matches!(place, "service" | "version" | "replica" | "port")
        {
            return Err(format!("{{{place}}} stands for nothing"));
        }
    }
    Ok(())
}

/// The text with its places filled in; one that stands for nothing is left as it is.
pub(crate) fn fill(text: &str, values: &Values<'_>) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for part in parts(text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Place("service") => out.push_str(values.service),
            Part::Place("version") => out.push_str(values.version),
            Part::Place("replica") => out.push_str(&values.replica.to_string()),
            Part::Place("port") => out.push_str(&values.port.to_string()),
            Part::Place(other) => {
                out.push('{');
                out.push_str(other);
                out.push('}');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in() {
        let values = Values { service: "orders", version: "v2", replica: 3, port: 9100 };
        let filled = fill("/srv/{service}-{version}/{replica}:{port} {{\"a\":{port}} }", &values);
        assert_eq!(filled, "/srv/orders-v2/3:9100 {\"a\":9100} }");
        assert_eq!(check("{{x} {port}"), Ok(()));
        assert_eq!(check("a {prot}"), Err("{prot} stands for nothing".to_owned()));
        assert_eq!(check("a {"), Err("{} stands for nothing".to_owned()));
    }
}

//! `$NAME` and `${NAME}` in external labels, as Prometheus expands them.

/// Expands variables by `lookup`; one that is not set is empty, `$$` is a dollar sign. Gives the names that were
/// not set too.
pub(super) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let (mut out, mut unset) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let (name, after) = if let Some(inner) = rest.strip_prefix('{') {
            match inner.find('}') {
                Some(end) => (&inner[..end], &inner[end + 1..]),
                // An unclosed brace: the brace is dropped and the rest stays as it is.
                None => ("", inner),
            }
        } else if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end == 0 {
                out.push('$');
                continue;
            }
            rest.split_at(end)
        };
        if !name.is_empty() {
            match lookup(name) {
                Some(value) => out.push_str(&value),
                None => unset.push(name.to_owned()),
            }
        }
        rest = after;
    }
    out.push_str(rest);
    (out, unset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded() {
        let lookup = |name: &str| (name == "REGION").then(|| "eu".to_owned());
        for (text, expected) in [
            ("$REGION", "eu"),
            ("a-${REGION}-b", "a-eu-b"),
            ("$REGION/x", "eu/x"),
            ("$$REGION", "$REGION"),
            ("plain", "plain"),
            ("${MISSING}x", "x"),
            ("end$", "end$"),
            ("${REGION", "REGION"),
        ] {
            assert_eq!(expand(text, lookup).0, expected, "{text}");
        }
        assert_eq!(expand("$NOPE ${NADA}", lookup).1, ["NOPE", "NADA"]);
    }
}

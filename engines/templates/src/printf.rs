//! Go's `printf`.

use crate::MAX_TEXT;
use crate::number;
use crate::quote::quote;
use crate::value::Value;

/// The widest field and the longest precision that are obeyed.
const MAX_WIDTH: usize = 10_000;

/// What stands between `%` and the verb.
#[derive(Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats as Go does, mistakes included in the text. Stops when the text is far too long for any template.
pub(crate) fn printf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if out.len() > MAX_TEXT {
            return out;
        }
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(c) = chars.peek() {
            match c {
                '+' => flags.plus = true,
                '-' => flags.minus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            chars.next();
        }
        let mut number =
            |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String, bad: &str| {
                if chars.peek() == Some(&'*') {
                    chars.next();
                    let value = args.get(next);
                    next += 1;
                    return match value {
                        Some(Value::Int(n)) if usize::try_from(*n).is_ok_and(|n| n <= MAX_WIDTH) => {
                            usize::try_from(*n).ok()
                        }
                        _ => {
                            out.push_str(bad);
                            None
                        }
                    };
                }
                let mut found = None;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    found = Some((found.unwrap_or(0usize) * 10 + digit as usize).min(MAX_WIDTH));
                    chars.next();
                }
                found
            };
        flags.width = number(&mut chars, &mut out, "%!(BADWIDTH)");
        if chars.peek() == Some(&'.') {
            chars.next();
            flags.precision = Some(number(&mut chars, &mut out, "%!(BADPREC)").unwrap_or(0));
        }
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        match args.get(next) {
            Some(value) => pad(&one(verb, value, &flags), &flags, value, &mut out),
            None => out.push_str(&format!("%!{verb}(MISSING)")),
        }
        next += 1;
    }
    if next < args.len() {
        out.push_str("%!(EXTRA ");
        for (i, value) in args[next..].iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            out.push_str(&typed(value));
        }
        out.push(')');
    }
    out
}

fn typed(value: &Value) -> String {
    match value {
        Value::Missing | Value::Nil => "<nil>".to_owned(),
        other => format!("{}={}", other.type_name(), other.to_text()),
    }
}

fn one(verb: char, value: &Value, flags: &Flags) -> String {
    let bad = || match value {
        Value::Missing | Value::Nil => format!("%!{verb}(<nil>)"),
        other => format!("%!{verb}({}={})", other.type_name(), other.to_text()),
    };
    let signed = |text: String| {
        if flags.plus && !text.starts_with(['-', '+']) {
            format!("+{text}")
        } else if flags.space && !text.starts_with(['-', '+']) {
            format!(" {text}")
        } else {
            text
        }
    };
    let cut = |text: &str| match flags.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    let hex = |text: &str, upper: bool| -> String {
        text.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect()
    };
    match (verb, value) {
        ('T', value) => value.type_name().to_owned(),
        ('v', Value::Missing | Value::Nil) => "<nil>".to_owned(),
        ('v', Value::Float(v)) => {
            signed(flags.precision.map_or_else(|| number::shortest(*v), |p| number::significant(*v, p)))
        }
        ('v', value) if flags.sharp && value.as_text().is_some() => quote(&value.to_text()),
        ('v' | 's', Value::Text(v) | Value::Html(v) | Value::Url(v)) => cut(v),
        ('v' | 'd', Value::Int(v)) => signed(v.to_string()),
        ('q', Value::Text(v) | Value::Html(v) | Value::Url(v)) => quote(&cut(v)),
        ('x' | 'X', Value::Text(v) | Value::Html(v) | Value::Url(v)) => hex(v, verb == 'X'),
        ('t' | 'v', Value::Bool(v)) => v.to_string(),
        ('b', Value::Int(v)) => format!("{v:b}"),
        ('o', Value::Int(v)) => format!("{v:o}"),
        ('x', Value::Int(v)) => format!("{}{v:x}", if flags.sharp { "0x" } else { "" }),
        ('X', Value::Int(v)) => format!("{}{v:X}", if flags.sharp { "0X" } else { "" }),
        ('c', Value::Int(v)) => {
            u32::try_from(*v).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
        }
        ('q', Value::Int(v)) => {
            let c = u32::try_from(*v).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            format!("'{c}'")
        }
        ('U', Value::Int(v)) => format!("U+{v:04X}"),
        ('e' | 'E', Value::Float(v)) => {
            let text = signed(number::exponential(*v, flags.precision.unwrap_or(6)));
            if verb == 'E' { text.to_uppercase() } else { text }
        }
        ('f' | 'F', Value::Float(v)) => signed(number::fixed(*v, flags.precision.unwrap_or(6))),
        ('g' | 'G', Value::Float(v)) => {
            let text =
                signed(flags.precision.map_or_else(|| number::shortest(*v), |p| number::significant(*v, p)));
            if verb == 'G' { text.to_uppercase() } else { text }
        }
        ('d', Value::Span(v)) => v.to_string(),
        ('v' | 's', Value::Map(_) | Value::List(_) | Value::Object(_) | Value::Time(_) | Value::Span(_)) => {
            value.to_text()
        }
        _ => bad(),
    }
}

fn pad(text: &str, flags: &Flags, value: &Value, out: &mut String) {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    let numeric = match value {
        Value::Int(_) => true,
        Value::Float(v) => v.is_finite(),
        _ => false,
    };
    if flags.minus {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if flags.zero && numeric {
        let sign = usize::from(text.starts_with(['-', '+']));
        out.push_str(&text[..sign]);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(&text[sign..]);
    } else {
        out.extend(std::iter::repeat_n(
            if flags.zero && value.as_text().is_some() { '0' } else { ' ' },
            missing,
        ));
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_flags_and_mistakes() {
        let (f, i, s) = (Value::Float(3.25), Value::Int(42), Value::text("hé"));
        for (format, args, text) in [
            (
                "%.2f|%6.1f|%-8.3g|%e",
                vec![f.clone(), f.clone(), f.clone(), f.clone()],
                "3.25|   3.2|3.25    |3.250000e+00",
            ),
            (
                "%d %5d %05d %x %+d",
                vec![i.clone(), i.clone(), i.clone(), i.clone(), i.clone()],
                "42    42 00042 2a +42",
            ),
            ("%s %q %5s %v", vec![s.clone(), s.clone(), s.clone(), s.clone()], "hé \"hé\"    hé hé"),
            ("%d", vec![f.clone()], "%!d(float64=3.25)"),
            ("%s", vec![i.clone()], "%!s(int=42)"),
            ("%s", vec![Value::Missing], "%!s(<nil>)"),
            ("%s %s", vec![s.clone()], "hé %!s(MISSING)"),
            ("a", vec![i.clone(), s], "a%!(EXTRA int=42, string=hé)"),
            ("100%%", vec![], "100%"),
            ("100%", vec![], "100%!(NOVERB)"),
            ("%*d", vec![Value::Int(4), i], "  42"),
        ] {
            assert_eq!(printf(format, &args), text, "{format}");
        }
    }
}

//! A tree back into text: parsing the text gives the same tree.

use std::fmt::{self, Display, Formatter};

use quarterdeck_kernel::Matcher;
use quarterdeck_kernel::labels::{is_legacy_label_name, is_legacy_metric_name};

use crate::ast::{
    At, BinaryExpr, Cardinality, DurationSpec, Expr, ExprKind, Grouping, Modifiers, NumberLiteral,
    StringLiteral, VectorSelector,
};
use crate::functions::aggregation_named;
use crate::number::{format_duration, format_general};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(n) => write!(f, "{n}"),
            ExprKind::String(s) => write!(f, "{s}"),
            ExprKind::Vector(v) => write!(f, "{v}{}", v.modifiers),
            ExprKind::Matrix(m) => write!(f, "{}[{}]{}", m.selector, m.range, m.selector.modifiers),
            ExprKind::Subquery(s) => {
                write!(f, "{}[{}:", s.expr, s.range)?;
                if let Some(step) = &s.step {
                    write!(f, "{step}")?;
                }
                write!(f, "]{}", s.modifiers)
            }
            ExprKind::Unary(u) => write!(f, "{}{}", if u.negative { "-" } else { "+" }, u.expr),
            ExprKind::Binary(b) => binary(b, f),
            ExprKind::Aggregate(a) => {
                f.write_str(a.op.as_str())?;
                match &a.grouping {
                    Some(Grouping::By(labels)) => write!(f, " by ({}) ", Names(labels))?,
                    Some(Grouping::Without(labels)) => write!(f, " without ({}) ", Names(labels))?,
                    None => {}
                }
                match &a.param {
                    Some(param) => write!(f, "({param}, {})", a.expr),
                    None => write!(f, "({})", a.expr),
                }
            }
            ExprKind::Call(c) => {
                write!(f, "{}(", c.function.name)?;
                for (i, arg) in c.args.iter().enumerate() {
                    write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            ExprKind::Paren(inner) => write!(f, "({inner})"),
        }
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.duration {
            f.write_str(&format_duration((self.value * 1000.0).round() as i64))
        } else {
            // Infinity is a name here: a sign in front would be an operator.
            f.write_str(format_general(self.value).trim_start_matches('+'))
        }
    }
}

impl Display for StringLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.invalid {
            None => f.write_str(&quoted(&self.value)),
            Some(bytes) => f.write_str(&quoted_bytes(bytes)),
        }
    }
}

/// A text in double quotes, with escapes that the lexer reads.
pub(crate) fn quoted(text: &str) -> String {
    quoted_bytes(text.as_bytes())
}

/// Bytes in double quotes; what is not UTF-8 becomes `\x..`.
pub(crate) fn quoted_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_control() => out.push_str(&format!("\\U{:08x}", c as u32)),
                c => out.push(c),
            }
        }
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out.push('"');
    out
}

/// The selector without its modifiers: a range goes between.
impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = vec![];
        let bare = self.name.as_deref().filter(|n| is_bare_metric_name(n));
        if let Some(name) = bare {
            f.write_str(name)?;
        } else if let Some(name) = &self.name {
            parts.push(quoted(name));
        }
        let skip = usize::from(self.name.is_some());
        parts.extend(self.matchers.iter().skip(skip).map(matcher));
        if parts.is_empty() && bare.is_some() { Ok(()) } else { write!(f, "{{{}}}", parts.join(", ")) }
    }
}

/// Whether a metric name can stand without quotes: it is not read as a keyword or number.
pub(crate) fn is_bare_metric_name(name: &str) -> bool {
    const WORDS: [&str; 16] = [
        "inf",
        "nan",
        "bool",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "atan2",
        "and",
        "or",
        "unless",
        "by",
        "without",
        "offset",
        "start",
        "end",
    ];
    is_legacy_metric_name(name)
        && !WORDS.iter().any(|w| name.eq_ignore_ascii_case(w))
        && aggregation_named(name).is_none()
}

fn matcher(m: &Matcher) -> String {
    let name = if is_legacy_label_name(&m.name) { m.name.clone() } else { quoted(&m.name) };
    format!("{name}{}{}", m.op.as_str(), quoted(&m.value))
}

impl Display for Modifiers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(At::Time(ms)) => {
                let sign = if ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)?;
            }
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            None => {}
        }
        match &self.offset {
            Some(offset) => write!(f, " offset {offset}"),
            None => Ok(()),
        }
    }
}

impl Display for DurationSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Some(expr) => write!(f, "{expr}"),
            None => f.write_str(&format_duration(self.millis)),
        }
    }
}

struct Names<'a>(&'a [String]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            if is_legacy_label_name(name) {
                write!(f, "{comma}{name}")?;
            } else {
                write!(f, "{comma}{}", quoted(name))?;
            }
        }
        Ok(())
    }
}

fn binary(b: &BinaryExpr, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{} {}", b.lhs, b.op.as_str())?;
    if b.bool_modifier {
        f.write_str(" bool")?;
    }
    if let Some(m) = &b.matching {
        let grouped = matches!(m.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany);
        if m.on || !m.labels.is_empty() || grouped {
            write!(f, " {} ({})", if m.on { "on" } else { "ignoring" }, Names(&m.labels))?;
        }
        match m.cardinality {
            Cardinality::ManyToOne => write!(f, " group_left ({})", Names(&m.include))?,
            Cardinality::OneToMany => write!(f, " group_right ({})", Names(&m.include))?,
            Cardinality::OneToOne | Cardinality::ManyToMany => {}
        }
    }
    write!(f, " {}", b.rhs)
}

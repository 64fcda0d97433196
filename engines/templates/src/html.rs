//! Where in HTML the output stands, so that each value is escaped for its place.
//!
//! Go's html/template finds the places before it runs; here they are followed while the text is written. For a template
//! that Go accepts, both find the same.

use crate::escape;
use crate::value::Value;

/// What an attribute's value, or the inside of an element, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Url,
    Css,
    Js,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Text,
    /// `<!-- … -->`; it is not written.
    Comment,
    TagName,
    /// In a tag, before the name of an attribute.
    Tag,
    AttributeName,
    AfterName,
    BeforeValue,
    /// In an attribute's value, with its quote.
    Value(Option<char>),
    /// In `<script>` or `<style>`.
    Raw,
    /// In `<title>` or `<textarea>`.
    Words,
}

/// The part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Start,
    Path,
    Query,
}

/// Follows the output and escapes values.
#[derive(Debug)]
pub(crate) struct Escaper {
    place: Place,
    kind: Kind,
    part: Part,
    /// The open quote of a style's or script's string.
    quote: Option<char>,
    /// Whether the byte before was a backslash in such a string.
    escaped: bool,
    /// The name of tag or attribute as far as it has been read.
    name: String,
    /// The element whose tag is open, with `/` if it is an end tag.
    element: String,
}

impl Default for Escaper {
    fn default() -> Self {
        Self {
            place: Place::Text,
            kind: Kind::Plain,
            part: Part::Start,
            quote: None,
            escaped: false,
            name: String::new(),
            element: String::new(),
        }
    }
}

/// The longest name that is kept.
const MAX_NAME: usize = 64;

impl Escaper {
    /// Writes text of the template itself.
    pub(crate) fn literal(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let taken = match self.place {
                Place::Comment => {
                    let end = rest.find("-->");
                    if end.is_some() {
                        self.place = Place::Text;
                    }
                    rest = end.map_or("", |end| &rest[end + 3..]);
                    continue;
                }
                Place::Text if rest.starts_with("<!--") => {
                    self.place = Place::Comment;
                    rest = &rest[4..];
                    continue;
                }
                Place::Text => self.text(rest),
                Place::Raw | Place::Words => self.inside(rest),
                _ => {
                    self.in_tag(c);
                    c.len_utf8()
                }
            };
            out.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
    }

    /// Up to the next tag, or the start of that.
    fn text(&mut self, rest: &str) -> usize {
        match rest.find('<') {
            Some(0) => {
                let next = rest[1..].chars().next();
                if next.is_none_or(|c| c.is_ascii_alphabetic() || c == '/') {
                    self.place = Place::TagName;
                    self.name.clear();
                }
                1
            }
            Some(open) => open,
            None => rest.len(),
        }
    }

    /// In an element whose inside is not HTML, up to its end tag.
    fn inside(&mut self, rest: &str) -> usize {
        let end = format!("</{}", self.element);
        let lower = rest.to_ascii_lowercase();
        let found = lower.find(&end);
        let inner = &rest[..found.unwrap_or(rest.len())];
        if self.place == Place::Raw {
            inner.chars().for_each(|c| self.follow_string(c));
        }
        match found {
            Some(0) => {
                self.place = Place::TagName;
                self.name.clear();
                self.quote = None;
                1
            }
            Some(end) => end,
            None => rest.len(),
        }
    }

    fn in_tag(&mut self, c: char) {
        let blank = c.is_ascii_whitespace();
        match self.place {
            Place::TagName => match c {
                '>' => {
                    self.element = self.name.to_ascii_lowercase();
                    self.end_tag();
                }
                '/' if !self.name.is_empty() => self.named(),
                _ if blank => self.named(),
                c => self.grow(c),
            },
            Place::Tag | Place::AfterName => match c {
                '>' => self.end_tag(),
                '=' if self.place == Place::AfterName => self.place = Place::BeforeValue,
                '/' => {}
                _ if blank => {}
                c => {
                    self.place = Place::AttributeName;
                    self.name.clear();
                    self.grow(c);
                }
            },
            Place::AttributeName => match c {
                '=' => self.place = Place::BeforeValue,
                '>' => self.end_tag(),
                '/' => self.place = Place::Tag,
                _ if blank => self.place = Place::AfterName,
                c => self.grow(c),
            },
            Place::BeforeValue => match c {
                '"' | '\'' => self.value_begins(Some(c)),
                '>' => self.end_tag(),
                _ if blank => {}
                c => {
                    self.value_begins(None);
                    self.in_value(c);
                }
            },
            Place::Value(Some(quote)) if c == quote => self.place = Place::Tag,
            Place::Value(None) if blank => self.place = Place::Tag,
            Place::Value(None) if c == '>' => self.end_tag(),
            Place::Value(_) => self.in_value(c),
            Place::Text | Place::Comment | Place::Raw | Place::Words => {}
        }
    }

    fn grow(&mut self, c: char) {
        if self.name.len() < MAX_NAME {
            self.name.push(c);
        }
    }

    fn named(&mut self) {
        self.element = self.name.to_ascii_lowercase();
        self.place = Place::Tag;
    }

    fn end_tag(&mut self) {
        (self.quote, self.escaped) = (None, false);
        (self.place, self.kind) = match self.element.as_str() {
            "script" => (Place::Raw, Kind::Js),
            "style" => (Place::Raw, Kind::Css),
            "title" | "textarea" => (Place::Words, Kind::Plain),
            _ => (Place::Text, Kind::Plain),
        };
    }

    fn value_begins(&mut self, quote: Option<char>) {
        self.place = Place::Value(quote);
        self.kind = kind_of(&self.name);
        (self.part, self.quote, self.escaped) = (Part::Start, None, false);
    }

    fn in_value(&mut self, c: char) {
        match self.kind {
            Kind::Plain => {}
            Kind::Url => {
                self.part = match c {
                    '?' | '#' => Part::Query,
                    _ if self.part == Part::Start && c.is_ascii_whitespace() => Part::Start,
                    _ if self.part == Part::Start => Part::Path,
                    _ => self.part,
                }
            }
            Kind::Css | Kind::Js => self.follow_string(c),
        }
    }

    /// Whether a style or script is inside a string.
    fn follow_string(&mut self, c: char) {
        match self.quote {
            Some(_) if self.escaped => self.escaped = false,
            Some(_) if c == '\\' => self.escaped = true,
            Some(quote) if c == quote => self.quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' || (c == '`' && self.kind == Kind::Js) => self.quote = Some(c),
            None => {}
        }
    }

    /// Writes a value.
    pub(crate) fn value(&mut self, value: &Value, out: &mut String) {
        if self.place == Place::BeforeValue {
            self.value_begins(None);
        }
        match self.place {
            Place::Comment => {}
            Place::Text => match value {
                Value::Html(safe) => out.push_str(safe),
                value => escape::html(&escape::text_of(value), out),
            },
            Place::Words => match value {
                Value::Html(safe) => escape::html_again(safe, out),
                value => escape::html(&escape::text_of(value), out),
            },
            Place::TagName | Place::Tag | Place::AttributeName | Place::AfterName => {
                let text = escape::text_of(value);
                let name = escape::name(&text);
                out.push_str(name);
                if matches!(self.place, Place::Tag | Place::AfterName) {
                    self.place = Place::AttributeName;
                    self.name.clear();
                }
                name.chars().for_each(|c| self.grow(c));
            }
            Place::Raw => out.push_str(&self.inner(value)),
            Place::Value(quote) => {
                if let (Kind::Plain, Value::Html(safe), Some(_)) = (self.kind, value, quote) {
                    escape::html_again(&escape::without_tags(safe), out);
                    return;
                }
                let inner = self.inner(value);
                if quote.is_some() { escape::html(&inner, out) } else { escape::html_unquoted(&inner, out) }
            }
            Place::BeforeValue => {}
        }
    }

    /// A value as URL, style or script, before it is escaped as an attribute's.
    fn inner(&mut self, value: &Value) -> String {
        match self.kind {
            Kind::Plain => escape::text_of(value),
            Kind::Url => {
                let text = escape::text_of(value);
                let safe = matches!(value, Value::Url(_));
                let part = self.part;
                self.part = if part == Part::Start { Part::Path } else { part };
                match part {
                    Part::Start if !safe && !escape::is_safe_url(&text) => escape::REFUSED_URL.to_owned(),
                    Part::Query if !safe => escape::url(&text, false),
                    _ => escape::url(&text, true),
                }
            }
            Kind::Css if self.quote.is_some() => escape::css_string(&escape::text_of(value)),
            Kind::Css => escape::css_value(&escape::text_of(value)),
            Kind::Js if self.quote.is_some() => escape::js_string(&escape::text_of(value)),
            Kind::Js => escape::js_value(value),
        }
    }
}

/// What the value of an attribute is, by its name.
fn kind_of(name: &str) -> Kind {
    let lower = name.to_ascii_lowercase();
    let name = lower.strip_prefix("data-").unwrap_or(&lower);
    let (space, name) = name.split_once(':').map_or(("", name), |(space, name)| (space, name));
    if space == "xmlns" || name == "xmlns" {
        return Kind::Url;
    }
    match name {
        "style" => Kind::Css,
        "action" | "archive" | "background" | "cite" | "classid" | "codebase" | "data" | "formaction"
        | "href" | "icon" | "longdesc" | "manifest" | "poster" | "profile" | "src" | "srcset" | "usemap" => {
            Kind::Url
        }
        _ if name.starts_with("on") => Kind::Js,
        _ if ["src", "uri", "url"].iter().any(|part| name.contains(part)) => Kind::Url,
        _ => Kind::Plain,
    }
}

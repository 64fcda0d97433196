//! The reader of both formats.

use std::borrow::Cow;

use quarterdeck_kernel::Timestamp;

use super::error::{ParseError, found};
use super::format::Format;
use super::item::{ExemplarItem, Item, SampleItem};
use super::labels::{name_len, quoted_len, unescape, unescape_help};
use super::number;
use crate::ingest::MetricType;

/// Reads a page item by item. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    /// The page up to the line with the first byte that is not UTF-8.
    text: &'a str,
    pos: usize,
    open_metrics: bool,
    /// Refuse also what Prometheus lets pass.
    strict: bool,
    /// The error that waits where `text` ends.
    broken: Option<ParseError>,
    /// More of the page comes in another part: its end is not to be judged.
    partial: bool,
    /// `# EOF` was read.
    complete: bool,
    done: bool,
}

/// A series as found: offsets are resolved to slices at once.
struct Series<'a> {
    written: &'a str,
    name: &'a str,
    name_escaped: bool,
    inside: &'a str,
}

impl<'a> Parser<'a> {
    pub(super) fn new(format: Format, page: &'a [u8], strict: bool) -> Self {
        let (text, broken) = match std::str::from_utf8(page) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = std::str::from_utf8(&page[..error.valid_up_to()]).unwrap_or_default();
                let byte = page[error.valid_up_to()];
                let message = format!("byte 0x{byte:02x} is not UTF-8: names and values are UTF-8");
                let line_start = valid.rfind('\n').map_or(0, |i| i + 1);
                (&valid[..line_start], Some(ParseError::at(valid, valid.len(), message)))
            }
        };
        Self {
            text,
            pos: 0,
            open_metrics: format == Format::OpenMetrics,
            strict,
            broken,
            partial: false,
            complete: false,
            done: false,
        }
    }

    /// A reader of whole lines from the middle of a page.
    pub(crate) fn partial(format: Format, lines: &'a [u8]) -> Self {
        Self { partial: true, ..Self::new(format, lines, false) }
    }

    /// Whether `# EOF` was read.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// An error about the line that was read last.
    pub(super) fn error_in_line_at(&self, line_start: usize, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, line_start, message)
    }

    /// Where the next line starts.
    pub(crate) fn offset(&self) -> usize {
        self.pos
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::at(self.text, self.pos, message))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.pos..]
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.pos += 1;
        }
    }

    /// Blanks where only the text format allows them.
    fn loose_blanks(&mut self) {
        if !self.open_metrics {
            self.blanks();
        }
    }

    fn line_end(&self) -> usize {
        memchr::memchr(b'\n', self.rest()).map_or(self.text.len(), |i| self.pos + i)
    }

    /// Moves over the end of a line.
    fn end_line(&mut self, end: usize) {
        self.pos = (end + 1).min(self.text.len());
    }

    fn next_item(&mut self) -> Result<Option<Item<'a>>, ParseError> {
        loop {
            self.loose_blanks();
            match self.peek() {
                None => return self.end_of_page(),
                Some(_) if self.complete => {
                    return self.fail("there is text after # EOF: end the page there");
                }
                Some(b'\n') if self.open_metrics => {
                    return self.fail("the line is blank: OpenMetrics allows no blank lines");
                }
                Some(b'\n') => self.pos += 1,
                Some(b'#') if self.open_metrics => {
                    if let Some(item) = self.open_metrics_comment()? {
                        return Ok(Some(item));
                    }
                }
                Some(b'#') => {
                    if let Some(item) = self.text_comment()? {
                        return Ok(Some(item));
                    }
                }
                Some(_) => return self.sample().map(Some),
            }
        }
    }

    fn end_of_page(&mut self) -> Result<Option<Item<'a>>, ParseError> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if self.open_metrics && !self.complete && !self.partial {
            return self.fail("the page does not end with # EOF: it was cut off, or it is not OpenMetrics");
        }
        Ok(None)
    }

    /// `# HELP`, `# TYPE`; any other comment says nothing.
    fn text_comment(&mut self) -> Result<Option<Item<'a>>, ParseError> {
        let end = self.line_end();
        self.pos += 1;
        let after_hash = self.pos;
        self.blanks();
        let keyword_fits = self.pos > after_hash;
        let line = &self.text[self.pos..end];
        let keyword = ["HELP", "TYPE"]
            .into_iter()
            .find(|k| line.strip_prefix(k).is_some_and(|rest| rest.starts_with([' ', '\t'])));
        let Some(keyword) = keyword.filter(|_| keyword_fits) else {
            self.end_line(end);
            return Ok(None);
        };
        self.pos += keyword.len();
        self.blanks();
        let name = self.family_name()?;
        if self.pos < end && !matches!(self.peek(), Some(b' ' | b'\t')) {
            return self.fail(format!("found {} in a metric name", found(self.text, self.pos)));
        }
        self.blanks();
        let text = &self.text[self.pos.min(end)..end];
        let item = if keyword == "HELP" {
            Item::Help { name, text: unescape_help(text) }
        } else {
            let kind = match text.trim_end_matches([' ', '\t']) {
                "counter" => MetricType::Counter,
                "gauge" => MetricType::Gauge,
                "histogram" => MetricType::Histogram,
                "summary" => MetricType::Summary,
                "untyped" => MetricType::Unknown,
                other => {
                    let message = format!(
                        "{other:?} is not a metric type: write counter, gauge, histogram, summary or untyped"
                    );
                    return self.fail(message);
                }
            };
            Item::Type { name, kind }
        };
        self.end_line(end);
        Ok(Some(item))
    }

    /// `# HELP`, `# TYPE`, `# UNIT` with single spaces, or `# EOF`; nothing else is allowed.
    fn open_metrics_comment(&mut self) -> Result<Option<Item<'a>>, ParseError> {
        let end = self.line_end();
        let line = &self.text[self.pos..end];
        if line == "# EOF" {
            self.complete = true;
            self.end_line(end);
            return Ok(None);
        }
        let keyword = ["# HELP ", "# TYPE ", "# UNIT "].into_iter().find(|k| line.starts_with(k));
        let Some(keyword) = keyword else {
            return self.fail(
                "a comment is # HELP, # TYPE, # UNIT (each followed by a name) or # EOF in OpenMetrics",
            );
        };
        self.pos += keyword.len();
        let name_start = self.pos;
        let name = self.family_name()?;
        if self.peek() != Some(b' ') {
            let found = found(self.text, self.pos);
            return self.fail(format!("found {found} after the metric name: one space belongs there"));
        }
        self.pos += 1;
        let text = &self.text[self.pos..end];
        let item = match keyword {
            "# HELP " => Item::Help { name, text: unescape(text) },
            "# UNIT " => {
                if !text.is_empty() && !name.strip_suffix(text).is_some_and(|n| n.ends_with('_')) {
                    self.pos = name_start;
                    return self
                        .fail(format!("metric {name:?} does not end with its unit: name it {name}_{text}"));
                }
                Item::Unit { name, unit: text }
            }
            _ => Item::Type { name, kind: self.open_metrics_type(text)? },
        };
        self.end_line(end);
        Ok(Some(item))
    }

    fn open_metrics_type(&self, text: &str) -> Result<MetricType, ParseError> {
        Ok(match text {
            "counter" => MetricType::Counter,
            "gauge" => MetricType::Gauge,
            "histogram" => MetricType::Histogram,
            "gaugehistogram" => MetricType::GaugeHistogram,
            "summary" => MetricType::Summary,
            "info" => MetricType::Info,
            "stateset" => MetricType::StateSet,
            "unknown" => MetricType::Unknown,
            other => {
                return self.fail(format!(
                    "{other:?} is not a metric type: write counter, gauge, histogram, gaugehistogram, summary, info, \
                     stateset or unknown"
                ));
            }
        })
    }

    /// A metric name in a comment, bare or quoted.
    fn family_name(&mut self) -> Result<Cow<'a, str>, ParseError> {
        if self.peek() == Some(b'"') {
            return self.quoted().map(unescape);
        }
        let len = name_len(self.rest(), true);
        if len == 0 {
            let found = found(self.text, self.pos);
            return self
                .fail(format!("found {found} where a metric name belongs (letters, digits, _ and :)"));
        }
        let name = &self.text[self.pos..self.pos + len];
        self.pos += len;
        Ok(Cow::Borrowed(name))
    }

    /// A quoted text, its escapes still in it.
    fn quoted(&mut self) -> Result<&'a str, ParseError> {
        if self.peek() != Some(b'"') {
            return self.fail(format!("found {} where a quote (\") belongs", found(self.text, self.pos)));
        }
        let start = self.pos + 1;
        match quoted_len(&self.text.as_bytes()[start..]) {
            Ok(len) => {
                self.pos = start + len + 1;
                Ok(&self.text[start..start + len])
            }
            Err(_) => self.fail("the quote is not closed in this line"),
        }
    }

    fn sample(&mut self) -> Result<Item<'a>, ParseError> {
        let series = self.series()?;
        if self.open_metrics {
            self.one_space("the value")?;
        } else {
            let before = self.pos;
            self.blanks();
            if before == self.pos && series.inside.is_empty() && !series.written.ends_with('}') {
                let found = found(self.text, self.pos);
                return self.fail(format!("found {found} in a metric name (letters, digits, _ and :)"));
            }
        }
        let value = self.value("a value")?;
        let (mut timestamp, mut seconds, mut exemplar) = (None, None, None);
        if self.open_metrics {
            if self.rest().first() == Some(&b' ') && self.rest().get(1) != Some(&b'#') {
                self.pos += 1;
                let at = self.seconds()?;
                seconds = Some(at);
                timestamp = Some(from_seconds(at));
            }
            if self.rest().starts_with(b" # ") {
                self.pos += 3;
                exemplar = Some(self.exemplar()?);
            }
        } else {
            self.blanks();
            if !matches!(self.peek(), None | Some(b'\n')) {
                timestamp = Some(self.millis()?);
                self.blanks();
            }
        }
        match self.peek() {
            None => {}
            Some(b'\n') => self.pos += 1,
            Some(_) => {
                let found = found(self.text, self.pos);
                return self.fail(format!("found {found} where the line should end"));
            }
        }
        Ok(Item::Sample(SampleItem {
            series: series.written,
            value,
            timestamp,
            exemplar,
            name: series.name,
            name_escaped: series.name_escaped,
            inside: series.inside,
            seconds,
        }))
    }

    fn one_space(&mut self, before: &str) -> Result<(), ParseError> {
        if self.peek() != Some(b' ') {
            let found = found(self.text, self.pos);
            return self.fail(format!("found {found} where one space belongs, before {before}"));
        }
        self.pos += 1;
        Ok(())
    }

    fn series(&mut self) -> Result<Series<'a>, ParseError> {
        let start = self.pos;
        let len = name_len(self.rest(), true);
        if len == 0 && self.peek() != Some(b'{') {
            let found = found(self.text, self.pos);
            return self.fail(format!("found {found} where a metric name or {{ belongs"));
        }
        let name = &self.text[start..start + len];
        self.pos += len;
        let mut end = self.pos;
        self.loose_blanks();
        if self.peek() != Some(b'{') {
            // The blanks belong to what follows.
            self.pos = end;
            return Ok(Series { written: name, name, name_escaped: false, inside: "" });
        }
        self.pos += 1;
        let inside_start = self.pos;
        let quoted_name = self.braces(len == 0)?;
        let inside = &self.text[inside_start..self.pos - 1];
        end = self.pos;
        let written = &self.text[start..end];
        match quoted_name {
            None if len == 0 => {
                self.pos = start;
                self.fail("the series has no name: write it before { or quoted as the first thing in it")
            }
            None => Ok(Series { written, name, name_escaped: false, inside }),
            Some(quoted) => Ok(Series { written, name: quoted, name_escaped: true, inside }),
        }
    }

    /// From after `{` to after `}`; gives the metric name if it stands quoted among the labels.
    fn braces(&mut self, may_name: bool) -> Result<Option<&'a str>, ParseError> {
        let mut metric = None;
        let mut after_comma = false;
        loop {
            self.loose_blanks();
            match self.peek() {
                Some(b'}') if after_comma && self.strict => {
                    return self.fail("there is a comma before }: OpenMetrics allows none");
                }
                Some(b'}') => {
                    self.pos += 1;
                    return Ok(metric);
                }
                Some(b'"') => {
                    let at = self.pos;
                    let quoted = self.quoted()?;
                    self.loose_blanks();
                    if self.peek() == Some(b'=') {
                        if quoted.is_empty() {
                            self.pos = at;
                            return self.fail("a label has an empty name");
                        }
                        self.label_value()?;
                    } else if !may_name || metric.is_some() || quoted.is_empty() {
                        self.pos = at;
                        return self.fail(if quoted.is_empty() {
                            "the metric's name is empty"
                        } else {
                            "the series has two names: a quoted text without = is the metric's name"
                        });
                    } else {
                        metric = Some(quoted);
                    }
                }
                _ => {
                    let len = name_len(self.rest(), false);
                    if len == 0 {
                        let found = found(self.text, self.pos);
                        return self.fail(format!("found {found} where a label name or }} belongs"));
                    }
                    self.pos += len;
                    self.loose_blanks();
                    self.label_value()?;
                }
            }
            self.loose_blanks();
            match self.peek() {
                Some(b',') => {
                    self.pos += 1;
                    after_comma = true;
                }
                Some(b'}') => after_comma = false,
                _ => {
                    let found = found(self.text, self.pos);
                    return self.fail(format!("found {found} where a comma or }} belongs"));
                }
            }
        }
    }

    fn label_value(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b'=') {
            let found = found(self.text, self.pos);
            return self.fail(format!("found {found} where = belongs, after the label name"));
        }
        self.pos += 1;
        self.loose_blanks();
        self.quoted().map(|_| ())
    }

    fn word(&self) -> &'a str {
        let rest = self.rest();
        let len = rest.iter().position(|b| matches!(b, b' ' | b'\n' | b'\t')).unwrap_or(rest.len());
        &self.text[self.pos..self.pos + len]
    }

    fn value(&mut self, what: &str) -> Result<f64, ParseError> {
        let word = self.word();
        match number::float(word) {
            Some(value) => {
                self.pos += word.len();
                Ok(value)
            }
            None if word.is_empty() => {
                self.fail(format!("found {} where {what} belongs", found(self.text, self.pos)))
            }
            None => {
                self.fail(format!("{} is not {what}: write a decimal number, +Inf, -Inf or NaN", clip(word)))
            }
        }
    }

    fn millis(&mut self) -> Result<Timestamp, ParseError> {
        let word = self.word();
        let Ok(millis) = word.parse() else {
            return self
                .fail(format!("{} is not a timestamp: write whole milliseconds since 1970", clip(word)));
        };
        self.pos += word.len();
        Ok(Timestamp::from_millis(millis))
    }

    fn seconds(&mut self) -> Result<f64, ParseError> {
        let at = self.pos;
        let seconds = self.value("a timestamp")?;
        if !seconds.is_finite() {
            self.pos = at;
            return self.fail("a timestamp is finite: write seconds since 1970");
        }
        Ok(seconds)
    }

    fn exemplar(&mut self) -> Result<ExemplarItem<'a>, ParseError> {
        if self.peek() != Some(b'{') {
            let found = found(self.text, self.pos);
            return self.fail(format!("found {found} where an exemplar's {{ belongs"));
        }
        self.pos += 1;
        let start = self.pos;
        self.braces(false)?;
        let inside = &self.text[start..self.pos - 1];
        self.one_space("the exemplar's value")?;
        let value = self.value("an exemplar's value")?;
        let timestamp = if self.peek() == Some(b' ') {
            self.pos += 1;
            Some(from_seconds(self.seconds()?))
        } else {
            None
        };
        Ok(ExemplarItem { value, timestamp, inside })
    }
}

fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as i64)
}

/// At most 40 characters of a text, quoted.
fn clip(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}

impl<'a> Iterator for Parser<'a> {
    type Item = Result<Item<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_item();
        if !matches!(next, Ok(Some(_))) {
            self.done = true;
        }
        next.transpose()
    }
}

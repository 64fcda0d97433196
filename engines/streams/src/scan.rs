//! Looks up configured paths in a JSON message in one pass, without building the message in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::path::{Path, Step};
use crate::rows::Cell;

/// Texts are cut at this many bytes.
pub(crate) const TEXT_LIMIT: usize = 1024;

/// A place that a value goes to.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Whether it is of the message, not of a record.
    envelope: bool,
    index: usize,
}

/// A key that is wanted. Every key of every message is compared with these: by their first bytes, as one number.
#[derive(Debug)]
struct Name {
    head: u64,
    text: String,
}

impl Name {
    fn new(text: &str) -> Self {
        Self { head: head(text), text: text.to_owned() }
    }

    fn is(&self, head: u64, text: &str) -> bool {
        self.head == head && self.text.len() == text.len() && (text.len() <= 8 || self.text == text)
    }
}

/// The first eight bytes of a text as a number, zeros behind a shorter one.
fn head(text: &str) -> u64 {
    match text.as_bytes().first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => text.bytes().rev().fold(0, |head, byte| head << 8 | u64::from(byte)),
    }
}

/// What is wanted at and below one place of a message.
#[derive(Debug, Default)]
struct Node {
    slots: Vec<Slot>,
    keys: Vec<(Name, Node)>,
    indexes: Vec<(usize, Node)>,
    /// Elements below are records of their own, looked into with this node.
    each: Option<Box<Node>>,
}

impl Node {
    fn descend(&mut self, path: &Path) -> &mut Self {
        path.steps().iter().fold(self, |node, step| match step {
            Step::Key(key) => {
                let at = node.keys.iter().position(|(k, _)| k.text == *key).unwrap_or_else(|| {
                    node.keys.push((Name::new(key), Self::default()));
                    node.keys.len() - 1
                });
                &mut node.keys[at].1
            }
            Step::Index(index) => {
                let at = node.indexes.iter().position(|(i, _)| i == index).unwrap_or_else(|| {
                    node.indexes.push((*index, Self::default()));
                    node.indexes.len() - 1
                });
                &mut node.indexes[at].1
            }
        })
    }
}

/// A value that is wanted; from [`Scanner::want`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted(usize, bool);

/// Looks up values in messages.
#[derive(Debug)]
pub(crate) struct Scanner {
    root: Node,
    records: Option<Path>,
    /// Slots of a record and of the envelope, with the path each was made for.
    record_paths: Vec<Path>,
    envelope_paths: Vec<Path>,
}

impl Scanner {
    /// A scanner; with a path to the records, values are looked up in each element there.
    pub(crate) fn new(records: Option<Path>) -> Self {
        let mut root = Node::default();
        let place = match &records {
            Some(path) => root.descend(path),
            None => &mut root,
        };
        place.each = records.as_ref().map(|_| Box::default());
        Self { root, records, record_paths: Vec::new(), envelope_paths: Vec::new() }
    }

    /// Wants the value at a path: in each record, or in the message as a whole when the path is written with a leading
    /// `$`.
    pub(crate) fn want(&mut self, path: &Path) -> Wanted {
        let envelope = self.records.is_some() && path.is_absolute();
        let known = if envelope { &mut self.envelope_paths } else { &mut self.record_paths };
        if let Some(at) = known.iter().position(|p| p.steps() == path.steps()) {
            return Wanted(at, envelope);
        }
        known.push(path.clone());
        let index = known.len() - 1;
        let mut base = &mut self.root;
        if let (Some(records), false) = (&self.records, envelope) {
            base = base.descend(records).each.get_or_insert_default();
        }
        base.descend(path).slots.push(Slot { envelope, index });
        Wanted(index, envelope)
    }

    /// Scans a message. On an error the output holds no record.
    ///
    /// # Errors
    /// When the text is not JSON, or nests deeper than 128 levels.
    pub(crate) fn scan(&self, text: &str, out: &mut Found) -> Result<(), serde_json::Error> {
        out.reset(self.record_paths.len(), self.envelope_paths.len());
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let result =
            Seek { node: &self.root, out }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if result.is_err() {
            out.reset(self.record_paths.len(), self.envelope_paths.len());
        } else if self.records.is_none() {
            out.close_record();
        }
        result
    }
}

/// The values found in a message. Reused from message to message.
#[derive(Debug, Default)]
pub(crate) struct Found {
    envelope: Vec<Cell>,
    record: Vec<Cell>,
    /// Closed records, one after the other.
    records: Vec<Cell>,
    count: usize,
}

impl Found {
    fn reset(&mut self, record: usize, envelope: usize) {
        for (cells, size) in [(&mut self.record, record), (&mut self.envelope, envelope)] {
            cells.clear();
            cells.resize(size, Cell::Missing);
        }
        self.records.clear();
        self.count = 0;
    }

    fn close_record(&mut self) {
        self.records.extend(self.record.iter_mut().map(|c| std::mem::replace(c, Cell::Missing)));
        self.count += 1;
    }

    /// How many records the message holds.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// A value of one record (or of the message).
    pub(crate) fn get(&self, record: usize, wanted: Wanted) -> &Cell {
        let Wanted(index, envelope) = wanted;
        if envelope { &self.envelope[index] } else { &self.records[record * self.record.len() + index] }
    }

    fn put(&mut self, slots: &[Slot], cell: impl Fn() -> Cell) {
        for slot in slots {
            let cells = if slot.envelope { &mut self.envelope } else { &mut self.record };
            cells[slot.index] = cell();
        }
    }
}

struct Seek<'a> {
    node: &'a Node,
    out: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.put(&self.node.slots, || Cell::Null);
        Ok(())
    }

    fn visit_bool<E>(self, v: bool) -> Result<(), E> {
        self.out.put(&self.node.slots, || Cell::Bool(v));
        Ok(())
    }

    fn visit_i64<E>(self, v: i64) -> Result<(), E> {
        self.out.put(&self.node.slots, || Cell::Integer(v));
        Ok(())
    }

    fn visit_u64<E>(self, v: u64) -> Result<(), E> {
        let cell = || i64::try_from(v).map_or(Cell::Number(v as f64), Cell::Integer);
        self.out.put(&self.node.slots, cell);
        Ok(())
    }

    fn visit_f64<E>(self, v: f64) -> Result<(), E> {
        self.out.put(&self.node.slots, || Cell::Number(v));
        Ok(())
    }

    fn visit_str<E>(self, v: &str) -> Result<(), E> {
        self.out.put(&self.node.slots, || Cell::Text(cut(v, TEXT_LIMIT).into()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { node, out } = self;
        out.put(&node.slots, || Cell::Composite);
        let mut index = 0;
        loop {
            let wanted = node.indexes.iter().find(|(i, _)| *i == index).map(|(_, n)| n);
            // An element that is both a record and wanted by its index is read as a record.
            let more = if let Some(each) = &node.each {
                let more = seq.next_element_seed(Seek { node: each, out: &mut *out })?.is_some();
                if more {
                    out.close_record();
                }
                more
            } else if let Some(node) = wanted {
                seq.next_element_seed(Seek { node, out: &mut *out })?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { node, out } = self;
        out.put(&node.slots, || Cell::Composite);
        // One object where an array of records is expected is one record.
        let inner = node.each.as_deref().unwrap_or(node);
        while let Some(found) = map.next_key_seed(Key(inner))? {
            match found {
                Some(node) => map.next_value_seed(Seek { node, out: &mut *out })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if node.each.is_some() {
            out.close_record();
        }
        Ok(())
    }
}

/// Reads a key and finds what is wanted below it.
struct Key<'a>(&'a Node);

impl<'a, 'de> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<&'a Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<&'a Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        let head = head(v);
        Ok(self.0.keys.iter().find(|(k, _)| k.is(head, v)).map(|(_, n)| n))
    }
}

/// The longest start of a text that has at most `limit` bytes and ends between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn scan(records: Option<&str>, paths: &[&str], text: &str) -> Vec<Vec<String>> {
        let mut scanner = Scanner::new(records.map(|r| r.parse().unwrap()));
        let wanted: Vec<Wanted> = paths.iter().map(|p| scanner.want(&p.parse().unwrap())).collect();
        let mut found = Found::default();
        scanner.scan(text, &mut found).unwrap();
        (0..found.count()).map(|r| wanted.iter().map(|w| found.get(r, *w).to_string()).collect()).collect()
    }

    #[test]
    fn values_are_found_at_any_depth() {
        let text = r#" {"a":{"b":[1,{"c":"x\n\u00e9"}],"z":0},"n":null,"t":true,"f":1.5,"big":18446744073709551615} "#;
        let rows =
            scan(None, &["a.b[0]", "a.b[1].c", "a", "a.b", "n", "t", "f", "big", "a.b[2]", "no.no"], text);
        assert_eq!(
            rows,
            [["1", "x\né", "{…}", "{…}", "null", "true", "1.5", "18446744073709552000", "", ""]]
        );
    }

    #[test]
    fn keys_are_told_apart_by_all_their_bytes() {
        let keys = ["a", "ab", "ab\u{0}", "abcdefgh", "abcdefghi", "abcdefghj", "abcdefg", ""];
        let text =
            serde_json::to_string(&keys.map(|k| (k, k)).into_iter().collect::<HashMap<_, _>>()).unwrap();
        for key in keys {
            let name = Name::new(key);
            let same = keys.iter().filter(|other| name.is(head(other), other));
            assert_eq!(same.collect::<Vec<_>>(), [&key]);
        }
        let paths = ["a", "ab", "abcdefgh", "abcdefghi", "abcdefghj", "abcdefg"];
        assert_eq!(scan(None, &paths, &text), [paths]);
    }

    #[test]
    fn one_value_may_be_wanted_twice_and_the_last_of_equal_keys_counts() {
        assert_eq!(scan(None, &["a", "$.a"], r#"{"a":1,"a":2}"#), [["2", "2"]]);
    }

    #[test]
    fn records_are_read_one_by_one_beside_the_envelope() {
        let text = r#"{"data":[{"p":1},{"q":2},{"p":3}],"seq":9}"#;
        assert_eq!(scan(Some("data"), &["p", "$.seq"], text), [["1", "9"], ["", "9"], ["3", "9"]]);
        assert_eq!(scan(Some("data"), &["p"], r#"{"data":{"p":7}}"#), [["7"]]);
        assert_eq!(scan(Some("data"), &["p"], r#"{"heartbeat":1}"#), Vec::<Vec<String>>::new());
        assert_eq!(scan(Some("data"), &["[1]"], r#"{"data":[[1,2],[3,4]]}"#), [["2"], ["4"]]);
    }

    #[test]
    fn what_is_not_json_is_an_error_and_leaves_no_record() {
        let mut scanner = Scanner::new(None);
        scanner.want(&"a".parse().unwrap());
        let mut found = Found::default();
        let deep = "[".repeat(1000);
        for text in ["", "{", "{\"a\":1", "{\"a\":1}}", "nul", "{\"a\":1}x", "{a:1}", &deep] {
            assert!(scanner.scan(text, &mut found).is_err(), "{text}");
            assert_eq!(found.count(), 0);
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(2000));
        assert_eq!(scan(None, &["a"], &long)[0][0].len(), TEXT_LIMIT);
    }
}

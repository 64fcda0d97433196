//! Takes the history in a file of an exposition format, however large, in two passes: the first reads and checks
//! everything, so that a file with a mistake changes nothing; the second takes it.

use std::io::{self, Read, Seek, SeekFrom};

use hashbrown::HashMap;
use quarterdeck_kernel::Timestamp;

use crate::exposition::{Format, Item, ParseError, Parser, SampleItem};
use crate::ingest::{Ingest, IngestError, Metadata, SeriesId};
use crate::store::Store;

/// The file is read in pieces of this size, in bytes; a line may not be longer.
const PIECE: usize = 8 << 20;
/// Samples that are held before they are sealed: 16 bytes each.
const HELD: usize = 4_000_000;
/// Series whose text is remembered, so that their labels are read once.
const REMEMBERED: usize = 200_000;

/// What a file holds, or what was taken of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Samples in the file.
    pub samples: u64,
    /// Samples taken; none in a check.
    pub taken: u64,
    /// Samples of moments for which the store has one already; none in a check.
    pub known: u64,
    /// Oldest sample.
    pub oldest: Option<Timestamp>,
    /// Newest sample.
    pub newest: Option<Timestamp>,
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is not what its format says.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// A line is too long to be one.
    #[error("line {line} is longer than {PIECE} bytes: this is not a file of samples")]
    LongLine {
        /// Line, from 1.
        line: usize,
    },
    /// The store does not take it.
    #[error("{0}")]
    Ingest(#[from] IngestError),
}

/// Reads and checks a whole file and changes nothing. No sample may be later than `latest`.
///
/// # Errors
/// The first mistake, with its line.
pub fn check(
    file: &mut (impl Read + Seek),
    format: Format,
    latest: Timestamp,
) -> Result<Imported, ImportError> {
    let mut found = Imported::default();
    walk(file, format, |item| {
        if let Item::Sample(sample) = item {
            let t = sample.timestamp.ok_or_else(|| Refused::no_time(sample.series))?;
            if t > latest {
                return Err(Refused(format!(
                    "{} has a sample of {t}, later than {latest}: timestamps are {} since 1970",
                    sample.series,
                    if format == Format::OpenMetrics { "seconds" } else { "milliseconds" }
                )));
            }
            sample.to_labels().map_err(|error| Refused(error.to_string()))?;
            note(&mut found, t);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Takes a whole file that [`check`] has found good. `progress` is told now and then how many samples were read.
///
/// # Errors
/// When the file has changed since, or the store cannot take it; what came before is taken. Importing again is
/// harmless: what the store has already is left out.
pub fn import(
    file: &mut (impl Read + Seek),
    format: Format,
    store: &Store,
    mut progress: impl FnMut(u64),
) -> Result<Imported, ImportError> {
    let mut done = Imported::default();
    let mut taker = Taker { store, ids: HashMap::new(), held: HashMap::new(), count: 0, failed: None };
    let mut about: HashMap<String, Metadata> = HashMap::new();
    let walked = walk(file, format, |item| {
        match item {
            Item::Type { name, kind } => about.entry_ref(&*name).or_default().kind = kind,
            Item::Help { name, text } => about.entry_ref(&*name).or_default().help = text.into_owned(),
            Item::Unit { name, unit } => unit.clone_into(&mut about.entry_ref(&*name).or_default().unit),
            Item::Sample(sample) => {
                let t = sample.timestamp.ok_or_else(|| Refused::no_time(sample.series))?;
                note(&mut done, t);
                taker.take(&sample, t)?;
                if taker.count >= HELD {
                    taker.seal(&mut done);
                    progress(done.samples);
                    if taker.failed.is_some() {
                        return Err(Refused(String::new()));
                    }
                }
            }
        }
        Ok(())
    });
    if let Some(error) = taker.failed.take() {
        return Err(error.into());
    }
    walked?;
    for (metric, metadata) in about {
        store.describe(&metric, &metadata);
    }
    taker.seal(&mut done);
    match taker.failed.take() {
        Some(error) => Err(error.into()),
        None => {
            store.compact().map_err(|error| IngestError::Storage(error.to_string()))?;
            Ok(done)
        }
    }
}

fn note(found: &mut Imported, t: Timestamp) {
    found.samples += 1;
    found.oldest = Some(found.oldest.map_or(t, |oldest| oldest.min(t)));
    found.newest = Some(found.newest.map_or(t, |newest| newest.max(t)));
}

/// Why a line is refused although it is lawful in its format.
struct Refused(String);

impl Refused {
    fn no_time(series: &str) -> Self {
        Self(format!("{series} has no timestamp: history needs one in every line"))
    }
}

/// Collects samples by series.
struct Taker<'s> {
    store: &'s Store,
    ids: HashMap<String, SeriesId>,
    held: HashMap<SeriesId, Vec<(i64, u64)>>,
    count: usize,
    failed: Option<IngestError>,
}

impl Taker<'_> {
    fn take(&mut self, sample: &SampleItem<'_>, t: Timestamp) -> Result<(), Refused> {
        let id = match self.ids.get(sample.series) {
            Some(id) => *id,
            None => {
                let labels = sample.to_labels().map_err(|error| Refused(error.to_string()))?;
                let id = self.store.resolve(&labels).map_err(|error| {
                    let told = error.to_string();
                    self.failed = Some(error);
                    Refused(told)
                })?;
                if self.ids.len() >= REMEMBERED {
                    self.ids.clear();
                }
                self.ids.insert(sample.series.to_owned(), id);
                id
            }
        };
        self.held.entry(id).or_default().push((t.as_millis(), sample.value.to_bits()));
        self.count += 1;
        Ok(())
    }

    fn seal(&mut self, done: &mut Imported) {
        self.count = 0;
        match self.store.backfill(std::mem::take(&mut self.held)) {
            Ok(report) => {
                done.taken += report.taken;
                done.known += report.known;
            }
            Err(error) => self.failed = Some(error),
        }
    }
}

/// Reads a file piece by piece, each of whole lines.
fn walk(
    file: &mut (impl Read + Seek),
    format: Format,
    mut take: impl FnMut(Item<'_>) -> Result<(), Refused>,
) -> Result<(), ImportError> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer: Vec<u8> = Vec::with_capacity(PIECE);
    let (mut lines, mut ended, mut complete) = (0, false, false);
    while !ended {
        let wanted = PIECE - buffer.len();
        ended = file.by_ref().take(wanted as u64).read_to_end(&mut buffer)? < wanted;
        let until = match buffer.iter().rposition(|byte| *byte == b'\n') {
            _ if ended => buffer.len(),
            Some(last) => last + 1,
            None => return Err(ImportError::LongLine { line: lines + 1 }),
        };
        if complete && until > 0 {
            let message = "there is text after # EOF: end the file there".to_owned();
            return Err(ParseError { line: lines + 1, column: 1, message }.into());
        }
        let piece = &buffer[..until];
        let mut parser = Parser::partial(format, piece);
        loop {
            match parser.next() {
                None => break,
                Some(Err(mut error)) => {
                    error.line += lines;
                    return Err(error.into());
                }
                Some(Ok(item)) => {
                    if let Err(Refused(message)) = take(item) {
                        // Comments that say nothing may stand before the line: it ends where the reader is now.
                        let read = &piece[..parser.offset()];
                        let line = lines
                            + memchr::memchr_iter(b'\n', read).count()
                            + usize::from(!read.ends_with(b"\n"));
                        return Err(ParseError { line, column: 1, message }.into());
                    }
                }
            }
        }
        complete |= parser.is_complete();
        lines += memchr::memchr_iter(b'\n', piece).count();
        buffer.drain(..until);
    }
    if format == Format::OpenMetrics && !complete {
        let message = "the file does not end with # EOF: it was cut off, or it is not OpenMetrics".to_owned();
        return Err(ParseError { line: lines + 1, column: 1, message }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use quarterdeck_kernel::Matcher;
    use quarterdeck_promql::{Budget, Storage as _};

    use super::*;
    use crate::config::MetricsConfig;

    const LATEST: Timestamp = Timestamp::from_millis(2_000_000_000_000);

    fn told(text: &str, format: Format) -> String {
        check(&mut Cursor::new(text), format, LATEST).unwrap_err().to_string()
    }

    #[test]
    fn history_of_any_age_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), MetricsConfig::default()).unwrap();
        let mut page = String::from("# HELP a Things.\n# TYPE a counter\n");
        for i in 0..500 {
            page.push_str(&format!("a_total{{x=\"1\"}} {i} {}\n", 1_600_000_000 + i * 15));
        }
        page.push_str("# TYPE b gauge\nb NaN 1500000000.5\n# EOF\n");
        let mut file = Cursor::new(page);
        let found = check(&mut file, Format::OpenMetrics, LATEST).unwrap();
        assert_eq!((found.samples, found.taken), (501, 0));
        let done = import(&mut file, Format::OpenMetrics, &store, |_| {}).unwrap();
        assert_eq!((done.taken, done.known), (501, 0));
        let again = import(&mut file, Format::OpenMetrics, &store, |_| {}).unwrap();
        assert_eq!((again.taken, again.known), (0, 501));
        drop(store);
        let store = Store::open(folder.path(), MetricsConfig::default()).unwrap();
        let matchers = [Matcher::equal("__name__", "a_total")];
        let found = store.select(&matchers, Timestamp::MIN, Timestamp::MAX, &Budget::unbounded()).unwrap();
        let values: Vec<f64> = found[0].samples.iter().map(|sample| sample.v).collect();
        assert_eq!(values, (0..500).map(f64::from).collect::<Vec<_>>());
        assert_eq!(store.metadata("a").unwrap().help, "Things.");
    }

    #[test]
    fn pieces_join_without_a_seam() {
        // Lines of a few kilobytes, so that several pieces are needed and end in the middle of lines.
        let store = Store::in_memory(MetricsConfig::default());
        let long = "v".repeat(5000);
        let count = 2 * PIECE / long.len() + 100;
        let mut page = String::new();
        for i in 0..count {
            page.push_str(&format!("a{{x=\"{long}\"}} {i} {}\n", 1_600_000_000_000i64 + i as i64));
        }
        let done = import(&mut Cursor::new(&page), Format::Text, &store, |_| {}).unwrap();
        assert_eq!(done.taken, count as u64);
        page.push_str("bad line here\n");
        let error = told(&page, Format::Text);
        assert!(error.starts_with(&format!("line {}, ", count + 1)), "{error}");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let open = Format::OpenMetrics;
        for (text, format, wanted) in [
            ("a 1 1\nb 2\n# EOF\n", open, "line 2, column 1: b has no timestamp"),
            ("a 1 1\n", open, "does not end with # EOF"),
            ("a 1 1\n# EOF\na 1 2\n", open, "line 3"),
            ("a 1 9999999999999\n# EOF\n", open, "later than"),
            ("# c\na 1 9999999999999\n", Format::Text, "line 2, column 1: a has a sample of"),
            ("a{x=\"1\",x=\"2\"} 1 1\n", Format::Text, "stands twice"),
            ("a 1 1\nb{ 2\n", Format::Text, "line 2"),
        ] {
            let error = told(text, format);
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_limit_of_series_stops_it_and_names_the_culprit() {
        let folder = tempfile::tempdir().unwrap();
        let config = MetricsConfig { max_series: 10, ..MetricsConfig::default() };
        let store = Store::open(folder.path(), config).unwrap();
        let page: String = (0..20).map(|i| format!("bomb{{id=\"{i}\"}} 1 1600000000000\n")).collect();
        let error = import(&mut Cursor::new(page), Format::Text, &store, |_| {}).unwrap_err().to_string();
        assert!(error.contains("bomb") && error.contains("label id"), "{error}");
    }
}

//! Finding out whether anything was changed behind the console's back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use quarterdeck_kernel::EntryId;

use super::canonical::Digest;
use super::error::TimelineError;
use super::handle::Timeline;
use super::head::{self, Found, Head};
use super::prune;
use super::record::{Record, disagreeing};
use crate::store::Db;
use crate::values;

/// How many problems of one chain are told; the rest are counted.
const TOLD: usize = 100;
const CHUNK: usize = 500;

/// What was found, chain by chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One per writer, by name.
    pub chains: Vec<ChainReport>,
}

/// What was found on one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Whose chain.
    pub writer: String,
    /// The first entry that is there; 1 if nothing was pruned, 0 if there is none.
    pub first: u64,
    /// The last entry that is there; 0 if there is none.
    pub last: u64,
    /// How many entries were read.
    pub entries: u64,
    /// How many entries the head file in the data directory vouches for; none for chains of other consoles.
    pub vouched: Option<u64>,
    /// What is wrong, at most 100 of it.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub untold: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An entry, or its hash, is not what was written.
    Altered(EntryId),
    /// A column that queries filter by does not say what the entry says.
    Index {
        /// Which entry.
        entry: EntryId,
        /// Which column.
        column: &'static str,
    },
    /// Entries are missing between others, or before the first without a checkpoint that vouches for them.
    Missing {
        /// The first that is missing.
        from: EntryId,
        /// The number of the last that is missing.
        to: u64,
    },
    /// The end is missing: the head file vouches for more entries than there are.
    CutOff {
        /// The first that is missing.
        from: EntryId,
        /// The number of the last that is missing.
        to: u64,
    },
    /// The entry that the head file vouches for has another hash: the chain was written anew.
    Rewritten(EntryId),
    /// The checkpoint does not fit the first entry that is left.
    Checkpoint(EntryId),
    /// The head file is damaged.
    Head(PathBuf),
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.chains.iter().all(|chain| chain.problems.is_empty())
    }

    /// Every problem told, chain by chain.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.chains.iter().flat_map(|chain| &chain.problems)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |from: &EntryId, to: u64| {
            if from.seq == to { format!("entry {from} is") } else { format!("entries {from} to {to} are") }
        };
        match self {
            Self::Altered(entry) => write!(f, "entry {entry} was altered"),
            Self::Index { entry, column } => {
                write!(f, "entry {entry}: its index ({column}) does not say what it says")
            }
            Self::Missing { from, to } => write!(f, "{} missing", range(from, *to)),
            Self::CutOff { from, to } => {
                write!(f, "{} missing: the end of the timeline was cut off", range(from, *to))
            }
            Self::Rewritten(entry) => {
                write!(
                    f,
                    "entry {entry} is not the one that the head file vouches for: the timeline was written anew"
                )
            }
            Self::Checkpoint(entry) => {
                write!(f, "the checkpoint {entry} does not fit the first entry that is left")
            }
            Self::Head(path) => write!(f, "the head file {} is damaged", path.display()),
        }
    }
}

impl ChainReport {
    fn tell(&mut self, problem: Problem) {
        if self.problems.len() < TOLD {
            self.problems.push(problem);
        } else {
            self.untold += 1;
        }
    }

    fn id(&self, seq: u64) -> EntryId {
        EntryId { writer: self.writer.clone(), seq }
    }
}

impl Timeline {
    /// Checks every entry, every chain, and the head files of this data directory. Appending goes on meanwhile.
    ///
    /// # Errors
    /// When the store or a head file cannot be read; what is wrong with the timeline is in the report.
    pub async fn verify(&self) -> Result<Report, TimelineError> {
        verify(&self.shared.db, &self.shared.dir).await
    }
}

/// The same for a timeline that is not open here: `dir` is where its head files are.
///
/// # Errors
/// See [`Timeline::verify`].
pub async fn verify(db: &Db, dir: &Path) -> Result<Report, TimelineError> {
    // Heads before entries: what is appended meanwhile makes a head lag, which is no problem.
    let heads = heads(dir)?;
    let rows = db.rows("SELECT DISTINCT writer FROM timeline_entries", &[]).await?;
    let mut writers: BTreeSet<String> = heads.keys().cloned().collect();
    for row in rows {
        writers.insert(row.text("writer")?);
    }
    let mut report = Report::default();
    for writer in writers {
        let head = heads.get(&writer).copied();
        let found = chain(db, dir, writer, head).await?;
        // A chain that was begun and never written to is nothing to speak of.
        if found.entries > 0 || !found.problems.is_empty() {
            report.chains.push(found);
        }
    }
    Ok(report)
}

fn heads(dir: &Path) -> Result<BTreeMap<String, Found>, TimelineError> {
    let mut heads = BTreeMap::new();
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(heads),
        Err(e) => return Err(head::trouble(dir, &e)),
    };
    for file in listing {
        let path = file.map_err(|e| head::trouble(dir, &e))?.path();
        if path.extension().is_some_and(|e| e == "head")
            && let Some(writer) = path.file_stem().and_then(|s| s.to_str())
        {
            heads.insert(writer.to_owned(), head::read(&path, writer)?);
        }
    }
    Ok(heads)
}

async fn chain(
    db: &Db,
    dir: &Path,
    writer: String,
    found: Option<Found>,
) -> Result<ChainReport, TimelineError> {
    let mut report = ChainReport { writer, ..ChainReport::default() };
    let vouched = match found {
        Some(Found::Head(head)) => Some(head),
        Some(Found::Damaged) => {
            report.tell(Problem::Head(head::path(dir, &report.writer)));
            None
        }
        Some(Found::Missing) | None => None,
    };
    report.vouched = vouched.map(|head| head.count);
    // The hashes that the next entry may follow; none when what came before is not known.
    let mut before: Option<[Digest; 2]> = Some([Digest::GENESIS; 2]);
    let mut next = 1;
    loop {
        let rows = db
            .rows(
                "SELECT writer, seq, body, hash, at, kind, phase, service, subject, search, invocation, undoes,
                 outcome_of, checkpoint FROM timeline_entries WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                &values![&report.writer, report.last, CHUNK],
            )
            .await?;
        for row in &rows {
            let record = Record::read(row)?;
            let seq = record.id.seq;
            if report.first == 0 {
                report.first = seq;
                if seq > 1 {
                    before = start(db, &mut report, seq).await?;
                    next = seq;
                }
            }
            if seq > next {
                report.tell(Problem::Missing { from: report.id(next), to: seq - 1 });
                before = None;
            }
            let computed = before.map(|known| known.map(|hash| hash.then(&record.body)));
            let fits = computed.is_none_or(|hashes| hashes.contains(&record.hash));
            match record.entry() {
                Ok(entry) if fits => {
                    if let Some(column) = disagreeing(&entry, row) {
                        report.tell(Problem::Index { entry: record.id.clone(), column });
                    }
                }
                _ => report.tell(Problem::Altered(record.id.clone())),
            }
            if let Some(head) = vouched
                && head.count == seq
                && head.hash != record.hash
            {
                report.tell(Problem::Rewritten(record.id.clone()));
            }
            // When its hash was altered, the next entry still follows the one that it had.
            before = Some([record.hash, computed.map_or(record.hash, |[hash, _]| hash)]);
            next = seq + 1;
            report.last = seq;
            report.entries += 1;
        }
        if rows.len() < CHUNK {
            break;
        }
    }
    if let Some(Head { count, .. }) = vouched
        && count > report.last
    {
        report.tell(Problem::CutOff { from: report.id(report.last + 1), to: count });
    }
    Ok(report)
}

/// What the first entry that is left must follow, as the newest checkpoint says.
async fn start(db: &Db, report: &mut ChainReport, first: u64) -> Result<Option<[Digest; 2]>, TimelineError> {
    let row = db
        .row(
            "SELECT writer, seq, body, hash FROM timeline_entries WHERE writer = $1 AND checkpoint IS NOT NULL
             ORDER BY seq DESC LIMIT 1",
            &values![&report.writer],
        )
        .await?;
    let Some(row) = row else {
        report.tell(Problem::Missing { from: report.id(1), to: first - 1 });
        return Ok(None);
    };
    let record = Record::read(&row)?;
    match record.entry().ok().as_ref().and_then(prune::checkpoint) {
        Some(checkpoint) if checkpoint.to + 1 == first => Ok(Some([checkpoint.hash; 2])),
        Some(checkpoint) if checkpoint.to < first => {
            report.tell(Problem::Missing { from: report.id(checkpoint.to + 1), to: first - 1 });
            Ok(None)
        }
        _ => {
            report.tell(Problem::Checkpoint(record.id));
            Ok(None)
        }
    }
}

//! Which entry undid which.

use std::collections::{HashMap, HashSet};

use quarterdeck_kernel::{Entry, EntryId, Phase};

use super::error::TimelineError;
use crate::store::{AssertSqlSafe, Db, Value};

/// How often undo can follow undo before it is no longer looked into.
const DEPTH: usize = 64;

/// For each entry, those that undid it, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Undos(HashMap<EntryId, Vec<EntryId>>);

impl Undos {
    /// Takes note of an entry; answers the entry that it undoes, if it does.
    pub(super) fn note(&mut self, entry: &Entry) -> Option<EntryId> {
        let undone = entry.invocation.as_ref().and_then(|i| i.undoes.clone())?;
        if entry.phase != Phase::Done {
            return None;
        }
        self.0.entry(undone.clone()).or_default().push(entry.id.clone());
        Some(undone)
    }

    /// Forgets what is known of an entry.
    pub(super) fn forget(&mut self, id: &EntryId) {
        self.0.remove(id);
    }

    /// The newest entry that undid `id` and was not undone itself.
    pub(super) fn undone_by(&self, id: &EntryId) -> Option<EntryId> {
        self.search(id, DEPTH)
    }

    fn search(&self, id: &EntryId, depth: usize) -> Option<EntryId> {
        let by = self.0.get(id)?;
        by.iter().rev().find(|u| depth == 0 || self.search(u, depth - 1).is_none()).cloned()
    }

    /// What the database knows of these entries, and of what undid them, and so on.
    pub(super) async fn load(db: &Db, ids: impl IntoIterator<Item = EntryId>) -> Result<Self, TimelineError> {
        let mut undos = Self::default();
        let mut asked: HashSet<EntryId> = ids.into_iter().collect();
        let mut next: Vec<EntryId> = asked.iter().cloned().collect();
        for _ in 0..DEPTH {
            let mut found = Vec::new();
            for some in next.chunks(500) {
                let places: Vec<String> = (1..=some.len()).map(|n| format!("${n}")).collect();
                let sql = format!(
                    "SELECT undoes, writer, seq FROM timeline_entries WHERE undoes IN ({}) ORDER BY at, writer, seq",
                    places.join(", ")
                );
                let values: Vec<Value> = some.iter().map(Value::from).collect();
                for row in db.rows(AssertSqlSafe(sql), &values).await? {
                    let Ok(undone) = row.text("undoes")?.parse::<EntryId>() else { continue };
                    let seq = u64::try_from(row.int("seq")?).unwrap_or_default();
                    let by = EntryId { writer: row.text("writer")?, seq };
                    undos.0.entry(undone).or_default().push(by.clone());
                    if asked.insert(by.clone()) {
                        found.push(by);
                    }
                }
            }
            if found.is_empty() {
                break;
            }
            next = found;
        }
        Ok(undos)
    }
}

//! Where the signals come from: anything that answers PromQL over a range.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::{Engine, EngineOptions, Expr, Storage, Value};

/// How many queries are kept as parsed.
const PARSED: usize = 1_000;

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its labels.
    pub labels: Labels,
    /// Its values, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

/// Answers PromQL.
pub trait Source: Send + Sync {
    /// Evaluates a query at every step from `from` up to and including `to` (once, when they are equal).
    ///
    /// # Errors
    /// Why it could not, in words.
    fn range(&self, query: &str, from: Timestamp, to: Timestamp, step: Duration)
    -> Result<Vec<Line>, String>;
}

/// A metrics store, asked through the PromQL engine.
pub struct PromSource {
    engine: Engine,
    storage: Arc<dyn Storage>,
    /// The same few queries are asked at every beat: their regular expressions are compiled once.
    parsed: Mutex<HashMap<String, Arc<Expr>>>,
}

impl PromSource {
    /// A source over a store. Queries are bounded to ten seconds and ten million samples each.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        let timeout = Duration::from_secs(10);
        let options = EngineOptions { timeout, max_samples: 10_000_000, ..EngineOptions::default() };
        Self { engine: Engine::new(options), storage, parsed: Mutex::default() }
    }

    fn parse(&self, query: &str) -> Result<Arc<Expr>, String> {
        if let Some(known) = self.parsed.lock().get(query) {
            return Ok(Arc::clone(known));
        }
        let expr = Arc::new(self.engine.parse(query).map_err(|e| e.to_string())?);
        let mut parsed = self.parsed.lock();
        if parsed.len() >= PARSED {
            parsed.clear();
        }
        parsed.insert(query.to_owned(), Arc::clone(&expr));
        Ok(expr)
    }
}

impl Source for PromSource {
    fn range(
        &self,
        query: &str,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<Vec<Line>, String> {
        let expr = self.parse(query)?;
        let budget = self.engine.budget();
        let output = self
            .engine
            .range_expr(&expr, &*self.storage, from, to, step.max(Duration::from_millis(1)), &budget)
            .map_err(|e| e.to_string())?;
        let Value::Matrix(series) = output.value else { return Ok(Vec::new()) };
        let line = |s: quarterdeck_promql::Series| Line {
            points: s.points.iter().filter_map(|p| Some((p.t, p.v.as_float()?))).collect(),
            labels: s.labels,
        };
        Ok(series.into_iter().map(line).collect())
    }
}

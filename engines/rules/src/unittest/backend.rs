//! A store in memory that holds at any moment only what has happened by then.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::testing::{MemoryStorage, NotationError, parse_series};
use quarterdeck_promql::{Budget, Engine, EngineOptions, PointValue, Value};

use super::raw::InputSeries;
use crate::engine::{Backend, Query, Sample};

/// A series of which some is still to come.
struct Input {
    labels: Labels,
    values: Vec<Option<PointValue>>,
}

pub(super) struct Simulated {
    store: RefCell<MemoryStorage>,
    inputs: Vec<Input>,
    start: i64,
    interval: i64,
    /// How many values of each input have come.
    come: Cell<usize>,
    evaluator: Engine,
}

impl Simulated {
    pub(super) fn new(
        inputs: &[InputSeries],
        start: Timestamp,
        interval: i64,
        subquery_step: Duration,
    ) -> Result<Self, (String, NotationError)> {
        let read = |input: &InputSeries| {
            let line = format!("{} {}", input.series, input.values);
            let (labels, values) = parse_series(&line).map_err(|error| (line, error))?;
            Ok(Input { labels, values })
        };
        Ok(Self {
            store: RefCell::default(),
            inputs: inputs.iter().map(read).collect::<Result<_, _>>()?,
            start: start.as_millis(),
            interval,
            come: Cell::new(0),
            evaluator: Engine::new(EngineOptions { subquery_step, ..EngineOptions::default() }),
        })
    }

    /// Takes in everything up to and with a moment.
    pub(super) fn advance(&self, to: Timestamp) {
        let steps = (to.as_millis() - self.start) / self.interval.max(1);
        let upto = usize::try_from(steps + 1).unwrap_or_default();
        let mut store = self.store.borrow_mut();
        for input in &self.inputs {
            for (i, value) in input.values.iter().enumerate().take(upto).skip(self.come.get()) {
                let Some(value) = value else { continue };
                let offset = i64::try_from(i).unwrap_or(i64::MAX).saturating_mul(self.interval);
                let t = Timestamp::from_millis(self.start.saturating_add(offset));
                store.insert(input.labels.clone(), t, value.clone());
            }
        }
        self.come.set(self.come.get().max(upto));
    }
}

impl Backend for Simulated {
    fn query(&self, query: &Query<'_>, at: Timestamp) -> Result<Value, String> {
        let (store, budget) = (&*self.store.borrow(), Budget::unbounded());
        let output = match query {
            Query::Expr(expr) => self.evaluator.instant_expr(expr, store, at, &budget),
            Query::Text(text) => self.evaluator.instant(text, store, at, &budget),
        };
        output.map(|output| output.value).map_err(|error| error.to_string())
    }

    fn write(&self, samples: &[Sample]) -> Result<(), String> {
        let mut store = self.store.borrow_mut();
        for sample in samples {
            store.insert(sample.labels.clone(), sample.t, sample.v.clone());
        }
        Ok(())
    }

    fn for_state(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Vec<(Labels, quarterdeck_kernel::Sample)>, String> {
        // Simulated time has no restarts.
        Ok(Vec::new())
    }
}

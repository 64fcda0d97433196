//! Answering panes' questions in the background.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::timeline::{Cursor, Filter};
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Matcher, Timestamp};
use quarterdeck_panes::world::{
    Answer, Complaint, Evaluated, EvaluatedSeries, Names, OutputLine, Query, TimelineFilter,
};
use quarterdeck_promql::{Budget, Engine, Output, QueryError, Storage, Value};

use crate::live::Live;

/// What questions are answered from.
#[derive(Clone)]
pub struct Sources {
    /// The metrics store.
    pub storage: Arc<dyn Storage>,
    /// The evaluator.
    pub engine: Arc<Engine>,
    /// Services.
    pub services: Live<quarterdeck_services::Handle>,
    /// Alerts.
    pub alerting: Live<quarterdeck_alerting::Handle>,
    /// Deployment control.
    pub deploy: Live<quarterdeck_deploy::Handle>,
    /// The timeline.
    pub timeline: quarterdeck_journal::Timeline,
}

/// What the processes of a service have written last, oldest first.
fn output(
    deploy: &quarterdeck_deploy::Handle,
    service: &str,
    version: Option<&str>,
    replica: Option<&str>,
    most: usize,
) -> Vec<OutputLine> {
    let snapshot = deploy.snapshot();
    let versions = snapshot.service(service).into_iter().flat_map(|service| &service.versions);
    let replicas = versions
        .filter(|v| version.is_none_or(|version| v.name == version))
        .flat_map(|v| &v.replicas)
        .map(|r| r.id.clone())
        .filter(|id| replica.is_none_or(|replica| id == replica));
    let mut all: Vec<OutputLine> = Vec::new();
    for id in replicas {
        // The same text in the same instant is told apart by how often it has come.
        let mut times = std::collections::HashMap::new();
        for line in deploy.output(&id, most) {
            let time: &mut u32 = times.entry((line.at, line.text.clone())).or_default();
            *time += 1;
            let mut hasher = std::hash::DefaultHasher::new();
            (&id, line.at, &line.text, *time).hash(&mut hasher);
            let error = line.source == quarterdeck_deploy::target::Source::Err;
            let number = hasher.finish();
            all.push(OutputLine { number, at: line.at, replica: id.clone(), error, text: line.text });
        }
    }
    all.sort_by_key(|line| line.at);
    all.split_off(all.len().saturating_sub(most))
}

/// How far back names are looked for.
const NAMES_WITHIN: Duration = Duration::from_secs(3600);

impl Sources {
    /// Answers one question. `budget` bounds what it may use, and cancels it.
    ///
    /// # Errors
    /// What went wrong, in words for the operator.
    pub async fn answer(&self, query: Query, budget: Budget, now: Timestamp) -> Result<Answer, String> {
        match query {
            Query::Timeline { filter, before, limit } => self.timeline(filter, before, limit).await,
            Query::Explain { alert, .. } => {
                let handle = self.alerting.get().map_err(|reason| reason.0)?;
                let found = handle.explain(alert).await.map_err(|e| e.to_string())?;
                Ok(Answer::Explain(found.map(Arc::new)))
            }
            other => {
                let this = self.clone();
                let work = tokio::task::spawn_blocking(move || this.compute(other, &budget, now));
                work.await.map_err(|e| format!("the question could not be answered: {e}"))?
            }
        }
    }

    fn compute(&self, query: Query, budget: &Budget, now: Timestamp) -> Result<Answer, String> {
        Ok(match query {
            Query::Range { exprs, from, to, step_ms } => {
                let step = Duration::from_millis(u64::try_from(step_ms).unwrap_or(0).max(1));
                let one = |expr: &String| {
                    self.engine
                        .range(expr, &*self.storage, from, to, step, budget)
                        .map(evaluated(expr))
                        .map_err(complaint)
                };
                Answer::Range(exprs.iter().map(one).collect())
            }
            Query::Instant { exprs, at } => {
                let one = |expr: &String| {
                    self.engine
                        .instant(expr, &*self.storage, at, budget)
                        .map(evaluated(expr))
                        .map_err(complaint)
                };
                Answer::Instant(exprs.iter().map(one).collect())
            }
            Query::Names { what, matching, limit } => {
                Answer::Names(self.names(what, &matching, limit, budget, now)?)
            }
            Query::Signals { service, transaction, from, to, columns } => {
                let services = self.services.get().map_err(|reason| reason.0)?;
                let series = services.series(&service, transaction.as_deref(), from, to, columns);
                Answer::Signals(Arc::new(series.map_err(|reason| reason.0)?))
            }
            Query::Heatmap { service, transaction, from, to, columns } => {
                let services = self.services.get().map_err(|reason| reason.0)?;
                let map = services.heatmap(&service, transaction.as_deref(), from, to, columns);
                Answer::Heatmap(Arc::new(map.map_err(|reason| reason.0)?))
            }
            Query::Plot(plot) => Answer::Plot(crate::plot::draw(&plot)?),
            Query::Arrange(job) => {
                Answer::Arrange(quarterdeck_widgets::table::arrange(&*job.rows, &job.spec))
            }
            Query::Output { service, version, replica, lines, .. } => {
                let deploy = self.deploy.get().map_err(|reason| reason.0)?;
                Answer::Output(output(&deploy, &service, version.as_deref(), replica.as_deref(), lines))
            }
            Query::Timeline { .. } | Query::Explain { .. } => return Err("that is not asked here".to_owned()),
        })
    }

    fn names(
        &self,
        what: Names,
        matching: &str,
        limit: usize,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Vec<String>, String> {
        let from = now - NAMES_WITHIN;
        let of_metric = |metric: Option<String>| -> Vec<Matcher> {
            metric.map(|name| Matcher::equal(METRIC_NAME, name)).into_iter().collect()
        };
        let found = match what {
            Names::Metrics => self.storage.label_values(METRIC_NAME, &[], from, now, budget),
            Names::Labels(metric) => self.storage.label_names(&of_metric(metric), from, now, budget),
            Names::Values { label, metric } => {
                self.storage.label_values(&label, &of_metric(metric), from, now, budget)
            }
        };
        let needle = matching.to_lowercase();
        let mut names = found.map_err(|e| e.to_string())?;
        names.retain(|name| name.to_lowercase().contains(&needle));
        // What starts with it is what is meant most often.
        names.sort_by_key(|name| !name.to_lowercase().starts_with(&needle));
        names.truncate(limit);
        Ok(names)
    }

    async fn timeline(
        &self,
        filter: TimelineFilter,
        before: Option<quarterdeck_kernel::EntryId>,
        limit: usize,
    ) -> Result<Answer, String> {
        let told = |e: quarterdeck_journal::TimelineError| e.to_string();
        let cursor = match before {
            None => None,
            Some(id) => {
                self.timeline.entry(&id).await.map_err(told)?.map(|entry| Cursor { at: entry.at, id })
            }
        };
        let filter = Filter {
            kinds: filter.kinds,
            service: filter.service,
            subject: filter.subject,
            text: filter.text.unwrap_or_default(),
            from: filter.from,
            to: filter.to.map(|to| to.plus_millis(1)),
        };
        let page = self.timeline.page(&filter, cursor.as_ref(), limit).await.map_err(told)?;
        // An intent gives way to its outcome, which is newer and so on this page or one before.
        let answered: HashSet<_> = page.entries.iter().filter_map(|e| e.outcome_of.clone()).collect();
        let shown = page.entries.into_iter().filter(|e| !answered.contains(&e.id)).map(Arc::new);
        Ok(Answer::Timeline(shown.collect(), page.next.is_some()))
    }
}

fn evaluated(expr: &str) -> impl Fn(Output) -> Evaluated + '_ {
    |output| {
        let notes = output.annotations.list().iter().map(|a| a.with_position(expr)).collect();
        let series = series(output.value);
        Evaluated {
            series,
            notes,
            series_read: output.stats.series,
            samples_read: output.stats.samples,
            wall_us: u64::try_from(output.stats.wall.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// The series of a value.
pub(crate) fn series(value: Value) -> Vec<EvaluatedSeries> {
    match value {
        Value::Matrix(matrix) => matrix
            .into_iter()
            .map(|series| EvaluatedSeries {
                labels: series.labels,
                points: series.points.iter().map(|p| (p.t, p.v.as_float().unwrap_or(f64::NAN))).collect(),
            })
            .collect(),
        Value::Vector(vector) => vector
            .into_iter()
            .map(|sample| EvaluatedSeries {
                labels: sample.labels,
                points: vec![(sample.point.t, sample.point.v.as_float().unwrap_or(f64::NAN))],
            })
            .collect(),
        Value::Scalar { t, v } => {
            vec![EvaluatedSeries { labels: Labels::default(), points: vec![(t, v)] }]
        }
        Value::String { t, v } => {
            let labels = Labels::from_pairs([("string", v)]);
            vec![EvaluatedSeries { labels, points: vec![(t, f64::NAN)] }]
        }
    }
}

fn complaint(error: QueryError) -> Complaint {
    match error {
        QueryError::Parse(parse) => {
            let advice = parse.advice.as_ref().map(|a| format!("; {a}")).unwrap_or_default();
            Complaint { message: format!("{}{advice}", parse.message), range: parse.range }
        }
        QueryError::Evaluation { message, span } => Complaint { message, range: span.range() },
        other => Complaint { message: other.to_string(), range: 0..0 },
    }
}

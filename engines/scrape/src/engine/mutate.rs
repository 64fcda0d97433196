//! From the labels on the page to the labels in the store: the target's labels, metric relabelling, limits.

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_metrics::exposition::SampleItem;

use super::scraper::ScrapeError;
use crate::config::{Job, Limits, NameValidation, is_name_valid};
use crate::relabel::{self, LabelBuilder};

/// What labels of the page are renamed to when the target has the same.
const EXPORTED: &str = "exported_";

/// The final labels of a sample; none when metric relabelling drops it.
pub(crate) fn labels(
    item: &SampleItem<'_>,
    target: &Labels,
    job: &Job,
    builder: &mut LabelBuilder,
) -> Result<Option<Labels>, ScrapeError> {
    let exposed = item.to_labels().map_err(|e| ScrapeError::Labels(e.to_string()))?;
    builder.clear();
    for (name, value) in exposed.pairs() {
        builder.set_shared(name, value);
    }
    if job.honor_labels {
        for (name, value) in target.pairs() {
            // An empty label on the page counts as said: it takes the target's label away.
            if !builder.contains(name) && !item.labels().any(|(n, _)| n == **name) {
                builder.set_shared(name, value);
            }
        }
    } else {
        let mut conflicts = Vec::new();
        for (name, value) in target.pairs() {
            if let Some(own) = builder.take(name) {
                conflicts.push((name, own));
            }
            builder.set_shared(name, value);
        }
        for (name, own) in conflicts {
            let mut renamed = format!("{EXPORTED}{name}");
            while builder.contains(&renamed) {
                renamed.insert_str(0, EXPORTED);
            }
            builder.set(&renamed, &own);
        }
    }
    if !relabel::apply(&job.metric_relabel, builder) {
        return Ok(None);
    }
    let labels = builder.build();
    check(&labels, item.series, job.name_validation)?;
    check_limits(&labels, &job.limits)?;
    Ok(Some(labels))
}

fn check(labels: &Labels, series: &str, validation: NameValidation) -> Result<(), ScrapeError> {
    if labels.name().is_empty() {
        return Err(ScrapeError::Labels(format!(
            "metric relabelling leaves {series} without a name (__name__)"
        )));
    }
    for (name, value) in labels.iter() {
        let (judged, metric) = if name == METRIC_NAME { (value, true) } else { (name, false) };
        if !is_name_valid(validation, judged, metric) {
            let what = if metric { "metric" } else { "label" };
            return Err(ScrapeError::Labels(format!(
                "{judged:?} is not a lawful {what} name in {series} (metric_name_validation_scheme is legacy)"
            )));
        }
    }
    Ok(())
}

fn check_limits(labels: &Labels, limits: &Limits) -> Result<(), ScrapeError> {
    let metric = || labels.name().chars().take(50).collect::<String>();
    if let Some(limit) = limits.labels.filter(|limit| labels.len() > *limit) {
        return Err(ScrapeError::Limit(format!(
            "label_limit exceeded: {} has {} labels, {limit} are allowed",
            metric(),
            labels.len()
        )));
    }
    for (name, value) in labels.iter() {
        if let Some(limit) = limits.label_name_length.filter(|limit| name.len() > *limit) {
            let name: String = name.chars().take(50).collect();
            return Err(ScrapeError::Limit(format!(
                "label_name_length_limit exceeded: a label of {} is longer than {limit} bytes: {name}…",
                metric()
            )));
        }
        if let Some(limit) = limits.label_value_length.filter(|limit| value.len() > *limit) {
            return Err(ScrapeError::Limit(format!(
                "label_value_length_limit exceeded: label {name} of {} has {} bytes, {limit} are allowed",
                metric(),
                value.len()
            )));
        }
    }
    Ok(())
}

//! One metric family of a page.

use super::super::item::SampleItem;
use super::groups::Groups;
use super::histogram::Histogram;
use crate::ingest::MetricType;

/// The most characters that an exemplar's label names and values may have together.
const MAX_EXEMPLAR_CHARS: usize = 128;

/// A family being read.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    kind: Option<MetricType>,
    has_help: bool,
    unit: Option<String>,
    has_samples: bool,
    groups: Groups,
    histogram: Histogram,
}

impl Family {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            kind: None,
            has_help: false,
            unit: None,
            has_samples: false,
            groups: Groups::default(),
            histogram: Histogram::default(),
        }
    }

    fn kind(&self) -> MetricType {
        self.kind.unwrap_or_default()
    }

    fn before_samples(&self, what: &str, repeated: bool) -> Result<(), String> {
        if repeated {
            return Err(format!("{what} of {:?} stands twice", self.name));
        }
        if self.has_samples {
            return Err(format!("{what} of {:?} stands after its samples: put it before them", self.name));
        }
        Ok(())
    }

    pub(super) fn set_kind(&mut self, kind: MetricType) -> Result<(), String> {
        self.before_samples("# TYPE", self.kind.is_some())?;
        self.kind = Some(kind);
        Ok(())
    }

    pub(super) fn set_help(&mut self) -> Result<(), String> {
        self.before_samples("# HELP", self.has_help)?;
        self.has_help = true;
        Ok(())
    }

    pub(super) fn set_unit(&mut self, unit: &str) -> Result<(), String> {
        self.before_samples("# UNIT", self.unit.is_some())?;
        self.unit = Some(unit.to_owned());
        Ok(())
    }

    /// Whether a sample of this name belongs to the family.
    pub(super) fn owns(&self, name: &str) -> bool {
        name.strip_prefix(self.name.as_str())
            .is_some_and(|suffix| sample_suffixes(self.kind()).contains(&suffix))
    }

    pub(super) fn sample(&mut self, sample: &SampleItem<'_>) -> Result<(), String> {
        self.has_samples = true;
        let kind = self.kind();
        let name = sample.name();
        let suffix = name[self.name.len()..].to_owned();
        let labels = sample.to_labels().map_err(|e| e.to_string())?;
        let label = |wanted: &str| {
            sample.labels().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };

        let own_label = match (kind, suffix.as_str()) {
            (MetricType::Histogram | MetricType::GaugeHistogram, "_bucket") => Some("le"),
            (MetricType::Summary, "") => Some("quantile"),
            (MetricType::StateSet, "") => Some(self.name.as_str()),
            _ => None,
        };
        let own_value = match own_label {
            Some(wanted) => {
                Some(label(wanted).ok_or_else(|| format!("{} has no label {wanted:?}", sample.series))?)
            }
            None => None,
        };
        check_value(kind, &suffix, sample.value)?;
        check_exemplar(kind, &suffix, sample)?;
        if let (MetricType::Summary, Some(quantile)) = (kind, &own_value) {
            let lawful = quantile.parse::<f64>().is_ok_and(|q| (0.0..=1.0).contains(&q));
            if !lawful {
                return Err(format!("quantile {quantile:?} is not a number from 0 to 1"));
            }
        }

        let group = match own_label {
            Some(own) => labels.without(own),
            None => labels.clone(),
        };
        let group = group.without(quarterdeck_kernel::labels::METRIC_NAME);
        if self.groups.enter(&group, &labels, sample)? {
            std::mem::take(&mut self.histogram).finish(kind, &self.name)?;
        }
        if matches!(kind, MetricType::Histogram | MetricType::GaugeHistogram) {
            self.histogram.sample(&suffix, own_value.as_deref(), sample.value)?;
        }
        Ok(())
    }

    /// Ends the family; gives every name that it takes.
    pub(super) fn finish(self) -> Result<Vec<String>, String> {
        let kind = self.kind();
        self.histogram.finish(kind, &self.name)?;
        if let Some(unit) = self.unit.as_deref().filter(|unit| !unit.is_empty())
            && matches!(kind, MetricType::Info | MetricType::StateSet)
        {
            return Err(format!(
                "{:?} has the unit {unit:?}: info and stateset families have none",
                self.name
            ));
        }
        let reserved = sample_suffixes(kind).iter().copied().filter(|suffix| !suffix.is_empty());
        Ok(std::iter::once("").chain(reserved).map(|suffix| format!("{}{suffix}", self.name)).collect())
    }
}

/// The suffixes that samples of a type have.
const fn sample_suffixes(kind: MetricType) -> &'static [&'static str] {
    match kind {
        MetricType::Counter => &["_total", "_created"],
        MetricType::Gauge | MetricType::StateSet | MetricType::Unknown => &[""],
        MetricType::Histogram => &["_bucket", "_count", "_sum", "_created"],
        MetricType::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricType::Summary => &["", "_count", "_sum", "_created"],
        MetricType::Info => &["_info"],
    }
}

fn check_value(kind: MetricType, suffix: &str, value: f64) -> Result<(), String> {
    let counts = matches!(suffix, "_total" | "_bucket" | "_count" | "_gcount")
        || suffix == "_sum" && kind != MetricType::Unknown;
    let typed = !matches!(kind, MetricType::Unknown | MetricType::Gauge);
    if typed && (counts || suffix == "_gsum") && value.is_nan() {
        return Err(format!("{suffix} is NaN: it counts, so it is a number"));
    }
    let negative = value < 0.0;
    if typed && negative && (counts || kind == MetricType::Summary) {
        return Err(format!("{value} is negative: what counts never is"));
    }
    if typed && matches!(suffix, "_bucket" | "_count" | "_gcount") && value.fract() != 0.0 {
        return Err(format!("{value} is not a whole number: {suffix} counts observations"));
    }
    match kind {
        MetricType::StateSet if value != 0.0 && value != 1.0 => {
            Err(format!("a state is 0 or 1, not {value}"))
        }
        MetricType::Info if value != 1.0 => Err(format!("an info sample is 1, not {value}")),
        _ => Ok(()),
    }
}

fn check_exemplar(kind: MetricType, suffix: &str, sample: &SampleItem<'_>) -> Result<(), String> {
    let Some(exemplar) = sample.exemplar else { return Ok(()) };
    let allowed = matches!(
        (kind, suffix),
        (MetricType::Histogram | MetricType::GaugeHistogram, "_bucket") | (MetricType::Counter, "_total")
    );
    if !allowed {
        return Err(format!("{} has an exemplar: only buckets and counters have", sample.series));
    }
    let chars: usize =
        exemplar.labels().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if chars > MAX_EXEMPLAR_CHARS {
        return Err(format!(
            "the exemplar's labels have {chars} characters: {MAX_EXEMPLAR_CHARS} are allowed"
        ));
    }
    Ok(())
}

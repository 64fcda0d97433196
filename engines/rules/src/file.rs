//! Rule files, unmodified: everything that Prometheus 3.5 accepts loads, everything that it refuses is refused, with
//! the place of each mistake.

mod check;
mod place;
mod raw;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_promql::Expr;

use crate::template::Template;

/// A file that is larger than this is refused, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A rule file that is lawful.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// The path, as it was named.
    pub path: Arc<str>,
    /// Its groups, in order, names unique.
    pub groups: Vec<RuleGroup>,
    /// What is lawful but looks unintended: rules that are there twice.
    pub notes: Vec<Diagnostic>,
}

/// A group: rules that are evaluated one after the other at the same moments.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// Name, unique in the file.
    pub name: Arc<str>,
    /// How often it is evaluated; the common interval if it does not say.
    pub interval: Option<Duration>,
    /// How far in the past it is evaluated; the common offset if it does not say.
    pub query_offset: Option<Duration>,
    /// The most series or alerts that one rule may yield; 0 for no limit.
    pub limit: usize,
    /// Its rules, in order.
    pub rules: Vec<Arc<RuleSpec>>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// Recording or alerting.
    pub kind: RuleKind,
    /// The expression.
    pub expr: Expr,
    /// The expression, as PromQL prints it.
    pub query: Arc<str>,
    /// Labels that it adds, the group's included, sorted by name; templates in alerting rules.
    pub labels: Arc<[(String, String)]>,
    /// Line in the file.
    pub line: usize,
}

/// What a rule makes of its expression.
#[derive(Clone, Debug)]
pub enum RuleKind {
    /// A series.
    Recording {
        /// Its name.
        record: Arc<str>,
    },
    /// Alerts.
    Alerting(Box<AlertSpec>),
}

/// What an alerting rule says beyond expression and labels.
#[derive(Clone, Debug)]
pub struct AlertSpec {
    /// Name of the alerts.
    pub alert: Arc<str>,
    /// How long the expression must hold before an alert fires.
    pub hold: Duration,
    /// How long an alert keeps firing after the expression held last.
    pub keep_firing: Duration,
    /// Annotations, sorted by name, templates.
    pub annotations: Arc<[(String, String)]>,
    /// The labels' templates, in the order of [`RuleSpec::labels`].
    pub label_templates: Vec<(String, Template)>,
    /// The annotations' templates.
    pub annotation_templates: Vec<(String, Template)>,
}

impl RuleSpec {
    /// Name of the alert or of the recorded metric.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        match &self.kind {
            RuleKind::Recording { record } => record,
            RuleKind::Alerting(alert) => &alert.alert,
        }
    }

    /// What makes it the same rule in two versions of a file.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let kind = match (&self.kind, &other.kind) {
            (RuleKind::Recording { record: a }, RuleKind::Recording { record: b }) => a == b,
            (RuleKind::Alerting(a), RuleKind::Alerting(b)) => {
                a.alert == b.alert
                    && a.hold == b.hold
                    && a.keep_firing == b.keep_firing
                    && a.annotations == b.annotations
            }
            _ => false,
        };
        kind && self.query == other.query && self.labels == other.labels
    }
}

/// Reads a file.
///
/// # Errors
/// Every mistake with file, line and column.
pub fn load(path: &Path) -> Result<RuleFile, Vec<Diagnostic>> {
    let name = path.to_string_lossy();
    let fail = |why: String| {
        let mut diagnostic = Diagnostic::new(why);
        diagnostic.source = name.clone().into_owned();
        vec![diagnostic]
    };
    let size = std::fs::metadata(path).map_err(|e| fail(format!("cannot be read: {e}")))?.len();
    if size > MAX_FILE {
        return Err(fail(format!("has {size} bytes, more than the {MAX_FILE} that are read")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    parse(&text, &name)
}

/// Reads the text of a rule file; `name` is what messages call it.
///
/// # Errors
/// Every mistake with file, line and column.
pub fn parse(text: &str, name: &str) -> Result<RuleFile, Vec<Diagnostic>> {
    let file: raw::File = quarterdeck_yaml::parse(text, name).map_err(|mistake| vec![mistake])?;
    check::check(file, text, name)
}

/// Whether a YAML file says that it is a rule file: it has `groups` at the top.
#[must_use]
pub fn is_rule_file(text: &str) -> bool {
    text.lines()
        .any(|line| line.strip_prefix("groups").is_some_and(|rest| rest.trim_start().starts_with(':')))
}

#[cfg(test)]
mod tests;

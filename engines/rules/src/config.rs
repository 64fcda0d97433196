//! The `[rules]` section of the configuration, and the plan that it and the rule files become.

use std::path::Path;
use std::time::Duration;

use quarterdeck_kernel::{Diagnostic, Labels};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file::{self, RuleFile};
use quarterdeck_templates::glob;

/// How often groups are evaluated that do not say it themselves, where nothing else says it.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// `[rules]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RulesConfig {
    /// Rule files in Prometheus's format; `*` in the last part of a path names several. Relative to this file.
    pub files: Vec<String>,
    /// How often groups are evaluated that do not say it themselves; `1m` if empty.
    pub interval: String,
    /// Where people reach this console, for links in annotations.
    pub external_url: String,
}

/// All that is evaluated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rule files, in the order in which they are named.
    pub files: Vec<RuleFile>,
    /// How often groups are evaluated that do not say it themselves.
    pub interval: Duration,
    /// How far in the past groups are evaluated that do not say it themselves.
    pub query_offset: Duration,
    /// `$externalLabels` of templates.
    pub external_labels: Labels,
    /// `$externalURL` of templates.
    pub external_url: String,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            interval: INTERVAL,
            query_offset: Duration::ZERO,
            external_labels: Labels::default(),
            external_url: String::new(),
        }
    }
}

impl RulesConfig {
    /// Everything but the files, checked.
    ///
    /// # Errors
    /// Each mistake with the path of its setting below `rules`.
    pub fn plan(&self) -> Result<Plan, Vec<(String, Diagnostic)>> {
        let mut plan = Plan { external_url: self.external_url.clone(), ..Plan::default() };
        let mut wrong = Vec::new();
        if !self.interval.is_empty() {
            match quarterdeck_kernel::time::parse_duration(&self.interval) {
                Ok(interval) if !interval.is_zero() => plan.interval = interval,
                Ok(_) => wrong.push((
                    "interval".to_owned(),
                    Diagnostic::new("the interval of rules is 0").advise("write a duration such as 30s"),
                )),
                Err(error) => wrong.push(("interval".to_owned(), Diagnostic::new(error.to_string()))),
            }
        }
        if !self.external_url.is_empty()
            && let Err(error) = url::Url::parse(&self.external_url)
        {
            let told = format!("external_url is {:?}, which is no address: {error}", self.external_url);
            wrong.push((
                "external_url".to_owned(),
                Diagnostic::new(told).advise("write http://HOST:PORT or https://HOST"),
            ));
        }
        if wrong.is_empty() { Ok(plan) } else { Err(wrong) }
    }
}

impl Plan {
    /// Adds the rule files that patterns name, relative to `base`. A pattern without a match names nothing, as in
    /// Prometheus; a path without a wildcard must exist. Gives the paths that were read.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn add(
        &mut self,
        patterns: &[String],
        base: &Path,
    ) -> Result<Vec<std::path::PathBuf>, Vec<Diagnostic>> {
        let (mut wrong, mut read) = (Vec::new(), Vec::new());
        for pattern in patterns {
            let path = base.join(pattern);
            let paths = if glob::is_pattern(pattern) { glob::expand(&path) } else { vec![path] };
            for path in paths {
                if self.files.iter().any(|file| *file.path == *path.to_string_lossy()) {
                    continue;
                }
                match file::load(&path) {
                    Ok(file) => self.files.push(file),
                    Err(found) => wrong.extend(found),
                }
                read.push(path);
            }
        }
        if wrong.is_empty() { Ok(read) } else { Err(wrong) }
    }
}

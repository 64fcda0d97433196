//! Reading the configuration whole: files, environment, command line, and what the files name.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quarterdeck_journal::configuration::{Sources, load};
use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::{Clock, Diagnostic, SystemClock, Timestamp};
use quarterdeck_scrape::config::Plan;

use super::Config;
use super::locate::locate;
use crate::alerting::Alerting;
use crate::cli::Global;
use crate::exit::Failure;
use crate::paths::Paths;

/// Environments that need no overlay to be chosen. Any other name without one is taken for a slip.
const ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];

/// Where a configuration comes from; it can be read again.
#[derive(Clone, Debug)]
pub struct Origin {
    file: PathBuf,
    /// Whether the file must exist.
    named: bool,
    /// Where the operator's own themes are.
    config_dir: PathBuf,
    global: Global,
}

impl Origin {
    /// The folder of the configuration file: relative paths in it begin there.
    pub fn folder(&self) -> PathBuf {
        self.file.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}

/// A configuration that was read whole and is lawful.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Arc<Config>,
    /// What is scraped, from both kinds of files.
    pub plan: Plan,
    /// Recording and alerting rules, from both kinds of files.
    pub rules: quarterdeck_rules::Plan,
    /// Alerts and on-call.
    pub alerting: Alerting,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// When it was read.
    pub read_at: Timestamp,
    /// Where it came from.
    pub origin: Origin,
    /// Why a newer one was refused, if it was.
    pub refused: Vec<Diagnostic>,
    /// Files that it depends on, whether they exist or not.
    watched: Vec<PathBuf>,
}

impl Origin {
    /// The files that the command line and the platform name.
    pub fn new(global: &Global, paths: &Paths) -> Self {
        Self {
            file: paths.config_file.clone(),
            named: paths.config_named,
            config_dir: paths.config_dir.clone(),
            global: global.clone(),
        }
    }

    /// Another file, with the same command line.
    pub fn of_file(global: &Global, paths: &Paths, file: &Path) -> Self {
        Self { file: file.to_path_buf(), named: true, ..Self::new(global, paths) }
    }

    fn sources(&self) -> Sources {
        let mut sources = Sources::new();
        sources = if self.named { sources.file(&self.file) } else { sources.optional_file(&self.file) };
        if let Some(environment) = &self.global.environment {
            if ENVIRONMENTS.contains(&environment.as_str()) {
                sources = sources.text("--environment", format!("[environments.{environment}]"));
            }
            sources = sources.text("--environment", format!("environment = {environment:?}"));
        }
        if self.global.read_only {
            sources = sources.text("--read-only", "read_only = true");
        }
        if self.global.reload_resets_timers {
            sources = sources.text("--reload-resets-timers", "[alerting]\nreload_resets_timers = true");
        }
        if let Some(address) = self.global.listen {
            sources = sources.text("--listen", format!("[listen]\naddress = \"{address}\""));
        }
        sources.environment(self.global.environment.clone()).process_variables()
    }
}

impl Loaded {
    /// Reads the configuration that the program starts with.
    ///
    /// # Errors
    /// Every mistake, a line each.
    pub fn start(global: &Global, paths: &Paths) -> Result<Self, Failure> {
        Self::read(&Origin::new(global, paths)).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Failure::Failed(format!("the configuration is not right:\n  {}", lines.join("\n  ")))
        })
    }

    /// Reads and checks everything. Nothing is changed by it.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub fn read(origin: &Origin) -> Result<Self, Vec<Diagnostic>> {
        let loaded = load::<Config>(&origin.sources())?;
        let mut config = loaded.value;
        let traffic = &origin.global.traffic;
        config.gateway.listen_too(traffic.gateway);
        if let Err(wrong) = config.gateway.add(&traffic.upstream, &traffic.split) {
            return Err(vec![Diagnostic {
                source: "command line".to_owned(),
                ..Diagnostic::new(wrong.to_string())
            }]);
        }
        let mut watched = loaded.files;
        let texts: Vec<(PathBuf, String)> = watched
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e == "toml"))
            .filter_map(|f| Some((f.clone(), std::fs::read_to_string(f).ok()?)))
            .collect();
        let place = |path: &str, diagnostic: Diagnostic| {
            // A later layer hides an earlier one: look there first.
            let found = texts.iter().rev().find_map(|(file, text)| Some((file, text, locate(text, path)?)));
            match found {
                Some((file, text, range)) if diagnostic.line == 0 => {
                    let named = if diagnostic.message.contains(path) {
                        diagnostic.message.clone()
                    } else {
                        format!("{path}: {}", diagnostic.message)
                    };
                    Diagnostic { message: named, ..diagnostic }.at(file.display().to_string(), text, range)
                }
                _ => diagnostic,
            }
        };
        let mut wrong: Vec<Diagnostic> =
            config.validate().into_iter().map(|(path, d)| place(&path, d)).collect();

        wrong.extend(theme(&config.ui.theme, &origin.config_dir).map(|d| place("ui.theme", d)));

        let base = origin.file.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut plan = Plan::default();
        match config.scrape.plan(&base) {
            Ok(own) => plan = own,
            Err(found) => wrong.extend(found.into_iter().map(|d| {
                let path = d.message.split([' ', ':']).next().unwrap_or_default().to_owned();
                place(&path, d)
            })),
        }
        let of_command_line = origin.global.prometheus_config.clone();
        let named_here = of_command_line.is_none();
        let prometheus =
            of_command_line.or_else(|| config.scrape.prometheus_config.as_ref().map(|file| base.join(file)));
        if let Some(file) = prometheus {
            match quarterdeck_scrape::prometheus::load(&file) {
                // Not a mistake of that file but of the one that names it.
                Err(_) if named_here && !file.is_file() => wrong.push(missing(&file, &place)),
                Err(found) => wrong.extend(found),
                Ok(other) => match plan.clone().merge(other) {
                    Ok(both) => plan = both,
                    Err(twice) => wrong.push(Diagnostic {
                        source: file.display().to_string(),
                        ..Diagnostic::new(format!(
                            "the jobs {} are in quarterdeck.toml too",
                            twice.join(", ")
                        ))
                        .advise("give one of each another name")
                    }),
                },
            }
            watched.push(file);
        }
        let rules = rules(&config, &plan, &base, &mut watched, &mut wrong);
        let file = origin.global.alertmanager_config.as_deref();
        let alerting = match Alerting::read(&config, file, &base) {
            Ok(alerting) => Some(alerting),
            Err(found) => {
                wrong.extend(found.into_iter().map(|(at, d)| match at {
                    Some(at) => place(&at, d),
                    None => d,
                }));
                None
            }
        };
        let Some(alerting) = alerting.filter(|_| wrong.is_empty()) else { return Err(wrong) };
        watched.extend(alerting.files());
        let files = watched.iter().filter(|f| f.exists()).cloned().collect();
        Ok(Self {
            config: Arc::new(config),
            plan,
            rules,
            alerting,
            files,
            read_at: SystemClock.now(),
            origin: origin.clone(),
            refused: Vec::new(),
            watched,
        })
    }

    /// A number that differs when any of the files has another content than before.
    pub fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in &self.watched {
            file.hash(&mut hasher);
            std::fs::read(file).ok().hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// What is wrong when there is no such `prometheus.yml` as the configuration names.
fn missing(file: &Path, place: &impl Fn(&str, Diagnostic) -> Diagnostic) -> Diagnostic {
    const KEY: &str = "scrape.prometheus_config";
    let why = match std::fs::metadata(file) {
        Ok(_) => "is not a file".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    };
    let found = Diagnostic::new(format!("{KEY}: {} {why}", file.display()));
    place(
        KEY,
        found.advise("write the path of a prometheus.yml; a relative one begins at the folder of this file"),
    )
}

/// What is evaluated: the files of `[rules]`, and those that a `prometheus.yml` names with its intervals.
fn rules(
    config: &Config,
    plan: &Plan,
    base: &Path,
    watched: &mut Vec<PathBuf>,
    wrong: &mut Vec<Diagnostic>,
) -> quarterdeck_rules::Plan {
    // What is wrong with the section itself has been told with its place.
    let mut rules = config.rules.plan().unwrap_or_default();
    if config.rules.interval.is_empty() {
        rules.interval = plan.evaluation_interval.unwrap_or(rules.interval);
    }
    rules.query_offset = plan.rule_query_offset.unwrap_or_default();
    rules.external_labels = plan.external_labels.clone();
    let named = |path: &PathBuf| path.to_string_lossy().into_owned();
    let of_prometheus: Vec<String> = plan.rule_files.iter().map(named).collect();
    for (files, base) in [(&config.rules.files, base), (&of_prometheus, Path::new(""))] {
        match rules.add(files, base) {
            Ok(read) => watched.extend(read),
            Err(found) => wrong.extend(found),
        }
    }
    rules
}

/// What is wrong with the theme that is named, if anything: it must be there. None named is right.
fn theme(name: &str, config_dir: &Path) -> Option<Diagnostic> {
    if name.is_empty() {
        return None;
    }
    let themes = match crate::screen::themes(config_dir) {
        Ok(themes) => themes,
        Err(failure) => return Some(Diagnostic::new(failure.to_string())),
    };
    let names: Vec<&str> = themes.iter().map(|theme| theme.name.as_str()).collect();
    if names.contains(&name) {
        return None;
    }
    let meant = nearest(name, names.iter().copied()).map(|near| format!("did you mean {near:?}? "));
    let advice = format!("{}there are: {}", meant.unwrap_or_default(), names.join(", "));
    Some(Diagnostic::new(format!("{name:?} is not a theme")).advise(advice))
}

//! The strategies that can be used by name: read from their files when the console starts and when it reads its
//! configuration again. A file that is wrong is shown with what is wrong; the others can be used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quarterdeck_kernel::suggest::nearest;

use crate::model::StrategyView;
use crate::strategy::{Canary, Step, Strategy, StrategyKind, Templates};

/// The name of the strategy that is used when nothing names one.
const STANDARD: &str = "standard";
/// A file that is longer is not a strategy.
const MAX_FILE: u64 = 1 << 20;
/// Files of a folder that are read at most.
const MAX_FILES: usize = 1_000;

/// Strategies by name.
#[derive(Default)]
pub(crate) struct Strategies {
    base: PathBuf,
    templates: Templates,
    known: BTreeMap<String, (PathBuf, Result<Strategy, String>)>,
}

impl Strategies {
    /// Reads files and folders of them; relative ones begin at `base`.
    #[must_use]
    pub(crate) fn load(paths: &[PathBuf], base: &Path) -> Self {
        let mut strategies = Self { base: base.to_owned(), ..Self::default() };
        strategies.reload(paths);
        strategies
    }

    /// The same anew.
    pub(crate) fn reload(&mut self, paths: &[PathBuf]) {
        self.known.clear();
        self.templates = Templates::default();
        let mut found = Vec::new();
        for path in paths {
            for file in files(&self.base.join(path)) {
                let name =
                    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
                let read = text(&file);
                let source = file.display().to_string();
                if let Ok(text) = &read {
                    // What is wrong with it is told when it is read as a strategy.
                    let _ = self.templates.add(text, &source);
                    if Templates::only(text, &source).unwrap_or(false) {
                        continue;
                    }
                }
                found.push((name, file, read));
            }
        }
        for (name, file, text) in found {
            let read = text.and_then(|text| self.read_as(&text, &name, &file.display().to_string()));
            self.known.insert(name, (file, read));
        }
    }

    /// Reads a strategy that did not come from a file of ours.
    ///
    /// # Errors
    /// Every mistake, with its line and column.
    pub(crate) fn read(&self, text: &str, name: &str) -> Result<Strategy, String> {
        self.read_as(text, name, name)
    }

    fn read_as(&self, text: &str, name: &str, source: &str) -> Result<Strategy, String> {
        match crate::strategy::read(text, source, name, &self.templates) {
            Ok(file) => Ok(Strategy { name: name.to_owned(), source: source.to_owned(), ..file.strategy }),
            Err(wrong) => Err(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    /// The strategy of a name.
    ///
    /// # Errors
    /// There is none, or its file is wrong.
    pub(crate) fn named(&self, name: &str) -> Result<Strategy, String> {
        match self.known.get(name) {
            Some((_, Ok(strategy))) => Ok(strategy.clone()),
            Some((file, Err(why))) => {
                Err(format!("the strategy {name} in {} is wrong: {why}", file.display()))
            }
            None if name == STANDARD => Ok(self.standard()),
            None => {
                let names: Vec<&str> = self.known.keys().map(String::as_str).collect();
                let near = nearest(name, names.iter().copied()).map(|near| format!("did you mean {near}? "));
                let there = if names.is_empty() { STANDARD.to_owned() } else { names.join(", ") };
                Err(format!("there is no strategy {name:?}; {}there are: {there}", near.unwrap_or_default()))
            }
        }
    }

    /// What is used when nothing names one: a canary with three weights and a minute after each.
    #[must_use]
    pub(crate) fn standard(&self) -> Strategy {
        if let Some((_, Ok(strategy))) = self.known.get(STANDARD) {
            return strategy.clone();
        }
        let pause = || Step::Pause(Some(std::time::Duration::from_secs(60)));
        let steps =
            vec![Step::SetWeight(5), pause(), Step::SetWeight(25), pause(), Step::SetWeight(50), pause()];
        let canary = Canary { steps, ..Canary::default() };
        Strategy::new(STANDARD, StrategyKind::Canary(canary))
    }

    /// For the screen.
    #[must_use]
    pub(crate) fn views(&self) -> Vec<StrategyView> {
        let view = |(name, (file, read)): (&String, &(PathBuf, Result<Strategy, String>))| match read {
            Ok(strategy) => StrategyView {
                name: name.clone(),
                source: file.display().to_string(),
                summary: summary(strategy),
                problem: String::new(),
                longest: strategy.longest(1),
            },
            Err(why) => StrategyView {
                name: name.clone(),
                source: file.display().to_string(),
                problem: why.clone(),
                ..StrategyView::default()
            },
        };
        let mut views: Vec<StrategyView> = self.known.iter().map(view).collect();
        if !self.known.contains_key(STANDARD) {
            let strategy = self.standard();
            views.push(StrategyView {
                name: STANDARD.to_owned(),
                summary: summary(&strategy),
                longest: strategy.longest(1),
                ..StrategyView::default()
            });
        }
        views
    }
}

/// "canary: weight 5 % · pause 1m · …", at most six rungs.
fn summary(strategy: &Strategy) -> String {
    let rungs: Vec<Step> = match &strategy.kind {
        StrategyKind::Rolling(rolling) => {
            return format!(
                "rolling: at most {} above and {} below the wanted number",
                rolling.max_surge, rolling.max_unavailable
            );
        }
        StrategyKind::BlueGreen(colours) => {
            let key = if colours.auto_promotion {
                Step::Pause(colours.auto_promotion_after)
            } else {
                Step::Pause(None)
            };
            let analysis = |spec: &Option<crate::strategy::AnalysisSpec>| spec.clone().map(Step::Analysis);
            let mut rungs = vec![Step::Preview(colours.preview_replicas)];
            rungs.extend(analysis(&colours.pre_promotion));
            if !colours.auto_promotion || colours.auto_promotion_after.is_some() {
                rungs.push(key);
            }
            rungs.push(Step::Switch);
            rungs.extend(analysis(&colours.post_promotion));
            rungs
        }
        StrategyKind::Canary(canary) => canary.steps.iter().cloned().chain([Step::Promote]).collect(),
    };
    let shown: Vec<String> = rungs.iter().take(6).map(ToString::to_string).collect();
    let more = if rungs.len() > shown.len() { " · …" } else { "" };
    format!("{}: {}{more}", strategy.kind.as_str(), shown.join(" · "))
}

fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let Ok(entries) = std::fs::read_dir(path) else { return vec![path.to_owned()] };
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    files.truncate(MAX_FILES);
    files
}

fn text(file: &Path) -> Result<String, String> {
    let long = std::fs::metadata(file).map_err(|e| e.to_string())?.len() > MAX_FILE;
    if long {
        return Err(format!("it is longer than {} KiB", MAX_FILE >> 10));
    }
    std::fs::read_to_string(file).map_err(|e| e.to_string())
}

//! Running what a screen asks for: actions, questions, files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quarterdeck_journal::timeline::Filter;
use quarterdeck_kernel::action::Done;
use quarterdeck_kernel::{Clock, Invocation, Severity, SystemClock, Timestamp};
use quarterdeck_panes::World;
use quarterdeck_panes::world::Query;
use quarterdeck_promql::Budget;
use quarterdeck_ui::{HostEffect, Input};
use tokio::sync::{mpsc, watch};

use crate::answers::Sources;
use crate::worlds;

/// Entries of the timeline that a past moment is shown with; the pane fetches older ones by itself.
const TIMELINE: usize = 1000;

/// What a screen's effects are run on; there is none until the engines have started.
#[derive(Clone)]
pub struct Backstage {
    /// Takes every action.
    pub dispatcher: quarterdeck_journal::Dispatcher,
    /// Answers every question.
    pub sources: Sources,
}

impl Backstage {
    /// Does an action; the error is in words for the operator.
    pub async fn dispatch(&self, invocation: Invocation) -> Result<Done, String> {
        let span = tracing::info_span!("action", action = %invocation.action, invocation = %invocation.id, actor = %invocation.actor);
        let done = tracing::Instrument::instrument(self.dispatcher.dispatch(invocation), span.clone()).await;
        span.in_scope(|| match &done {
            Ok(done) => tracing::info!(message = %done.message, "done"),
            Err(error) => tracing::warn!(%error, "not done"),
        });
        done.map_err(|e| e.to_string())
    }

    /// A world as it was at a moment, as far as it is kept: services from the metrics of then, alerts as they
    /// stood, the timeline cut off there. What has no history (targets, feeds, the console itself) stays as it is. None when it cannot be put together.
    pub async fn rewound(&self, world: Arc<World>, at: Timestamp) -> Option<Arc<World>> {
        let services = self.sources.services.get().ok()?;
        let mut forgotten = Vec::new();
        if let Ok(alerting) = self.sources.alerting.get() {
            match alerting.past(at).await {
                Ok(alerts) => forgotten = alerts,
                // What is still known is shown all the same.
                Err(error) => tracing::warn!(%error, "alerts of a past moment"),
            }
        }
        let filter = Filter { to: Some(at.plus_millis(1)), ..Filter::default() };
        let stored = match self.sources.timeline.page(&filter, None, TIMELINE).await {
            Ok(page) => Some(page.entries),
            // What is at hand is shown all the same.
            Err(error) => {
                tracing::warn!(%error, "the timeline of a past moment");
                None
            }
        };
        let work = tokio::task::spawn_blocking(move || {
            Arc::new(worlds::rewound(&world, services.at(at), &forgotten, stored, at))
        });
        match work.await {
            Ok(world) => Some(world),
            Err(error) => {
                tracing::error!(%error, "the past could not be put together");
                None
            }
        }
    }
}

/// One screen's host.
pub struct Host {
    backstage: watch::Receiver<Option<Backstage>>,
    inputs: mpsc::Sender<Input<World>>,
    /// What is true now.
    worlds: Worlds,
    /// Budgets of questions under way, so that they can be given up.
    asking: HashMap<(&'static str, &'static str), (u64, Budget)>,
    /// Where the screen's state is kept.
    state_file: PathBuf,
    /// Where exports go.
    export_dir: PathBuf,
}

impl Host {
    /// A host that tells `inputs` what comes of things.
    pub fn new(
        backstage: watch::Receiver<Option<Backstage>>,
        inputs: mpsc::Sender<Input<World>>,
        worlds: Worlds,
        state_file: PathBuf,
    ) -> Self {
        let export_dir = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
        Self { backstage, inputs, worlds, asking: HashMap::new(), state_file, export_dir }
    }

    /// Runs one effect. Returns at once; what comes of it arrives as an input.
    pub fn run(&mut self, effect: HostEffect<World>) {
        match effect {
            HostEffect::Dispatch(invocation) => self.dispatch(invocation),
            HostEffect::Query { pane, slot, generation, query } => self.ask(pane, slot, generation, query),
            HostEffect::CancelQuery { pane, slot, generation } => {
                if self.asking.get(&(pane, slot)).is_some_and(|(asked, _)| *asked == generation)
                    && let Some((_, budget)) = self.asking.remove(&(pane, slot))
                {
                    budget.cancel();
                }
            }
            HostEffect::Rewind(at) => self.rewind(at),
            HostEffect::Export { name, content } => self.export(&name, content),
            HostEffect::SaveState(text) => save(&self.state_file, &text),
            // These concern the terminal alone, which the event loop has.
            HostEffect::Copy(_)
            | HostEffect::SetTitle(_)
            | HostEffect::Bell
            | HostEffect::Mouse(_)
            | HostEffect::Redraw
            | HostEffect::Suspend
            | HostEffect::Quit => {}
        }
    }

    fn dispatch(&self, invocation: Invocation) {
        let (backstage, inputs) = (self.backstage.borrow().clone(), self.inputs.clone());
        tokio::spawn(async move {
            let id = invocation.id;
            let result = match backstage {
                Some(backstage) => backstage.dispatch(invocation).await,
                None => Err("the console is still starting: nothing was done".to_owned()),
            };
            // The screen may be gone by now; the action is done all the same.
            let _ = inputs.send(Input::Outcome { invocation: id, result }).await;
        });
    }

    fn ask(&mut self, pane: &'static str, slot: &'static str, generation: u64, query: Query) {
        let mut backstage = self.backstage.clone();
        let inputs = self.inputs.clone();
        let budget = match &*backstage.borrow() {
            Some(ready) => ready.sources.engine.budget(),
            None => Budget::unbounded(),
        };
        if let Some((_, older)) = self.asking.insert((pane, slot), (generation, budget.clone())) {
            older.cancel();
        }
        tokio::spawn(async move {
            let sources = match backstage.wait_for(Option::is_some).await {
                Ok(ready) => ready.as_ref().map(|b| b.sources.clone()),
                Err(_) => None,
            };
            let answer = match sources {
                Some(sources) => sources.answer(query, budget, SystemClock.now()).await,
                None => Err("the console could not start".to_owned()),
            };
            let _ = inputs.send(Input::Answer { pane, slot, generation, answer }).await;
        });
    }

    fn rewind(&self, at: Timestamp) {
        let (backstage, inputs, world) =
            (self.backstage.borrow().clone(), self.inputs.clone(), self.worlds.borrow().clone());
        let Some(backstage) = backstage else { return };
        tokio::spawn(async move {
            if let Some(world) = backstage.rewound(world, at).await {
                let _ = inputs.send(Input::Rewound { at, world }).await;
            }
        });
    }

    fn export(&self, name: &str, content: Vec<u8>) {
        let (dir, name, inputs) = (self.export_dir.clone(), name.to_owned(), self.inputs.clone());
        tokio::task::spawn_blocking(move || {
            let told = match write_new(&dir, &name, &content) {
                Ok(path) => Input::Tell(Severity::Info, format!("written to {}", path.display())),
                Err(error) => Input::Tell(
                    Severity::Warning,
                    format!("{name} could not be written to {}: {error}", dir.display()),
                ),
            };
            let _ = inputs.blocking_send(told);
        });
    }
}

/// Writes a file under a name that is not taken yet: an export never overwrites.
fn write_new(dir: &Path, name: &str, content: &[u8]) -> std::io::Result<PathBuf> {
    use std::io::Write;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
    let stem: String =
        stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    for number in 0..1000 {
        let name = if number == 0 { format!("{stem}.{ending}") } else { format!("{stem}-{number}.{ending}") };
        let path = dir.join(name);
        match std::fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(content)?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("a thousand files of that name are there already"))
}

/// Writes the screen's state whole or not at all.
fn save(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "the screen's state could not be kept");
    }
}

/// A world feed that panes can be drawn from: the newest one and every change.
pub type Worlds = watch::Receiver<Arc<World>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_never_overwrite_and_stay_in_their_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = write_new(dir.path(), "up{job=\"../x\"}.csv", b"1").unwrap();
        let second = write_new(dir.path(), "up{job=\"../x\"}.csv", b"2").unwrap();
        assert_ne!(first, second);
        assert_eq!(first.parent(), Some(dir.path()));
        assert_eq!(std::fs::read(first).unwrap(), b"1");
        assert!(second.to_string_lossy().ends_with("-1.csv"));
    }

    #[test]
    fn state_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("screen.toml");
        save(&path, "a");
        save(&path, "b");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "b");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

//! From a key to a dispatched action: subject, arguments, confirmation, reason.

use std::collections::BTreeMap;

use quarterdeck_kernel::{ActionSpec, ArgKind, ArgSpec, Danger, Severity, Subject};

use super::{Shell, ToastKind};
use crate::host::HostEffect;
use crate::layers::{Ask, Button, Confirm, Draft, Layer, Line, validate};
use crate::pane::World;

impl<W: World> Shell<W> {
    /// What an action would act on: what is given, the pane's selection, or the service that is looked at.
    ///
    /// # Errors
    /// What to select first.
    pub(crate) fn subject_for(
        &self,
        spec: &ActionSpec,
        given: Option<Subject>,
        pane: Option<usize>,
    ) -> Result<Option<Subject>, String> {
        let Some(kind) = spec.subject else { return Ok(given) };
        let selected = || self.with_pane(pane.unwrap_or(self.front), |pane, cx| pane.selection(cx));
        let scope = || self.scope.service.as_ref().map(Subject::service);
        let candidates = match given {
            Some(given) => [Some(given), None],
            None => [selected(), scope()],
        };
        let found = candidates.into_iter().flatten().find(|s| s.kind == kind);
        found.map(Some).ok_or_else(|| format!("select a {kind} first"))
    }

    /// Why an action cannot be had now.
    pub(crate) fn refusal(
        &self,
        spec: &ActionSpec,
        subject: Result<&Option<Subject>, &String>,
    ) -> Option<String> {
        match subject {
            Err(why) => Some(why.clone()),
            Ok(subject) => self.world.available(spec.id, subject.as_ref()).err().map(|reason| reason.0),
        }
    }

    /// Begins an action; whatever is missing is asked for.
    pub(super) fn begin_action(
        &mut self,
        id: &str,
        subject: Option<Subject>,
        args: BTreeMap<String, String>,
        pane: Option<usize>,
    ) {
        let Some(spec) = self.action(id).cloned() else {
            self.tell(Severity::Warning, &format!("this console has no action {id:?}"));
            return;
        };
        if !self.offered(&spec) {
            self.tell(
                Severity::Info,
                &format!("read-only: {} is not offered here", spec.title.to_lowercase()),
            );
            return;
        }
        let subject = self.subject_for(&spec, subject, pane);
        if let Some(why) = self.refusal(&spec, subject.as_ref()) {
            self.tell(Severity::Info, &format!("cannot {}: {why}", spec.title.to_lowercase()));
            return;
        }
        for arg in &spec.args {
            if let Some(Err(why)) = args.get(arg.name).map(|value| validate(arg, value)) {
                self.tell(
                    Severity::Warning,
                    &format!("cannot {}: {}: {why}", spec.title.to_lowercase(), arg.name),
                );
                return;
            }
        }
        let mut invocation = self.invocation(spec.id);
        invocation.subject = subject.ok().flatten();
        invocation.args = args;
        self.advance(Draft { spec, invocation });
    }

    /// The next step of a draft: an argument, the confirmation, or the dispatch.
    pub(super) fn advance(&mut self, draft: Draft) {
        if let Some(arg) = draft.missing().cloned() {
            let chosen = self.world.choices(&draft.invocation, arg.name);
            let (completions, notes) = match chosen {
                Some(choices) => {
                    (choices.iter().map(|(c, _)| c.clone()).collect(), choices.into_iter().collect())
                }
                None => (self.completions(&draft, &arg), BTreeMap::new()),
            };
            let (title, situation) = (self.title(&draft), self.world.situation(&draft.invocation, arg.name));
            let (line, picked, error) = (Line::default(), None, None);
            self.layers.push(Layer::Ask(Ask {
                draft,
                title,
                situation,
                arg,
                line,
                completions,
                notes,
                picked,
                error,
            }));
        } else if draft.spec.danger == Danger::Safe {
            self.dispatch(draft);
        } else {
            let preview = self.world.preview(&draft.invocation);
            let (focus, typed) = (Button::Cancel, Line::default());
            let title = self.title(&draft);
            let confirm = Confirm { draft, title, preview, focus, typed, wrong: false, reason: None };
            self.layers.push(Layer::Confirm(confirm));
        }
    }

    /// How a dialog about a draft is headed.
    fn title(&self, draft: &Draft) -> String {
        self.world.title(&draft.invocation).unwrap_or_else(|| {
            let subject = draft.invocation.subject.as_ref().map_or(String::new(), |s| format!(" {}", s.id));
            format!("{}{subject}", draft.spec.title)
        })
    }

    fn completions(&self, draft: &Draft, arg: &ArgSpec) -> Vec<String> {
        match &arg.kind {
            ArgKind::Choice(words) => words.clone(),
            ArgKind::Bool => vec!["true".to_owned(), "false".to_owned()],
            ArgKind::Duration => ["5m", "15m", "1h", "4h", "1d"].map(str::to_owned).to_vec(),
            ArgKind::Number => Vec::new(),
            ArgKind::Text => self.world.complete(&draft.invocation, arg.name),
        }
    }

    pub(super) fn dispatch(&mut self, draft: Draft) {
        // The world may have moved while the operator read: what was possible then may make no sense now.
        let subject = Ok(draft.invocation.subject.clone());
        if let Some(why) = self.refusal(&draft.spec, subject.as_ref()) {
            self.tell(
                Severity::Warning,
                &format!("cannot {} any more: {why}", draft.spec.title.to_lowercase()),
            );
            return;
        }
        if !self.offered(&draft.spec) {
            self.tell(Severity::Warning, "the console became read-only meanwhile: nothing was done");
            return;
        }
        let what = draft.invocation.subject.as_ref().map_or(String::new(), |s| format!(" {}", s.id));
        let title = format!("{}{what}", draft.spec.title);
        self.running.insert(draft.invocation.id, (title.clone(), self.now));
        self.toast(ToastKind::Running(draft.invocation.id), &title);
        self.out.push(HostEffect::Dispatch(draft.invocation));
    }
}

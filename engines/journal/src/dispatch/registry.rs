//! Every action that there is.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::{ActionSpec, Danger, Invocation, Reason, Subject};

use super::error::{DispatchError, RegisterError};
use super::execute::{Execute, How};
use super::validate::validate;

/// How often an action may stand for another that stands for another.
pub(super) const REDIRECTS: usize = 4;

/// The actions of all engines: filled by the composition, then shared and never changed.
#[derive(Default)]
pub struct Registry {
    actions: BTreeMap<&'static str, Registered>,
}

struct Registered {
    spec: Arc<ActionSpec>,
    execute: Arc<dyn Execute>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.actions.keys()).finish()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action.
    ///
    /// # Errors
    /// When its id is taken or malformed, or it leaves no trace but is not safe.
    pub fn register(&mut self, spec: ActionSpec, execute: Arc<dyn Execute>) -> Result<(), RegisterError> {
        let id = spec.id;
        if !well_formed(id) {
            return Err(RegisterError::Id(id.to_owned()));
        }
        if self.actions.contains_key(id) {
            return Err(RegisterError::Duplicate(id.to_owned()));
        }
        if matches!(execute.how(), How::Unrecorded(_)) && spec.danger != Danger::Safe {
            return Err(RegisterError::Unrecorded(id.to_owned()));
        }
        self.actions.insert(id, Registered { spec: Arc::new(spec), execute });
        Ok(())
    }

    /// Adds all actions that an engine exports.
    ///
    /// # Errors
    /// See [`Registry::register`].
    pub fn register_all(
        &mut self,
        actions: impl IntoIterator<Item = (ActionSpec, Arc<dyn Execute>)>,
    ) -> Result<(), RegisterError> {
        actions.into_iter().try_for_each(|(spec, execute)| self.register(spec, execute))
    }

    /// Checks what can only be checked when every engine has registered: that inverses exist.
    ///
    /// # Errors
    /// The first inverse that does not.
    pub fn check(&self) -> Result<(), RegisterError> {
        for spec in self.specs() {
            if let Some(inverse) = spec.inverse
                && self.spec(inverse).is_none()
            {
                return Err(RegisterError::Inverse {
                    action: spec.id.to_owned(),
                    inverse: inverse.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Every action, by id.
    pub fn specs(&self) -> impl Iterator<Item = &Arc<ActionSpec>> {
        self.actions.values().map(|a| &a.spec)
    }

    /// One action.
    #[must_use]
    pub fn spec(&self, id: &str) -> Option<&Arc<ActionSpec>> {
        self.actions.get(id).map(|a| &a.spec)
    }

    /// Whether the action makes sense now for the subject, and if not, why. For the screen: it never waits.
    ///
    /// # Errors
    /// The reason why not.
    pub fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        let (spec, execute) = self.find(action).map_err(|e| Reason(e.to_string()))?;
        if spec.subject != subject.map(|s| s.kind) {
            let wanted = spec.subject.map_or("nothing".to_owned(), |kind| format!("a {kind}"));
            return Err(Reason(format!("acts on {wanted}")));
        }
        catch_unwind(AssertUnwindSafe(|| execute.available(subject)))
            .unwrap_or_else(|_| Err(Reason(format!("{action} failed to say whether it is available"))))
    }

    /// What would change, one line each. For the confirmation dialog: it never waits.
    ///
    /// # Errors
    /// What is wrong with the invocation.
    pub fn preview(&self, invocation: &Invocation) -> Result<Vec<String>, DispatchError> {
        let mut current = invocation.clone();
        for _ in 0..REDIRECTS {
            let (spec, execute) = self.find(&current.action)?;
            validate(spec, &current)?;
            if let How::Redirect(redirect) = execute.how()
                && let Some(next) = redirect.resolve_now(&current)
            {
                current = next;
                continue;
            }
            return Ok(catch_unwind(AssertUnwindSafe(|| execute.preview(&current))).unwrap_or_default());
        }
        Ok(Vec::new())
    }

    pub(super) fn find(&self, id: &str) -> Result<(&Arc<ActionSpec>, &Arc<dyn Execute>), DispatchError> {
        self.actions.get(id).map(|a| (&a.spec, &a.execute)).ok_or_else(|| DispatchError::UnknownAction {
            found: id.to_owned(),
            nearest: nearest(id, self.actions.keys().copied()).map(str::to_owned),
        })
    }
}

fn well_formed(id: &str) -> bool {
    let parts: Vec<&str> = id.split('.').collect();
    let word = |part: &&str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
    };
    parts.len() >= 2 && parts.iter().all(word)
}

//! What an operator can do with targets.

use quarterdeck_kernel::{ActionSpec, Danger, SubjectKind};

/// `targets.retry`: scrape a target at once.
pub const RETRY: &str = "targets.retry";

/// The actions of this engine. The composition binds [`RETRY`] to [`crate::Handle::retry`].
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    vec![ActionSpec {
        id: RETRY,
        title: "Retry now",
        description: "Scrapes the target at once instead of waiting for its next turn; its rhythm stays as it is.",
        subject: Some(SubjectKind::Target),
        args: Vec::new(),
        danger: Danger::Safe,
        inverse: None,
    }]
}

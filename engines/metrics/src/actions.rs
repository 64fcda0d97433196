//! What an operator can do with the metrics store.

use quarterdeck_kernel::action::{ArgKind, ArgSpec};
use quarterdeck_kernel::{ActionSpec, Danger};

/// `metrics.backup`: copy everything into a directory. The composition binds it to [`crate::Store::backup`].
pub const BACKUP: &str = "metrics.backup";

/// The actions of this engine.
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    vec![ActionSpec {
        id: BACKUP,
        title: "Back up metrics",
        description: "Copies every sample taken so far into a new directory on the console's machine, while it runs.",
        subject: None,
        args: vec![ArgSpec {
            name: "directory",
            description: "an absolute path; it is made, and must be empty if it is there",
            kind: ArgKind::Text,
            required: true,
        }],
        danger: Danger::Disruptive,
        inverse: None,
    }]
}

//! What an operator can do with a service.

use quarterdeck_kernel::{ActionSpec, ArgKind, ArgSpec, Danger, SubjectKind};

/// Sets a limit at run time.
pub const LIMIT: &str = "services.limit";

/// The actions of this engine, as data.
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    vec![ActionSpec {
        id: LIMIT,
        title: "Set limit",
        description: "Sets a limit of a service at run time: p99 latency, errors, saturation, or the threshold or target \
                      of a transaction. It is kept over restarts until it is set back to default.",
        subject: Some(SubjectKind::Service),
        args: vec![
            ArgSpec {
                name: "limit",
                description: "which limit: latency (p99), errors, saturation; of a transaction its threshold (time limit) or target (aim)",
                kind: ArgKind::Choice(
                    ["latency", "errors", "saturation", "threshold", "target"].map(str::to_owned).to_vec(),
                ),
                required: true,
            },
            ArgSpec {
                name: "value",
                description: "a time such as 50ms for latency and threshold, percent for the others; none, or default as configured",
                kind: ArgKind::Text,
                required: true,
            },
            ArgSpec {
                name: "transaction",
                description: "the transaction, for threshold and target",
                kind: ArgKind::Text,
                required: false,
            },
        ],
        danger: Danger::Disruptive,
        inverse: Some(LIMIT),
    }]
}

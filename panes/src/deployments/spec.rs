//! What the pane is, as data.

use quarterdeck_ui::PaneSpec;

use super::act::{ABORT, FREEZE, PROMOTE, ROLLBACK, SKIP, START, WEIGHT};

pub(super) const SPEC: PaneSpec = PaneSpec {
    id: "deployments",
    title: "Deploys",
    description: "Rollouts: steps, weights and verdicts; what was rolled out before; DORA's measures; output of processes.",
    go: 'd',
    commands: quarterdeck_ui::list_commands!(
        "deployments",
        spec("deployments.open", "open", "Open the selected one in full; Esc comes back.", &["enter"]),
        spec("deployments.view", "next list", "Show the next list: rollouts, history, DORA, output.", &["v"]),
        spec("deployments.previous", "list before", "Show the list before.", &["V"]),
        spec("deployments.promote", "promote", "Go on with the rollout: the step that waits is done.", &["p"])
            .leading_to(PROMOTE),
        spec(
            "deployments.finish",
            "promote fully",
            "Give the new version all the traffic now, whatever steps are left.",
            &["alt-p"]
        )
        .leading_to(PROMOTE),
        spec("deployments.skip", "skip pause", "End the pause that the rollout is in.", &["P"]).leading_to(SKIP),
        spec(
            "deployments.hold",
            "freeze or resume",
            "Let the rollout stand still as it is, whatever happens; or go on with one that does.",
            &["z"]
        )
        .leading_to(FREEZE),
        spec(
            "deployments.rollback",
            "roll back",
            "Give the traffic back to the version before, at once; in the history, undo the selected rollout.",
            &["R"]
        )
        .leading_to(ROLLBACK),
        spec("deployments.gradual", "roll back slowly", "Give the traffic back in steps.", &["alt-r"])
            .leading_to(ROLLBACK),
        spec("deployments.stop", "abort", "End the rollout: the stable version takes everything again.", &["A"])
            .leading_to(ABORT),
        spec(
            "deployments.weights",
            "weight",
            "Give a colour of a blue-green deployment any share of the traffic.",
            &["W"]
        )
        .leading_to(WEIGHT),
        spec("deployments.new", "new rollout", "Roll a version out.", &["n"]).leading_to(START),
        spec(
            "deployments.why",
            "explain",
            "Tell everything that led to where the rollout is: each check, measurement and verdict.",
            &["x"]
        ),
        spec("deployments.logs", "logs", "Show what the selected version or replica writes.", &["l"]),
        spec(
            "deployments.changed",
            "what changed",
            "Show the timeline of the service, to see what changed before its trouble.",
            &["w"]
        ),
    ),
    actions: &[],
};

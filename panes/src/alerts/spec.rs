//! What the pane is, as data.

use quarterdeck_ui::PaneSpec;

pub(super) const SPEC: PaneSpec = PaneSpec {
    id: "alerts",
    title: "Alerts",
    description: "Alerts, worst and newest first: who has them, who is paged next, what changed before them.",
    go: 'a',
    commands: quarterdeck_ui::list_commands!(
        "alerts",
        CommandSpec {
            id: "alerts.open",
            title: "open",
            description: "Open the alert, or open and close its group; with what changed: show the change on the timeline.",
            keys: &["enter"],
        },
        CommandSpec {
            id: "alerts.ack",
            title: "ack",
            description: "Acknowledge what is marked, or the selected alert: it repeats and escalates no more.",
            keys: &["a"],
        },
        CommandSpec {
            id: "alerts.note",
            title: "ack with a note",
            description: "Acknowledge with a note for the others, or only for a while.",
            keys: &["n"],
        },
        CommandSpec {
            id: "alerts.unack",
            title: "take ack back",
            description: "Take the acknowledgement back: repeats and escalation go on.",
            keys: &["A"],
        },
        CommandSpec {
            id: "alerts.changed",
            title: "what changed",
            description: "Rank what changed before the alert by how likely it is the cause.",
            keys: &["w"],
        },
        CommandSpec {
            id: "alerts.revert",
            title: "revert",
            description: "With what changed: undo the selected change.",
            keys: &["R"],
        },
        CommandSpec {
            id: "alerts.mute",
            title: "silence",
            description: "Hide what is marked, or the selected alert, for a time; matchers are proposed.",
            keys: &["z"],
        },
        CommandSpec {
            id: "alerts.close",
            title: "resolve",
            description: "End what is marked, or the selected alert, although its source says that it fires.",
            keys: &["e"],
        },
        CommandSpec {
            id: "alerts.page",
            title: "escalate now",
            description: "Page the next step of the escalation at once.",
            keys: &["E"],
        },
        CommandSpec {
            id: "alerts.give",
            title: "assign",
            description: "Give what is marked, or the selected alert, to a person or to who is on call.",
            keys: &["o"],
        },
        CommandSpec {
            id: "alerts.runbook",
            title: "copy runbook",
            description: "Copy the address of the alert's runbook, or of its service's.",
            keys: &["b"],
        },
        CommandSpec {
            id: "alerts.explain",
            title: "explain",
            description: "Tell why the alert was, or was not, told: routes, groups, timers, silences, inhibition, notifications.",
            keys: &["x"],
        },
        CommandSpec {
            id: "alerts.export",
            title: "export incident",
            description: "Write what is known of the alert and its group to files: Markdown, JSON, a chart as PNG.",
            keys: &["X"],
        },
        CommandSpec {
            id: "alerts.mark",
            title: "mark",
            description: "Mark or unmark the alert and go on: keys then act on all that is marked.",
            keys: &["m"],
        },
        CommandSpec {
            id: "alerts.unmark",
            title: "unmark all",
            description: "Unmark everything.",
            keys: &["M"],
        },
        CommandSpec {
            id: "alerts.group",
            title: "grouped or flat",
            description: "Show alerts under the groups in which they are told, or each by itself.",
            keys: &["v"],
        },
        CommandSpec {
            id: "alerts.resolved",
            title: "show resolved",
            description: "Show those that were resolved lately too, or hide them again.",
            keys: &["h"],
        },
    ),
    actions: &[],
};

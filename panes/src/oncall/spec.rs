//! What the pane is, as data.

use quarterdeck_alerting::actions;
use quarterdeck_ui::PaneSpec;

pub(super) const SPEC: PaneSpec = PaneSpec {
    id: "oncall",
    title: "On-call",
    description: "Who is on call and who is next, open escalations, silences and maintenance, notifications sent, figures.",
    go: 'c',
    commands: quarterdeck_ui::list_commands!(
        "oncall",
        CommandSpec {
            id: "oncall.open",
            title: "open",
            description: "Go to the escalation's alert, or open the selected one in full.",
            keys: &["enter"],
            action: None,
        },
        CommandSpec {
            id: "oncall.view",
            title: "next list",
            description: "Show the next list: schedules, escalations, silences and maintenance, notifications, figures.",
            keys: &["v"],
            action: None,
        },
        CommandSpec {
            id: "oncall.previous",
            title: "list before",
            description: "Show the list before.",
            keys: &["V"],
            action: None,
        },
        CommandSpec {
            id: "oncall.ack",
            title: "ack",
            description: "Acknowledge all alerts of the selected escalation: it pages nobody any more.",
            keys: &["a"],
            action: Some(actions::ACKNOWLEDGE),
        },
    ),
    actions: &[
        (actions::OVERRIDE, "o"),
        (actions::END_OVERRIDE, "O"),
        (actions::ESCALATE, "E"),
        (actions::EXPIRE, "e"),
        (actions::RETRY, "t"),
        (actions::SILENCE, "z"),
        (actions::MAINTENANCE, "M"),
    ],
};

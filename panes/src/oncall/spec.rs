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
        CommandSpec {
            id: "oncall.instead",
            title: "somebody else",
            description: "Put somebody else on call in the selected schedule for a while, now or later.",
            keys: &["o"],
            action: Some(actions::OVERRIDE),
        },
        CommandSpec {
            id: "oncall.silence",
            title: "silence",
            description: "Hide alerts by matchers for a time, once or recurring, with what that would hide now.",
            keys: &["z"],
            action: Some(actions::SILENCE),
        },
        CommandSpec {
            id: "oncall.maintain",
            title: "maintenance",
            description: "Begin maintenance of a service: its alerts are hidden for a time.",
            keys: &["M"],
            action: Some(actions::MAINTENANCE),
        },
    ),
    actions: &[
        (actions::END_OVERRIDE, "O"),
        (actions::ESCALATE, "E"),
        (actions::EXPIRE, "e"),
        (actions::RETRY, "t"),
    ],
};

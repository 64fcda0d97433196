//! What the pane is and can be told to do.

use quarterdeck_ui::PaneSpec;

pub(super) const SPEC: PaneSpec = PaneSpec {
    id: "services",
    title: "Services",
    description: "Services and their transactions: throughput, errors, latency, limits, resources, over time.",
    go: 's',
    commands: quarterdeck_ui::list_commands!(
        "services",
        spec(
            "services.open",
            "open",
            "Open the service, or narrow its charts to the selected transaction.",
            &["enter"]
        ),
        spec(
            "services.view",
            "next chart",
            "Show the next chart: percentiles, heatmap, attainment, throughput, errors.",
            &["v"]
        ),
        spec(
            "services.explain",
            "why",
            "Explain how the health came about: limits, values, metrics.",
            &["x"]
        ),
        spec(
            "services.changed",
            "what changed",
            "Show the timeline of the service, to see what changed before its trouble.",
            &["w"]
        ),
        spec(
            "services.limit",
            "set limit",
            "Set a limit of the service, or of the selected transaction.",
            &["L"]
        ),
        spec("services.runbook", "copy runbook", "Copy the address of the service's runbook.", &["b"]),
        spec(
            "services.cause",
            "sick dependency",
            "Open the worst of the services that this one needs.",
            &["d"]
        ),
        spec("services.series", "metrics", "Show the service's series in the metrics explorer.", &["m"]),
        spec("services.next", "next service", "Open the next service of the list.", &["J"]),
        spec("services.previous", "previous service", "Open the service before in the list.", &["K"]),
        spec(
            "services.cursor-back",
            "cursor back",
            "Move the time cursor of all charts back by a step.",
            &["left"]
        ),
        spec(
            "services.cursor-forward",
            "cursor forward",
            "Move the time cursor of all charts forward by a step.",
            &["right"]
        ),
        spec("services.picture", "save charts", "Save the charts as PNG files.", &["e"]),
        spec("services.table", "save CSV", "Save the signals over time as a CSV file.", &["E"]),
    ),
    actions: &[(quarterdeck_alerting::actions::MAINTENANCE, "M")],
};

//! What the explorer can be told to do.

use quarterdeck_ui::PaneSpec;
use quarterdeck_ui::pane::CommandSpec;
use quarterdeck_widgets::table::Column;

const fn command(
    id: &'static str,
    title: &'static str,
    description: &'static str,
    keys: &'static [&'static str],
) -> CommandSpec {
    CommandSpec { id, title, description, keys, action: None }
}

pub(super) const SPEC: PaneSpec = PaneSpec {
    id: "metrics",
    title: "Metrics",
    description: "Ask anything in PromQL: graph, table, several queries, export.",
    go: 'm',
    commands: quarterdeck_ui::list_commands!(
        "metrics",
        command(
            "metrics.edit",
            "edit",
            "Type on the selected query; Enter runs it, Esc leaves it as it was.",
            &["i"]
        ),
        command(
            "metrics.open",
            "run or edit",
            "Run the selected example, or type on the selected query.",
            &["enter"]
        ),
        command("metrics.view", "graph or table", "Show values over time, or those of one moment.", &["v"]),
        command("metrics.new", "add query", "Add a query beside the others.", &["n"]),
        command("metrics.remove", "remove query", "Remove the selected query; the history keeps it.", &["d"]),
        command(
            "metrics.toggle",
            "query on or off",
            "Leave the selected query out, or take it in again.",
            &["t"]
        ),
        command("metrics.next", "next query", "Select the query below.", &["J"]),
        command("metrics.previous", "previous query", "Select the query above.", &["K"]),
        command("metrics.only", "only this series", "Draw the selected series alone, or all again.", &["o"]),
        command(
            "metrics.rate",
            "per second",
            "Turn counters into rates: rate(…[5m]) around every selector, or off it again.",
            &["p"]
        ),
        command("metrics.sum", "sum by", "Put sum by (…) around the query and type the labels.", &["B"]),
        command(
            "metrics.service",
            "only this service",
            "Add the selected service's labels to every selector of the query.",
            &["F"]
        ),
        command(
            "metrics.cursor-back",
            "cursor left",
            "Move the time cursor of all charts one step back.",
            &["left"]
        ),
        command(
            "metrics.cursor-forward",
            "cursor right",
            "Move the time cursor of all charts one step forward.",
            &["right"]
        ),
        command("metrics.pan-back", "pan back", "Show the time before, half a window back.", &["<"]),
        command(
            "metrics.pan-forward",
            "pan forward",
            "Show the time after, half a window forward, up to now.",
            &[">"]
        ),
        command("metrics.zoom-in", "zoom in", "Show half as much time, around the time cursor.", &[")"]),
        command("metrics.zoom-out", "zoom out", "Show twice as much time, around the time cursor.", &["("]),
        command("metrics.log", "log scale", "Make the value axis logarithmic, or linear again.", &["L"]),
        command("metrics.stack", "stack", "Put series on top of each other, or apart again.", &["u"]),
        command("metrics.fit", "fit", "Fit the value axis to the values, or start it at zero again.", &["f"]),
        command(
            "metrics.step",
            "step",
            "Set the distance of points, such as 15s; empty is automatic.",
            &["T"]
        ),
        command(
            "metrics.explain",
            "explain",
            "Show what the query read and every remark on it, or hide it again.",
            &["x"]
        ),
        command("metrics.csv", "export CSV", "Write the values to a CSV file.", &["e c"]),
        command("metrics.png", "export PNG", "Write the graph to a PNG file.", &["e p"]),
        command("metrics.svg", "export SVG", "Write the graph to an SVG file.", &["e s"]),
    ),
    actions: &[],
};

/// Columns of the legend under a graph.
pub(super) const LEGEND: [Column; 5] = [
    Column::flex("series", "SERIES", 16),
    Column::number("cursor", "CURSOR", 9),
    Column::number("last", "LAST", 9).priority(1),
    Column::number("least", "LEAST", 9).priority(3),
    Column::number("most", "MOST", 9).priority(2),
];

/// Columns of the table.
pub(super) const TABLE: [Column; 2] =
    [Column::flex("series", "SERIES", 16), Column::number("last", "VALUE", 14)];

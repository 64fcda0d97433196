//! What the pane is, as data.

use quarterdeck_gateway::actions::{BREAKER, LIMIT, PURGE, SPLIT, WARM};
use quarterdeck_ui::PaneSpec;

pub(super) const SPEC: PaneSpec = PaneSpec {
    id: "gateway",
    title: "Gateway",
    description: "Live traffic: routes and their splits, upstreams and circuit breakers, limits, versions, cache, requests.",
    go: 'g',
    commands: quarterdeck_ui::list_commands!(
        "gateway",
        spec("gateway.open", "open", "Open the selected one in full; Esc comes back.", &["enter"]),
        spec(
            "gateway.view",
            "next list",
            "Show the next list: routes, upstreams, limits, versions, cache, requests.",
            &["v"]
        ),
        spec("gateway.previous", "list before", "Show the list before.", &["V"]),
        spec(
            "gateway.weights",
            "split",
            "Set how much of a service's traffic each version takes, with what that means told as it is typed.",
            &["W"]
        )
        .leading_to(SPLIT),
        spec(
            "gateway.revert",
            "configured split",
            "Give the service the split of its configuration again.",
            &["R"]
        )
        .leading_to(SPLIT),
        spec(
            "gateway.break",
            "force open",
            "Force the circuit breaker of the selected version open: it is sent nothing.",
            &["o"]
        )
        .leading_to(BREAKER),
        spec(
            "gateway.mend",
            "force closed",
            "Force the circuit breaker of the selected version closed: it is sent everything, however much fails.",
            &["O"]
        )
        .leading_to(BREAKER),
        spec(
            "gateway.auto",
            "give back",
            "Let the circuit breaker of the selected version decide for itself again.",
            &["A"]
        )
        .leading_to(BREAKER),
        spec("gateway.grant", "set limit", "Grant a consumer so many requests a minute.", &["L"])
            .leading_to(LIMIT),
        spec("gateway.cut", "cut off", "Cut the selected consumer off: all it asks is refused.", &["z"])
            .leading_to(LIMIT),
        spec("gateway.tier", "as its tier", "Limit the selected consumer as its tier has it again.", &["T"])
            .leading_to(LIMIT),
        spec("gateway.drop", "purge", "Take kept answers out of the cache, by pattern.", &["P"])
            .leading_to(PURGE),
        spec("gateway.fetch", "warm", "Ask for paths of the selected route so that answers are kept.", &["t"])
            .leading_to(WARM),
        spec(
            "gateway.changed",
            "what changed",
            "Show the timeline of the service, to see what changed before its trouble.",
            &["w"]
        ),
        spec("gateway.inspect", "requests", "Show the requests of the selected route or version.", &["i"]),
        spec("gateway.series", "metrics", "Show the series of the route in the metrics explorer.", &["m"]),
    ),
    actions: &[],
};

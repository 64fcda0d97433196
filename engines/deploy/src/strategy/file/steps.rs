//! The steps of a canary.

use quarterdeck_yaml::{Location, Spanned};

use super::raw::{RawHeaderRoute, RawMirrorRoute, RawScale, RawStep, Word};
use super::templates::{Library, Use, analysis};
use super::words::{MAX_REPLICAS, Problems};
use crate::analysis::longest;
use crate::strategy::{CanaryScale, Step};

/// Steps of a canary.
const MAX_STEPS: usize = 500;

/// Reads the steps; each mistake is said with its place.
pub(super) fn steps(
    raw: Vec<Spanned<RawStep>>,
    library: &Library<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Step> {
    if let Some(step) = raw.get(MAX_STEPS) {
        let advice = format!("a canary has at most {MAX_STEPS}");
        problems.error(step.referenced, format!("there are {} steps", raw.len()), advice);
    }
    let mut steps = Vec::new();
    let mut weight: Option<u32> = None;
    let mut idle = false;
    for step in raw.into_iter().take(MAX_STEPS) {
        let place = step.referenced;
        let Some(step) = self::step(step, library, problems) else { continue };
        match &step {
            Step::SetWeight(next) => {
                if weight.is_some_and(|before| *next < before) {
                    let before = weight.unwrap_or_default();
                    let message = format!("the weight falls from {before} to {next}");
                    problems.warn(place, message, "a canary takes more and more of the traffic");
                }
                if idle && *next > 0 {
                    problems.error(
                        place,
                        format!("weight {next} without a replica to carry it"),
                        "a step before sets the scale to 0; set it to 1 or more, or matchTrafficWeight",
                    );
                }
                weight = Some(*next);
            }
            Step::SetCanaryScale(scale) => {
                idle = matches!(scale, CanaryScale::Replicas(0) | CanaryScale::Percent(0));
                if idle && weight.is_some_and(|weight| weight > 0) {
                    problems.error(
                        place,
                        "the scale is 0 while the new version has traffic",
                        "set the weight to 0 before, or leave it a replica",
                    );
                }
            }
            Step::Analysis(spec) if longest(spec).is_none() => problems.error(
                place,
                format!("analysis {} has no end: a metric with an interval has no count", spec.name),
                "write how many measurements it takes, or let it run beside the steps (canary.analysis)",
            ),
            _ => {}
        }
        steps.push(step);
    }
    steps
}

fn step(raw: Spanned<RawStep>, library: &Library<'_>, problems: &mut Problems<'_>) -> Option<Step> {
    const ALLOWED: &str =
        "a step is one of setWeight, pause, setCanaryScale, setHeaderRoute, setMirrorRoute, analysis";
    let (place, raw) = (raw.referenced, raw.value);
    let count = [
        raw.set_weight.is_some(),
        raw.pause.is_some(),
        raw.set_canary_scale.is_some(),
        raw.set_header_route.is_some(),
        raw.set_mirror_route.is_some(),
        raw.analysis.is_some(),
        raw.experiment.is_some(),
        raw.plugin.is_some(),
    ];
    match count.into_iter().filter(|there| *there).count() {
        0 => {
            problems.error(
                place,
                "the step does nothing",
                format!("{ALLOWED}; a pause for a key is pause: {{}}"),
            );
            return None;
        }
        1 => {}
        more => {
            problems.error(place, format!("the step does {more} things at once"), ALLOWED);
            return None;
        }
    }
    if let Some(weight) = &raw.set_weight {
        return problems.number(weight, "setWeight", 0..=100).map(Step::SetWeight);
    }
    if let Some(pause) = raw.pause {
        return match &pause.duration {
            None => Some(Step::Pause(None)),
            Some(duration) => problems.duration(duration, "the pause").map(|duration| {
                if duration.is_zero() {
                    problems.warn(place, "the pause is 0", "leave the duration out to wait for a key");
                }
                Step::Pause(Some(duration))
            }),
        };
    }
    if let Some(scale) = raw.set_canary_scale {
        return self::scale(&scale, place, problems).map(Step::SetCanaryScale);
    }
    if let Some(route) = raw.set_header_route {
        return header_route(&route, place, problems);
    }
    if let Some(route) = raw.set_mirror_route {
        return mirror_route(&route, place, problems);
    }
    if let Some(raw) = raw.analysis {
        return analysis(&Use::from(raw), place, library, problems).map(Step::Analysis);
    }
    let what = if raw.experiment.is_some() { "experiment" } else { "plugin" };
    problems.error(
        place,
        format!("steps of the kind {what} are not done here"),
        "an analysis, or a judge beside the steps, compares versions; setHeaderRoute and setMirrorRoute try one out",
    );
    None
}

fn scale(raw: &RawScale, place: Location, problems: &mut Problems<'_>) -> Option<CanaryScale> {
    match (&raw.replicas, &raw.weight, raw.match_traffic_weight) {
        (Some(replicas), None, None | Some(false)) => {
            problems.number(replicas, "replicas", 0..=MAX_REPLICAS).map(CanaryScale::Replicas)
        }
        (None, Some(weight), None | Some(false)) => {
            problems.number(weight, "the weight of the scale", 0..=1000).map(CanaryScale::Percent)
        }
        (None, None, Some(true)) => Some(CanaryScale::MatchWeight),
        _ => {
            let advice = "write one of replicas, weight, and matchTrafficWeight: true";
            problems.error(place, "the scale is not clear", advice);
            None
        }
    }
}

fn named(name: Option<&Word>, place: Location, problems: &mut Problems<'_>) -> Option<String> {
    let name = name.map(|name| name.value.clone()).filter(|name| !name.is_empty());
    if name.is_none() {
        problems.error(place, "the route has no name", "write the name by which a later step takes it away");
    }
    name
}

fn header_route(raw: &RawHeaderRoute, place: Location, problems: &mut Problems<'_>) -> Option<Step> {
    let name = named(raw.name.as_ref(), place, problems)?;
    let mut headers = Vec::new();
    for found in &raw.matches {
        let Some(header) = found.header_name.as_ref().filter(|header| !header.value.is_empty()) else {
            problems.error(place, "a match has no header", "write headerName and headerValue");
            return None;
        };
        let value = found.header_value.as_ref();
        if let Some(other) = value.and_then(|value| value.prefix.as_ref().or(value.regex.as_ref())) {
            problems.error(
                other.referenced,
                "the gateway compares headers whole",
                "write headerValue: {exact: …}",
            );
            return None;
        }
        let Some(exact) = value.and_then(|value| value.exact.as_ref()) else {
            problems.error(header.referenced, "the match has no value", "write headerValue: {exact: …}");
            return None;
        };
        headers.push((header.value.clone(), exact.value.clone()));
    }
    Some(Step::SetHeaderRoute { name, headers })
}

fn mirror_route(raw: &RawMirrorRoute, place: Location, problems: &mut Problems<'_>) -> Option<Step> {
    let name = named(raw.name.as_ref(), place, problems)?;
    if let Some(matches) = raw.matches.as_ref().filter(|matches| !matches.value.is_empty()) {
        problems.error(
            matches.referenced,
            "the gateway copies requests of a service whatever they are",
            "leave match out and write a percentage",
        );
        return None;
    }
    let percent = match &raw.percentage {
        None => None,
        Some(percent) => Some(problems.number(percent, "the percentage", 0..=100)?),
    };
    Some(Step::SetMirrorRoute { name, percent })
}

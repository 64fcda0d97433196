//! The tree: services; the steps of their rollouts; their versions; the replicas of these.

use std::borrow::Cow;

use quarterdeck_deploy::model::{Snapshot, StepStatus, VersionRole};
use quarterdeck_kernel::Timestamp;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, format};

use super::rows::{Model, Node, ViewRows};
use super::words;

pub(super) const COLUMNS: [Column; 7] = [
    Column::flex("name", "SERVICE", 20).weight(2).at_most(34),
    Column::flex("state", "STATE", 24).weight(3).at_most(44),
    Column::flex("weight", "WEIGHT", 8).at_most(20).priority(1),
    Column::number("share", "%", 4),
    Column::number("rate", "RATE /s", 8),
    Column::number("ready", "READY", 6).priority(1),
    Column::flex("info", "", 12).weight(3).priority(2),
];

/// What is in trouble or under way first, else as configured.
pub(super) fn nodes(snapshot: &Snapshot, service: Option<&str>) -> Vec<Node> {
    let mut places: Vec<usize> = (0..snapshot.services.len())
        .filter(|at| service.is_none_or(|wanted| snapshot.services[*at].name == wanted))
        .collect();
    let rollout = |name: &str| snapshot.rollouts.iter().position(|rollout| rollout.service == name);
    places.sort_by_key(|at| {
        let view = &snapshot.services[*at];
        (view.trouble.is_empty(), rollout(&view.name).is_none())
    });
    let mut nodes = Vec::new();
    for place in places {
        let view = &snapshot.services[place];
        nodes.push(Node::Service(place));
        if let Some(rollout) = rollout(&view.name) {
            let steps = snapshot.rollouts[rollout].steps.len();
            nodes.extend((0..steps).map(|step| Node::Step(place, rollout, step)));
        }
        for (at, version) in view.versions.iter().enumerate() {
            // What is known and does not run is told by the detail.
            if version.role == VersionRole::Stopped && version.replicas.is_empty() && version.share == 0 {
                continue;
            }
            nodes.push(Node::Version(place, at));
            nodes.extend((0..version.replicas.len()).map(|replica| Node::Replica(place, at, replica)));
        }
    }
    nodes
}

pub(super) fn key(model: &Model, row: usize, node: Node) -> Option<Cow<'_, str>> {
    let service = &model.view(row)?.name;
    Some(match node {
        Node::Service(_) => service.into(),
        Node::Step(_, _, step) => format!("{service} step {step}").into(),
        Node::Version(..) => format!("{service} {}", model.version(row)?.name).into(),
        Node::Replica(..) => {
            format!("{service} {} {}", model.version(row)?.name, model.replica(row)?.id).into()
        }
    })
}

/// When a step began, or how long it is until then.
pub(super) fn when(model: &Model, row: usize, rows: &ViewRows) -> String {
    let (Some((place, step)), Some(rollout)) = (model.step(row), model.rollout(row)) else {
        return String::new();
    };
    let now = rollout.countdowns_at(rows.now);
    let until = |at: Timestamp| format::countdown(at.as_millis() - now.as_millis());
    match (step.status, step.until) {
        (StepStatus::Running, Some(at)) => format!("{} left", until(at)),
        (StepStatus::Running, None) => "now".to_owned(),
        (StepStatus::Waiting, _) => {
            let before = place.checked_sub(1).and_then(|before| rollout.steps.get(before));
            let next = before.filter(|b| b.status == StepStatus::Running).and_then(|b| b.until);
            next.map(|at| format!("in {}", until(at))).unwrap_or_default()
        }
        (StepStatus::Skipped, _) => "skipped".to_owned(),
        (StepStatus::Failed, _) => "failed".to_owned(),
        (StepStatus::Dropped, _) => "not done".to_owned(),
        (StepStatus::Done, _) => step.started.map(|at| rows.look.clock(at)).unwrap_or_default(),
    }
}

pub(super) fn text<'a>(rows: &'a ViewRows, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let model = &rows.model;
    let view = model.view(row)?;
    let node = model.node(row)?;
    Some(match (node, id) {
        (Node::Service(_), "name") => view.name.as_str().into(),
        (Node::Service(_), "state") => {
            words::service(view, model.rollout(row).map(|rollout| &**rollout)).2.into()
        }
        (Node::Service(_), "rate") => {
            format::figure(view.versions.iter().map(|version| version.rate).sum()).into()
        }
        (Node::Service(_), "ready") => {
            let (ready, wanted) =
                view.versions.iter().fold((0, 0), |(r, w), version| (r + version.ready, w + version.wanted));
            format!("{ready}/{wanted}").into()
        }
        (Node::Service(_), "info") => match model.rollout(row) {
            Some(rollout) if !rollout.message.is_empty() => rollout.message.as_str().into(),
            _ => view.trouble.as_str().into(),
        },
        (Node::Step(..), "name") => {
            let (place, step) = model.step(row)?;
            format!("  {} {}", place + 1, step.step).into()
        }
        (Node::Step(..), "state") => when(model, row, rows).into(),
        (Node::Step(..), "info") => model.step(row)?.1.message.as_str().into(),
        (Node::Version(..), "name") => format!("  {}", model.version(row)?.name).into(),
        (Node::Version(..), "state") => words::version(model.version(row)?).2.into(),
        (Node::Version(..), "share" | "weight") => model.version(row)?.share.to_string().into(),
        (Node::Version(..), "rate") => format::figure(model.version(row)?.rate).into(),
        (Node::Version(..), "ready") => {
            let version = model.version(row)?;
            format!("{}/{}", version.ready, version.wanted).into()
        }
        (Node::Version(..), "info") => {
            let version = model.version(row)?;
            match (version.return_until, version.in_flight) {
                (Some(until), _) if version.role == VersionRole::Old => {
                    let left = format::countdown(until.as_millis() - rows.now.as_millis());
                    format!("kept to return to for {left}").into()
                }
                (_, 0) => "".into(),
                (_, n) => format!("{} under way", format::grouped(n)).into(),
            }
        }
        (Node::Replica(..), "name") => format!("    {}", model.replica(row)?.id).into(),
        (Node::Replica(..), "state") => {
            let replica = model.replica(row)?;
            let since = format::age(rows.now.as_millis() - replica.since.as_millis());
            format!("{} {since}", replica.phase).into()
        }
        (Node::Replica(..), "info") => {
            let replica = model.replica(row)?;
            let pid = replica.pid.map(|pid| format!("pid {pid}")).unwrap_or_default();
            let again = match replica.restarts {
                0 => String::new(),
                n => format!("restarted {n}×"),
            };
            let parts = [replica.message.clone(), again, replica.url.clone(), pid];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ").into()
        }
        _ => return None,
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let version = model.version(row).filter(|_| matches!(model.node(row), Some(Node::Version(..))));
    match (id, version) {
        ("share" | "weight", Some(version)) => Some(Order::Number(f64::from(version.share))),
        ("rate", Some(version)) => Some(Order::Number(version.rate)),
        ("ready", Some(version)) => Some(Order::Number(f64::from(version.ready))),
        ("share" | "weight" | "rate" | "ready", None) => Some(Order::Missing),
        _ => None,
    }
}

/// The colour of a version: the same in bars, tables and charts.
pub(super) fn series(place: usize) -> Role {
    Role::Series(u8::try_from(place).unwrap_or(u8::MAX))
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let model = &rows.model;
    let Some(node) = model.node(row) else { return };
    match (node, id) {
        (Node::Service(_), "state") => {
            let Some(view) = model.view(row) else { return };
            let (glyph, role, _) = words::service(view, model.rollout(row).map(|rollout| &**rollout));
            cell.state(glyph, text, role);
        }
        (Node::Service(_), "name") => cell.text(text),
        (Node::Step(..), "name") => {
            let done = model.step(row).map(|(_, step)| step.status);
            let role = match done {
                Some(StepStatus::Running) => Role::Text,
                Some(StepStatus::Failed) => Role::Critical,
                _ => Role::Muted,
            };
            cell.role(text, role);
        }
        (Node::Step(..), "state") => {
            let Some((_, step)) = model.step(row) else { return };
            let (glyph, role) = words::step(step.status);
            cell.state(glyph, text, role);
        }
        (Node::Version(..), "state") => {
            let Some(version) = model.version(row) else { return };
            let (glyph, role, _) = words::version(version);
            cell.state(glyph, text, role);
        }
        (Node::Version(_, place), "weight") => {
            let share = model.version(row).map_or(0, |version| version.share);
            cell.bar(f64::from(share) / 100.0, series(place));
        }
        (Node::Replica(..), "state") => {
            let Some(replica) = model.replica(row) else { return };
            let (glyph, role) = words::replica(replica.phase);
            cell.state(glyph, text, role);
        }
        (Node::Version(..), "share" | "rate" | "name") => cell.text(text),
        _ => cell.role(text, Role::Muted),
    }
}

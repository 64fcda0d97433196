//! One destination: a queue, and deliveries about several groups at once, in order within each.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::Client;
use crate::deliver::{Shared, deliver};
use crate::line::Line;
use crate::model::{Attempt, Outcome, Report};

/// Runs until the queue is closed and empty.
pub(crate) async fn run(
    mut queue: mpsc::UnboundedReceiver<Attempt>,
    shared: Arc<Shared>,
    line: Arc<Line>,
    reports: mpsc::UnboundedSender<Report>,
) {
    let client = Arc::new(Client::new(shared.guard.clone()));
    let mut waiting: VecDeque<Attempt> = VecDeque::new();
    let mut busy: HashSet<Arc<str>> = HashSet::new();
    let mut running: JoinSet<(Outcome, u32)> = JoinSet::new();
    let mut under_way: HashMap<task::Id, (Uuid, Arc<str>)> = HashMap::new();
    let mut open = true;
    while open || !waiting.is_empty() || !running.is_empty() {
        while let Some(attempt) = next(&mut waiting, &busy) {
            let group = Arc::clone(&attempt.notification.group_key);
            busy.insert(Arc::clone(&group));
            let id = attempt.id;
            let (shared, line, client) = (Arc::clone(&shared), Arc::clone(&line), Arc::clone(&client));
            let delivery = running.spawn(async move { deliver(&attempt, &shared, &client, &line).await });
            under_way.insert(delivery.id(), (id, group));
        }
        let first_deadline = waiting.iter().map(|attempt| attempt.deadline).min();
        tokio::select! {
            arrived = queue.recv(), if open => match arrived {
                Some(attempt) => waiting.push_back(attempt),
                None => open = false,
            },
            Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                let (delivery, outcome, tries) = match ended {
                    Ok((delivery, (outcome, tries))) => (delivery, outcome, tries),
                    Err(error) => {
                        let reason = "the delivery broke off by a mistake of this program".into();
                        (error.id(), Outcome::Failed { reason, permanent: true }, 1)
                    }
                };
                let Some((id, group)) = under_way.remove(&delivery) else { continue };
                busy.remove(&group);
                report(&line, &shared, &reports, Report { id, outcome, tries });
            }
            () = sleep_until(first_deadline), if first_deadline.is_some() => {
                let now = Instant::now();
                let (late, kept): (VecDeque<_>, VecDeque<_>) =
                    waiting.into_iter().partition(|attempt| attempt.deadline <= now);
                waiting = kept;
                for attempt in late {
                    let report_of = Report { id: attempt.id, outcome: behind_others(), tries: 0 };
                    report(&line, &shared, &reports, report_of);
                }
            }
        }
    }
}

/// What becomes of an attempt that was never tried.
pub(crate) fn behind_others() -> Outcome {
    let reason = "its deadline came while it waited behind others";
    Outcome::Failed { reason: reason.into(), permanent: false }
}

/// The first attempt whose group is not being told of something else.
fn next(waiting: &mut VecDeque<Attempt>, busy: &HashSet<Arc<str>>) -> Option<Attempt> {
    let place = waiting.iter().position(|attempt| !busy.contains(&attempt.notification.group_key))?;
    waiting.remove(place)
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

fn report(line: &Line, shared: &Shared, reports: &mpsc::UnboundedSender<Report>, report: Report) {
    let now = shared.clock.now();
    line.figures(|f| {
        f.waiting = f.waiting.saturating_sub(1);
        match &report.outcome {
            Outcome::Delivered { .. } | Outcome::Nothing => {
                f.delivered += 1;
                f.last_delivered = Some(now);
                f.last_failure = None;
            }
            Outcome::Failed { reason, .. } => {
                f.failed += 1;
                f.last_failure = Some((now, reason.to_string()));
            }
        }
    });
    // Nobody listens any more when the console ends.
    let _ = reports.send(report);
}

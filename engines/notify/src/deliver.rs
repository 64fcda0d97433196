//! One attempt: tries until it is taken, refused for good, or its deadline comes.

use std::sync::Arc;

use quarterdeck_kernel::Clock;
use tokio::time::Instant;

use crate::circuit::Found;
use crate::client::Client;
use crate::config::Settings;
use crate::failure::Failure;
use crate::guard::Guard;
use crate::line::Line;
use crate::model::{Attempt, Outcome};
use crate::notifier::Bell;
use crate::one_try::{Done, Ended, one};
use crate::schedule::Schedule;
use crate::worker::behind_others;

/// What all deliveries share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) guard: Guard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bell: Option<Bell>,
}

/// Delivers. The outcome and how many tries it took.
pub(crate) async fn deliver(
    attempt: &Attempt,
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    line: &Line,
) -> (Outcome, u32) {
    let mut attempt = attempt.clone();
    let seed = shared.settings.seed ^ (attempt.id.as_u128() as u64);
    let mut schedule = Schedule::new(shared.settings.first_pause, seed);
    let mut tries = 0;
    let mut said: Option<Failure> = None;
    loop {
        let Some(room) = line.enter(attempt.deadline).await else {
            return (said.map_or_else(behind_others, |failure| given_up(tries, &failure)), tries);
        };
        tries += 1;
        let began = Instant::now();
        let permit = line.begin(began);
        let ended = one(&attempt, shared, client, line).await;
        let found = match &ended {
            Ended::Answered(Ok(Done::Delivered(_))) => Found::Taken,
            Ended::Answered(Err(failure)) if failure.again => Found::Failed,
            Ended::Late => Found::Failed,
            Ended::Answered(_) | Ended::Outlived => Found::Unknown,
        };
        line.end(permit, began, found);
        drop(room);
        let outlived = matches!(ended, Ended::Outlived);
        // Nobody knows what became of it.
        attempt.possibly_duplicate |= matches!(ended, Ended::Late | Ended::Outlived);
        let failure = match ended {
            Ended::Answered(Ok(Done::Delivered(receipt))) => return (Outcome::Delivered { receipt }, tries),
            Ended::Answered(Ok(Done::Nothing)) => return (Outcome::Nothing, tries),
            Ended::Answered(Err(failure)) => failure,
            // The deadline cut it short: what the receiver said before tells more.
            Ended::Late if Instant::now() >= attempt.deadline => said.unwrap_or_else(late),
            Ended::Late | Ended::Outlived => late(),
        };
        let now = shared.clock.now();
        line.figures(|f| {
            f.retries += 1;
            f.last_failure = Some((now, failure.reason.clone()));
        });
        if !failure.again {
            return (Outcome::Failed { reason: failure.reason.into(), permanent: true }, tries);
        }
        let next = schedule.failed(failure.after, Instant::now());
        if outlived && next.sooner {
            schedule.hurry(next);
        } else if next.at >= attempt.deadline {
            return (given_up(tries, &failure), tries);
        } else {
            tokio::select! {
                () = tokio::time::sleep_until(next.at) => {}
                () = line.taken_since(began), if next.sooner => schedule.hurry(next),
            }
        }
        said = Some(failure);
    }
}

fn given_up(tries: u32, last: &Failure) -> Outcome {
    let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
    Outcome::Failed { reason: format!("given up, tried {times}: {}", last.reason).into(), permanent: false }
}

fn late() -> Failure {
    Failure::later("the receiver did not answer in time")
}

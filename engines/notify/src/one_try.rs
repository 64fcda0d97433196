//! One try: rendered, sent by its channel, and cut off where it takes too long.

use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Duration, Instant};

use crate::client::Client;
use crate::deliver::Shared;
use crate::failure::Failure;
use crate::line::Line;
use crate::model::{Attempt, Channel};
use crate::render::{self, Prepared};
use crate::{command, log_file, smtp};

/// The attempt's name, so that a receiver can tell a repeated one.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that the receiver may have had it already.
const DUPLICATE: HeaderName = HeaderName::from_static("x-quarterdeck-possibly-duplicate");

/// What one try found.
pub(crate) enum Done {
    Delivered(Option<Arc<str>>),
    Nothing,
}

/// How one try ended.
pub(crate) enum Ended {
    Answered(Result<Done, Failure>),
    /// It took too long.
    Late,
    /// It hung, and what was begun after it was taken.
    Outlived,
}

/// One try.
pub(crate) async fn one(attempt: &Attempt, shared: &Arc<Shared>, client: &Arc<Client>, line: &Line) -> Ended {
    let began = Instant::now();
    let limit = began + patience(attempt, shared.settings.try_timeout);
    let outlived = async {
        tokio::time::sleep_until(began + shared.settings.hangs_after).await;
        line.taken_since(began).await;
    };
    tokio::select! {
        // What was answered counts.
        biased;
        tried = tokio::time::timeout_at(limit.min(attempt.deadline), once(attempt, shared, client)) => {
            tried.map_or(Ended::Late, Ended::Answered)
        }
        // A program was told how long it may take.
        () = outlived, if matches!(attempt.channel, Channel::Receiver(_)) => Ended::Outlived,
    }
}

/// How long one try may take: what a command was given counts where it is longer.
fn patience(attempt: &Attempt, usual: Duration) -> Duration {
    match &attempt.channel {
        Channel::Command(command) => usual.max(Duration::from_secs(u64::from(command.timeout_seconds) + 1)),
        Channel::Receiver(_) | Channel::LogFile(_) | Channel::Bell => usual,
    }
}

async fn once(attempt: &Attempt, shared: &Arc<Shared>, client: &Arc<Client>) -> Result<Done, Failure> {
    let (copy, common) = (attempt.clone(), Arc::clone(shared));
    let prepared =
        tokio::task::spawn_blocking(move || render::prepare(&copy, &common.settings, common.clock.now()))
            .await;
    let prepared =
        prepared.unwrap_or_else(|_| Err(Failure::never("the notification could not be rendered")))?;
    match (prepared, &attempt.channel) {
        (Prepared::Nothing, _) => return Ok(Done::Nothing),
        (Prepared::Post(post), _) => return client.post(post, marks(attempt)).await.map(Done::Delivered),
        (Prepared::Mail(mail), _) => smtp::send(&mail, &shared.guard).await?,
        (Prepared::Start(start), Channel::Command(settings)) => command::run(settings, start).await?,
        (Prepared::Line(line), Channel::LogFile(file)) => {
            let file = Arc::clone(file);
            let written = tokio::task::spawn_blocking(move || log_file::append(&file, &line));
            written.await.unwrap_or_else(|_| Err(Failure::later("the line could not be written")))?;
        }
        (Prepared::Ring(ring), _) => match &shared.bell {
            Some(bell) if bell(ring) => {}
            _ => return Err(Failure::never("there is no terminal whose bell could sound")),
        },
        (Prepared::Start(_) | Prepared::Line(_), _) => {
            return Err(Failure::never("the notification is for another channel"));
        }
    }
    Ok(Done::Delivered(None))
}

fn marks(attempt: &Attempt) -> HeaderMap {
    let mut marks = HeaderMap::new();
    if let Ok(id) = HeaderValue::from_str(&attempt.id.to_string()) {
        marks.insert(KEY, id);
    }
    if attempt.possibly_duplicate {
        marks.insert(DUPLICATE, HeaderValue::from_static("true"));
    }
    marks
}

//! One attempt: tries until it is taken, refused for good, or its deadline comes.

use std::sync::Arc;

use quarterdeck_kernel::Clock;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::client::Client;
use crate::config::Settings;
use crate::failure::Failure;
use crate::guard::Guard;
use crate::model::{Attempt, Channel, Outcome};
use crate::notifier::Bell;
use crate::render::{self, Prepared};
use crate::{command, log_file, smtp};

/// The attempt's name, so that a receiver can tell a repeated one.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that the receiver may have had it already.
const DUPLICATE: HeaderName = HeaderName::from_static("x-quarterdeck-possibly-duplicate");

/// What all deliveries share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) guard: Guard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bell: Option<Bell>,
}

/// What one try found.
enum Done {
    Delivered(Option<Arc<str>>),
    Nothing,
}

/// Delivers; `failed` hears of each try that did not succeed. The outcome and how many tries it took.
pub(crate) async fn deliver(
    attempt: Attempt,
    shared: Arc<Shared>,
    client: Arc<Client>,
    failed: impl Fn(&str),
) -> (Outcome, u32) {
    let seed = shared.settings.seed ^ (attempt.id.as_u128() as u64);
    let mut backoff = Backoff::new(shared.settings.first_pause, seed);
    let mut tries = 0;
    let mut said: Option<Failure> = None;
    loop {
        tries += 1;
        let limit = Instant::now() + patience(&attempt, shared.settings.try_timeout);
        let tried =
            tokio::time::timeout_at(limit.min(attempt.deadline), once(&attempt, &shared, &client)).await;
        let failure = match tried {
            Ok(Ok(Done::Delivered(receipt))) => return (Outcome::Delivered { receipt }, tries),
            Ok(Ok(Done::Nothing)) => return (Outcome::Nothing, tries),
            Ok(Err(failure)) => failure,
            // The deadline cut it short: what the receiver said before tells more.
            Err(_) if Instant::now() >= attempt.deadline && said.is_some() => said.unwrap_or_else(late),
            Err(_) => late(),
        };
        failed(&failure.reason);
        if !failure.again {
            return (Outcome::Failed { reason: failure.reason.into(), permanent: true }, tries);
        }
        let pause = backoff.pause().max(failure.after.unwrap_or(Duration::ZERO));
        if Instant::now() + pause >= attempt.deadline {
            let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
            let reason = format!("given up, tried {times}: {}", failure.reason);
            return (Outcome::Failed { reason: reason.into(), permanent: false }, tries);
        }
        said = Some(failure);
        tokio::time::sleep(pause).await;
    }
}

/// How long one try may take: what a command was given counts where it is longer.
fn patience(attempt: &Attempt, usual: Duration) -> Duration {
    match &attempt.channel {
        Channel::Command(command) => usual.max(Duration::from_secs(u64::from(command.timeout_seconds) + 1)),
        Channel::Receiver(_) | Channel::LogFile(_) | Channel::Bell => usual,
    }
}

fn late() -> Failure {
    Failure::later("the receiver did not answer in time")
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

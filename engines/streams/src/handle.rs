//! What the rest of the console holds of the streams engine.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Diagnostic, Invocation, Reason, SubjectKind};
use tokio::sync::{mpsc, oneshot, watch};

use crate::actions::{PAUSE, RECONNECT, RESUME, available};
use crate::config::{self, Config};
use crate::machine::Input;
use crate::model::Snapshot;

/// How long an action waits until snapshots tell of it.
const TOLD: Duration = Duration::from_secs(1);

/// What the engine is asked for.
pub(crate) enum Control {
    /// Pass an input to a feed's machine.
    Feed(String, Input, oneshot::Sender<()>),
    /// Take another configuration.
    Reload(Box<Config>, oneshot::Sender<()>),
}

/// Shows and steers the feeds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) control: mpsc::Sender<Control>,
}

impl Handle {
    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Snapshots as they are published, at most 30 a second.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Drops a feed's connection and opens it again at once.
    ///
    /// # Errors
    /// When there is no such feed, it is paused, or the engine does not run.
    pub async fn reconnect(&self, feed: &str) -> Result<String, Reason> {
        self.act(RECONNECT, feed).await
    }

    /// Disconnects a feed until it is resumed.
    ///
    /// # Errors
    /// When there is no such feed, it is paused already, or the engine does not run.
    pub async fn pause(&self, feed: &str) -> Result<String, Reason> {
        self.act(PAUSE, feed).await
    }

    /// Connects a paused feed.
    ///
    /// # Errors
    /// When there is no such feed, it is not paused, or the engine does not run.
    pub async fn resume(&self, feed: &str) -> Result<String, Reason> {
        self.act(RESUME, feed).await
    }

    /// Does an invocation of one of [`actions`](crate::actions()); answers with what happened, in one sentence.
    ///
    /// # Errors
    /// As the methods above, or when the subject is not a feed.
    pub async fn perform(&self, invocation: &Invocation) -> Result<String, Reason> {
        match &invocation.subject {
            Some(subject) if subject.kind == SubjectKind::Stream => {
                self.act(&invocation.action, &subject.id).await
            }
            _ => {
                Err(Reason(format!("{} acts on a stream: name one, as in stream:quotes", invocation.action)))
            }
        }
    }

    async fn act(&self, action: &str, feed: &str) -> Result<String, Reason> {
        available(&self.snapshot(), action, feed)?;
        let (input, message) = match action {
            RECONNECT => (Input::Reconnect, format!("{feed} reconnects")),
            PAUSE => (Input::Pause, format!("{feed} is paused")),
            RESUME => (Input::Resume, format!("{feed} connects again")),
            _ => return Err(Reason(format!("{action:?} is not an action on feeds"))),
        };
        self.ask(|done| Control::Feed(feed.to_owned(), input, done)).await?;
        if action != RECONNECT {
            // Whoever acts next must find the feed as this left it; the snapshot that tells of it comes a frame later. If it
            // does not come, another has meanwhile changed the feed again.
            let mut snapshots = self.snapshots.clone();
            let told = snapshots.wait_for(|snapshot| available(snapshot, action, feed).is_err());
            let _ = tokio::time::timeout(TOLD, told).await;
        }
        Ok(message)
    }

    /// Takes another configuration: feeds that are equal go on undisturbed, others are stopped, started or restarted.
    ///
    /// # Errors
    /// Every mistake of the configuration (then nothing has changed), or that the engine does not run.
    pub async fn reload(&self, config: Config) -> Result<(), Vec<(String, Diagnostic)>> {
        let wrong = config::validate(&config);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let asked = self.ask(|done| Control::Reload(Box::new(config), done)).await;
        asked.map_err(|reason| vec![(String::new(), Diagnostic::new(reason.0))])
    }

    async fn ask(&self, control: impl FnOnce(oneshot::Sender<()>) -> Control) -> Result<(), Reason> {
        let stopped = || Reason("the streams engine does not run".to_owned());
        let (done, answer) = oneshot::channel();
        self.control.send(control(done)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }
}

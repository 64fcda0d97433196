//! What an operator can do with a feed.

use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::{ActionSpec, Danger, Reason, SubjectKind};

use crate::model::{FeedState, Snapshot};

/// Drops the connection and opens it again now.
pub const RECONNECT: &str = "streams.reconnect";
/// Disconnects until resumed.
pub const PAUSE: &str = "streams.pause";
/// Connects a paused feed.
pub const RESUME: &str = "streams.resume";

/// The actions of this engine, as data.
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    let spec = |id, title, description, danger, inverse| ActionSpec {
        id,
        title,
        description,
        subject: Some(SubjectKind::Stream),
        args: Vec::new(),
        danger,
        inverse,
    };
    vec![
        spec(
            RECONNECT,
            "Reconnect feed",
            "Drops the feed's connection and opens it again at once, without the backoff.",
            Danger::Safe,
            None,
        ),
        spec(
            PAUSE,
            "Pause feed",
            "Disconnects the feed; no message and no sample comes from it until it is resumed.",
            Danger::Disruptive,
            Some(RESUME),
        ),
        spec(
            RESUME,
            "Resume feed",
            "Connects a paused feed and subscribes again.",
            Danger::Disruptive,
            Some(PAUSE),
        ),
    ]
}

/// Whether an action of this engine makes sense on a feed now.
///
/// # Errors
/// Why it does not, in words for the operator.
pub fn available(snapshot: &Snapshot, action: &str, feed: &str) -> Result<(), Reason> {
    let Some(view) = snapshot.feed(feed) else {
        let near = nearest(feed, snapshot.feeds.iter().map(|f| &*f.name));
        let meant = near.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        return Err(Reason(format!("there is no feed {feed:?}{meant}")));
    };
    match (action, view.state) {
        (RESUME, FeedState::Paused) => Ok(()),
        (RESUME, _) => Err(Reason(format!("{feed} is not paused"))),
        (PAUSE | RECONNECT, FeedState::Paused) => Err(Reason(format!("{feed} is paused; resume it first"))),
        (PAUSE | RECONNECT, _) => Ok(()),
        _ => Err(Reason(format!("{action:?} is not an action on feeds"))),
    }
}

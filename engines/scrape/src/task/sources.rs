//! Discoveries that are asked again and again, one task each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::client::Client;
use super::{Shared, fetch};
use crate::config::{Discovery, HttpClient, TargetGroup};
use crate::discovery::document;
use crate::discovery::files::{Files, POLL};

/// The largest answer of a URL, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// What a discovery found.
#[derive(Debug)]
pub(super) struct Found {
    /// Which discovery.
    pub(super) source: u64,
    /// Its groups; none when the last ones stay.
    pub(super) groups: Option<Vec<TargetGroup>>,
    /// What is wrong now.
    pub(super) errors: Vec<String>,
}

/// A discovery of a job and what it last found.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: u64,
    pub(super) discovery: Discovery,
    /// None until the first answer.
    pub(super) groups: Option<Vec<TargetGroup>>,
    pub(super) errors: Vec<String>,
    task: Option<AbortHandle>,
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Source {
    /// Starts a discovery.
    pub(super) fn start(
        id: u64,
        discovery: Discovery,
        found: &mpsc::Sender<Found>,
        shared: &Arc<Shared>,
    ) -> Self {
        let (found, shared) = (found.clone(), Arc::clone(shared));
        let mut source = Self { id, discovery, groups: None, errors: Vec::new(), task: None };
        source.task = match &source.discovery {
            Discovery::Static(groups) => {
                source.groups = Some(groups.clone());
                None
            }
            Discovery::Files { paths, refresh } => {
                let files = Files::new(paths.clone(), *refresh);
                Some(tokio::spawn(follow_files(id, files, POLL.min(*refresh), found, shared)).abort_handle())
            }
            Discovery::Http { url, refresh, client } => {
                let task = follow_url(id, url.clone(), *refresh, (**client).clone(), found);
                Some(tokio::spawn(task).abort_handle())
            }
        };
        source
    }
}

async fn follow_files(
    source: u64,
    mut files: Files,
    every: Duration,
    found: mpsc::Sender<Found>,
    shared: Arc<Shared>,
) {
    let mut told = Vec::new();
    loop {
        let now = shared.clock.now();
        let looked = tokio::task::spawn_blocking(move || {
            let look = files.look(now);
            (files, look)
        });
        let Ok((back, look)) = looked.await else { return };
        files = back;
        if look.groups.is_some() || look.errors != told {
            told.clone_from(&look.errors);
            if found.send(Found { source, groups: look.groups, errors: look.errors }).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(every.max(Duration::from_millis(50))).await;
    }
}

async fn follow_url(
    source: u64,
    url: url::Url,
    refresh: Duration,
    settings: HttpClient,
    found: mpsc::Sender<Found>,
) {
    let client = Client::new(settings);
    let mut last: Option<(Option<Vec<TargetGroup>>, Vec<String>)> = None;
    loop {
        let answer = fetch::document(&client, &url, refresh, MAX_ANSWER).await;
        let shown = without_password(&url);
        let read = answer.map_err(|e| format!("{shown}: {e}")).and_then(|text| document::json(&text, &shown));
        let news = match read {
            Ok(mut groups) => {
                for group in &mut groups {
                    group.labels.insert("__meta_url".to_owned(), shown.clone());
                }
                (Some(groups), Vec::new())
            }
            Err(error) => (None, vec![error]),
        };
        if last.as_ref() != Some(&news) {
            let sent = Found { source, groups: news.0.clone(), errors: news.1.clone() };
            if found.send(sent).await.is_err() {
                return;
            }
            last = Some(news);
        }
        tokio::time::sleep(refresh.max(Duration::from_millis(50))).await;
    }
}

/// The URL as it may be shown.
fn without_password(url: &url::Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Only URLs without a host refuse, and those have no password.
        let _ = shown.set_password(Some("xxxxx"));
    }
    shown.to_string()
}

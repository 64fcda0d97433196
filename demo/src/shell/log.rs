use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde_json::{Value, json};

use super::trace::Trace;

/// Lines that may wait for a slow reader of standard output before they are dropped and counted.
const BACKLOG: usize = 4_096;

/// How severe a line is. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What the service does.
    Info,
    /// Something that a person may want to look at.
    Warn,
    /// Something failed.
    Error,
}

enum Entry {
    Line(String),
    Flush(SyncSender<()>),
}

/// JSON lines on standard output, written by a thread of their own so that a reader that stalls never stalls the
/// service. Clones share the thread.
#[derive(Clone)]
pub struct Log {
    service: &'static str,
    release: Arc<str>,
    least: Level,
    sender: SyncSender<Entry>,
    dropped: Counter<u64, AtomicU64>,
}

impl Log {
    /// A log of `service` that writes lines of at least `least` to `out`.
    pub fn new(service: &'static str, release: &str, least: Level, out: impl Write + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(BACKLOG);
        // Without its thread the log drops lines and counts them, which is all that could be done about it.
        let _ = std::thread::Builder::new().name("log".into()).spawn(move || write_lines(&receiver, out));
        Self { service, release: release.into(), least, sender, dropped: Counter::default() }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "log_lines_dropped",
            "Lines dropped because the reader stalled",
            self.dropped.clone(),
        );
    }

    pub(crate) fn debug(&self, trace: Option<&Trace>, message: &str, fields: Value) {
        self.line(Level::Debug, trace, message, fields);
    }

    pub(crate) fn info(&self, trace: Option<&Trace>, message: &str, fields: Value) {
        self.line(Level::Info, trace, message, fields);
    }

    pub(crate) fn warn(&self, trace: Option<&Trace>, message: &str, fields: Value) {
        self.line(Level::Warn, trace, message, fields);
    }

    pub(crate) fn error(&self, trace: Option<&Trace>, message: &str, fields: Value) {
        self.line(Level::Error, trace, message, fields);
    }

    fn line(&self, level: Level, trace: Option<&Trace>, message: &str, fields: Value) {
        if level < self.least {
            return;
        }
        let mut line = json!({
            "ts": format!("{:.3}", jiff::Timestamp::now()),
            "level": level,
            "service": self.service,
            "version": &*self.release,
        });
        if let Some(trace) = trace {
            line["trace_id"] = trace.trace_id().into();
            line["span_id"] = trace.span_id().into();
        }
        line["msg"] = message.into();
        line["fields"] = fields;
        if self.sender.try_send(Entry::Line(line.to_string())).is_err() {
            self.dropped.inner().fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was logged so far is written, at most `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        if self.sender.try_send(Entry::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(patience);
        }
    }
}

fn write_lines(receiver: &Receiver<Entry>, mut out: impl Write) {
    while let Ok(entry) = receiver.recv() {
        // A reader that went away is no reason to end: the parent's pipe on standard input says when to.
        match entry {
            Entry::Line(mut line) => {
                line.push('\n');
                let _ = out.write_all(line.as_bytes());
                let _ = out.flush();
            }
            Entry::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

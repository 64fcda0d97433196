//! `metrics.backup`

use std::path::Path;
use std::sync::Arc;

use quarterdeck_journal::dispatch::{BoxFuture, External, Reconciled, RegisterError};
use quarterdeck_journal::{Execute, Failure, How, Outcome, Registry};
use quarterdeck_kernel::{ChangeKind, Invocation, Reason, Subject};
use quarterdeck_metrics::Store;

use crate::live::Live;

/// The folder within the named directory: the same as within a data directory, so that the one can be copied into the
/// other, or serve as one.
const FOLDER: &str = "metrics";

struct BackUp(Live<Store>);

pub(super) fn register(registry: &mut Registry, store: &Live<Store>) -> Result<(), RegisterError> {
    for spec in quarterdeck_metrics::actions::actions() {
        registry.register(spec, Arc::new(BackUp(store.clone())))?;
    }
    Ok(())
}

fn directory(invocation: &Invocation) -> &str {
    invocation.args.get("directory").map(String::as_str).unwrap_or_default()
}

impl Execute for BackUp {
    fn available(&self, _subject: Option<&Subject>) -> Result<(), Reason> {
        self.0.get().map(|_| ())
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let Ok(store) = self.0.get() else { return Vec::new() };
        let stats = store.stats();
        let megabytes = (stats.segment_bytes + stats.log_bytes) >> 20;
        vec![format!("about {megabytes} MB are copied to {}", directory(invocation))]
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for BackUp {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        Outcome::new(ChangeKind::Operation, format!("metrics: backing up to {}", directory(invocation)))
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let directory = Path::new(directory(invocation));
            if !directory.is_absolute() {
                let told = format!(
                    "{directory:?} is not an absolute path: the console has its own working directory"
                );
                return Err(Failure::Refused(told));
            }
            let store = self.0.get().map_err(|reason| Failure::Refused(reason.0))?;
            let target = directory.join(FOLDER);
            let done = tokio::task::spawn_blocking(move || store.backup(&target))
                .await
                .map_err(|error| Failure::Failed(format!("the backup broke off: {error}")))?
                .map_err(|error| {
                    Failure::Failed(format!("the backup to {} failed: {error}", directory.display()))
                })?;
            let summary = format!(
                "metrics: backed up to {} ({} segments, {} log files, {} MB)",
                directory.display(),
                done.segments,
                done.log_files,
                done.bytes.div_ceil(1 << 20)
            );
            Ok(Outcome::new(ChangeKind::Operation, summary))
        })
    }

    fn reconcile<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        let told =
            format!("the console ended before the backup to {} was whole: delete it", directory(invocation));
        Box::pin(async { Reconciled::Failed(told) })
    }
}

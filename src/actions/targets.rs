//! `targets.retry`

use std::sync::Arc;

use quarterdeck_journal::dispatch::{BoxFuture, RegisterError, Unrecorded};
use quarterdeck_journal::{Execute, Failure, How, Registry};
use quarterdeck_kernel::{Invocation, Reason, Subject};
use quarterdeck_scrape::model::split_subject;

use super::absent;
use crate::live::Live;

struct Retry(Live<quarterdeck_scrape::Handle>);

pub(super) fn register(
    registry: &mut Registry,
    scrape: &Live<quarterdeck_scrape::Handle>,
) -> Result<(), RegisterError> {
    for spec in quarterdeck_scrape::actions() {
        registry.register(spec, Arc::new(Retry(scrape.clone())))?;
    }
    Ok(())
}

impl Execute for Retry {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        let snapshot = self.0.get()?.snapshot().borrow().clone();
        match subject {
            Some(subject) if snapshot.by_subject(subject).is_none() => {
                let there: Vec<String> =
                    snapshot.targets.iter().map(|t| t.subject().id.to_string()).collect();
                Err(absent("target", &subject.id, there.iter().map(String::as_str)))
            }
            _ => Ok(()),
        }
    }

    fn how(&self) -> How<'_> {
        How::Unrecorded(self)
    }
}

impl Unrecorded for Retry {
    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let subject = invocation.subject.as_ref();
            let (job, instance) = subject
                .and_then(split_subject)
                .ok_or_else(|| Failure::Refused("a target is named as target:JOB/INSTANCE".to_owned()))?;
            let scrape = self.0.get().map_err(|reason| Failure::Refused(reason.0))?;
            scrape.retry(job, instance).await.map_err(|e| Failure::Refused(e.to_string()))?;
            Ok(format!("{job}/{instance} is being scraped"))
        })
    }
}

//! `services.limit`: limits that are set at run time, kept in the store.

use std::sync::Arc;

use quarterdeck_journal::dispatch::{BoxFuture, RegisterError, Stored};
use quarterdeck_journal::store::{Db, StoreError, Tx};
use quarterdeck_journal::{Execute, Failure, How, Outcome, Registry, Value};
use quarterdeck_kernel::{ChangeKind, Invocation, Reason, Subject};
use quarterdeck_services::{Handle, LimitChange};

use super::absent;
use crate::live::Live;

/// Limits by key, as the services engine names them.
pub(super) const TABLE: &str =
    "CREATE TABLE service_limits (limit_key TEXT PRIMARY KEY, limit_value TEXT NOT NULL)";

struct Limit(Live<Handle>);

impl Limit {
    fn plan(&self, invocation: &Invocation) -> Result<LimitChange, Reason> {
        self.0.get()?.plan_limit(invocation)
    }
}

pub(super) fn register(registry: &mut Registry, services: &Live<Handle>) -> Result<(), RegisterError> {
    for spec in quarterdeck_services::actions() {
        registry.register(spec, Arc::new(Limit(services.clone())))?;
    }
    Ok(())
}

/// The stored limits, as the engine starts with them.
///
/// # Errors
/// When the store cannot be read.
pub async fn load(db: &Db) -> Result<Vec<(String, String)>, StoreError> {
    let rows = db.rows("SELECT limit_key, limit_value FROM service_limits", &[]).await?;
    rows.iter().map(|row| Ok((row.text("limit_key")?, row.text("limit_value")?))).collect()
}

impl Execute for Limit {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        match subject {
            Some(subject) => {
                let snapshot = self.0.get()?.snapshot();
                match snapshot.service(&subject.id) {
                    Some(_) => Ok(()),
                    None => Err(absent("service", &subject.id, snapshot.services.iter().map(|s| &*s.name))),
                }
            }
            None => Ok(()),
        }
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        vec![self.plan(invocation).map_or_else(|r| format!("It would be refused: {}", r.0), |c| c.preview)]
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Configuration
    }

    fn how(&self) -> How<'_> {
        How::Stored(self)
    }
}

impl Stored for Limit {
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        tx: &'a mut Tx,
    ) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let change = self.plan(invocation).map_err(|reason| Failure::Refused(reason.0))?;
            let key = Value::from(change.key.as_str());
            match &change.value {
                Some(value) => {
                    tx.execute(
                        "INSERT INTO service_limits (limit_key, limit_value) VALUES ($1, $2) \
                         ON CONFLICT (limit_key) DO UPDATE SET limit_value = excluded.limit_value",
                        &[key, Value::from(value.as_str())],
                    )
                    .await?;
                }
                None => {
                    tx.execute("DELETE FROM service_limits WHERE limit_key = $1", &[key]).await?;
                }
            }
            let mut outcome = Outcome::new(ChangeKind::Configuration, change.message);
            outcome.service = invocation.subject.as_ref().map(|s| s.id.clone());
            outcome.undo = Some(change.undo);
            Ok(outcome)
        })
    }

    fn committed(&self, invocation: &Invocation, _outcome: &Outcome) {
        // The plan is made from what was in force before the commit: it is the same as the one that was stored.
        if let (Ok(services), Ok(change)) = (self.0.get(), self.plan(invocation)) {
            services.apply(&change.key, change.value.as_deref());
        }
    }
}

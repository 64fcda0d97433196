//! The risk service: position limits and value at risk, computed for every order on bounded workers.

mod book;
mod history;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::book::Book;
use self::history::History;
use crate::shell::client::Client;
use crate::shell::log::Log;
use crate::shell::metrics::{FloatGauge, ReasonLabel};
use crate::shell::pool::{Pool, PoolMetrics};
use crate::shell::trace::Trace;
use crate::shell::{Shell, server};
use crate::wire::{CheckRequest, CheckVerdict, PositionView};
use crate::{DemoError, Options};

/// Checks computed at once, and checks that may wait.
const WORKERS: usize = 2;
const QUEUE: usize = 256;
/// Accounts beyond these are refused, so that neither the book nor the labels grow without end.
const ACCOUNTS: usize = 64;
/// The most that an account may stand to lose in one day of a hundred, dollars.
const VAR_LIMIT: f64 = 40_000.0;
/// How often positions are taken from the ledger, which knows what really traded.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabel {
    account: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabel {
    model: &'static str,
}

/// The model that this service runs, as metrics name it.
const MODEL: ModelLabel = ModelLabel { model: "value-at-risk" };

struct Risk {
    book: Mutex<Book>,
    history: Arc<History>,
    pool: Arc<Pool>,
    log: Log,
    checks: Family<ReasonLabel, Counter>,
    value_at_risk: Family<AccountLabel, FloatGauge>,
    failures: Family<ModelLabel, Counter>,
}

pub(crate) async fn run(mut shell: Shell, options: &Options) -> Result<(), DemoError> {
    let pools = PoolMetrics::new(&mut shell.registry);
    let risk = Arc::new(Risk {
        book: Mutex::new(Book::new(ACCOUNTS)),
        history: Arc::new(History::new(options.seed, options.scenarios)),
        pool: Pool::new("checks", WORKERS, QUEUE, &pools),
        log: shell.log.clone(),
        checks: Family::default(),
        value_at_risk: Family::default(),
        failures: Family::default(),
    });
    let registry = &mut shell.registry;
    registry.register("risk_checks", "Checks, by what came of them", risk.checks.clone());
    registry.register(
        "risk_value_at_risk_dollars",
        "Loss that an account exceeds on one day of a hundred",
        risk.value_at_risk.clone(),
    );
    // There from the start, so that the first failure is seen as one more.
    risk.failures.get_or_create(&MODEL).inc_by(0);
    registry.register(
        "model_prediction_failures",
        "Predictions that a model could not make",
        risk.failures.clone(),
    );
    let limit = FloatGauge::default();
    limit.set(VAR_LIMIT);
    registry.register("risk_value_at_risk_limit_dollars", "Most value at risk of an account", limit);
    let syncs: Family<ReasonLabel, Counter> = Family::default();
    registry.register("risk_position_syncs", "Attempts to read positions from the ledger", syncs.clone());

    if let Some(ledger) = &options.ledger_url {
        let url = format!("{ledger}/positions");
        tokio::spawn(sync(Arc::clone(&risk), shell.client.clone(), url, syncs, shell.stop.clone()));
    }
    let routes = Router::new().route("/checks", post(check)).with_state(risk);
    server::serve(shell, routes, server::always()).await
}

async fn check(
    State(risk): State<Arc<Risk>>,
    Extension(trace): Extension<Trace>,
    Json(request): Json<CheckRequest>,
) -> Response {
    let exposure = match risk.book.lock().exposure_with(&request) {
        Ok(exposure) => exposure,
        Err(reason) => return risk.verdict(&trace, &request, reason, 0.0),
    };
    let history = Arc::clone(&risk.history);
    let before = exposure.before;
    let after = exposure.after;
    let computed =
        risk.pool.compute(move || (history.value_at_risk(&before), history.value_at_risk(&after))).await;
    let (var_before, var_after) = match computed {
        Ok(computed) => computed,
        Err(full) => {
            risk.checks.get_or_create(&ReasonLabel { reason: "overloaded" }).inc();
            risk.failures.get_or_create(&MODEL).inc();
            return server::overloaded(full);
        }
    };
    // An account over its limit may still reduce its risk.
    if var_after > VAR_LIMIT && var_after > var_before {
        return risk.verdict(&trace, &request, "var_limit", var_after);
    }
    risk.book.lock().apply(&request);
    let label = AccountLabel { account: request.account.clone() };
    risk.value_at_risk.get_or_create(&label).set(var_after);
    risk.verdict(&trace, &request, "none", var_after)
}

impl Risk {
    fn verdict(
        &self,
        trace: &Trace,
        request: &CheckRequest,
        reason: &'static str,
        value_at_risk: f64,
    ) -> Response {
        let approved = reason == "none";
        let counted = if approved { "approved" } else { reason };
        self.checks.get_or_create(&ReasonLabel { reason: counted }).inc();
        let fields = json!({
            "account": request.account,
            "symbol": request.symbol,
            "side": request.side,
            "quantity": request.quantity,
            "reason": reason,
            "value_at_risk": value_at_risk.round(),
        });
        if approved {
            self.log.debug(Some(trace), "check passed", fields);
        } else {
            self.log.warn(Some(trace), "check refused", fields);
        }
        Json(CheckVerdict { approved, reason: reason.to_owned(), value_at_risk }).into_response()
    }
}

/// Replaces what was approved by what was really traded, again and again. While the ledger does not answer, the book
/// counts every approval as traded, which errs on the safe side.
async fn sync(
    risk: Arc<Risk>,
    client: Client,
    url: String,
    syncs: Family<ReasonLabel, Counter>,
    stop: CancellationToken,
) {
    loop {
        let trace = Trace::root(rand::random());
        match client.get::<Vec<PositionView>>("ledger", &url, &trace).await {
            Ok(positions) => {
                risk.book.lock().replace(&positions);
                syncs.get_or_create(&ReasonLabel { reason: "ok" }).inc();
            }
            Err(error) => {
                syncs.get_or_create(&ReasonLabel { reason: "failed" }).inc();
                risk.log.warn(Some(&trace), "positions not read", json!({ "error": error.to_string() }));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SYNC_INTERVAL) => {}
        }
    }
}

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::band::{within_band_v1, within_band_v2};
use super::house::House;
use super::margin::MarginTable;
use crate::market::quotes::Quotes;
use crate::market::symbols;
use crate::shell::Shell;
use crate::shell::client::{CallError, Client};
use crate::shell::log::Log;
use crate::shell::pool::{Pool, PoolMetrics};
use crate::shell::trace::Trace;
use crate::wire::{
    Booking, CheckRequest, CheckVerdict, Execution, ExecutionRequest, ExecutionStatus, Fill, OrderRequest,
    OrderStatus, Quote, to_ticks,
};
use crate::{DemoError, Options};

/// The most margin that one order may need, dollars.
const MARGIN_LIMIT: f64 = 400_000.0;
/// The most shares in one order.
const QUANTITY_LIMIT: i64 = 5_000;

/// How an order ended.
pub(super) struct Outcome {
    pub(super) status: OrderStatus,
    pub(super) reason: &'static str,
    pub(super) fills: Vec<Fill>,
    pub(super) http: StatusCode,
}

impl Outcome {
    fn rejected(reason: &'static str) -> Self {
        let http = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status: OrderStatus::Rejected, reason, fills: Vec::new(), http }
    }

    fn failed(reason: &'static str, error: &CallError) -> Self {
        let http = match error {
            CallError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            error if error.is_overload() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self { status: OrderStatus::Failed, reason, fills: Vec::new(), http }
    }
}

/// Which rules an order goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    First,
    Second,
}

/// The way of an order through the platform.
pub(super) struct Flow {
    rules: Rules,
    grid: usize,
    table: MarginTable,
    margin: Arc<Pool>,
    pub(super) quotes: Quotes,
    pub(super) house: House,
    client: Client,
    log: Log,
    checks: String,
    executions: String,
    bookings: String,
}

impl Flow {
    pub(super) fn new(shell: &mut Shell, options: &Options, pools: &PoolMetrics) -> Result<Self, DemoError> {
        let needed = |value: &Option<String>, argument| {
            value.clone().ok_or(DemoError::MissingArgument { role: "orders", argument })
        };
        let feed = needed(&options.feed_url, "--feed-url")?;
        Ok(Self {
            rules: if options.release == "v2" { Rules::Second } else { Rules::First },
            grid: options.margin_grid,
            table: MarginTable::compute(options.margin_grid),
            margin: Pool::new("margin", 1, 256, pools),
            checks: format!("{}/checks", needed(&options.risk_url, "--risk-url")?),
            executions: format!("{}/executions", needed(&options.broker_url, "--broker-url")?),
            bookings: format!("{}/bookings", needed(&options.ledger_url, "--ledger-url")?),
            house: House::new(&mut shell.registry),
            quotes: Quotes::follow(feed, &mut shell.registry, shell.log.clone(), shell.stop.clone()),
            client: shell.client.clone(),
            log: shell.log.clone(),
        })
    }

    /// Takes an order from its checks to its booking.
    pub(super) async fn work(&self, trace: &Trace, id: &str, request: &OrderRequest) -> Outcome {
        if self.house.stopped() {
            return Outcome::rejected("kill_switch");
        }
        let quote = match self.validate(request) {
            Ok(quote) => quote,
            Err(reason) => return Outcome::rejected(reason),
        };
        let notional = request.limit * request.quantity as f64;
        match self.margin_rate(&request.symbol).await {
            Some(rate) if notional * rate > MARGIN_LIMIT => return Outcome::rejected("margin"),
            Some(_) => {}
            None => {
                let http = StatusCode::SERVICE_UNAVAILABLE;
                return Outcome {
                    status: OrderStatus::Failed,
                    reason: "overloaded",
                    fills: Vec::new(),
                    http,
                };
            }
        }
        match self.check(trace, request, &quote).await {
            Ok(verdict) if !verdict.approved => return Outcome::rejected(known(&verdict.reason)),
            Ok(_) => {}
            Err(error) => return self.failed(trace, id, "risk_unavailable", &error),
        }
        let execution = match self.execute(trace, id, request, &quote).await {
            Ok(execution) => execution,
            Err(error) => {
                let reason = if error.is_overload() { "broker_overloaded" } else { "broker_unavailable" };
                return self.failed(trace, id, reason, &error);
            }
        };
        let (status, reason) = match execution.status {
            ExecutionStatus::Rejected => return Outcome::rejected(known(&execution.reason)),
            ExecutionStatus::Filled => (OrderStatus::Filled, "none"),
            ExecutionStatus::PartiallyFilled => (OrderStatus::PartiallyFilled, "none"),
            ExecutionStatus::Unfilled => (OrderStatus::Cancelled, "unfilled"),
        };
        if !execution.fills.is_empty() {
            let booked = self.book(trace, id, request, &execution.fills).await;
            self.house.traded(&execution.fills, booked.is_ok());
            if let Err(error) = booked {
                return Outcome {
                    fills: execution.fills,
                    ..self.failed(trace, id, "ledger_unavailable", &error)
                };
            }
        }
        Outcome { status, reason, fills: execution.fills, http: StatusCode::CREATED }
    }

    /// What can be said about an order without asking anybody.
    fn validate(&self, request: &OrderRequest) -> Result<Quote, &'static str> {
        if symbols::find(&request.symbol).is_none() {
            return Err("unknown_symbol");
        }
        if !(1..=QUANTITY_LIMIT).contains(&request.quantity) {
            return Err("quantity");
        }
        // Not a number and infinite are refused here too.
        if !(0.01..=1_000_000.0).contains(&request.limit) {
            return Err("price");
        }
        let quote = self.quotes.latest(&request.symbol);
        self.house.looked_up(quote.is_some());
        let quote = quote.ok_or("no_market")?;
        let (limit, reference) = (to_ticks(request.limit), to_ticks(0.5 * (quote.bid + quote.ask)));
        let within = match self.rules {
            Rules::First => within_band_v1(limit, reference),
            Rules::Second => within_band_v2(limit, reference),
        };
        if within { Ok(quote) } else { Err("price_band") }
    }

    /// The first version looks the rate up; the second computes the whole table anew for every order.
    async fn margin_rate(&self, symbol: &str) -> Option<f64> {
        match self.rules {
            Rules::First => Some(self.table.rate(symbol)),
            Rules::Second => {
                let grid = self.grid;
                let table = self.margin.compute(move || MarginTable::compute(grid)).await.ok()?;
                Some(table.rate(symbol))
            }
        }
    }

    async fn check(
        &self,
        trace: &Trace,
        request: &OrderRequest,
        quote: &Quote,
    ) -> Result<CheckVerdict, CallError> {
        let body = CheckRequest {
            account: request.account.clone(),
            symbol: request.symbol.clone(),
            side: request.side,
            quantity: request.quantity,
            price: quote.last,
        };
        self.client.post("risk", &self.checks, trace, &body).await
    }

    async fn execute(
        &self,
        trace: &Trace,
        id: &str,
        request: &OrderRequest,
        quote: &Quote,
    ) -> Result<Execution, CallError> {
        let body = ExecutionRequest {
            order_id: id.to_owned(),
            symbol: request.symbol.clone(),
            side: request.side,
            quantity: request.quantity,
            limit: request.limit,
            bid: quote.bid,
            ask: quote.ask,
        };
        self.client.post("broker", &self.executions, trace, &body).await
    }

    async fn book(
        &self,
        trace: &Trace,
        id: &str,
        request: &OrderRequest,
        fills: &[Fill],
    ) -> Result<(), CallError> {
        let body = Booking {
            order_id: id.to_owned(),
            account: request.account.clone(),
            symbol: request.symbol.clone(),
            side: request.side,
            fills: fills.to_vec(),
        };
        self.client.post::<Value>("ledger", &self.bookings, trace, &body).await.map(drop)
    }

    fn failed(&self, trace: &Trace, id: &str, reason: &'static str, error: &CallError) -> Outcome {
        let fields = json!({ "order_id": id, "reason": reason, "error": error.to_string() });
        self.log.warn(Some(trace), "call failed", fields);
        Outcome::failed(reason, error)
    }
}

/// The reasons that other services give, as labels: what is not known counts as `other`, so that labels stay few.
fn known(reason: &str) -> &'static str {
    const REASONS: [&str; 5] = ["order_size", "position_limit", "var_limit", "venue_reject", "invalid"];
    REASONS.into_iter().find(|known| *known == reason).unwrap_or("other")
}

//! What the services say to each other. Prices travel as decimal dollars and are ticks (cents) inside.

use serde::{Deserialize, Serialize};

/// A price in hundredths of a dollar.
pub(crate) type Ticks = i64;

/// Ticks of a price in dollars, to the nearest.
pub(crate) fn to_ticks(dollars: f64) -> Ticks {
    (dollars * 100.0).round() as Ticks
}

/// Dollars of a price in ticks.
pub(crate) fn to_dollars(ticks: Ticks) -> f64 {
    ticks as f64 / 100.0
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Adds to the position.
    Buy,
    /// Takes from the position.
    Sell,
}

impl Side {
    /// The word in messages and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// `quantity` with the sign that it moves a position by.
    pub const fn signed(self, quantity: i64) -> i64 {
        match self {
            Self::Buy => quantity,
            Self::Sell => -quantity,
        }
    }
}

/// One quote of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// The instrument.
    pub symbol: String,
    /// Best price to sell at, dollars.
    pub bid: f64,
    /// Best price to buy at, dollars.
    pub ask: f64,
    /// Price of the last trade, dollars.
    pub last: f64,
    /// Shares traded since the day began.
    pub volume: u64,
    /// When, milliseconds since 1970.
    pub ts: i64,
}

/// What a client asks of `POST /orders`. Orders are immediate-or-cancel with a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// The client's own name for the order.
    pub client_order_id: String,
    /// Who pays.
    pub account: String,
    /// The instrument.
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// Shares.
    pub quantity: i64,
    /// Worst price accepted, dollars.
    pub limit: f64,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// All of it traded.
    Filled,
    /// Some of it traded, the rest is cancelled.
    PartiallyFilled,
    /// Nothing was on offer at the limit.
    Cancelled,
    /// A check refused it.
    Rejected,
    /// A service that it needs failed; see the reason.
    Failed,
}

impl OrderStatus {
    /// The word in messages and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::PartiallyFilled => "partially_filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// What `POST /orders` and `GET /orders/{id}` answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    /// The platform's name for the order.
    pub id: String,
    /// Version of the order API that took it.
    pub version: String,
    /// What was asked.
    #[serde(flatten)]
    pub request: OrderRequest,
    /// How it ended.
    pub status: OrderStatus,
    /// Why, in one word; `none` when all went well.
    pub reason: String,
    /// Shares traded.
    pub filled: i64,
    /// Average price of what traded, dollars; absent when nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_price: Option<f64>,
}

/// What orders ask of `POST /checks` of risk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckRequest {
    pub(crate) account: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) quantity: i64,
    /// Price that the position is valued at, dollars.
    pub(crate) price: f64,
}

/// What risk answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckVerdict {
    pub(crate) approved: bool,
    /// One word; `none` when approved.
    pub(crate) reason: String,
    /// Value at risk of the account with this order, dollars.
    pub(crate) value_at_risk: f64,
}

/// What orders ask of `POST /executions` of the broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExecutionRequest {
    pub(crate) order_id: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) quantity: i64,
    /// Worst price accepted, dollars.
    pub(crate) limit: f64,
    /// The market when the order was taken, dollars.
    pub(crate) bid: f64,
    pub(crate) ask: f64,
}

/// How the broker's venue answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// All of it traded.
    Filled,
    /// Some of it traded.
    PartiallyFilled,
    /// Nothing was on offer at the limit.
    Unfilled,
    /// The venue refused the order.
    Rejected,
}

/// One trade of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// Shares.
    pub quantity: i64,
    /// Price, dollars.
    pub price: f64,
}

/// What the broker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// How it went.
    pub status: ExecutionStatus,
    /// One word; `none` when it traded.
    pub reason: String,
    /// The trades, in the order in which they were made.
    pub fills: Vec<Fill>,
}

/// What orders ask of `POST /bookings` of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub(crate) order_id: String,
    pub(crate) account: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) fills: Vec<Fill>,
}

/// One line of `GET /positions` of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PositionView {
    pub(crate) account: String,
    pub(crate) symbol: String,
    pub(crate) quantity: i64,
    /// Average price paid, dollars.
    pub(crate) average_price: f64,
    /// Profit made so far by closing, dollars.
    pub(crate) realized: f64,
}

/// What every service answers when it cannot do what was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) error: String,
}

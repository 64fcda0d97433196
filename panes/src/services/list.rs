//! The table of services.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_kernel::Health;
use quarterdeck_services::{ServiceView, Signal};
use quarterdeck_ui::Context;
use quarterdeck_widgets::sparkline::{self, Range};
use quarterdeck_widgets::table::{Align, CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Role, format};

use crate::World;
use crate::signals::{FITTED, figure, role as signal_role, value, with_limit};

pub(super) const COLUMNS: [Column; 12] = [
    Column::flex("service", "SERVICE", 12).weight(3).at_most(28),
    Column::fixed("health", "HEALTH", 10),
    Column::number("rate", "RATE /s", 9),
    Column::number("errors", "ERR % (lim)", 11),
    Column::number("p50", "P50 ms", 7).priority(5),
    Column::number("p95", "P95 ms", 7).priority(4),
    Column::number("p99", "P99 ms (lim)", 13),
    Column::fixed("trend", "P99 TREND", 12).priority(6),
    Column::number("saturation", "SAT %", 6).priority(1),
    // The worst has the least, and the worst is what one sorts for.
    Column { descending: false, ..Column::number("apdex", "APDEX", 6).priority(3) },
    Column::flex("owner", "OWNER", 8).weight(1).at_most(20).priority(7),
    Column::number("up", "UP", 7).priority(8).optional(),
];

/// The services in scope, worst first.
pub(super) struct ServiceRows<'a> {
    services: Vec<&'a Arc<ServiceView>>,
    p99: Range,
    /// How the numbers of each column line up.
    aligned: [format::Aligned; COLUMNS.len()],
}

impl<'a> ServiceRows<'a> {
    pub(super) fn new(cx: &Context<'a, World>) -> Self {
        let scope = cx.scope.service.as_deref();
        let all = cx.world.services.services.iter();
        let services: Vec<_> = all.filter(|s| scope.is_none_or(|wanted| *s.name == *wanted)).collect();
        let p99 = Range::from_zero(services.iter().flat_map(|s| s.signals.p99.history.iter().copied()));
        let mut rows = Self { services, p99, aligned: [format::Aligned::default(); COLUMNS.len()] };
        rows.aligned = std::array::from_fn(|column| match COLUMNS[column].align {
            Align::Right => {
                format::Aligned::of((0..rows.len().min(FITTED)).map(|row| rows.text(row, column)))
            }
            Align::Left => format::Aligned::default(),
        });
        rows
    }

    /// The names in the given order of rows.
    pub(super) fn get(&self, row: usize) -> Option<&'a Arc<ServiceView>> {
        self.services.get(row).copied()
    }
}

impl Rows for ServiceRows<'_> {
    fn len(&self) -> usize {
        self.services.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        (&*self.services[row].name).into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let service = self.services[row];
        let signals = &service.signals;
        match COLUMNS[column].id {
            "service" => (&*service.name).into(),
            "health" => service.health.as_str().into(),
            "rate" => value(&signals.rate).into(),
            "errors" => with_limit(&signals.errors).into(),
            "p50" => value(&signals.p50).into(),
            "p95" => value(&signals.p95).into(),
            "p99" => with_limit(&signals.p99).into(),
            "trend" => "".into(),
            "saturation" => value(&signals.saturation).into(),
            "apdex" => figure(signals.apdex).into(),
            "owner" => service.owner.as_deref().unwrap_or_default().into(),
            _ if service.targets.total == 0 => "·".into(),
            _ => format!("{}/{}", service.targets.up, service.targets.total).into(),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let service = self.services[row];
        let signals = &service.signals;
        let known = |value: Option<f64>| value.map_or(Order::Missing, Order::Number);
        let signal = |signal: &Signal| known(signal.value);
        match COLUMNS[column].id {
            "health" => Order::Number(f64::from(service.health as u8)),
            "rate" => signal(&signals.rate),
            "errors" => signal(&signals.errors),
            "p50" => signal(&signals.p50),
            "p95" => signal(&signals.p95),
            "p99" | "trend" => signal(&signals.p99),
            "saturation" => signal(&signals.saturation),
            "apdex" => known(signals.apdex),
            "owner" if service.owner.is_none() => Order::Missing,
            "up" => Order::Number(service.targets.up as f64),
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let service = self.services[row];
        let signals = &service.signals;
        let unknown = self.text(row, column) == format::UNKNOWN;
        let text = self.aligned[column].fit(&self.text(row, column));
        match COLUMNS[column].id {
            "service" if service.health == Health::Unknown => cell.role(&text, Role::Muted),
            "health" if service.health == Health::Ok => cell.state(service.health, &text, Role::Muted),
            "health" => cell.state(service.health, &text, service.health),
            "rate" => cell.role(&text, signal_role(&signals.rate)),
            "errors" => cell.role(&text, signal_role(&signals.errors)),
            "p50" => cell.role(&text, signal_role(&signals.p50)),
            "p95" => cell.role(&text, signal_role(&signals.p95)),
            "p99" => cell.role(&text, signal_role(&signals.p99)),
            "trend" => {
                let role = match signal_role(&signals.p99) {
                    Role::Warning => Role::Warning,
                    _ => Role::Faint,
                };
                cell.trend(
                    "",
                    0,
                    role,
                    &sparkline::resample(&signals.p99.history, usize::from(cell.width()) - 1),
                    self.p99,
                );
            }
            "saturation" => cell.role(&text, signal_role(&signals.saturation)),
            "owner" => cell.role(&text, Role::Muted),
            "up" if service.targets.up < service.targets.total => cell.role(&text, Role::Warning),
            "up" => cell.role(&text, Role::Muted),
            _ if unknown => cell.role(&text, Role::Faint),
            _ => cell.text(&text),
        }
    }
}

//! The table of services.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_kernel::{Entry, Health, Timestamp};
use quarterdeck_services::{ServiceView, Signal};
use quarterdeck_ui::Context;
use quarterdeck_widgets::sparkline::{self, Range};
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Role, format};

use super::layout::{WIDE, WIDEST};
use super::recent::{about, changes};
use crate::World;
use crate::signals::{FITTED, role as signal_role, value, with_limit};

/// How many columns every set has: the same ones, in other widths.
const COUNT: usize = 9;

/// Which columns suit a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Figures alone.
    Narrow,
    /// Figures with trends.
    Wide,
    /// Figures with long trends.
    Widest,
}

impl Set {
    pub(super) const fn of(width: u16) -> Self {
        match width {
            WIDEST.. => Self::Widest,
            WIDE.. => Self::Wide,
            _ => Self::Narrow,
        }
    }

    pub(super) const fn columns(self) -> &'static [Column; COUNT] {
        match self {
            Self::Narrow => &NARROW_COLUMNS,
            Self::Wide => &WIDE_COLUMNS,
            Self::Widest => &WIDEST_COLUMNS,
        }
    }
}

const NARROW_COLUMNS: [Column; COUNT] = [
    Column::flex("service", "SERVICE", 12).weight(2).at_most(26),
    Column::fixed("health", "HEALTH", 11),
    Column::number("rate", "RATE /s", 8),
    Column::number("errors", "ERR %", 6),
    Column::number("p99", "P99 ms (lim)", 14),
    Column::number("saturation", "SAT %", 6).priority(2),
    Column::number("up", "UP", 5).priority(5),
    Column::fixed("owner", "OWNER", 10).priority(6),
    Column::flex("changing", "CHANGING", 12).priority(1),
];

const WIDE_COLUMNS: [Column; COUNT] = [
    Column::flex("service", "SERVICE", 12).weight(3).at_most(26),
    Column::fixed("health", "HEALTH", 11),
    Column::fixed("rate", " RATE /s", 17),
    Column::fixed("errors", "ERRORS %", 16),
    Column::fixed("p99", "P99 ms (limit)", 24),
    Column::number("saturation", "SAT %", 6).priority(2),
    Column::number("up", "UP", 5).priority(5),
    Column::fixed("owner", "OWNER", 10).priority(6),
    Column::flex("changing", "CHANGING", 14).weight(3).priority(1),
];

const WIDEST_COLUMNS: [Column; COUNT] = [
    Column::flex("service", "SERVICE", 12).weight(3).at_most(20),
    Column::fixed("health", "HEALTH", 11),
    Column::fixed("rate", " RATE /s", 24),
    Column::fixed("errors", "ERRORS %", 22),
    Column::fixed("p99", "P99 ms (limit)", 32),
    Column::fixed("saturation", " SAT %", 20).priority(2),
    Column::number("up", "UP", 5).priority(5),
    Column::fixed("owner", "OWNER", 10).priority(6),
    Column::flex("changing", "CHANGING", 20).weight(3).priority(1),
];

/// The services in scope, worst first.
pub(super) struct ServiceRows<'a> {
    pub(super) services: Vec<&'a Arc<ServiceView>>,
    now: Timestamp,
    /// Sparklines of a column share their scale.
    rate: Range,
    errors: Range,
    p99: Range,
    saturation: Range,
    set: Set,
    columns: &'static [Column; COUNT],
    /// How the numbers of each column line up.
    aligned: [format::Aligned; COUNT],
    stale: i64,
    /// The newest change to each service within the range of the charts.
    changed: HashMap<&'a str, &'a Entry>,
}

impl<'a> ServiceRows<'a> {
    pub(super) fn new(cx: &Context<'a, World>, set: Set) -> Self {
        let all = &cx.world.services;
        let in_scope =
            |s: &&Arc<ServiceView>| cx.scope.service.as_ref().is_none_or(|wanted| **wanted == *s.name);
        let services: Vec<_> = all.services.iter().filter(in_scope).collect();
        let range = |signal: fn(&ServiceView) -> &Signal| {
            Range::from_zero(services.iter().flat_map(|s| signal(s).history.iter().copied()))
        };
        let interval = i64::try_from(all.interval.as_millis()).unwrap_or(i64::MAX);
        let mut rows = Self {
            rate: range(|s| &s.signals.rate),
            errors: range(|s| &s.signals.errors),
            p99: range(|s| &s.signals.p99),
            // Of what can be full, full is the top.
            saturation: Range { low: 0.0, high: 100.0 },
            services,
            now: cx.world.now,
            set,
            columns: set.columns(),
            aligned: [format::Aligned::default(); COUNT],
            changed: changes(cx),
            stale: interval.saturating_mul(6).max(30_000),
        };
        rows.aligned = std::array::from_fn(|column| match rows.columns[column].id {
            "rate" | "errors" | "p99" | "saturation" => {
                format::Aligned::of((0..rows.len().min(FITTED)).map(|row| rows.text(row, column)))
            }
            _ => format::Aligned::default(),
        });
        rows
    }

    /// The age of a service's data, where it is worth telling.
    fn age(&self, service: &ServiceView) -> Option<String> {
        let at = service.data_at?;
        let old = self.now.as_millis() - at.as_millis();
        (old > self.stale).then(|| format!("data {} old", format::span(old)))
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
        match self.columns[column].id {
            "service" => (&*service.name).into(),
            "health" => service.health.as_str().into(),
            "rate" => value(&signals.rate).into(),
            "errors" => value(&signals.errors).into(),
            "p99" => with_limit(&signals.p99).into(),
            "saturation" => value(&signals.saturation).into(),
            "up" if service.targets.total == 0 => format::UNKNOWN.into(),
            "up" => format!("{}/{}", service.targets.up, service.targets.total).into(),
            "owner" => service.owner.as_deref().unwrap_or_default().into(),
            _ => match self.age(service) {
                Some(age) => age.into(),
                None if service.targets.up < service.targets.total => {
                    format!("{} of {} up", service.targets.up, service.targets.total).into()
                }
                None => match self.changed.get(&*service.name) {
                    Some(entry) => format!("{} · {}", about(entry), format::ago(entry.at, self.now)).into(),
                    None => "".into(),
                },
            },
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let service = self.services[row];
        let known = |signal: &Signal| signal.value.map_or(Order::Missing, Order::Number);
        match self.columns[column].id {
            "health" => Order::Number(f64::from(service.health as u8)),
            "rate" => known(&service.signals.rate),
            "errors" => known(&service.signals.errors),
            "p99" => known(&service.signals.p99),
            "saturation" => known(&service.signals.saturation),
            "up" => Order::Number(service.targets.up as f64),
            "owner" if service.owner.is_none() => Order::Missing,
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let service = self.services[row];
        let signals = &service.signals;
        let text = self.aligned[column].fit(&self.text(row, column));
        let wide = self.set != Set::Narrow;
        let trend = |signal: &Signal, width: u16, range: Range, cell: &mut CellPainter<'_>| {
            let room = usize::from(cell.width().saturating_sub(width + 1));
            // Where there is more room than history, the history is stretched.
            let stretched = (room > signal.history.len()).then(|| sparkline::resample(&signal.history, room));
            let history = stretched.as_deref().unwrap_or(&signal.history);
            cell.trend(&text, width, signal_role(signal), history, range);
        };
        match self.columns[column].id {
            "service" if service.health == Health::Unknown => cell.role(&text, Role::Muted),
            "health" if service.health == Health::Ok => cell.state(service.health, &text, Role::Muted),
            "health" => cell.state(service.health, &text, service.health),
            "rate" if wide => trend(&signals.rate, 8, self.rate, cell),
            "errors" if wide => trend(&signals.errors, 7, self.errors, cell),
            "p99" if wide => trend(&signals.p99, 14, self.p99, cell),
            "saturation" if self.set == Set::Widest => trend(&signals.saturation, 6, self.saturation, cell),
            "rate" => cell.role(&text, signal_role(&signals.rate)),
            "errors" => cell.role(&text, signal_role(&signals.errors)),
            "p99" => cell.role(&text, signal_role(&signals.p99)),
            "saturation" => cell.role(&text, signal_role(&signals.saturation)),
            "up" if service.targets.up < service.targets.total => cell.role(&text, Role::Warning),
            "up" | "owner" => cell.role(&text, Role::Muted),
            "changing" if self.age(service).is_some() || service.targets.up < service.targets.total => {
                cell.role(&text, Role::Warning);
            }
            "changing" => cell.role(&text, Role::Muted),
            _ => cell.text(&text),
        }
    }
}

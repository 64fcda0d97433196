//! What commands and clicks do.

use std::collections::BTreeMap;

use quarterdeck_kernel::{Moment, Severity, Subject, SubjectKind};
use quarterdeck_services::{ServiceView, actions::LIMIT};
use quarterdeck_ui::listing::Did;
use quarterdeck_ui::{Click, Context, Effect, Scope};

use super::asked::Lines;
use super::layout::{ListLayout, below};
use super::list::ServiceRows;
use super::transactions::TransactionRows;
use super::{Services, charts, explain, export, facts, rows_len, views};
use crate::World;
use crate::world::Query;

impl Services {
    pub(super) fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(first) = self.explaining {
            let last = self.service(cx).map_or(0, |s| explain::last(cx, cx.area, s));
            let first = first.min(last);
            match verb {
                "down" => self.explaining = Some((first + 1).min(last)),
                "up" => self.explaining = Some(first.saturating_sub(1)),
                "page-down" => self.explaining = Some((first + 10).min(last)),
                "page-up" => self.explaining = Some(first.saturating_sub(10)),
                "first" => self.explaining = Some(0),
                "last" => self.explaining = Some(last),
                "back" | "explain" | "open" => self.explaining = None,
                _ => return self.help(verb, cx).unwrap_or_default(),
            }
            return Vec::new();
        }
        if let Some(effects) = self.help(verb, cx) {
            return effects;
        }
        match (verb, &self.open) {
            ("open", _) => self.enter(cx),
            ("back", Some(_)) => self.back(cx),
            (_, None) => {
                let rows = ServiceRows::new(cx);
                let area = ListLayout::new(cx.area, rows_len(&rows)).list;
                let did = self.list.command(verb, area, &rows);
                self.did(did, cx)
            }
            (_, Some(open)) => {
                let service = cx.world.services.service(&open.service).map(|s| &**s);
                let area = below(self.layout(cx, cx.area, service).transactions, 1);
                let rows = TransactionRows::new(service, open.transaction.as_deref());
                let did = self.transactions.command(verb, area, &rows);
                self.did(did, cx)
            }
        }
    }

    /// Commands that do the same wherever the service is looked at; none for those that are the tables'.
    pub(super) fn help(&mut self, verb: &str, cx: &Context<'_, World>) -> Option<Vec<Effect<World>>> {
        let one = |effect| Some(vec![effect]);
        let service = self.service(cx);
        let Some(service) = service else {
            let about =
                ["view", "explain", "changed", "limit", "runbook", "cause", "series", "picture", "table"];
            return (about.contains(&verb)).then(Vec::new);
        };
        match verb {
            "view" => {
                let fit = views(&self.layout(cx, cx.area, Some(service)), cx.area, self.has_level(service));
                self.view = self.view.next(|view| fit.contains(&view));
                Some(Vec::new())
            }
            "explain" => {
                self.explaining = Some(0);
                Some(Vec::new())
            }
            "changed" => one(Effect::Open { pane: "timeline", subject: service.subject() }),
            "limit" => {
                // Of a transaction that is looked at alone, the time limit is meant; beside the others, which limit is asked.
                let mut args = BTreeMap::new();
                if let Some(transaction) = self.transaction(cx) {
                    args.insert("transaction".to_owned(), transaction.name.to_string());
                    if self.narrowed() == Some(&*transaction.name) {
                        args.insert("limit".to_owned(), "threshold".to_owned());
                    }
                }
                one(Effect::Dispatch { action: LIMIT.to_owned(), subject: Some(service.subject()), args })
            }
            "runbook" => one(match &service.runbook {
                Some(url) => Effect::Copy(url.clone()),
                None => Effect::Toast(
                    Severity::Info,
                    format!(
                        "{} has no runbook; give it one as [services.{}] runbook",
                        service.name, service.name
                    ),
                ),
            }),
            "cause" => match facts::worst_need(&cx.world.services, service) {
                Some(sick) => {
                    let elsewhere = self.open.as_ref().is_some_and(|open| open.elsewhere);
                    self.open_service(&sick.name, None, elsewhere);
                    Some(Vec::new())
                }
                None => one(Effect::Toast(
                    Severity::Info,
                    format!("everything that {} needs is well", service.name),
                )),
            },
            "series" => one(if service.selectors.is_empty() {
                Effect::Toast(Severity::Info, format!("{} has no selector", service.name))
            } else {
                Effect::Go(Subject::new(SubjectKind::Series, service.selectors.join(" or ")))
            }),
            "next" => Some(self.step(1, cx)),
            "previous" => Some(self.step(-1, cx)),
            "cursor-back" => one(Effect::Scope(cx.scope.with_cursor_moved(cx.world.now, -1))),
            "cursor-forward" => one(Effect::Scope(cx.scope.with_cursor_moved(cx.world.now, 1))),
            "picture" => Some(self.pictures(cx, service)),
            "table" => one(match self.signals.answer() {
                Some(Ok(Lines { series: Some(series), .. })) if self.open.is_some() => Effect::Export {
                    name: export::name(
                        &service.name,
                        self.narrowed(),
                        "signals",
                        cx.scope.moment.or(cx.world.now),
                        "csv",
                    ),
                    content: export::csv(series).into_bytes(),
                },
                _ => Effect::Toast(Severity::Info, "nothing to save yet: open a service first".to_owned()),
            }),
            _ => None,
        }
    }

    /// Goes in: to the service, then to the transaction.
    pub(super) fn enter(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.open.is_none() {
            if let Some(service) = self.service(cx) {
                self.open_service(&service.name, None, false);
            }
            return Vec::new();
        }
        let transaction = self.transaction(cx).map(|t| t.name.to_string());
        if let (Some(open), Some(transaction)) = (&mut self.open, transaction) {
            open.transaction = Some(transaction);
        }
        Vec::new()
    }

    /// Comes out, one step at a time: from the transaction, the filter, the service.
    pub(super) fn back(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(open) = &mut self.open else { return vec![Effect::Back] };
        if open.transaction.take().is_some() {
            return Vec::new();
        }
        if !self.transactions.table.filter().is_empty() {
            self.transactions.table.set_filter("");
            return Vec::new();
        }
        if !open.elsewhere {
            self.open = None;
            return Vec::new();
        }
        // Back gives up a query first and a rewound view next: neither may keep the operator here.
        let mut effects = self.give_up();
        effects.push(Effect::Back);
        if cx.scope.moment == Moment::Live {
            self.open = None;
        }
        effects
    }

    /// Opens the service below or above in the list, or selects it.
    pub(super) fn step(&mut self, by: isize, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let rows = ServiceRows::new(cx);
        if let Some(open) = &self.open {
            self.list.table.select(&open.service);
        }
        self.list.table.step(by, &rows);
        let elsewhere = self.open.as_ref().map(|open| open.elsewhere);
        let selected = self.list.table.selected_row().and_then(|row| rows.get(row));
        if let (Some(elsewhere), Some(service)) = (elsewhere, selected) {
            self.open_service(&service.name, None, elsewhere);
        }
        Vec::new()
    }

    pub(super) fn pictures(&self, cx: &Context<'_, World>, service: &ServiceView) -> Vec<Effect<World>> {
        let shown = self.layout(cx, cx.area, Some(service)).charts;
        let Some(Ok(lines)) = self.signals.answer().filter(|_| self.open.is_some()) else {
            return vec![Effect::Toast(
                Severity::Info,
                "nothing to save yet: open a service first".to_owned(),
            )];
        };
        let mut effects: Vec<Effect<World>> = Vec::new();
        let mut slots = Vec::new();
        for (view, _) in shown {
            if slots.contains(&view.slot()) {
                continue;
            }
            if let Some(plot) = export::plot(cx, view, lines, service, self.narrowed()) {
                slots.push(view.slot());
                effects.push(Effect::Query { slot: view.slot(), query: Query::Plot(plot) });
            }
        }
        if effects.is_empty() {
            effects.push(Effect::Toast(Severity::Info, "this chart has no samples to save".to_owned()));
        }
        effects
    }

    pub(super) fn did(&mut self, did: Did, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match did {
            Did::Nothing | Did::Changed => Vec::new(),
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.enter(cx),
        }
    }

    pub(super) fn hit(
        &mut self,
        target: &str,
        click: Click,
        at: (u16, u16),
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        if target == "explain" {
            match click {
                Click::ScrollDown => return self.command("down", cx),
                Click::ScrollUp => return self.command("up", cx),
                _ => self.explaining = None,
            }
            return Vec::new();
        }
        if let Some(width) = target.strip_prefix(charts::TIME).and_then(|width| width.parse().ok()) {
            let shown = charts::viewport(cx);
            let range = cx.scope.range;
            let scope = match click {
                Click::ScrollUp => Scope { range: (range / 2).max(60_000), ..cx.scope.clone() },
                Click::ScrollDown => {
                    Scope { range: range.saturating_mul(2).min(30 * 86_400_000), ..cx.scope.clone() }
                }
                _ => Scope { cursor: Some(shown.time_at(at.0, width)), ..cx.scope.clone() },
            };
            return vec![Effect::Scope(scope)];
        }
        let did = match (target, &self.open) {
            ("services", None) => {
                let rows = ServiceRows::new(cx);
                let area = ListLayout::new(cx.area, rows_len(&rows)).list;
                self.list.click(click, at, area, &rows)
            }
            ("transactions", Some(open)) => {
                let service = cx.world.services.service(&open.service).map(|s| &**s);
                let area = below(self.layout(cx, cx.area, service).transactions, 1);
                let rows = TransactionRows::new(service, open.transaction.as_deref());
                self.transactions.click(click, at, area, &rows)
            }
            _ => Did::Nothing,
        };
        self.did(did, cx)
    }
}

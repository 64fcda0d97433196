//! What is remembered between runs: where the operator was and how it looked.

use std::collections::BTreeMap;

use quarterdeck_widgets::GlyphSet;
use serde::{Deserialize, Serialize};

use super::Shell;
use super::effect::RANGE;
use crate::host::HostEffect;
use crate::pane::World;

/// The longest remembered text that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Every field may be missing or unknown: what a newer or older console wrote is taken as far as it goes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    pane: Option<String>,
    range: Option<i64>,
    service: Option<String>,
    theme: Option<String>,
    utc: Option<bool>,
    ascii: Option<bool>,
    wide: Option<bool>,
    mouse: Option<bool>,
    pinned: Option<Vec<String>>,
    recent: Option<Vec<String>>,
    panes: BTreeMap<String, String>,
}

/// What the operator chose by key. Only that is remembered: everything else stays with the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chosen {
    pub(super) theme: bool,
    pub(super) utc: bool,
    pub(super) ascii: bool,
    pub(super) wide: bool,
    pub(super) mouse: bool,
}

impl<W: World> Shell<W> {
    /// What to keep for the next run, as text that [`Shell::restore`] understands.
    #[must_use]
    pub fn remember(&self) -> String {
        let theme = self.look_before.as_ref().unwrap_or_else(|| self.look.theme());
        let panes = self.stations.iter().filter_map(|s| Some((s.spec.id.to_owned(), s.pane.remember()?)));
        let memory = Memory {
            pane: Some(self.front().id.to_owned()),
            range: Some(self.scope.range),
            service: self.scope.service.clone(),
            theme: self.chosen.theme.then(|| theme.name.clone()),
            utc: self.chosen.utc.then(|| self.look.utc()),
            ascii: self.chosen.ascii.then(|| self.look.glyphs() == GlyphSet::Ascii),
            wide: self.chosen.wide.then_some(self.wide),
            mouse: self.chosen.mouse.then_some(self.mouse),
            pinned: Some(self.pinned.iter().map(|id| (*id).to_owned()).collect()),
            recent: Some(self.recents.iter().cloned().collect()),
            panes: panes.collect(),
        };
        toml::to_string(&memory).unwrap_or_default()
    }

    /// Takes up what was remembered; what it does not understand it ignores.
    pub fn restore(&mut self, remembered: &str) -> Vec<HostEffect<W>> {
        let whole =
            if remembered.len() > LONGEST { None } else { toml::from_str::<toml::Table>(remembered).ok() };
        // Field by field: one that makes no sense must not take the others along.
        for (name, value) in whole.unwrap_or_default() {
            let table = toml::Table::from_iter([(name, value)]);
            if let Ok(memory) = table.try_into::<Memory>() {
                self.take_up(memory);
            }
        }
        std::mem::take(&mut self.out)
    }

    fn take_up(&mut self, memory: Memory) {
        let known = |id: &String| self.stations.iter().map(|s| s.spec.id).find(|known| known == id);
        if let Some(pinned) = memory.pinned {
            let mut kept: Vec<&'static str> = Vec::new();
            for id in pinned.iter().filter_map(known) {
                if kept.len() < 9 && !kept.contains(&id) {
                    kept.push(id);
                }
            }
            if !kept.is_empty() {
                self.pinned = kept;
            }
        }
        if let Some(recent) = memory.recent {
            self.recents.clear();
            for id in recent.into_iter().rev() {
                self.note_recent(id);
            }
        }
        if let Some(theme) = memory.theme.and_then(|name| self.themes.iter().find(|t| t.name == name)) {
            self.look = self.look.with_theme(theme.clone());
            self.chosen.theme = true;
        }
        if let Some(utc) = memory.utc {
            self.look = self.look.clone().with_utc(utc);
            self.chosen.utc = true;
        }
        if let Some(ascii) = memory.ascii {
            let glyphs = if ascii { GlyphSet::Ascii } else { GlyphSet::Unicode };
            self.look = self.look.clone().with_glyphs(glyphs);
            self.chosen.ascii = true;
        }
        if let Some(wide) = memory.wide {
            self.set_wide(wide);
            self.chosen.wide = true;
        }
        if let Some(mouse) = memory.mouse {
            self.chosen.mouse = true;
            if mouse != self.mouse {
                self.mouse = mouse;
                self.out.push(HostEffect::Mouse(mouse));
            }
        }
        for (id, remembered) in memory.panes {
            if let Some(station) = self.stations.iter_mut().find(|s| s.spec.id == id) {
                station.pane.restore(&remembered);
            }
        }
        let range = memory.range.unwrap_or(self.scope.range).clamp(*RANGE.start(), *RANGE.end());
        let service = memory.service.or_else(|| self.scope.service.clone());
        self.set_scope(crate::pane::Scope { range, service, ..self.scope.clone() });
        if let Some(index) = memory.pane.and_then(|id| self.stations.iter().position(|s| s.spec.id == id)) {
            let effects = self.move_to(index, false);
            self.finish(effects);
        }
    }

    /// Hands what is to be remembered to the host.
    pub(super) fn save(&mut self) {
        let text = self.remember();
        self.out.push(HostEffect::SaveState(text));
    }
}

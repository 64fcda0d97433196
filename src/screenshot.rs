//! Pictures of panes: a screen without a terminal, fed like any other.

use std::sync::Arc;

use quarterdeck_kernel::{Clock, SystemClock};
use quarterdeck_panes::World;
use quarterdeck_ui::shell::Options;
use quarterdeck_ui::{HostEffect, Input, Key, Shell};
use quarterdeck_widgets::theme::shipped;
use quarterdeck_widgets::{Look, picture};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::{Deserialize, Serialize};

use crate::host::Backstage;

/// What is to be drawn.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shot {
    /// The pane.
    pub pane: String,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// `svg`, `png`, or `txt` for the characters alone.
    pub format: String,
    /// Theme; the default one if none.
    #[serde(default)]
    pub theme: Option<String>,
    /// A subject to open first.
    #[serde(default)]
    pub at: Option<String>,
    /// Keys to press first, separated by spaces.
    #[serde(default)]
    pub keys: Option<String>,
}

/// Sizes that can be asked for.
const SIZES: std::ops::RangeInclusive<u16> = 20..=400;
/// After so many rounds of questions a pane that still asks is drawn as it is.
const ROUNDS: usize = 8;

/// Draws a pane: media type and bytes.
///
/// # Errors
/// What is wrong with what was asked for, in words.
pub async fn take(
    backstage: &Backstage,
    world: Arc<World>,
    shot: Shot,
) -> Result<(&'static str, Vec<u8>), String> {
    if !SIZES.contains(&shot.width) || !SIZES.contains(&shot.height) {
        return Err(format!(
            "{}x{} is not a size: columns and rows from {} to {}",
            shot.width,
            shot.height,
            SIZES.start(),
            SIZES.end()
        ));
    }
    let look = match &shot.theme {
        None => Look::default(),
        Some(name) => {
            let name = match name.as_str() {
                "dark" => quarterdeck_widgets::theme::DEFAULT,
                "light" => "daylight",
                other => other,
            };
            let names: Vec<&str> = shipped().iter().map(|t| t.name.as_str()).collect();
            if !names.contains(&name) {
                return Err(format!("{name:?} is not a theme: {}", names.join(", ")));
            }
            Look::named(name)
        }
    };
    let actor = quarterdeck_kernel::Actor { user: world.console.operator.clone(), ..Default::default() };
    let options = Options { actor, look, now: SystemClock.now(), ..Options::default() };
    let mut shell = Shell::new(Arc::clone(&world), quarterdeck_panes::all(), options)
        .map_err(|wrong| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let ids: Vec<&str> = shell.specs().iter().map(|s| s.id).collect();
    if !ids.contains(&shot.pane.as_str()) {
        return Err(format!("{:?} is not a pane: {}", shot.pane, ids.join(", ")));
    }
    let mut screen = Screen { shell: &mut shell, backstage, size: (shot.width, shot.height) };
    screen.input(Input::Resize(shot.width, shot.height)).await;
    let pane = quarterdeck_kernel::Subject::new(quarterdeck_kernel::SubjectKind::Pane, &shot.pane);
    let effects = screen.shell.open(&pane);
    screen.settle(effects).await;
    screen.input(Input::World(Arc::clone(&world))).await;
    if let Some(subject) = &shot.at {
        let subject =
            subject.parse().map_err(|e: quarterdeck_kernel::subject::SubjectError| e.to_string())?;
        let effects = screen.shell.open(&subject);
        screen.settle(effects).await;
    }
    for word in shot.keys.as_deref().unwrap_or_default().split_whitespace() {
        screen.draw();
        let key: Key = word.parse().map_err(|e| format!("--keys: {e}"))?;
        screen.input(Input::Key(key)).await;
    }
    // Panes learn their area by being drawn, and arrange themselves for it with the next world.
    screen.draw();
    let again = World { version: world.version + 1, ..World::clone(&world) };
    screen.input(Input::World(Arc::new(again))).await;
    screen.input(Input::Tick(SystemClock.now())).await;
    let buffer = screen.draw();
    let options = picture::PictureOptions::default();
    match shot.format.as_str() {
        "svg" => {
            let text = picture::svg(&buffer, shell.look(), &options).map_err(|e| e.to_string())?;
            Ok(("image/svg+xml", text.into_bytes()))
        }
        "png" => Ok(("image/png", picture::png(&buffer, shell.look(), &options).map_err(|e| e.to_string())?)),
        "txt" => Ok(("text/plain; charset=utf-8", characters(&buffer).into_bytes())),
        other => Err(format!("{other:?} is not a format: svg, png, txt")),
    }
}

/// A screen whose questions are answered before anything goes on.
struct Screen<'a> {
    shell: &'a mut Shell<World>,
    backstage: &'a Backstage,
    size: (u16, u16),
}

impl Screen<'_> {
    async fn input(&mut self, input: Input<World>) {
        let effects = self.shell.handle(input);
        self.settle(effects).await;
    }

    /// Answers questions until there are none. Actions are not done: a picture changes nothing.
    async fn settle(&mut self, effects: Vec<HostEffect<World>>) {
        let mut open = effects;
        for _ in 0..ROUNDS {
            let mut next = Vec::new();
            for effect in open {
                if let HostEffect::Rewind(at) = effect {
                    let world = Arc::clone(self.shell.world());
                    if let Some(world) = self.backstage.rewound(world, at).await {
                        next.extend(self.shell.handle(Input::Rewound { at, world }));
                    }
                } else if let HostEffect::Query { pane, slot, generation, query } = effect {
                    let budget = self.backstage.sources.engine.budget();
                    let answer = self.backstage.sources.answer(query, budget, SystemClock.now()).await;
                    next.extend(self.shell.handle(Input::Answer { pane, slot, generation, answer }));
                }
            }
            if next.is_empty() {
                return;
            }
            open = next;
        }
    }

    fn draw(&mut self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        self.shell.draw(&mut buffer);
        buffer
    }
}

fn characters(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let line: String = (buffer.area.left()..buffer.area.right())
            .filter_map(|x| buffer.cell((x, y)).map(ratatui::buffer::Cell::symbol))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

//! What panes of several lists do alike: rows arranged in the background, the selected one shown in full, a form over it all.

use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event};
use quarterdeck_widgets::table::Rows;
use ratatui::layout::Rect;

use crate::World;
use crate::form::{Form, Typed};
use crate::world::{Answer, Arrange, Query};

/// What a pane wants done.
pub(crate) type Effects = Vec<Effect<World>>;

/// A pane of several lists, one of them in front.
pub(crate) trait Lists {
    /// The rows of any of the lists, as of one snapshot.
    type Rows: Rows + Clone + Send + Sync + 'static;

    /// The list in front.
    fn listing(&mut self) -> &mut Listing;
    /// The list that rows are of.
    fn listing_of(&mut self, rows: &Self::Rows) -> &mut Listing;
    /// The rows of the list in front, as it is arranged.
    fn rows(&self, cx: &Context<'_, World>) -> Self::Rows;
    /// Where the list is drawn.
    fn list_area(&self, cx: &Context<'_, World>) -> Rect;
    /// Shows rows that are arranged.
    fn show(&mut self, rows: Self::Rows);
    /// Takes up the newest snapshot.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Effects;
    /// What is being arranged in the background.
    fn arranging(&mut self) -> &mut Option<Self::Rows>;
    /// How far the selected one, shown in full, is scrolled; none while the list is shown.
    fn open(&mut self) -> &mut Option<usize>;
    /// How many lines the selected one has in full, and how many of them can be seen at once.
    fn extent(&self, cx: &Context<'_, World>) -> (usize, usize);
    /// The form that is open.
    fn form(&mut self) -> Option<&mut Form>;
    /// A key, or pasted text, went into the form.
    fn filled(&mut self, typed: Typed, cx: &Context<'_, World>) -> Effects;
    /// Opens the selected one.
    fn enter(&mut self) -> Effects;
    /// The operator clicked into the list.
    fn clicked(&mut self) {}

    /// Lets the rows be arranged in the background when they are many; shows them when they are not.
    fn arrange(&mut self, rows: Self::Rows) -> Effects {
        match self.listing().wanted() {
            Some(spec) => {
                *self.arranging() = Some(rows.clone());
                let query = Query::Arrange(Arrange { rows: std::sync::Arc::new(rows), spec });
                vec![Effect::Query { slot: "arrange", query }]
            }
            None => {
                self.show(rows);
                Vec::new()
            }
        }
    }

    /// What follows from what the list did.
    fn done(&mut self, did: Did, rows: Self::Rows) -> Effects {
        match did {
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.enter(),
            Did::Nothing | Did::Changed => self.arrange(rows),
        }
    }

    /// A command that every list knows: it scrolls what is open, or moves in the list.
    fn list_command(&mut self, verb: &str, cx: &Context<'_, World>) -> Effects {
        if self.open().is_some() {
            self.scroll(verb, cx);
            return Vec::new();
        }
        let (rows, area) = (self.rows(cx), self.list_area(cx));
        let did = self.listing().command(verb, area, &rows);
        self.done(did, rows)
    }

    /// Scrolls what is open, within what there is; or closes it.
    fn scroll(&mut self, verb: &str, cx: &Context<'_, World>) {
        let (lines, room) = self.extent(cx);
        let page = usize::from(cx.area.height.saturating_sub(2)).max(1);
        let Some(from) = self.open() else { return };
        match verb {
            "down" => *from += 1,
            "up" => *from = from.saturating_sub(1),
            "page-down" => *from += page,
            "page-up" => *from = from.saturating_sub(page),
            "first" => *from = 0,
            "last" => *from = usize::MAX / 2,
            "back" | "open" => {
                *self.open() = None;
                return;
            }
            _ => {}
        }
        *from = (*from).min(lines.saturating_sub(room));
    }

    /// Keys, pasted text, clicks and answers: to the form if one is open, else to the list.
    fn take(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Effects {
        match event {
            Event::Key(key) => match self.form().map(|form| form.key(key)) {
                Some(typed) => self.filled(typed, cx),
                None => {
                    let rows = self.rows(cx);
                    self.listing().key(key, &rows);
                    self.arrange(rows)
                }
            },
            Event::Paste(text) => match self.form().map(|form| form.paste(text)) {
                Some(()) => self.filled(Typed::Goes, cx),
                None => {
                    let rows = self.rows(cx);
                    self.listing().paste(text, &rows);
                    self.arrange(rows)
                }
            },
            Event::Hit { click, at, .. } if self.open().is_none() && self.form().is_none() => {
                self.clicked();
                let (rows, area) = (self.rows(cx), self.list_area(cx));
                let did = self.listing().click(click, at, area, &rows);
                self.done(did, rows)
            }
            Event::Answer { slot: "arrange", answer } => {
                let Some(rows) = self.arranging().take() else { return Vec::new() };
                let table = &mut self.listing_of(&rows).table;
                if let Ok(Answer::Arrange(arrangement)) = answer
                    && arrangement.spec == table.spec()
                {
                    table.adopt(arrangement, &rows);
                    self.show(rows);
                }
                self.refresh(cx)
            }
            _ => Vec::new(),
        }
    }
}

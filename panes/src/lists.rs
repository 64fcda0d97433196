//! What panes of several lists do alike: rows arranged in the background, the selected one shown in full, a form over it all.

use std::sync::Arc;

use quarterdeck_kernel::Subject;
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event};
use quarterdeck_widgets::table::{Column, Rows};
use quarterdeck_widgets::{Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::form::{Form, Typed};
use crate::world::{Answer, Arrange, Query};

/// What a pane wants done.
pub(crate) type Effects = Vec<Effect<World>>;

/// Which of its lists a pane shows.
pub(crate) trait Front: Copy + PartialEq + 'static {
    /// All of them, in the order in which one goes through them.
    const LISTS: &'static [Self];

    /// The word by which it is remembered.
    fn word(self) -> &'static str;

    /// The list so many places further on.
    fn further(self, places: usize) -> Self {
        let place = Self::LISTS.iter().position(|list| *list == self).unwrap_or(0);
        Self::LISTS[(place + places) % Self::LISTS.len()]
    }

    /// The list that comes next.
    fn next(self) -> Self {
        self.further(1)
    }

    /// The list of a word.
    fn called(word: &str) -> Option<Self> {
        Self::LISTS.iter().copied().find(|list| list.word() == word)
    }
}

/// One of the lists, and the model that it shows.
#[derive(Debug)]
pub(crate) struct List<M> {
    pub(crate) listing: Listing,
    pub(crate) shown: Option<Arc<M>>,
}

impl<M> List<M> {
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self { listing: Listing::new(columns, None), shown: None }
    }
}

/// What a pane remembers: the list in front, and how each is arranged.
pub(crate) fn remember<K: Front>(front: K, table: impl Fn(K) -> String) -> String {
    let words = |list: &K| {
        let told = table(*list);
        told.split_whitespace().map(|part| format!("{}.{part} ", list.word())).collect::<String>()
    };
    let tables: String = K::LISTS.iter().map(words).collect();
    format!("view={} {}", front.word(), tables.trim_end())
}

/// Takes up what was remembered; what no list knows is read over.
pub(crate) fn restore<K: Front>(remembered: &str, front: &mut K, mut table: impl FnMut(K, &str)) {
    for part in remembered.split_whitespace() {
        let (word, rest) = part.split_once(['=', '.']).unwrap_or((part, ""));
        if word == "view" {
            *front = K::called(rest).unwrap_or(*front);
        } else if let Some(list) = K::called(word) {
            table(list, rest);
        }
    }
}

/// What stands at the right of a title: figures of the whole, the most useful first, as far as there is room, and the list
/// that comes next.
pub(crate) fn figures(mut told: Vec<String>, next: &str, room: usize) -> String {
    told.retain(|figure| !figure.is_empty());
    loop {
        let line = told.iter().map(|figure| format!("{figure} · ")).collect::<String>();
        let line = format!("{line}v {next}");
        if told.pop().is_none() || text::width(&line) <= room {
            return line;
        }
    }
}

/// Lines in the middle of a pane that has nothing else to show, side by side with its left edge.
pub(crate) fn draw_lines(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, lines: &[(&str, Role)]) {
    let widest = lines.iter().map(|(line, _)| text::width(line)).max().unwrap_or(0) as u16;
    let body = Rect { y: area.y.saturating_add(1), height: area.height.saturating_sub(1), ..area };
    let x = body.x + body.width.saturating_sub(widest) / 2;
    let y = body.y + body.height.saturating_sub(lines.len() as u16) / 3;
    for ((line, role), y) in lines.iter().zip(y..body.bottom()) {
        text::put(buffer, x, y, body.right().saturating_sub(x), line, cx.look.style(*role));
    }
}

/// A pane of several lists, one of them in front.
pub(crate) trait Lists {
    /// Its lists.
    type Kind: Front;
    /// The rows of any of the lists, as of one snapshot.
    type Rows: Rows + Clone + Send + Sync + 'static;

    /// Which list is in front.
    fn kind(&mut self) -> &mut Self::Kind;
    /// What a deep link asked for before it was there.
    fn wanted(&mut self) -> &mut Option<Subject>;
    /// The key of what a subject stands for, in the list in front.
    fn key_of(&self, subject: &Subject) -> Option<String>;

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

    /// Selects what a deep link asked for, as soon as it is there; whoever moves meanwhile gives it up.
    fn find(&mut self) {
        let key = self.wanted().clone().and_then(|wanted| self.key_of(&wanted));
        if key.is_some_and(|key| self.listing().table.select(&key)) {
            *self.wanted() = None;
        }
    }

    /// Brings a list to the front.
    fn turn_to(&mut self, kind: Self::Kind, cx: &Context<'_, World>) -> Effects {
        *self.kind() = kind;
        *self.open() = None;
        *self.arranging() = None;
        let mut effects = vec![Effect::Cancel("arrange")];
        effects.extend(self.refresh(cx));
        effects
    }

    /// Goes to the next list or the one before; None when the command is another.
    fn turn(&mut self, verb: &str, cx: &Context<'_, World>) -> Option<Effects> {
        let kind = match verb {
            "view" => self.kind().next(),
            "previous" => self.kind().further(Self::Kind::LISTS.len() - 1),
            _ => return None,
        };
        Some(self.turn_to(kind, cx))
    }

    /// Lets the rows be arranged in the background when they are many; shows them when they are not.
    fn arrange(&mut self, rows: Self::Rows) -> Effects {
        match self.listing().wanted() {
            Some(spec) => {
                *self.arranging() = Some(rows.clone());
                let query = Query::Arrange(Arrange { rows: Arc::new(rows), spec });
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
        *self.wanted() = None;
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
                *self.wanted() = None;
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

//! Typing a query: editing, completion, mistakes where they are.

use quarterdeck_ui::{Key, KeyCode};
use quarterdeck_widgets::prompt::{Edit, Prompt};

use super::complete::{Behind, LIMIT, Wanted, signature, wanted};
use super::queries::understand;
use crate::world::Names;

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// The line goes on.
    Goes,
    /// It is to be run.
    Run,
    /// It is left; what was typed comes with it.
    Left(String),
}

/// Names that the store gave, and to which question.
#[derive(Clone, Debug)]
struct Known {
    names: Names,
    matching: String,
    found: Vec<String>,
}

/// A query being typed.
#[derive(Clone, Debug)]
pub(super) struct Editor {
    pub(super) prompt: Prompt,
    /// What is put behind each choice.
    behind: Vec<Behind>,
    /// Whether the operator has moved among the choices: only then Enter takes one.
    chose: bool,
    wanted: Option<Wanted>,
    known: Option<Known>,
    asked: Option<(Names, String)>,
}

impl Editor {
    pub(super) fn new(text: &str, history: &[String]) -> Self {
        let hint = "a metric, a function, any PromQL — Tab offers what fits";
        let mut prompt = Prompt::new("", hint);
        history.iter().for_each(|line| prompt.remember(line));
        prompt.set_text(text);
        let mut editor =
            Self { prompt, behind: Vec::new(), chose: false, wanted: None, known: None, asked: None };
        editor.check();
        editor
    }

    /// Puts the cursor at a byte place, by words of the prompt's own editing.
    pub(super) fn place(&mut self, at: usize) {
        self.prompt.edit(Edit::End);
        while self.prompt.cursor() > at {
            self.prompt.edit(Edit::Left);
        }
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: Key) -> Typed {
        match key.code {
            KeyCode::Esc if self.prompt.dismiss() => self.chose = false,
            KeyCode::Esc => return Typed::Left(self.prompt.text().to_owned()),
            KeyCode::Enter if self.chose && self.prompt.completions().is_some() => self.take(),
            KeyCode::Enter => return Typed::Run,
            KeyCode::Tab if self.prompt.completions().is_some() => self.take(),
            KeyCode::Tab => self.consider(true),
            _ => {
                let Some(edit) = key.text().map(Edit::Insert).or_else(|| Edit::from_key(&key.to_string()))
                else {
                    return Typed::Goes;
                };
                let offered = self.prompt.completions().is_some();
                match edit {
                    Edit::Up | Edit::Down if offered => {
                        self.prompt.edit(edit);
                        self.chose = true;
                    }
                    Edit::Right if offered && self.prompt.cursor() == self.prompt.text().len() => self.take(),
                    Edit::Up | Edit::Down => {
                        // A line of the history comes as it was; nothing is offered on it.
                        self.prompt.edit(edit);
                        self.check();
                    }
                    _ => {
                        if self.prompt.edit(edit) {
                            self.changed();
                        }
                    }
                }
            }
        }
        Typed::Goes
    }

    /// Puts text in at the cursor.
    pub(super) fn insert(&mut self, text: &str) {
        self.prompt.insert(text);
        self.changed();
    }

    /// Names that must be asked for, once per question.
    pub(super) fn ask(&mut self) -> Option<(Names, String)> {
        let (names, _) = self.wanted.as_ref()?.names.clone()?;
        let matching = self.wanted.as_ref()?.prefix.clone();
        let question = (names, matching);
        if self.known_for(&question.0, &question.1) || self.asked.as_ref() == Some(&question) {
            return None;
        }
        self.asked = Some(question.clone());
        Some(question)
    }

    /// Takes the names that were asked for.
    pub(super) fn learn(&mut self, found: Vec<String>) {
        let Some((names, matching)) = self.asked.take() else { return };
        self.known = Some(Known { names, matching, found });
        if self.wanted.is_some() && !self.chose {
            self.offer();
        }
    }

    /// Names cannot be had; the words remain.
    pub(super) fn forget(&mut self) {
        self.asked = None;
    }

    /// What is known answers narrower questions too, unless it was cut.
    fn known_for(&self, names: &Names, matching: &str) -> bool {
        self.known.as_ref().is_some_and(|known| {
            known.names == *names
                && (known.matching == matching
                    || (known.found.len() < LIMIT && matching.contains(&known.matching)))
        })
    }

    fn changed(&mut self) {
        self.chose = false;
        self.consider(false);
        self.check();
    }

    /// Finds out what may stand at the cursor and offers it: while something is typed, where only names fit, or when
    /// asked to.
    fn consider(&mut self, asked: bool) {
        let wanted = wanted(self.prompt.text(), self.prompt.cursor());
        let offers = asked || wanted.at_once || !wanted.prefix.is_empty();
        self.wanted = offers.then_some(wanted);
        self.offer();
    }

    fn offer(&mut self) {
        let Some(wanted) = &self.wanted else {
            self.prompt.dismiss();
            return;
        };
        let known = match (&wanted.names, &self.known) {
            (Some((names, _)), Some(known)) if known.names == *names => known.found.as_slice(),
            _ => &[],
        };
        let (items, behind) = wanted.choices(known).into_iter().unzip();
        self.behind = behind;
        let error = self.prompt.error().map(str::to_owned);
        self.prompt.offer(wanted.replace.clone(), items);
        debug_assert_eq!(error.as_deref(), self.prompt.error());
    }

    /// Puts the chosen completion in, and what belongs behind it.
    fn take(&mut self) {
        let chosen = self.prompt.completions().map(|c| c.selected);
        if !self.prompt.complete() {
            return;
        }
        let behind = chosen.and_then(|at| self.behind.get(at)).copied().unwrap_or_default().text();
        let after = self.prompt.text().get(self.prompt.cursor()..).unwrap_or_default();
        if !behind.is_empty() && after.starts_with(behind) {
            for _ in behind.chars() {
                self.prompt.edit(Edit::Right);
            }
        } else {
            self.prompt.insert(behind);
        }
        self.changed();
        // The word is whole: what fits it goes away, what follows it is offered.
        if self.wanted.as_ref().is_some_and(|w| !w.prefix.is_empty()) {
            self.wanted = None;
            self.prompt.dismiss();
        }
    }

    /// The signature of the call that the cursor is in, and what it does.
    pub(super) fn help(&self) -> String {
        signature(self.prompt.text(), self.prompt.cursor()).unwrap_or_default()
    }

    /// Shows what is wrong. A query that only lacks its end while it is being typed is not yet wrong.
    fn check(&mut self) {
        let text = self.prompt.text().to_owned();
        if let Err(Some(complaint)) = understand(&text)
            && (complaint.range.start < text.trim_end().len())
        {
            self.prompt.set_error(complaint.range, complaint.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(editor: &mut Editor, keys: &str) -> Typed {
        keys.split(' ').map(|k| editor.key(k.parse().expect(k))).last().expect("a key")
    }

    #[test]
    fn a_query_is_completed_step_by_step() {
        let mut e = Editor::new("", &[]);
        keys(&mut e, "r a t");
        assert_eq!(e.ask(), Some((Names::Metrics, "rat".to_owned())));
        assert_eq!(e.ask(), None, "asked once");
        e.learn(vec!["rates".to_owned()]);
        assert_eq!(e.prompt.completions().map(|c| c.items[0].text.clone()), Some("rates".to_owned()));
        keys(&mut e, "down tab");
        assert_eq!(e.prompt.text(), "rate(");
        keys(&mut e, "u p {");
        assert_eq!(e.ask().map(|q| q.0), Some(Names::Labels(Some("up".to_owned()))));
        e.learn(vec!["job".to_owned()]);
        keys(&mut e, "tab");
        assert_eq!(e.prompt.text(), "rate(up{job=\"");
        e.ask();
        e.learn(vec!["orders".to_owned()]);
        keys(&mut e, "down enter");
        assert_eq!(e.prompt.text(), "rate(up{job=\"orders\"");
    }

    #[test]
    fn enter_runs_unless_a_choice_was_made() {
        let mut e = Editor::new("su", &[]);
        assert_eq!(keys(&mut e, "m"), Typed::Goes);
        assert!(e.prompt.completions().is_some());
        assert_eq!(keys(&mut e, "enter"), Typed::Run);
        assert_eq!(keys(&mut e, "esc"), Typed::Goes, "the first Esc takes the choices away");
        assert_eq!(keys(&mut e, "esc"), Typed::Left("sum".to_owned()));
    }

    #[test]
    fn mistakes_are_shown_where_they_are_but_not_what_is_still_to_come() {
        let mut e = Editor::new("", &[]);
        keys(&mut e, "s u m ( u p");
        assert_eq!(e.prompt.error(), None);
        keys(&mut e, ") ) )");
        assert!(e.prompt.error().is_some());
    }

    #[test]
    fn names_that_come_late_or_unasked_do_no_harm() {
        let mut e = Editor::new("", &[]);
        e.learn(vec!["x".to_owned()]);
        keys(&mut e, "x");
        e.ask();
        keys(&mut e, "backspace");
        e.learn(vec!["xy".to_owned()]);
        e.forget();
        assert!(e.prompt.completions().is_none());
    }
}

//! Typing a query or a step.

use quarterdeck_kernel::time::parse_duration;
use quarterdeck_ui::{Context, Effect, Key, KeyCode};
use quarterdeck_widgets::prompt::Edit;

use super::Metrics;
use super::commands::service_selector;
use super::editor::{Editor, Typed};
use crate::World;

impl Metrics {
    pub(super) fn edit(&mut self, text: &str, at: Option<usize>) -> Vec<Effect<World>> {
        let mut editor = Editor::new(text, self.queries.history());
        if let Some(at) = at {
            editor.place(at);
        }
        self.editor = Some(editor);
        self.ask_names()
    }

    pub(super) fn run(&mut self, text: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        self.queries.run(text);
        self.trouble = None;
        self.only = false;
        self.done = None;
        self.keep_up(cx)
    }

    pub(super) fn type_key(&mut self, key: Key, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.stepping.is_some() {
            return self.step_key(key, cx);
        }
        let Some(editor) = &mut self.editor else {
            let rows = self.rows(cx);
            self.listing_mut().key(key, &rows);
            return self.arrange(rows);
        };
        if key == Key::ctrl('s') {
            if let Some(selector) = service_selector(cx) {
                editor.insert(&selector);
            }
            return self.ask_names();
        }
        match editor.key(key) {
            Typed::Goes => self.ask_names(),
            Typed::Run => {
                let text = editor.prompt.text().to_owned();
                self.editor = None;
                let mut effects = vec![Effect::Cancel("names")];
                effects.extend(self.run(&text, cx));
                effects
            }
            Typed::Left(text) => {
                // What was typed is not lost: the history has it.
                if text.trim() != self.queries.current().text {
                    self.queries.remember(text.trim());
                }
                self.editor = None;
                let mut effects = vec![Effect::Cancel("names")];
                effects.extend(self.ask_examples());
                effects
            }
        }
    }

    pub(super) fn step_key(&mut self, key: Key, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(prompt) = &mut self.stepping else { return Vec::new() };
        match key.code {
            KeyCode::Esc => self.stepping = None,
            KeyCode::Enter => match prompt.text().trim() {
                "" | "auto" => {
                    self.options.step = None;
                    self.stepping = None;
                    return self.keep_up(cx);
                }
                text => match parse_duration(text) {
                    Ok(step) if step.as_millis() > 0 => {
                        self.options.step = Some(quarterdeck_kernel::time::millis(step));
                        self.stepping = None;
                        return self.keep_up(cx);
                    }
                    Ok(_) => prompt.set_error(0..text.len(), "a step must be longer than nothing"),
                    Err(error) => {
                        let end = prompt.text().len();
                        prompt.set_error(0..end, error.to_string());
                    }
                },
            },
            _ => {
                if let Some(edit) = key.text().map(Edit::Insert).or_else(|| Edit::from_key(&key.to_string()))
                {
                    prompt.edit(edit);
                }
            }
        }
        Vec::new()
    }
}

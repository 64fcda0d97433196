//! Typing a filter: what fits is offered, mistakes stand under the place where they are.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use quarterdeck_alerting::View;
use quarterdeck_alerting::model::AlertState;
use quarterdeck_ui::{Key, KeyCode};
use quarterdeck_widgets::popup::Item;
use quarterdeck_widgets::prompt::{Edit, Prompt};

use super::filter::{FIELDS, Filter, OPERATORS, parts, quoted, unquoted};

/// Choices that are offered at most.
const OFFERED: usize = 100;
/// Alerts that are looked at for names and values.
const LOOKED_AT: usize = 20_000;
/// Values of one label that are counted.
const VALUES: usize = 5_000;

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// The line goes on; what passes may have changed.
    Goes,
    /// It is done.
    Done,
    /// It is left: the filter before holds again.
    Left,
}

/// What was found among the alerts, with how many have it.
type Counted = Arc<[(String, usize)]>;

/// A filter being typed.
#[derive(Debug)]
pub(super) struct Filtering {
    pub(super) prompt: Prompt,
    /// What held before, and what is understood of what is typed.
    before: Arc<Filter>,
    pub(super) filter: Arc<Filter>,
    /// Whether the operator has moved among the choices: only then Enter takes one.
    chose: bool,
    /// What is put behind each choice.
    behind: Vec<&'static str>,
    /// Names of labels, and values of one: by the version of alerting that they were found in.
    names: Option<(u64, Counted)>,
    values: Option<(u64, String, Counted)>,
}

impl Filtering {
    pub(super) fn new(filter: &Arc<Filter>, history: &[String], view: &View) -> Self {
        let mut prompt =
            Prompt::new("/", "words, or state=firing service=~\"or.*\" age>10m — Tab offers what fits");
        history.iter().for_each(|line| prompt.remember(line));
        prompt.set_text(filter.text());
        let mut this = Self {
            prompt,
            before: Arc::clone(filter),
            filter: Arc::clone(filter),
            chose: false,
            behind: Vec::new(),
            names: None,
            values: None,
        };
        if this.prompt.text().is_empty() {
            this.offer(view, true);
        }
        this
    }

    /// What held before it was opened.
    pub(super) const fn before(&self) -> &Arc<Filter> {
        &self.before
    }

    pub(super) fn key(&mut self, key: Key, view: &View) -> Typed {
        match key.code {
            KeyCode::Esc if self.chose && self.prompt.dismiss() => self.chose = false,
            KeyCode::Esc => return Typed::Left,
            KeyCode::Enter if self.chose && self.prompt.completions().is_some() => self.take(view),
            KeyCode::Enter => {
                return match Filter::parse(self.prompt.text()) {
                    Ok(_) => Typed::Done,
                    Err(mistake) => {
                        self.prompt.dismiss();
                        self.prompt.set_error(mistake.at, mistake.what);
                        Typed::Goes
                    }
                };
            }
            KeyCode::Tab if self.prompt.completions().is_some() => self.take(view),
            KeyCode::Tab => self.offer(view, true),
            _ => {
                let Some(edit) = key.text().map(Edit::Insert).or_else(|| Edit::from_key(&key.to_string()))
                else {
                    return Typed::Goes;
                };
                match edit {
                    Edit::Up | Edit::Down if self.prompt.completions().is_some() => {
                        self.prompt.edit(edit);
                        self.chose = true;
                    }
                    _ => {
                        if self.prompt.edit(edit) {
                            self.changed(view);
                        }
                    }
                }
            }
        }
        Typed::Goes
    }

    pub(super) fn paste(&mut self, text: &str, view: &View) {
        self.prompt.insert(text);
        self.changed(view);
    }

    fn changed(&mut self, view: &View) {
        self.chose = false;
        let text = self.prompt.text().to_owned();
        match Filter::parse(&text) {
            Ok(filter) => {
                self.filter = Arc::new(filter);
                self.offer(view, false);
            }
            Err(mistake) => {
                // What else is typed already holds.
                let wrong = parts(&text)
                    .into_iter()
                    .find(|p| p.at.start <= mistake.at.start && mistake.at.end <= p.at.end);
                let rest = wrong.map(|p| format!("{}{}", &text[..p.at.start], &text[p.at.end..]));
                if let Some(Ok(filter)) = rest.as_deref().map(Filter::parse) {
                    self.filter = Arc::new(filter);
                }
                self.offer(view, false);
                // What is still being typed is not yet wrong.
                let cursor = self.prompt.cursor();
                let typing = parts(&text).iter().any(|p| {
                    p.at.start <= mistake.at.start && mistake.at.end <= p.at.end && p.at.end == cursor
                });
                if !typing || self.prompt.completions().is_none() && !open_end(&text) {
                    self.prompt.set_error(mistake.at, mistake.what);
                }
            }
        }
    }

    /// Offers what may stand at the cursor.
    fn offer(&mut self, view: &View, asked: bool) {
        let text = self.prompt.text().to_owned();
        let cursor = self.prompt.cursor();
        let part = parts(&text).into_iter().find(|p| p.at.start <= cursor && cursor <= p.at.end);
        let (replace, choices) = match part {
            Some(part) if !part.op.is_empty() && part.value.start <= cursor => {
                let typed = unquoted(text.get(part.value.start..cursor).unwrap_or_default()).into_owned();
                (part.value.clone(), self.value_choices(view, part.name, part.op, &typed))
            }
            Some(part) if part.op.is_empty() && !part.name.starts_with('"') => {
                let typed = part.name.trim_start_matches('!').to_owned();
                let start = part.at.end - typed.len();
                (start..part.at.end, self.name_choices(view, &typed))
            }
            None if asked => (cursor..cursor, self.name_choices(view, "")),
            _ => (cursor..cursor, Vec::new()),
        };
        self.show(replace, choices);
    }

    fn show(&mut self, replace: Range<usize>, choices: Vec<(Item, &'static str)>) {
        let (items, behind) = choices.into_iter().take(OFFERED).unzip();
        self.behind = behind;
        let error = self.prompt.error().map(str::to_owned);
        self.prompt.offer(replace, items);
        debug_assert_eq!(error.as_deref(), self.prompt.error());
    }

    /// Names that fit what is typed; behind a whole name the operators.
    fn name_choices(&mut self, view: &View, typed: &str) -> Vec<(Item, &'static str)> {
        let names = self.names(view);
        let fits = |name: &str| name.to_lowercase().contains(&typed.to_lowercase());
        let begins = |name: &str| name.to_lowercase().starts_with(&typed.to_lowercase());
        let whole = FIELDS.iter().any(|(f, _)| *f == typed) || names.iter().any(|(n, _)| n == typed);
        let mut choices = Vec::new();
        if whole {
            let compared: &[(&str, &str)] =
                if typed == "age" { &[(">", "lasts longer"), ("<", "lasts less long")] } else { &OPERATORS };
            for (op, what) in compared {
                choices.push((Item::new(format!("{typed}{op}")).note(*what), ""));
            }
        }
        let fields = FIELDS.iter().filter(|(f, _)| fits(f) && *f != typed);
        choices
            .extend(fields.map(|(f, what)| (Item::new(*f).note(*what), if *f == "age" { ">" } else { "=" })));
        let labels =
            names.iter().filter(|(n, _)| fits(n) && n != typed && FIELDS.iter().all(|(f, _)| f != n));
        let labels: Vec<_> =
            labels.map(|(n, count)| (Item::new(n).note(format!("label of {count}")), "=")).collect();
        choices.extend(labels);
        // What begins with what is typed comes first; else the order stays.
        choices.sort_by_key(|(item, _)| !begins(&item.text));
        choices
    }

    fn value_choices(&mut self, view: &View, name: &str, op: &str, typed: &str) -> Vec<(Item, &'static str)> {
        if name == "age" {
            let lengths = [("5m", "minutes"), ("1h", "an hour"), ("1d", "a day")];
            return if typed.is_empty() {
                lengths.into_iter().map(|(l, what)| (Item::new(l).note(what), " ")).collect()
            } else {
                Vec::new()
            };
        }
        // A pattern is the operator's own; what is there is still a good beginning.
        let values = self.values(view, name);
        let lower = typed.to_lowercase();
        let mut fitting: Vec<&(String, usize)> = values
            .iter()
            .filter(|(v, _)| v.to_lowercase().contains(&lower) && (v != typed || op.contains('~')))
            .collect();
        fitting.sort_by_key(|(v, _)| !v.to_lowercase().starts_with(&lower));
        if fitting.len() == 1 && fitting[0].0 == typed {
            return Vec::new();
        }
        let item = |(value, count): &&(String, usize)| {
            let note = if *count > 0 { format!("{count} alerts") } else { String::new() };
            (Item::new(quoted(value)).note(note), " ")
        };
        fitting.iter().map(item).collect()
    }

    fn names(&mut self, view: &View) -> Counted {
        if let Some((version, names)) = &self.names
            && *version == view.version
        {
            return Arc::clone(names);
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for alert in view.alerts.alerts.iter().take(LOOKED_AT) {
            for (name, _) in alert.labels.iter() {
                *counts.entry(name).or_insert(0) += 1;
            }
        }
        let names = counted(counts);
        self.names = Some((view.version, Arc::clone(&names)));
        names
    }

    /// Values of a field or a label, most frequent first.
    fn values(&mut self, view: &View, name: &str) -> Counted {
        if let Some((version, of, values)) = &self.values
            && *version == view.version
            && of == name
        {
            return Arc::clone(values);
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let count = |value: &'_ str, counts: &mut HashMap<&str, usize>| {
            if let Some(known) = counts.get_mut(value) {
                *known += 1;
            }
        };
        if name == "state" {
            counts.extend(AlertState::ALL.map(|state| (state.as_str(), 0)));
        }
        for alert in view.alerts.alerts.iter().take(LOOKED_AT) {
            let value = match name {
                "state" => {
                    count(alert.state.as_str(), &mut counts);
                    continue;
                }
                "severity" => Some(alert.severity.as_str()),
                "service" => alert.service.as_deref(),
                "owner" => alert.owner(),
                "receiver" => {
                    for receiver in alert.receivers.iter() {
                        *counts.entry(receiver).or_insert(0) += 1;
                    }
                    continue;
                }
                label => alert.labels.get(label),
            };
            if let Some(value) = value.filter(|v| counts.len() < VALUES || counts.contains_key(v)) {
                *counts.entry(value).or_insert(0) += 1;
            }
        }
        let values = counted(counts);
        self.values = Some((view.version, name.to_owned(), Arc::clone(&values)));
        values
    }

    /// Puts the chosen completion in, and what belongs behind it.
    fn take(&mut self, view: &View) {
        let chosen = self.prompt.completions().map(|c| c.selected);
        if !self.prompt.complete() {
            return;
        }
        let behind = chosen.and_then(|at| self.behind.get(at)).copied().unwrap_or_default();
        let after = self.prompt.text().get(self.prompt.cursor()..).unwrap_or_default();
        if behind == " " && after.starts_with(' ') {
            self.prompt.edit(Edit::Right);
        } else {
            self.prompt.insert(behind);
        }
        self.changed(view);
    }
}

/// Whether the text ends where a value is still to come.
fn open_end(text: &str) -> bool {
    parts(text).last().is_some_and(|p| p.open || (!p.op.is_empty() && p.value.is_empty()))
}

fn counted(counts: HashMap<&str, usize>) -> Counted {
    let mut list: Vec<(String, usize)> = counts.into_iter().map(|(n, c)| (n.to_owned(), c)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.into()
}

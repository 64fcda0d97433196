//! Remarks on a query that succeeded: warnings (the result may be wrong) and infos (it may not be what was meant).

use std::collections::HashSet;

use crate::Span;

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Data were left out or are doubtful.
    Warning,
    /// Something looks unintended.
    Info,
}

/// One remark and the part of the query it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Annotation {
    /// How grave.
    pub level: Level,
    /// What, starting with `PromQL warning:` or `PromQL info:`.
    pub message: String,
    /// Where in the query.
    pub span: Span,
}

impl Annotation {
    /// The message with line and column, as the HTTP API reports it.
    #[must_use]
    pub fn with_position(&self, query: &str) -> String {
        let (line, column) = self.span.line_column(query);
        format!("{} ({line}:{column})", self.message)
    }
}

/// More remarks than this are dropped: a query over thousands of doubtful metrics needs no thousand lines.
const MAX_ANNOTATIONS: usize = 500;

/// The remarks on one query, each once.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    list: Vec<Annotation>,
    seen: HashSet<Annotation>,
    dropped: usize,
}

impl Annotations {
    /// All remarks in the order in which they arose.
    #[must_use]
    pub fn list(&self) -> &[Annotation] {
        &self.list
    }

    /// How many more there were than are kept.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Annotation> {
        self.list.iter().filter(|a| a.level == Level::Warning)
    }

    /// The infos.
    pub fn infos(&self) -> impl Iterator<Item = &Annotation> {
        self.list.iter().filter(|a| a.level == Level::Info)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn warn(&mut self, span: Span, message: impl AsRef<str>) {
        self.add(Level::Warning, span, format!("PromQL warning: {}", message.as_ref()));
    }

    pub(crate) fn info(&mut self, span: Span, message: impl AsRef<str>) {
        self.add(Level::Info, span, format!("PromQL info: {}", message.as_ref()));
    }

    fn add(&mut self, level: Level, span: Span, message: String) {
        let annotation = Annotation { level, message, span };
        if self.seen.contains(&annotation) {
            return;
        }
        if self.list.len() == MAX_ANNOTATIONS {
            self.dropped += 1;
            return;
        }
        self.seen.insert(annotation.clone());
        self.list.push(annotation);
    }
}

//! The tree of a template. Parts print as they were written, in normal form: error messages name them so.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    /// `{{ pipeline }}`
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `{{ template "name" pipeline }}`
    Call {
        at: usize,
        name: String,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) at: usize,
    pub(crate) pipe: Pipe,
    pub(crate) then: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    /// Whether the variables exist already.
    pub(crate) assigns: bool,
    pub(crate) variables: Vec<Arc<str>>,
    pub(crate) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) at: usize,
    pub(crate) args: Vec<Arg>,
}

#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) at: usize,
    pub(crate) kind: ArgKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ArgKind {
    Function(String),
    Dot,
    Nil,
    Bool(bool),
    Int { value: i64, text: String },
    Float { value: f64, text: String },
    Text { value: Arc<str>, written: String },
    Variable { name: Arc<str>, fields: Vec<String> },
    Field(Vec<String>),
    Chain(Box<Arg>, Vec<String>),
    Pipe(Box<Pipe>),
}

fn fields(f: &mut Formatter<'_>, names: &[String]) -> fmt::Result {
    names.iter().try_for_each(|name| write!(f, ".{name}"))
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ArgKind::Function(name) => f.write_str(name),
            ArgKind::Dot => f.write_str("."),
            ArgKind::Nil => f.write_str("nil"),
            ArgKind::Bool(value) => write!(f, "{value}"),
            ArgKind::Int { text, .. } | ArgKind::Float { text, .. } => f.write_str(text),
            ArgKind::Text { written, .. } => f.write_str(written),
            ArgKind::Variable { name, fields: names } => {
                f.write_str(name)?;
                fields(f, names)
            }
            ArgKind::Field(names) => fields(f, names),
            ArgKind::Chain(inner, names) => {
                write!(f, "{inner}")?;
                fields(f, names)
            }
            ArgKind::Pipe(pipe) => write!(f, "({pipe})"),
        }
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{arg}")?;
        }
        Ok(())
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, name) in self.variables.iter().enumerate() {
            write!(f, "{}{name}", if i > 0 { ", " } else { "" })?;
        }
        if !self.variables.is_empty() {
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if i > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

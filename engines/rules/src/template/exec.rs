//! Walking the tree.

use std::fmt::Display;
use std::sync::Arc;

use super::ast::{Arg, ArgKind, Branch, Command, Node, Pipe};
use super::parse::Tree;
use super::value::Value;
use super::{Environment, Queries, builtins, functions, time};

/// How many nodes may be walked: a bound on loops.
const MAX_STEPS: usize = 200_000;
/// How long a result may become, in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// How deep templates may call each other.
const MAX_CALLS: usize = 50;
/// How many queries one template may make.
const MAX_QUERIES: usize = 100;

/// Why a walk ended: the place, the node there, what is wrong.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) at: usize,
    pub(super) node: String,
    pub(super) message: String,
}

/// How a list of nodes ended.
enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, Failed>;

struct Walk<'a> {
    tree: &'a Tree,
    environment: &'a Environment<'a>,
    queries: Counted<'a>,
    variables: Vec<(Arc<str>, Value)>,
    out: String,
    steps: usize,
    calls: usize,
}

struct Counted<'a> {
    queries: &'a dyn Queries,
    made: std::cell::Cell<usize>,
}

impl Queries for Counted<'_> {
    fn query(&self, text: &str) -> Result<Vec<(quarterdeck_kernel::Labels, f64)>, String> {
        self.made.set(self.made.get() + 1);
        if self.made.get() > MAX_QUERIES {
            return Err(format!("more than {MAX_QUERIES} queries in one template"));
        }
        self.queries.query(text)
    }
}

/// Runs a template with `dot`.
pub(super) fn run(
    tree: &Tree,
    dot: &Value,
    environment: &Environment<'_>,
    queries: &dyn Queries,
) -> Result<String, Failed> {
    let mut walk = Walk {
        tree,
        environment,
        queries: Counted { queries, made: std::cell::Cell::new(0) },
        variables: vec![("$".into(), dot.clone())],
        out: String::new(),
        steps: 0,
        calls: 0,
    };
    walk.list(&tree.body, dot)?;
    Ok(walk.out)
}

fn failed(at: usize, node: &impl Display, message: impl Into<String>) -> Failed {
    Failed { at, node: node.to_string(), message: message.into() }
}

impl Walk<'_> {
    fn step(&mut self, at: usize, node: &impl Display) -> Done<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(failed(at, node, format!("more than {MAX_STEPS} steps")));
        }
        if self.out.len() > MAX_OUTPUT {
            return Err(failed(at, node, format!("the result is longer than {MAX_OUTPUT} bytes")));
        }
        Ok(())
    }

    fn list(&mut self, nodes: &[Node], dot: &Value) -> Done<Flow> {
        for node in nodes {
            match node {
                Node::Text(text) => {
                    self.step(0, &"text")?;
                    self.out.push_str(text);
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        value.print(&mut self.out);
                    }
                }
                Node::If(branch) | Node::With(branch) => {
                    let kept = self.variables.len();
                    let value = self.pipe(&branch.pipe, dot)?;
                    let flow = if value.truth() {
                        let inner = if matches!(node, Node::With(_)) { &value } else { dot };
                        self.list(&branch.then, inner)?
                    } else {
                        self.list(&branch.otherwise, dot)?
                    };
                    self.variables.truncate(kept);
                    if !matches!(flow, Flow::On) {
                        return Ok(flow);
                    }
                }
                Node::Range(branch) => {
                    let kept = self.variables.len();
                    let flow = self.range(branch, dot)?;
                    self.variables.truncate(kept);
                    if !matches!(flow, Flow::On) {
                        return Ok(flow);
                    }
                }
                Node::Call { at, name, pipe } => self.call_template(*at, name, pipe.as_ref(), dot)?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    fn call_template(&mut self, at: usize, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Done<()> {
        let written = format!("{{{{template {name:?}}}}}");
        let tree = self.tree;
        let Some(body) = tree.defined.get(name) else {
            return Err(failed(at, &written, format!("template {name:?} not defined")));
        };
        if self.calls >= MAX_CALLS {
            return Err(failed(at, &written, format!("exceeded maximum template depth ({MAX_CALLS})")));
        }
        let argument = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Missing,
        };
        self.calls += 1;
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), argument.clone())]);
        let done = self.list(body, &argument);
        self.variables = outer;
        self.calls -= 1;
        done.map(|_| ())
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Done<Flow> {
        let over = self.pipe_value(&branch.pipe, dot)?;
        let items: Vec<(Value, Value)> = match &over {
            Value::List(list) => {
                (0..).zip(list.iter()).map(|(i, v): (i64, _)| (Value::Int(i), v.clone())).collect()
            }
            Value::Map(map) => {
                map.entries.iter().map(|(k, v)| (Value::Text(Arc::clone(k)), v.clone())).collect()
            }
            Value::Int(n) => {
                let most = i64::try_from(MAX_STEPS).unwrap_or(i64::MAX);
                if *n > most {
                    return Err(failed(branch.at, &branch.pipe, format!("more than {MAX_STEPS} steps")));
                }
                (0..*n).map(|i| (Value::Int(i), Value::Int(i))).collect()
            }
            Value::Missing | Value::Nil => Vec::new(),
            other => {
                let told = format!("range can't iterate over {}", other.to_text());
                return Err(failed(branch.pipe.at, &branch.pipe, told));
            }
        };
        if items.is_empty() {
            return self.list(&branch.otherwise, dot);
        }
        for (key, value) in items {
            self.step(branch.at, &branch.pipe)?;
            let kept = self.variables.len();
            let names = &branch.pipe.variables;
            match names.as_slice() {
                [] => {}
                [one] => self.set(one, value.clone(), branch.pipe.assigns),
                [first, second, ..] => {
                    self.set(first, key, branch.pipe.assigns);
                    self.set(second, value.clone(), branch.pipe.assigns);
                }
            }
            let flow = self.list(&branch.then, &value)?;
            self.variables.truncate(kept);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, name: &Arc<str>, value: Value, assigns: bool) {
        if assigns {
            if let Some((_, place)) = self.variables.iter_mut().rev().find(|(n, _)| n == name) {
                *place = value;
            }
        } else {
            self.variables.push((Arc::clone(name), value));
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Done<Value> {
        let value = self.pipe_value(pipe, dot)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn pipe_value(&mut self, pipe: &Pipe, dot: &Value) -> Done<Value> {
        self.step(pipe.at, pipe)?;
        let mut last: Option<Value> = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last.take())?);
        }
        Ok(last.unwrap_or(Value::Missing))
    }

    fn command(&mut self, command: &Command, dot: &Value, last: Option<Value>) -> Done<Value> {
        self.step(command.at, command)?;
        let Some((first, rest)) = command.args.split_first() else { return Ok(Value::Missing) };
        let no_call = || {
            if rest.is_empty() && last.is_none() {
                Ok(())
            } else {
                Err(failed(first.at, first, format!("can't give argument to non-function {first}")))
            }
        };
        match &first.kind {
            ArgKind::Function(name) => self.function(name, first.at, command, rest, dot, last),
            ArgKind::Field(names) => self.fields(first, dot.clone(), names, rest, dot, last),
            ArgKind::Variable { name, fields } => {
                let value = self.variable(name);
                if fields.is_empty() {
                    no_call()?;
                    return Ok(value);
                }
                self.fields(first, value, fields, rest, dot, last)
            }
            ArgKind::Chain(inner, names) => {
                let value = self.arg(inner, dot)?;
                self.fields(first, value, names, rest, dot, last)
            }
            ArgKind::Nil => Err(failed(first.at, first, "nil is not a command")),
            _ => {
                no_call()?;
                self.arg(first, dot)
            }
        }
    }

    fn variable(&self, name: &str) -> Value {
        let found = self.variables.iter().rev().find(|(n, _)| **n == *name);
        found.map_or(Value::Missing, |(_, value)| value.clone())
    }

    fn arg(&mut self, arg: &Arg, dot: &Value) -> Done<Value> {
        self.step(arg.at, arg)?;
        match &arg.kind {
            ArgKind::Function(name) => {
                let command = Command { at: arg.at, args: vec![arg.clone()] };
                self.function(name, arg.at, &command, &[], dot, None)
            }
            ArgKind::Dot => Ok(dot.clone()),
            ArgKind::Nil => Ok(Value::Nil),
            ArgKind::Bool(value) => Ok(Value::Bool(*value)),
            ArgKind::Int { value, .. } => Ok(Value::Int(*value)),
            ArgKind::Float { value, .. } => Ok(Value::Float(*value)),
            ArgKind::Text { value, .. } => Ok(Value::Text(Arc::clone(value))),
            ArgKind::Variable { name, fields } => {
                let value = self.variable(name);
                self.fields(arg, value, fields, &[], dot, None)
            }
            ArgKind::Field(names) => self.fields(arg, dot.clone(), names, &[], dot, None),
            ArgKind::Chain(inner, names) => {
                let value = self.arg(inner, dot)?;
                self.fields(arg, value, names, &[], dot, None)
            }
            ArgKind::Pipe(pipe) => self.pipe(pipe, dot),
        }
    }

    fn function(
        &mut self,
        name: &str,
        at: usize,
        command: &Command,
        rest: &[Arg],
        dot: &Value,
        last: Option<Value>,
    ) -> Done<Value> {
        // These two stop at the first argument that decides.
        if matches!(name, "and" | "or") {
            let mut value = Value::Missing;
            for arg in rest {
                value = self.arg(arg, dot)?;
                if value.truth() == (name == "or") {
                    return Ok(value);
                }
            }
            return match last {
                Some(last) => Ok(last),
                None if rest.is_empty() => Err(failed(at, &name, builtins::wrong_count(name, 1, false, 0))),
                None => Ok(value),
            };
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for arg in rest {
            args.push(self.arg(arg, dot)?);
        }
        args.extend(last);
        let result = if builtins::is_known(name) {
            builtins::call(name, &args)
        } else {
            functions::call(name, &args, self.environment, &self.queries)
        };
        result.map_err(|message| {
            // What is wrong with the call itself is told as it is; what the function says, with its name.
            let message = if message.starts_with("wrong ") {
                message
            } else {
                format!("error calling {name}: {message}")
            };
            failed(command.at, command, message)
        })
    }

    /// A chain of fields; the last may be a method with arguments.
    fn fields(
        &mut self,
        node: &Arg,
        mut value: Value,
        names: &[String],
        rest: &[Arg],
        dot: &Value,
        last: Option<Value>,
    ) -> Done<Value> {
        let mut args = Vec::new();
        for arg in rest {
            args.push(self.arg(arg, dot)?);
        }
        args.extend(last);
        for (i, name) in names.iter().enumerate() {
            let args: &[Value] = if i + 1 == names.len() { &args } else { &[] };
            value = field(&value, name, args).map_err(|message| failed(node.at, node, message))?;
        }
        Ok(value)
    }
}

fn field(of: &Value, name: &str, args: &[Value]) -> Result<Value, String> {
    let plain = |value: Value| {
        if args.is_empty() {
            Ok(value)
        } else {
            Err(format!("{name} has arguments but cannot be invoked as function"))
        }
    };
    let unknown = |of: &Value| Err(format!("can't evaluate field {name} in type {}", of.type_name()));
    match of {
        Value::Missing => Ok(Value::Missing),
        Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}")),
        Value::Map(map) => {
            if !args.is_empty() {
                return Err(format!("{name} is not a method but has arguments"));
            }
            let absent = if map.texts { Value::text("") } else { Value::Missing };
            Ok(map.entries.get(name).cloned().unwrap_or(absent))
        }
        Value::Data(map) => match map.entries.get(name) {
            Some(value) => plain(value.clone()),
            None => unknown(of),
        },
        Value::Sample(sample) => match name {
            "Labels" => plain(Value::Map(Arc::clone(&sample.labels))),
            "Value" => plain(Value::Float(sample.value)),
            _ => unknown(of),
        },
        Value::Time(nanos) => time::method(*nanos, name, args).unwrap_or_else(|| unknown(of)),
        Value::Span(nanos) => time::span_method(*nanos, name, args).unwrap_or_else(|| unknown(of)),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => unknown(of),
    }
}

//! Walking the tree.

use std::fmt::Display;
use std::sync::Arc;

use crate::ast::{Arg, ArgKind, Branch, Command, Node, Pipe};
use crate::builtins;
use crate::error::Error;
use crate::functions::Functions;
use crate::html::Escaper;
use crate::set::{Body, Escape, Set, Template};
use crate::time;
use crate::value::{MAX_NESTING, Map, Value, View};

/// What bounds one run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many nodes may be walked: a bound on loops.
    pub steps: usize,
    /// How long a result may become, in bytes.
    pub output: usize,
    /// How many bytes functions may read and write together.
    pub work: usize,
    /// How deep templates may call each other.
    pub calls: usize,
}

impl Default for Limits {
    /// For a label or an annotation: 200,000 steps, 1 MiB, 256 MiB of work, 50 calls deep.
    fn default() -> Self {
        Self { steps: 200_000, output: 1 << 20, work: 1 << 28, calls: 50 }
    }
}

/// Why a walk ended: the place, the node there, what is wrong.
struct Failed {
    at: usize,
    node: String,
    message: String,
    /// The template in which it is, once known.
    within: Option<(Body, String)>,
}

/// How a list of nodes ended.
enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, Box<Failed>>;

struct Walk<'a> {
    template: &'a Template,
    set: &'a Set,
    functions: &'a dyn Functions,
    limits: &'a Limits,
    html: Option<Escaper>,
    variables: Vec<(Arc<str>, Value)>,
    out: String,
    steps: usize,
    work: usize,
    calls: usize,
}

/// Runs a template with `dot`.
pub(crate) fn run(
    template: &Template,
    set: &Set,
    dot: &Value,
    functions: &dyn Functions,
    escape: Escape,
    limits: &Limits,
) -> Result<String, Error> {
    let mut walk = Walk {
        template,
        set,
        functions,
        limits,
        html: (escape == Escape::Html).then(Escaper::default),
        variables: vec![("$".into(), dot.clone())],
        out: String::new(),
        steps: 0,
        work: 0,
        calls: 0,
    };
    match walk.list(&template.main.nodes, dot) {
        Ok(_) => Ok(walk.out),
        Err(failed) => Err(told(*failed, template)),
    }
}

fn told(failed: Failed, template: &Template) -> Error {
    let main = || (template.main.clone(), template.main.source.name.clone());
    let (body, name) = failed.within.unwrap_or_else(main);
    let source = &body.source;
    let upto = source.text.get(..failed.at).unwrap_or_default();
    let line = upto.matches('\n').count() + 1;
    let column = upto.len() - upto.rfind('\n').map_or(0, |i| i + 1);
    let (node, message) = (&failed.node, &failed.message);
    Error {
        message: format!(
            "template: {}:{line}:{column}: executing {name:?} at <{node}>: {message}",
            source.name
        ),
        reason: failed.message.clone(),
        template: source.name.clone(),
        line,
        at: failed.at,
    }
}

fn failed(at: usize, node: &impl Display, message: impl Into<String>) -> Box<Failed> {
    Box::new(Failed { at, node: node.to_string(), message: message.into(), within: None })
}

impl Walk<'_> {
    fn step(&mut self, at: usize, node: &impl Display) -> Done<()> {
        self.steps += 1;
        let Limits { steps, output, .. } = *self.limits;
        if self.steps > steps {
            return Err(failed(at, node, format!("more than {steps} steps")));
        }
        if self.out.len() > output {
            return Err(failed(at, node, format!("the result is longer than {output} bytes")));
        }
        Ok(())
    }

    /// Counts what it takes to read or write values.
    fn spend(&mut self, bytes: usize, at: usize, node: &impl Display) -> Done<()> {
        self.work = self.work.saturating_add(bytes);
        if self.work > self.limits.work {
            return Err(failed(at, node, format!("functions handle more than {} bytes", self.limits.work)));
        }
        Ok(())
    }

    fn write(&mut self, value: &Value, at: usize, node: &impl Display) -> Done<()> {
        let most = self.limits.output;
        let Some(weight) = value.weight(most) else {
            return Err(failed(at, node, format!("values are nested more than {MAX_NESTING} deep")));
        };
        self.spend(weight, at, node)?;
        match &mut self.html {
            None => value.print(&mut self.out),
            Some(escaper) => escaper.value(value, &mut self.out),
        }
        self.step(at, node)
    }

    fn list(&mut self, nodes: &[Node], dot: &Value) -> Done<Flow> {
        for node in nodes {
            match node {
                Node::Text(text) => {
                    self.step(0, &"text")?;
                    match &mut self.html {
                        None => self.out.push_str(text),
                        Some(escaper) => escaper.literal(text, &mut self.out),
                    }
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        self.write(&value, pipe.at, pipe)?;
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
        let written = || match pipe {
            Some(pipe) => format!("{{{{template {name:?} {pipe}}}}}"),
            None => format!("{{{{template {name:?}}}}}"),
        };
        self.step(at, &"template")?;
        let (template, set) = (self.template, self.set);
        let Some(body) = template.defined.get(name).or_else(|| set.get(name)) else {
            return Err(failed(at, &written(), format!("template {name:?} not defined")));
        };
        let most = self.limits.calls;
        if self.calls >= most {
            return Err(failed(at, &written(), format!("exceeded maximum template depth ({most})")));
        }
        let argument = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Missing,
        };
        self.calls += 1;
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), argument.clone())]);
        let done = self.list(&body.nodes, &argument);
        self.variables = outer;
        self.calls -= 1;
        done.map(|_| ()).map_err(|mut failed| {
            failed.within.get_or_insert_with(|| (body.clone(), name.to_owned()));
            failed
        })
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Done<Flow> {
        let over = self.pipe_value(&branch.pipe, dot)?;
        let items: Vec<(Value, Value)> = match (&over, over.as_list(), over.as_map()) {
            (_, Some(list), _) => {
                (0..).zip(list.iter()).map(|(i, v): (i64, _)| (Value::Int(i), v.clone())).collect()
            }
            (_, _, Some(map)) => {
                map.entries.iter().map(|(k, v)| (Value::Text(Arc::clone(k)), v.clone())).collect()
            }
            (Value::Int(n), ..) => {
                let most = self.limits.steps;
                if usize::try_from(*n).is_ok_and(|n| n > most) {
                    return Err(failed(branch.at, &branch.pipe, format!("more than {most} steps")));
                }
                (0..*n).map(|i| (Value::Int(i), Value::Int(i))).collect()
            }
            (Value::Missing | Value::Nil, ..) => Vec::new(),
            (other, ..) => {
                let told = format!("range can't iterate over {}", other.to_text());
                return Err(failed(branch.pipe.at, &branch.pipe, told));
            }
        };
        self.spend(items.len(), branch.at, &branch.pipe)?;
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
        self.weigh(name, &args, command)?;
        let result = if builtins::is_known(name) {
            builtins::call(name, &args)
        } else {
            self.functions.call(name, &args)
        };
        let value = result.map_err(|message| {
            // What is wrong with the call itself is told as it is; what the function says, with its name.
            let message = if message.starts_with("wrong ") {
                message
            } else {
                format!("error calling {name}: {message}")
            };
            failed(command.at, command, message)
        })?;
        let value = match (&self.html, name, value) {
            // They have escaped it already.
            (Some(_), "html", Value::Text(text)) => Value::Html(text),
            (Some(_), "urlquery", Value::Text(text)) => Value::Url(text),
            (_, _, value) => value,
        };
        if let Some(text) = value.as_text() {
            if text.len() > self.limits.output {
                let told = format!("the result of {name} is longer than {} bytes", self.limits.output);
                return Err(failed(command.at, command, told));
            }
            self.spend(text.len(), command.at, command)?;
        }
        Ok(value)
    }

    /// Counts what a function reads. Those that look at one element or at the size read texts alone.
    fn weigh(&mut self, name: &str, args: &[Value], command: &Command) -> Done<()> {
        let shallow = matches!(
            name,
            "len"
                | "index"
                | "slice"
                | "not"
                | "eq"
                | "ne"
                | "lt"
                | "le"
                | "gt"
                | "ge"
                | "first"
                | "value"
                | "label"
        );
        let most = self.limits.work;
        let mut read = 0usize;
        for arg in args {
            let weight = match (shallow, arg.as_text()) {
                (true, text) => text.map_or(0, |text| text.len()),
                (false, _) => arg.weight(most).ok_or_else(|| {
                    let told = format!("values are nested more than {MAX_NESTING} deep");
                    failed(command.at, command, told)
                })?,
            };
            read = read.saturating_add(weight);
        }
        self.spend(read, command.at, command)
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
            let made =
                value.as_list().map_or(0, <[Value]>::len) + value.as_text().map_or(0, |text| text.len());
            self.spend(made, node.at, node)?;
        }
        Ok(value)
    }
}

fn field(of: &Value, name: &str, args: &[Value]) -> Result<Value, String> {
    let unknown = |of: &Value| Err(format!("can't evaluate field {name} in type {}", of.type_name()));
    match of {
        Value::Missing => Ok(Value::Missing),
        Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}")),
        Value::Map(map) => key(map, name, args),
        Value::Object(object) => {
            if let Some(result) = object.call(name, args) {
                return result.map_err(|message| {
                    if message.starts_with("wrong ") {
                        message
                    } else {
                        format!("error calling {name}: {message}")
                    }
                });
            }
            if let View::Map(map) = object.view() {
                return key(map, name, args);
            }
            match object.field(name) {
                Some(value) if args.is_empty() => Ok(value),
                Some(_) => Err(format!("{name} has arguments but cannot be invoked as function")),
                None => unknown(of),
            }
        }
        Value::Time(at) => time::method(at, name, args).unwrap_or_else(|| unknown(of)),
        Value::Span(nanos) => time::span_method(*nanos, name, args).unwrap_or_else(|| unknown(of)),
        _ => unknown(of),
    }
}

fn key(map: &Map, name: &str, args: &[Value]) -> Result<Value, String> {
    if !args.is_empty() {
        return Err(format!("{name} is not a method but has arguments"));
    }
    let absent = if map.texts { Value::text("") } else { Value::Missing };
    Ok(map.entries.get(name).cloned().unwrap_or(absent))
}

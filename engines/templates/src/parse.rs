//! Tokens into a tree. Functions and variables are looked up here, so that a file is refused before it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Arg, ArgKind, Branch, Command, Node, Pipe};
use crate::error::ParseError;
use crate::lex::{Kind, Token, lex};

/// How deep parentheses and blocks may be nested.
const MAX_DEPTH: usize = 100;

/// A template and those that it defines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) body: Vec<Node>,
    pub(crate) defined: BTreeMap<String, Vec<Node>>,
}

/// Parses a template; `known` says which functions there are.
pub(crate) fn parse(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Tree, ParseError> {
    let tokens = lex(text)?;
    let mut parser = Parser {
        text,
        tokens,
        next: 0,
        variables: vec!["$".into()],
        depth: 0,
        loops: 0,
        known,
        defined: BTreeMap::new(),
    };
    let (body, ended) = parser.list(true)?;
    match ended {
        Ended::Eof => Ok(Tree { body, defined: parser.defined }),
        Ended::End => Err(parser.fail("unexpected {{end}}")),
        Ended::Else(_) => Err(parser.fail("unexpected {{else}}")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    variables: Vec<Arc<str>>,
    depth: usize,
    loops: usize,
    known: &'a dyn Fn(&str) -> bool,
    defined: BTreeMap<String, Vec<Node>>,
}

/// What ended a list of nodes.
enum Ended {
    Eof,
    End,
    /// `{{else}}`, or `{{else if …}}` with the word.
    Else(Option<&'static str>),
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn fail(&self, message: impl Into<String>) -> ParseError {
        let at = self.tokens[self.next.saturating_sub(1).min(self.tokens.len() - 1)].at;
        ParseError::new(self.text, at, message)
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn unexpected(&self, token: &Token, context: &str) -> ParseError {
        let what = match token.kind {
            Kind::End => return ParseError::new(self.text, token.at, "unexpected EOF"),
            Kind::Word if is_keyword(&token.text) => format!("<{}>", token.text),
            _ => format!("{:?}", token.text),
        };
        ParseError::new(self.text, token.at, format!("unexpected {what} in {context}"))
    }

    fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail(format!("nested more than {MAX_DEPTH} deep")));
        }
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn list(&mut self, top: bool) -> Parsed<(Vec<Node>, Ended)> {
        let mut nodes = Vec::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::End if top => return Ok((nodes, Ended::Eof)),
                Kind::End => return Err(self.fail("unexpected EOF")),
                Kind::Text => nodes.push(Node::Text(token.text)),
                Kind::Open => {
                    self.skip_space();
                    let word = self.peek().clone();
                    let keyword = if word.kind == Kind::Word { word.text.as_str() } else { "" };
                    match keyword {
                        "end" => {
                            self.next += 1;
                            self.close("end")?;
                            return Ok((nodes, Ended::End));
                        }
                        "else" => {
                            self.next += 1;
                            self.skip_space();
                            let chained = match self.peek() {
                                t if t.kind == Kind::Word && t.text == "if" => Some("if"),
                                t if t.kind == Kind::Word && t.text == "with" => Some("with"),
                                _ => None,
                            };
                            if chained.is_none() {
                                self.close("else")?;
                            }
                            return Ok((nodes, Ended::Else(chained)));
                        }
                        "define" if top => self.define()?,
                        _ => nodes.extend(self.action(&word)?),
                    }
                }
                _ => return Err(self.unexpected(&token, "input")),
            }
        }
    }

    fn close(&mut self, context: &str) -> Parsed<()> {
        self.skip_space();
        let token = self.take();
        if token.kind == Kind::Close { Ok(()) } else { Err(self.unexpected(&token, context)) }
    }

    fn action(&mut self, word: &Token) -> Parsed<Option<Node>> {
        let keyword = if word.kind == Kind::Word { word.text.as_str() } else { "" };
        let at = word.at;
        if is_keyword(keyword) && !matches!(keyword, "nil" | "true" | "false") {
            self.next += 1;
        }
        Ok(Some(match keyword {
            "if" => Node::If(self.branch(at, "if")?),
            "with" => Node::With(self.branch(at, "with")?),
            "range" => Node::Range(self.branch(at, "range")?),
            "break" | "continue" => {
                if self.loops == 0 {
                    return Err(self.fail(format!("{{{{{keyword}}}}} outside {{{{range}}}}")));
                }
                self.close(keyword)?;
                if keyword == "break" { Node::Break } else { Node::Continue }
            }
            "template" => {
                self.skip_space();
                let at = self.peek().at;
                let name = self.name("template clause")?;
                self.skip_space();
                let pipe = if self.peek().kind == Kind::Close {
                    None
                } else {
                    Some(self.pipeline("template clause", Kind::Close)?)
                };
                self.close("template clause")?;
                Node::Call { at, name, pipe }
            }
            "block" => {
                let name = self.name("block clause")?;
                let pipe = self.pipeline("block clause", Kind::Close)?;
                self.close("block clause")?;
                self.body_of(name.clone())?;
                Node::Call { at, name, pipe: Some(pipe) }
            }
            "define" => return Err(self.unexpected(word, "command")),
            _ => {
                let pipe = self.pipeline("command", Kind::Close)?;
                self.close("command")?;
                Node::Action(pipe)
            }
        }))
    }

    fn name(&mut self, context: &str) -> Parsed<String> {
        self.skip_space();
        let token = self.take();
        match token.kind {
            Kind::Quoted | Kind::Raw => self.text_of(&token),
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn define(&mut self) -> Parsed<()> {
        self.next += 1;
        let name = self.name("define clause")?;
        self.close("define clause")?;
        self.body_of(name)
    }

    /// The body of a template that is defined here, up to its end.
    fn body_of(&mut self, name: String) -> Parsed<()> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, ended) = self.nested(|parser| parser.list(false))?;
        if !matches!(ended, Ended::End) {
            return Err(self.fail("unexpected {{else}} in define clause"));
        }
        (self.variables, self.loops) = (outer, loops);
        // An empty body gives way to any other.
        let empty = is_empty(&body);
        match self.defined.get(&name) {
            Some(known) if !empty && !is_empty(known) => {
                Err(self.fail(format!("multiple definition of template {name:?}")))
            }
            Some(_) if empty => Ok(()),
            _ => {
                self.defined.insert(name, body);
                Ok(())
            }
        }
    }

    fn branch(&mut self, at: usize, context: &'static str) -> Parsed<Branch> {
        self.nested(|parser| {
            let kept = parser.variables.len();
            let pipe = parser.pipeline(context, Kind::Close)?;
            parser.close(context)?;
            parser.loops += usize::from(context == "range");
            let body = parser.list(false);
            parser.loops -= usize::from(context == "range");
            let (then, ended) = body?;
            let otherwise = match ended {
                Ended::Else(Some(word)) => {
                    if word != context {
                        return Err(parser.fail(format!("unexpected <{word}> in {context}")));
                    }
                    let at = parser.take().at;
                    let inner = parser.branch(at, word)?;
                    vec![if word == "if" { Node::If(inner) } else { Node::With(inner) }]
                }
                Ended::Else(None) => {
                    let (otherwise, ended) = parser.list(false)?;
                    if !matches!(ended, Ended::End) {
                        return Err(parser.fail("expected end; found {{else}}"));
                    }
                    otherwise
                }
                _ => Vec::new(),
            };
            parser.variables.truncate(kept);
            Ok(Branch { at, pipe, then, otherwise })
        })
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        self.skip_space();
        let mut pipe =
            Pipe { at: self.peek().at, assigns: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(context, &mut pipe)?;
        loop {
            self.skip_space();
            let token = self.peek().clone();
            match token.kind {
                kind if kind == end => {
                    if pipe.commands.is_empty() {
                        self.next += 1;
                        return Err(self.fail(format!("missing value for {context}")));
                    }
                    if let Some((place, stage)) = pipe.commands.iter().enumerate().skip(1).find(|(_, c)| {
                        matches!(
                            c.args[0].kind,
                            ArgKind::Bool(_)
                                | ArgKind::Dot
                                | ArgKind::Nil
                                | ArgKind::Int { .. }
                                | ArgKind::Float { .. }
                                | ArgKind::Text { .. }
                        )
                    }) {
                        let told = format!("non executable command in pipeline stage {}", place + 1);
                        return Err(ParseError::new(self.text, stage.at, told));
                    }
                    return Ok(pipe);
                }
                Kind::Word
                | Kind::Field
                | Kind::Variable
                | Kind::Number
                | Kind::Quoted
                | Kind::Raw
                | Kind::Char
                | Kind::Dot
                | Kind::LeftParen => pipe.commands.push(self.command()?),
                _ => {
                    self.next += 1;
                    return Err(self.unexpected(&token, context));
                }
            }
        }
    }

    /// `$a := `, `$a = `, `$i, $e := `
    fn declarations(&mut self, context: &str, pipe: &mut Pipe) -> Parsed<()> {
        let start = self.next;
        let mut names: Vec<Arc<str>> = Vec::new();
        while self.peek().kind == Kind::Variable {
            names.push(self.take().text.into());
            self.skip_space();
            let token = self.peek().clone();
            match token.kind {
                Kind::Declare | Kind::Assign => {
                    self.next += 1;
                    pipe.assigns = token.kind == Kind::Assign;
                    if pipe.assigns {
                        for name in &names {
                            self.look_up(name)?;
                        }
                    } else {
                        self.variables.extend(names.iter().cloned());
                    }
                    pipe.variables = names;
                    return Ok(());
                }
                Kind::Comma if context == "range" && names.len() < 2 => {
                    self.next += 1;
                    self.skip_space();
                }
                Kind::Comma => {
                    self.next += 1;
                    return Err(self.fail(format!("too many declarations in {context}")));
                }
                _ => break,
            }
        }
        self.next = start;
        Ok(())
    }

    fn look_up(&self, name: &str) -> Parsed<()> {
        if self.variables.iter().any(|v| &**v == name) {
            Ok(())
        } else {
            Err(self.fail(format!("undefined variable {name:?}")))
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut command = Command { at: self.peek().at, args: Vec::new() };
        loop {
            self.skip_space();
            if let Some(arg) = self.operand()? {
                command.args.push(arg);
            }
            let token = self.take();
            match token.kind {
                Kind::Space => continue,
                Kind::Pipe => {
                    // Something must follow.
                    self.skip_space();
                    if matches!(self.peek().kind, Kind::Close | Kind::RightParen | Kind::Pipe) {
                        self.next += 1;
                        return Err(self.fail("missing value for command"));
                    }
                }
                Kind::Close | Kind::RightParen => self.next -= 1,
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if command.args.is_empty() {
            return Err(self.fail("empty command"));
        }
        Ok(command)
    }

    fn operand(&mut self) -> Parsed<Option<Arg>> {
        let Some(mut arg) = self.term()? else { return Ok(None) };
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.take().text[1..].to_owned());
        }
        if names.is_empty() {
            return Ok(Some(arg));
        }
        match &mut arg.kind {
            ArgKind::Field(fields) | ArgKind::Variable { fields, .. } => fields.extend(names),
            ArgKind::Bool(_)
            | ArgKind::Text { .. }
            | ArgKind::Int { .. }
            | ArgKind::Float { .. }
            | ArgKind::Nil
            | ArgKind::Dot => {
                return Err(self.fail(format!("unexpected . after term {:?}", arg.to_string())));
            }
            _ => {
                let at = arg.at;
                arg = Arg { at, kind: ArgKind::Chain(Box::new(arg), names) };
            }
        }
        Ok(Some(arg))
    }

    fn term(&mut self) -> Parsed<Option<Arg>> {
        let token = self.take();
        let kind = match token.kind {
            Kind::Word => match token.text.as_str() {
                "true" | "false" => ArgKind::Bool(token.text == "true"),
                "nil" => ArgKind::Nil,
                word if is_keyword(word) => return Err(self.unexpected(&token, "operand")),
                name if (self.known)(name) => ArgKind::Function(token.text),
                name => return Err(self.fail(format!("function {name:?} not defined"))),
            },
            Kind::Dot => ArgKind::Dot,
            Kind::Variable => {
                self.look_up(&token.text)?;
                ArgKind::Variable { name: token.text.into(), fields: Vec::new() }
            }
            Kind::Field => ArgKind::Field(vec![token.text[1..].to_owned()]),
            Kind::Number | Kind::Char => self.number(&token)?,
            Kind::Quoted | Kind::Raw => {
                ArgKind::Text { value: self.text_of(&token)?.into(), written: token.text }
            }
            Kind::LeftParen => {
                let pipe =
                    self.nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                self.skip_space();
                self.next += 1;
                ArgKind::Pipe(Box::new(pipe))
            }
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Arg { at: token.at, kind }))
    }

    fn text_of(&self, token: &Token) -> Parsed<String> {
        let inner = &token.text[1..token.text.len() - 1];
        if token.kind == Kind::Raw {
            return Ok(inner.replace('\r', ""));
        }
        crate::quote::unquote(inner, '"')
            .ok_or_else(|| ParseError::new(self.text, token.at, "invalid syntax"))
    }

    fn number(&self, token: &Token) -> Parsed<ArgKind> {
        let text = token.text.clone();
        let bad = || ParseError::new(self.text, token.at, format!("bad number syntax: {text:?}"));
        if token.kind == Kind::Char {
            let inner = crate::quote::unquote(&text[1..text.len() - 1], '\'').ok_or_else(bad)?;
            let mut chars = inner.chars();
            return match (chars.next(), chars.next()) {
                (Some(c), None) => Ok(ArgKind::Int { value: i64::from(c as u32), text }),
                _ => {
                    Err(ParseError::new(self.text, token.at, format!("malformed character constant: {text}")))
                }
            };
        }
        let plain = text.replace('_', "");
        let (sign, digits) = match plain.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
        };
        let lower = digits.to_ascii_lowercase();
        let radix = |radix| i64::from_str_radix(&lower[2..], radix).ok();
        let integer = match lower.get(..2) {
            Some("0x") => radix(16),
            Some("0b") => radix(2),
            Some("0o") => radix(8),
            _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => {
                i64::from_str_radix(&lower, 8).ok()
            }
            _ if lower.contains(['.', 'e']) => {
                let value: f64 = plain.parse().map_err(|_| bad())?;
                return Ok(ArgKind::Float { value, text });
            }
            _ => lower.parse().ok(),
        };
        match integer {
            Some(value) => Ok(ArgKind::Int { value: sign * value, text }),
            None => Err(bad()),
        }
    }
}

/// Whether it is only blanks.
pub(crate) fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "block"
            | "break"
            | "continue"
            | "define"
            | "else"
            | "end"
            | "if"
            | "nil"
            | "range"
            | "template"
            | "with"
            | "true"
            | "false"
    )
}

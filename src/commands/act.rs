//! `quarterdeck act`: an action from a shell.

use std::collections::BTreeMap;

use quarterdeck_kernel::action::{Done, Via};
use quarterdeck_kernel::{Actor, Subject};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;
use super::{say, say_exactly};
use crate::cli::{Act, Global, Output};
use crate::exit::Failure;

/// What is sent to the console.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The action's id.
    pub action: String,
    /// What it acts on.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// Its arguments.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// The target's name, for destructive actions.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Who; the console adds by which way.
    #[serde(default)]
    pub actor: Actor,
}

/// Who runs this process.
pub fn actor(via: Via) -> Actor {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let user = variable("QUARTERDECK_OPERATOR")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .or_else(user_of_process)
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let terminal = rustix::termios::ttyname(std::io::stdin(), Vec::new())
        .map(|t| t.to_string_lossy().into_owned())
        .unwrap_or_default();
    Actor { user, host, terminal, via }
}

/// The name of this process's user, where no variable tells it (in containers and services), from /etc/passwd.
fn user_of_process() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// Runs the command.
///
/// # Errors
/// When the words make no invocation, no console answers, or it refuses.
pub async fn run(global: &Global, act: Act) -> Result<(), Failure> {
    let client = Client::find(global, &act.server)?;
    let Some(action) = act.action else { return list(&client, act.output).await };
    let (subject, args) = match action.as_str() {
        quarterdeck_gateway::actions::SPLIT => words(&split_words(&act.words))?,
        _ => words(&act.words)?,
    };
    let call =
        Call { action, subject, args, reason: act.reason, confirm: act.confirm, actor: actor(Via::Shell) };
    let done: Done = client.post_json("/api/quarterdeck/v1/act", &call).await?;
    match act.output {
        Output::Table => say(&done.message),
        Output::Json => say_exactly(&serde_json::json!(done).to_string()),
    }
    Ok(())
}

/// Splits words into at most one subject and arguments.
fn words(words: &[String]) -> Result<(Option<Subject>, BTreeMap<String, String>), Failure> {
    let (mut subject, mut args) = (None, BTreeMap::new());
    for word in words {
        // `service:a=b` is a subject whose name has an equals sign: the colon comes first.
        let equals = word.find('=').unwrap_or(usize::MAX);
        let colon = word.find(':').unwrap_or(usize::MAX);
        if equals < colon {
            let (name, value) = word.split_at(equals);
            if args.insert(name.to_owned(), value[1..].to_owned()).is_some() {
                return Err(Failure::Usage(format!("argument {name} is given twice")));
            }
        } else if subject.is_none() {
            subject = Some(word.parse::<Subject>().map_err(|e| Failure::Usage(e.to_string()))?);
        } else {
            return Err(Failure::Usage(format!(
                "{word:?} is a second subject; an action has one, and arguments are written key=value"
            )));
        }
    }
    Ok((subject, args))
}

/// `orders v1=50 v2=50` as `service:orders shares=v1=50,v2=50`: a split is written as one says it.
fn split_words(words: &[String]) -> Vec<String> {
    let shares: Vec<&str> =
        words.iter().map(String::as_str).filter(|w| w.contains('=') && !w.starts_with("shares=")).collect();
    let others = words.iter().filter(|w| !w.contains('=') || w.starts_with("shares="));
    let subject = |word: &String| {
        if word.contains([':', '=']) { word.clone() } else { format!("service:{word}") }
    };
    let mut all: Vec<String> = others.map(subject).collect();
    if !shares.is_empty() {
        all.push(format!("shares={}", shares.join(",")));
    }
    all
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let actions: Vec<Value> = client.get_json("/api/quarterdeck/v1/actions", &[]).await?;
    if output == Output::Json {
        say_exactly(&serde_json::json!(actions).to_string());
        return Ok(());
    }
    let text = |action: &Value, key: &str| action[key].as_str().unwrap_or_default().to_owned();
    let width = actions.iter().map(|a| text(a, "id").len()).max().unwrap_or(0);
    for action in &actions {
        let on = action["subject"].as_str().map(|s| format!(" {s}:NAME")).unwrap_or_default();
        let args: Vec<String> = action["args"]
            .as_array()
            .map(|args| {
                args.iter()
                    .map(|arg| {
                        let pair = format!("{}=…", arg["name"].as_str().unwrap_or_default());
                        if arg["required"].as_bool() == Some(true) {
                            format!(" {pair}")
                        } else {
                            format!(" [{pair}]")
                        }
                    })
                    .collect()
            })
            .unwrap_or_default();
        say(&format!(
            "{:width$}{on}{}   {} ({})",
            text(action, "id"),
            args.concat(),
            text(action, "description"),
            text(action, "danger")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Split = (Option<String>, Vec<(String, String)>);

    fn split(list: &[&str]) -> Result<Split, String> {
        let owned: Vec<String> = list.iter().map(|w| (*w).to_owned()).collect();
        words(&owned)
            .map(|(subject, args)| (subject.map(|s| s.to_string()), args.into_iter().collect()))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_split_is_written_as_one_says_it() {
        let owned = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<String>>();
        let wanted = owned(&["service:orders", "shares=v1=50,v2=50"]);
        assert_eq!(split_words(&owned(&["orders", "v1=50", "v2=50"])), wanted);
        assert_eq!(split_words(&wanted), wanted);
    }

    #[test]
    fn words_are_a_subject_and_arguments_in_any_order() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(
            split(&["p99=50ms", "service:orders"]),
            Ok((Some("service:orders".to_owned()), vec![pair("p99", "50ms")]))
        );
        assert_eq!(split(&["text=a:b=c"]), Ok((None, vec![pair("text", "a:b=c")])));
        assert_eq!(split(&["series:up{job=\"a\"}"]), Ok((Some("series:up{job=\"a\"}".to_owned()), vec![])));
        assert!(split(&["service:a", "service:b"]).is_err());
        assert!(split(&["a=1", "a=2"]).is_err());
        assert!(split(&["orders"]).is_err());
    }
}

//! `alertmanager.yml`, unmodified: what Alertmanager 0.25 to 0.34 accepts is accepted, what it refuses is refused for
//! its reason, with the place of each mistake.

mod address;
mod deliver;
mod global;
mod http;
mod others;
mod place;
mod raw;
mod receiver;
mod receivers;
mod tree;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_yaml::Location;

use crate::inhibit::InhibitRule;
use crate::interval::TimeIntervals;
use crate::route::{RouteSpec, Routes};
use place::{Check, filled, list, place, text};
use tree::Known;

pub use http::{Authorization, BasicAuth, Header, HttpClient, OAuth2, Tls, TlsVersion};
pub use receiver::{
    Email, Integration, PagerDuty, PagerDutyImage, PagerDutyLink, Receiver, ReceiverKind, SecretSource,
    Settings, Slack, SlackAction, SlackConfirmation, SlackField, Webhook,
};

/// A configuration that is lawful, with everything inherited that is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path, as it was named.
    pub path: Arc<str>,
    /// How long after its last post an alert without an end counts as resolved.
    pub resolve_timeout: Duration,
    /// The routing tree.
    pub routes: Arc<Routes>,
    /// The receivers, in order, names unique.
    pub receivers: Vec<Arc<Receiver>>,
    /// The inhibition rules, in order.
    pub inhibit_rules: Arc<[InhibitRule]>,
    /// The time intervals, of both lists, names unique.
    pub time_intervals: Arc<TimeIntervals>,
    /// Template files, as globs, relative ones joined to the file's folder.
    pub templates: Vec<PathBuf>,
    /// The file as YAML with every secret shown as `<secret>`: Alertmanager's `config.original`.
    pub original: Arc<str>,
    /// What is lawful but looks unintended, and receivers that are not delivered by this version.
    pub notes: Vec<Diagnostic>,
}

/// A file that is larger than this is refused, in bytes.
const MAX_FILE: u64 = 16 << 20;

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Every mistake with file, line and column; the configuration that runs should stay then.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let name = path.to_string_lossy();
        let fail = |why: String| {
            let mut diagnostic = Diagnostic::new(why);
            diagnostic.source = name.clone().into_owned();
            vec![diagnostic]
        };
        let size = std::fs::metadata(path).map_err(|e| fail(format!("cannot be read: {e}")))?.len();
        if size > MAX_FILE {
            return Err(fail(format!("has {size} bytes, more than the {MAX_FILE} that are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
        Self::parse(&text, &name, path.parent().unwrap_or_else(|| Path::new("")))
    }

    /// Reads the text of a file. `name` is what messages call it; relative paths of templates and of files that HTTP
    /// settings name are taken from `base`.
    ///
    /// # Errors
    /// Every mistake with file, line and column.
    pub fn parse(text: &str, name: &str, base: &Path) -> Result<Self, Vec<Diagnostic>> {
        // Routes nest, and each level takes stack.
        quarterdeck_yaml::with_room(|| parse(text, name, base))
            .unwrap_or_else(|error| Err(vec![Diagnostic::new(format!("no thread to read {name}: {error}"))]))
    }

    /// The receiver of a name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers.iter().find(|receiver| &*receiver.name == name)
    }
}

fn parse(text: &str, name: &str, base: &Path) -> Result<Config, Vec<Diagnostic>> {
    let file: raw::File = quarterdeck_yaml::parse(text, name).map_err(|mistake| vec![mistake])?;
    let mut check = Check::new(name, base);
    let read = read(&mut check, &file, name);
    let mut mistakes = check.mistakes;
    match read {
        Some(config) if mistakes.is_empty() => Ok(Config { notes: check.notes, ..config }),
        _ => {
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            mistakes.dedup();
            Err(mistakes)
        }
    }
}

/// What a file means; None when a mistake leaves no configuration to speak of.
fn read(check: &mut Check<'_>, file: &raw::File, name: &str) -> Option<Config> {
    let defaults = raw::Global::default();
    let global = global::read(check, file.global.as_ref().map_or(&defaults, |global| &global.value));
    let receivers = receivers(check, file, &global);
    let time_intervals = tree::intervals(check, file);
    let rules = list(&file.inhibit_rules).iter().map(|rule| tree::inhibit_rule(check, &rule.value)).collect();
    tracing(check, file);
    let Some(route) = &file.route else {
        check.refuse(Location::UNKNOWN, "no route provided in config", "add route with a receiver");
        return None;
    };
    let names = receivers.iter().map(|receiver| &*receiver.name).collect();
    let spec = tree::root(check, route, &Known { receivers: names, intervals: &time_intervals });
    not_delivered(check, file, &receivers, &spec);
    let original = match serde_saphyr::to_string(file) {
        Ok(original) => original,
        Err(error) => {
            check.refuse(Location::UNKNOWN, format!("cannot be written out again: {error}"), "");
            return None;
        }
    };
    Some(Config {
        path: name.into(),
        resolve_timeout: global.resolve_timeout,
        routes: Arc::new(Routes::new(&spec)),
        receivers,
        inhibit_rules: rules,
        time_intervals: Arc::new(time_intervals),
        templates: list(&file.templates).iter().map(|template| check.join(&template.value)).collect(),
        original: original.into(),
        notes: Vec::new(),
    })
}

fn receivers(check: &mut Check<'_>, file: &raw::File, global: &global::Global) -> Vec<Arc<Receiver>> {
    let mut seen = HashSet::new();
    let mut read = Vec::new();
    for entry in list(&file.receivers) {
        let name = text(&entry.value.name);
        if !name.is_empty() && !seen.insert(name) {
            let place = place(&entry.value.name).unwrap_or(entry.referenced);
            let what = format!("notification config name {name:?} is not unique");
            check.refuse(place, what, "give each receiver a name of its own");
        }
        read.push(Arc::new(receivers::read(check, entry, global)));
    }
    read
}

/// `tracing` is checked, and then left: this program does not trace through it.
fn tracing(check: &mut Check<'_>, file: &raw::File) {
    let Some(tracing) = &file.tracing else { return };
    let (whole, tracing) = (tracing.referenced, &tracing.value);
    if filled(&tracing.endpoint).is_none() {
        check.refuse(whole, "tracing endpoint must be set", "add endpoint");
    }
    let compression = text(&tracing.compression);
    if !["", "gzip"].contains(&compression) {
        let what = format!("invalid compression type {compression} provided, valid options: gzip");
        check.refuse(place(&tracing.compression).unwrap_or(whole), what, "write gzip, or remove it");
    }
    let client = tracing.client_type.as_ref().map_or("grpc", |client| client.value.as_str());
    if !["grpc", "http"].contains(&client) {
        let what = format!("expected tracing client type to be http or grpc, but got {client}");
        check.refuse(place(&tracing.client_type).unwrap_or(whole), what, "write grpc or http");
    }
    let _ = check.duration(&tracing.timeout);
    http::headers(check, &tracing.http_headers);
    if let Some(tls) = &tracing.tls_config {
        http::tls(check, &tls.value, tls.referenced);
    }
}

/// Tells of every receiver that a route uses and that has ways which are not delivered.
fn not_delivered(check: &mut Check<'_>, file: &raw::File, receivers: &[Arc<Receiver>], root: &RouteSpec) {
    let mut used = HashSet::new();
    let mut left = vec![root];
    while let Some(route) = left.pop() {
        used.extend(route.receiver.as_deref());
        left.extend(&route.routes);
    }
    for (entry, receiver) in list(&file.receivers).iter().zip(receivers) {
        if !used.contains(&*receiver.name) {
            continue;
        }
        let mut kinds: Vec<ReceiverKind> = receiver
            .integrations
            .iter()
            .filter(|integration| matches!(integration.settings, Settings::NotDelivered))
            .map(|integration| integration.kind)
            .collect();
        kinds.dedup();
        for kind in kinds {
            let place = receivers::place_of(&entry.value, kind).unwrap_or(entry.referenced);
            let what =
                format!("{} of receiver {:?} is not delivered by this version", kind.field(), receiver.name);
            check.note(place, what, "use a webhook, Slack, PagerDuty or email receiver beside it");
        }
    }
}

#[cfg(test)]
mod tests;

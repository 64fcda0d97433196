//! Every mistake of the section that its types do not show.

use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use reqwest::Url;

use super::{Config, ProbeConfig, ProcessConfig, ServiceConfig, SmokeConfig};
use crate::checks::NAMES;
use crate::checks::freeze::Freeze;
use crate::target::process::template::{self, PLACES};

/// The most replicas of a version.
pub(crate) const MOST_REPLICAS: u32 = 500;

const NAME: &str = "letters, digits, -, _ and ., beginning with a letter or digit, at most 63";

/// Whether a name can stand in labels, file names and arguments.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The key below `deploy` (as in `services.orders.process.ports`) and what is wrong there.
#[must_use]
pub fn validate(config: &Config) -> Vec<(String, Diagnostic)> {
    let mut checks = Validation { config, found: Vec::new() };
    checks.all();
    checks.found
}

struct Validation<'a> {
    config: &'a Config,
    found: Vec<(String, Diagnostic)>,
}

impl Validation<'_> {
    fn wrong(&mut self, key: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) {
        self.found.push((key.into(), Diagnostic::new(message).advise(advice)));
    }

    fn all(&mut self) {
        let config = self.config;
        let (output, lines) = (&config.output, config.output.lines);
        self.range("history", config.history as u64, 1, 1_000_000);
        self.range("output.lines", lines as u64, 10, 100_000);
        self.range("output.file_bytes", output.file_bytes, 64 << 10, 1 << 30);
        self.range("output.files", output.files.into(), 0, 100);
        for (i, freeze) in config.freezes.iter().enumerate() {
            if let Err(found) = Freeze::new(freeze) {
                for (field, diagnostic) in found {
                    self.found.push((format!("freezes[{i}].{field}"), diagnostic));
                }
            }
            for (j, service) in freeze.services.iter().enumerate() {
                if !config.services.contains_key(service) {
                    let advice = near(service, config.services.keys().map(String::as_str), "services");
                    let message = format!("there is no service {service:?} to freeze");
                    self.wrong(format!("freezes[{i}].services[{j}]"), message, advice);
                }
            }
        }
        for (name, service) in &config.services {
            self.service(name, service);
        }
    }

    fn service(&mut self, name: &str, service: &ServiceConfig) {
        let key = format!("services.{name}");
        if !is_name(name) {
            self.wrong(&key, format!("{name:?} is not a name for a service"), NAME);
        }
        if service.stable.is_empty() {
            let advice = "write the version that runs now, as in stable = \"v1\"";
            self.wrong(&key, format!("{name} has no stable version"), advice);
        } else if !is_name(&service.stable) {
            let message = format!("{:?} is not a name for a version", service.stable);
            self.wrong(format!("{key}.stable"), message, NAME);
        }
        self.range(&format!("{key}.replicas"), service.replicas.into(), 1, MOST_REPLICAS.into());
        let runs = |version: &str| {
            service.endpoints_of(version).is_some()
                || service.process.is_some()
                || service.versions.get(version).is_some_and(|v| !v.command.is_empty())
        };
        if is_name(&service.stable) && !runs(&service.stable) {
            let advice = format!(
                "write [deploy.{key}.process] with a command, or [deploy.{key}.versions.{}] with endpoints",
                service.stable
            );
            self.wrong(&key, format!("nothing runs {name} {}", service.stable), advice);
        }
        for (version, settings) in &service.versions {
            let key = format!("{key}.versions.{version}");
            if !is_name(version) {
                self.wrong(&key, format!("{version:?} is not a name for a version"), NAME);
            }
            if !settings.endpoints.is_empty() && !settings.command.is_empty() {
                let message = format!("{version} has both endpoints and a command");
                self.wrong(
                    &key,
                    message,
                    "leave out endpoints if this console is to run it, else the command",
                );
            }
            for (i, endpoint) in settings.endpoints.iter().enumerate() {
                if let Err(why) = address(endpoint) {
                    self.wrong(format!("{key}.endpoints[{i}]"), why, "write http://HOST:PORT");
                }
            }
            self.command(&format!("{key}.command"), &settings.command);
            self.templates(&key, settings.dir.as_deref(), &settings.env);
        }
        if let Some(process) = &service.process {
            self.process(&format!("{key}.process"), service, process);
        }
        let probes = &service.probes;
        for (kind, probe) in
            [("startup", &probes.startup), ("readiness", &probes.readiness), ("liveness", &probes.liveness)]
        {
            if let Some(probe) = probe {
                self.probe(&format!("{key}.probes.{kind}"), kind, probe);
            }
        }
        for (i, check) in service.checks.skip.iter().enumerate() {
            if !NAMES.contains(&check.as_str()) {
                let message = format!("{check:?} is not a check");
                self.wrong(format!("{key}.checks.skip[{i}]"), message, near(check, NAMES, "checks"));
            }
        }
        self.above_zero(&format!("{key}.checks.timeout"), service.checks.timeout);
        for (i, smoke) in service.checks.smoke.iter().enumerate() {
            self.smoke(&format!("{key}.checks.smoke[{i}]"), smoke);
        }
    }

    fn process(&mut self, key: &str, service: &ServiceConfig, process: &ProcessConfig) {
        if process.command.is_empty() && !service.versions.values().any(|v| !v.command.is_empty()) {
            let advice = "write the program and its arguments, as in [\"./orders\", \"--port\", \"{port}\"]";
            self.wrong(format!("{key}.command"), "there is no command", advice);
        }
        self.command(&format!("{key}.command"), &process.command);
        self.templates(key, process.dir.as_deref(), &process.env);
        for name in process.secrets.keys().chain(&process.inherit) {
            self.variable(key, name);
        }
        match template::check(&process.url) {
            Ok(()) => {
                let sample = template::Values { service: "s", version: "v", replica: 0, port: 1 };
                if let Err(why) = address(&template::fill(&process.url, &sample)) {
                    self.wrong(format!("{key}.url"), why, "write http://127.0.0.1:{port}");
                }
            }
            Err(why) => self.wrong(format!("{key}.url"), why, PLACES),
        }
        if let Some(ports) = &process.ports
            && crate::target::process::ports::parse(ports).is_none()
        {
            let message = format!("{ports:?} is not a range of ports");
            self.wrong(format!("{key}.ports"), message, "write FIRST-LAST from 1 to 65535, as in 9100-9199");
        }
        self.above_zero(&format!("{key}.restart.base"), process.restart.base);
        if process.restart.longest < process.restart.base {
            let message = "the longest pause is shorter than the first";
            self.wrong(format!("{key}.restart.longest"), message, "at least restart.base");
        }
        let limits = &process.limits;
        if limits.nice > 19 {
            self.wrong(
                format!("{key}.limits.nice"),
                format!("{} is out of range", limits.nice),
                "from 0 to 19",
            );
        }
        for (field, value, least) in [
            ("memory", limits.memory, 1 << 20),
            ("files", limits.files, 8),
            ("file_bytes", limits.file_bytes, 1),
        ] {
            if let Some(value) = value
                && value < least
            {
                let message = format!("{value} is too little for any program");
                self.wrong(format!("{key}.limits.{field}"), message, format!("at least {least}"));
            }
        }
    }

    fn command(&mut self, key: &str, command: &[String]) {
        if command.first().is_some_and(|program| program.is_empty() || program.contains(" -")) {
            let message = format!("{:?} is not a program", command[0]);
            self.wrong(
                key,
                message,
                "write each argument for itself, as in [\"./orders\", \"--port\", \"{port}\"]",
            );
        }
        for (i, word) in command.iter().enumerate() {
            if word.contains('\0') {
                self.wrong(format!("{key}[{i}]"), "there is a zero byte", "leave it out");
            } else if let Err(why) = template::check(word) {
                self.wrong(format!("{key}[{i}]"), why, PLACES);
            }
        }
    }

    fn templates(
        &mut self,
        key: &str,
        dir: Option<&std::path::Path>,
        env: &std::collections::BTreeMap<String, String>,
    ) {
        if let Some(Err(why)) = dir.map(|dir| template::check(&dir.to_string_lossy())) {
            self.wrong(format!("{key}.dir"), why, PLACES);
        }
        for (name, value) in env {
            self.variable(&format!("{key}.env"), name);
            if value.contains('\0') {
                self.wrong(format!("{key}.env.{name}"), "there is a zero byte", "leave it out");
            } else if let Err(why) = template::check(value) {
                self.wrong(format!("{key}.env.{name}"), why, PLACES);
            }
        }
    }

    fn variable(&mut self, key: &str, name: &str) {
        let lawful = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !lawful {
            let message = format!("{name:?} is not a name for a variable");
            self.wrong(key, message, "letters, digits and _, not beginning with a digit");
        }
    }

    fn probe(&mut self, key: &str, kind: &str, probe: &ProbeConfig) {
        if let Some(path) = &probe.path {
            self.path(&format!("{key}.path"), path);
        }
        self.above_zero(&format!("{key}.period"), probe.period);
        self.above_zero(&format!("{key}.timeout"), probe.timeout);
        self.range(&format!("{key}.failures"), probe.failures.into(), 1, 10_000);
        // Kubernetes' rule: who has come up, or lives, has shown it once.
        let most = if kind == "readiness" { 10_000 } else { 1 };
        self.range(&format!("{key}.successes"), probe.successes.into(), 1, most);
    }

    fn smoke(&mut self, key: &str, smoke: &SmokeConfig) {
        if reqwest::Method::from_bytes(smoke.method.as_bytes()).is_err()
            || smoke.method.chars().any(|c| c.is_ascii_lowercase())
        {
            let message = format!("{:?} is not a method", smoke.method);
            self.wrong(format!("{key}.method"), message, "such as GET");
        }
        self.path(&format!("{key}.path"), &smoke.path);
        for (name, value) in &smoke.headers {
            let lawful = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
                && reqwest::header::HeaderValue::from_str(value).is_ok();
            if !lawful {
                let message = format!("{name:?} with {value:?} is not a header field");
                self.wrong(format!("{key}.headers"), message, "such as x-user = \"smoke\"");
            }
        }
        if smoke.status.is_empty() {
            self.wrong(format!("{key}.status"), "no status is right", "such as [200]");
        }
        for status in &smoke.status {
            if !(200..=599).contains(status) {
                let message = format!("{status} is not a status of an answer");
                self.wrong(format!("{key}.status"), message, "from 200 to 599");
            }
        }
        self.above_zero(&format!("{key}.timeout"), smoke.timeout);
    }

    fn path(&mut self, key: &str, path: &str) {
        let base = Url::parse("http://localhost/").and_then(|base| base.join(path));
        if !path.starts_with('/') || path.starts_with("//") || path.contains('#') || base.is_err() {
            self.wrong(key, format!("{path:?} is not a path"), "write /, /health or the like");
        }
    }

    fn range(&mut self, key: &str, value: u64, least: u64, most: u64) {
        if value < least || value > most {
            let advice = if least == most { format!("{least}") } else { format!("from {least} to {most}") };
            self.wrong(key, format!("{value} is out of range"), advice);
        }
    }

    fn above_zero(&mut self, key: &str, time: Duration) {
        if time.is_zero() {
            self.wrong(key, "it is zero", "write a time such as 10s");
        }
    }
}

fn near<'a>(found: &str, names: impl IntoIterator<Item = &'a str, IntoIter: Clone>, what: &str) -> String {
    let names = names.into_iter();
    let meant = nearest(found, names.clone()).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
    let all: Vec<&str> = names.collect();
    if all.is_empty() {
        format!("there are no {what}")
    } else {
        format!("{meant}there are: {}", all.join(", "))
    }
}

/// Whether a text is the address of an endpoint: `http` or `https`, a host, no query.
pub(crate) fn address(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|e| format!("{text:?} is not an address: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{text:?} is not an address of HTTP"));
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(format!("{text:?} has more than a scheme, a host, a port and a path"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

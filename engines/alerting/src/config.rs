//! `[alerting]`: what goes beyond `alertmanager.yml`, and the plan that both become.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alertmanager::config::{Integration, ReceiverKind};
use quarterdeck_alertmanager::{Config as AlertmanagerConfig, Matchers};
use quarterdeck_kernel::time::text;
use quarterdeck_kernel::{Diagnostic, Severity};
use quarterdeck_notify::{Channel, Command, Deliverability, LogFile, Templates, deliverability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{DeadManSwitch, IntegrationPlan, Options, Plan, ReceiverPlan};

/// What is used without an `alertmanager.yml`: one receiver for everything, grouped by what and where.
const DEFAULT: &str = "route: {receiver: default, group_by: [alertname, service], group_wait: 10s, group_interval: 1m, \
                       repeat_interval: 4h}\nreceivers: [{name: default}]\n";

/// `[alerting]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlertingConfig {
    /// An unmodified `alertmanager.yml`; relative to this file. Without one, everything goes to the receiver `default`.
    pub alertmanager_config: Option<String>,
    /// Where people reach this console, for links in notifications.
    pub external_url: String,
    /// The label that says how much an alert matters.
    pub severity_label: String,
    /// What its values mean beside `critical`, `warning` and `info`, as in `page = "critical"`.
    #[schemars(with = "BTreeMap<String, String>")]
    pub severities: BTreeMap<String, Severity>,
    /// The label that says which service an alert is about.
    pub service_label: String,
    /// Receivers hear that an alert is resolved even while it is silenced. Alertmanager forgets that.
    pub resolved_despite_suppression: bool,
    /// A reload starts every group anew, as Alertmanager does; otherwise groups keep their timers.
    pub reload_resets_timers: bool,
    /// How long a resolved alert stays to be seen.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub resolved_retention: Duration,
    /// Alerts at most; further ones are refused.
    pub max_alerts: usize,
    /// Hosts and addresses that notifications may be sent to although they are link-local or a metadata service.
    pub allow_hosts: Vec<String>,
    /// Alerts that must keep arriving; when one does not, an alert is raised.
    pub switches: Vec<SwitchConfig>,
    /// Channels that Alertmanager does not have, by receiver: one of `alertmanager.yml`, which then has this too, or a new
    /// one for `[oncall]`.
    pub channels: BTreeMap<String, ChannelConfig>,
}

impl Default for AlertingConfig {
    fn default() -> Self {
        let options = Options::default();
        Self {
            alertmanager_config: None,
            external_url: String::new(),
            severity_label: options.severity_label.to_string(),
            severities: BTreeMap::new(),
            service_label: options.service_label.to_string(),
            resolved_despite_suppression: false,
            reload_resets_timers: false,
            resolved_retention: options.resolved_retention,
            max_alerts: options.max_alerts,
            allow_hosts: Vec::new(),
            switches: Vec::new(),
            channels: BTreeMap::new(),
        }
    }
}

/// A dead-man's switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchConfig {
    /// Its name.
    pub name: String,
    /// Which alerts keep it quiet, as in `["alertname=\"Watchdog\""]`.
    pub matchers: Vec<String>,
    /// After how long without one it raises its alert.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub within: Duration,
    /// Further labels of its alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What a receiver has beyond Alertmanager's ways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelConfig {
    /// A program started for each notification.
    pub command: Option<Command>,
    /// A file that gets one line of JSON for each notification.
    pub log: Option<LogFile>,
    /// The terminal's bell.
    pub bell: bool,
}

/// Where a notification goes, by receiver, kind and place: what [`IntegrationPlan`] names.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its kind, as in the plan.
    pub kind: Arc<str>,
    /// Its place among those of its kind.
    pub index: u32,
    /// By what way.
    pub channel: Channel,
}

/// Everything that alerting works by.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Routes, receivers, inhibition.
    pub plan: Arc<Plan>,
    /// The engine's own options.
    pub options: Options,
    /// Destinations by receiver.
    pub destinations: Arc<BTreeMap<Arc<str>, Vec<Destination>>>,
    /// Templates of notifications.
    pub templates: Arc<Templates>,
    /// `alertmanager.yml` without its secrets.
    pub original: Arc<str>,
    /// Receivers, in order.
    pub receivers: Arc<[Arc<str>]>,
    /// Where people reach this console.
    pub external_url: Arc<str>,
    /// What is lawful but looks unintended.
    pub notes: Vec<Diagnostic>,
    /// Files that were read.
    pub files: Vec<PathBuf>,
}

impl Default for Ready {
    fn default() -> Self {
        // The default is one of the program's own constants, and a test reads it.
        AlertingConfig::default()
            .ready(None, Path::new(""))
            .unwrap_or_else(|wrong| unreachable!("the default of alerting is lawful: {wrong:?}"))
    }
}

/// What a mistake is about: a setting below `alerting`, or a place in another file.
type Mistake = (Option<String>, Diagnostic);

impl AlertingConfig {
    /// Reads what it names and makes the plan. `file` goes before `alertmanager_config`. Blocks.
    ///
    /// # Errors
    /// Every mistake: with the setting's path below `alerting`, or without where another file is at fault.
    pub fn ready(&self, file: Option<&Path>, base: &Path) -> Result<Ready, Vec<Mistake>> {
        let mut wrong: Vec<Mistake> = Vec::new();
        let own = self.alertmanager_config.as_ref().map(|named| base.join(named));
        let path = file.map(Path::to_path_buf).or(own);
        let config = match &path {
            Some(path) if file.is_none() && !path.is_file() => {
                let found = format!("alerting.alertmanager_config: {} cannot be read", path.display());
                wrong.push((
                    Some("alertmanager_config".to_owned()),
                    Diagnostic::new(found)
                        .advise("write the path of an alertmanager.yml; a relative one begins at the folder of this file"),
                ));
                None
            }
            Some(path) => AlertmanagerConfig::load(path)
                .map_err(|found| wrong.extend(found.into_iter().map(|d| (None, d))))
                .ok(),
            None => AlertmanagerConfig::parse(DEFAULT, "built in", base)
                .map_err(|found| wrong.extend(found.into_iter().map(|d| (None, d))))
                .ok(),
        };
        let options = self.options(&mut wrong);
        let Some(config) = config else { return Err(wrong) };
        let templates = match quarterdeck_notify::load_templates(&config.templates) {
            Ok(templates) => Arc::new(templates),
            Err(found) => {
                wrong.extend(found.into_iter().map(|d| (None, d)));
                Arc::default()
            }
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(self.assemble(&config, options, templates, path, base))
    }

    fn options(&self, wrong: &mut Vec<Mistake>) -> Options {
        let mut options = Options {
            reload_resets_timers: self.reload_resets_timers,
            resolved_despite_suppression: self.resolved_despite_suppression,
            severity_label: self.severity_label.as_str().into(),
            service_label: self.service_label.as_str().into(),
            resolved_retention: self.resolved_retention,
            max_alerts: self.max_alerts.max(1),
            ..Options::default()
        };
        options.severities.extend(self.severities.iter().map(|(word, s)| (Arc::from(word.as_str()), *s)));
        if !self.external_url.is_empty()
            && let Err(error) = url::Url::parse(&self.external_url)
        {
            let told = format!("external_url is {:?}, which is no address: {error}", self.external_url);
            let told = Diagnostic::new(told).advise("write http://HOST:PORT or https://HOST");
            wrong.push((Some("external_url".to_owned()), told));
        }
        let mut names = BTreeSet::new();
        for (place, switch) in self.switches.iter().enumerate() {
            let at = |field: &str| Some(format!("switches[{place}].{field}"));
            if !names.insert(&switch.name) {
                let told = format!("two switches are named {:?}", switch.name);
                wrong.push((at("name"), Diagnostic::new(told).advise("give each a name of its own")));
            }
            if switch.within < Duration::from_secs(1) {
                let told =
                    Diagnostic::new("within is shorter than a second").advise("write a duration such as 5m");
                wrong.push((at("within"), told));
            }
            match read_matchers(&switch.matchers) {
                Ok(matchers) => options.switches.push(DeadManSwitch {
                    name: switch.name.as_str().into(),
                    matchers,
                    within: switch.within,
                    labels: switch
                        .labels
                        .iter()
                        .map(|(n, v)| (Arc::from(n.as_str()), Arc::from(v.as_str())))
                        .collect(),
                }),
                Err(why) => wrong.push((
                    at("matchers"),
                    Diagnostic::new(why).advise("write matchers as in \"alertname=\\\"Watchdog\\\"\""),
                )),
            }
        }
        options
    }

    fn assemble(
        &self,
        config: &AlertmanagerConfig,
        options: Options,
        templates: Arc<Templates>,
        path: Option<PathBuf>,
        base: &Path,
    ) -> Ready {
        let mut notes = config.notes.clone();
        let mut channels = self.channels.clone();
        for log in channels.values_mut().filter_map(|channel| channel.log.as_mut()) {
            log.path = base.join(&log.path);
        }
        let mut destinations: BTreeMap<Arc<str>, Vec<Destination>> = BTreeMap::new();
        let mut plans = Vec::new();
        for receiver in &config.receivers {
            let more = channels.get(&*receiver.name);
            let (plan, to) = receiver_plan(&receiver.name, &receiver.integrations, more);
            plans.push(plan);
            destinations.insert(Arc::clone(&receiver.name), to);
        }
        for (name, channel) in &channels {
            if config.receiver(name).is_none() {
                let name: Arc<str> = name.as_str().into();
                let (plan, to) = receiver_plan(&name, &[], Some(channel));
                plans.push(plan);
                destinations.insert(name, to);
            }
        }
        if path.is_some() && plans.iter().all(|plan| plan.integrations.iter().all(|i| !i.delivers)) {
            notes.push(
                Diagnostic::new(
                    "no receiver of alertmanager.yml is delivered: alerts are shown, nobody is told",
                )
                .advise("add webhook_configs, slack_configs, pagerduty_configs or email_configs"),
            );
        }
        let receivers: Arc<[Arc<str>]> = plans.iter().map(|plan| Arc::clone(&plan.name)).collect();
        let plan = Plan::new(
            Arc::clone(&config.routes),
            plans,
            Arc::clone(&config.inhibit_rules),
            Arc::clone(&config.time_intervals),
            config.resolve_timeout,
        );
        let mut files: Vec<PathBuf> = path.into_iter().collect();
        files.extend(config.templates.iter().filter(|template| template.is_file()).cloned());
        Ready {
            plan: Arc::new(plan),
            options,
            destinations: Arc::new(destinations),
            templates,
            original: Arc::clone(&config.original),
            receivers,
            external_url: self.external_url.as_str().into(),
            notes,
            files,
        }
    }
}

fn read_matchers(texts: &[String]) -> Result<Matchers, String> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(Matchers::parse(text).map_err(|e| e.to_string())?.as_slice().iter().cloned());
    }
    if all.is_empty() { Err("there are no matchers".to_owned()) } else { Ok(Matchers::new(all)) }
}

fn receiver_plan(
    name: &Arc<str>,
    integrations: &[Arc<Integration>],
    more: Option<&ChannelConfig>,
) -> (ReceiverPlan, Vec<Destination>) {
    let mut plan = ReceiverPlan { name: Arc::clone(name), integrations: Vec::new() };
    let mut destinations = Vec::new();
    for integration in integrations {
        let (kind, index) =
            (Arc::from(integration.kind.as_str()), u32::try_from(integration.index).unwrap_or(u32::MAX));
        plan.integrations.push(IntegrationPlan {
            kind: Arc::clone(&kind),
            index,
            send_resolved: integration.send_resolved,
            delivers: deliverability(integration) == Deliverability::Delivered,
            acknowledges: integration.kind == ReceiverKind::PagerDuty,
        });
        destinations.push(Destination { kind, index, channel: Channel::Receiver(Arc::clone(integration)) });
    }
    let own: [Option<(&str, bool, Channel)>; 3] = match more {
        Some(more) => [
            more.command.clone().map(|c| ("command", c.send_resolved, Channel::Command(Arc::new(c)))),
            more.log.clone().map(|l| ("log", l.send_resolved, Channel::LogFile(Arc::new(l)))),
            more.bell.then_some(("bell", false, Channel::Bell)),
        ],
        None => [const { None }; 3],
    };
    for (kind, send_resolved, channel) in own.into_iter().flatten() {
        let kind: Arc<str> = kind.into();
        plan.integrations.push(IntegrationPlan {
            kind: Arc::clone(&kind),
            index: 0,
            send_resolved,
            delivers: true,
            acknowledges: false,
        });
        destinations.push(Destination { kind, index: 0, channel });
    }
    (plan, destinations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> AlertingConfig {
        toml_like(text)
    }

    /// The section as JSON, which reads like TOML does.
    fn toml_like(text: &str) -> AlertingConfig {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    #[test]
    fn without_a_file_everything_has_one_receiver_that_channels_can_fill() {
        let ready = Ready::default();
        assert_eq!(ready.receivers.iter().map(|r| &**r).collect::<Vec<_>>(), ["default"]);
        assert!(ready.plan.receivers()[0].integrations.is_empty());
        let config =
            of(r#"{"channels": {"default": {"bell": true}, "alice": {"log": {"path": "/tmp/alice.log"}}}}"#);
        let ready = config.ready(None, Path::new("")).unwrap();
        assert_eq!(ready.receivers.iter().map(|r| &**r).collect::<Vec<_>>(), ["default", "alice"]);
        assert_eq!(&*ready.plan.receivers()[0].integrations[0].kind, "bell");
        assert!(ready.plan.receivers()[1].integrations[0].send_resolved);
    }

    #[test]
    fn every_mistake_names_its_setting() {
        let config = of(r#"{"external_url": "nowhere", "alertmanager_config": "missing.yml",
                "switches": [{"name": "a", "matchers": [], "within": "0s"}, {"name": "a", "matchers": ["a=b"], "within": "5m"}]}"#);
        let wrong = config.ready(None, Path::new("/nonexistent")).unwrap_err();
        let mut places: Vec<String> = wrong.iter().filter_map(|(at, _)| at.clone()).collect();
        places.sort();
        assert_eq!(
            places,
            [
                "alertmanager_config",
                "external_url",
                "switches[0].matchers",
                "switches[0].within",
                "switches[1].name"
            ]
        );
    }
}

//! `receivers`: every type in Alertmanager's order.

use std::sync::Arc;

use quarterdeck_kernel::Labels;
use quarterdeck_yaml::{Location, Spanned};

use super::global::Global;
use super::place::{Check, filled, text};
use super::raw::{self, Entries, Placed};
use super::receiver::{Integration, Receiver, ReceiverKind, Settings};
use super::{deliver, others, tree};

/// Reads a receiver.
pub(super) fn read(check: &mut Check<'_>, raw: &Spanned<raw::Receiver>, global: &Global) -> Receiver {
    let (whole, raw) = (raw.referenced, &raw.value);
    if filled(&raw.name).is_none() {
        check.refuse(whole, "missing name in receiver", "add name");
    }
    let mut list = List { check: &mut *check, global, whole, integrations: Vec::new() };
    // What is not told is not told: the order and the defaults are Alertmanager's.
    list.add(ReceiverKind::Webhook, &raw.webhook_configs, true, deliver::webhook);
    list.add(ReceiverKind::Email, &raw.email_configs, false, deliver::email);
    list.add(ReceiverKind::PagerDuty, &raw.pagerduty_configs, true, deliver::pagerduty);
    list.check(ReceiverKind::OpsGenie, &raw.opsgenie_configs, true, others::opsgenie);
    list.check(ReceiverKind::WeChat, &raw.wechat_configs, false, others::wechat);
    list.add(ReceiverKind::Slack, &raw.slack_configs, false, deliver::slack);
    list.check(ReceiverKind::VictorOps, &raw.victorops_configs, true, others::victorops);
    list.check(ReceiverKind::Pushover, &raw.pushover_configs, true, others::pushover);
    list.check(ReceiverKind::Sns, &raw.sns_configs, true, others::sns);
    list.check(ReceiverKind::Telegram, &raw.telegram_configs, true, others::telegram);
    list.check(ReceiverKind::Discord, &raw.discord_configs, true, others::discord);
    list.check(ReceiverKind::Webex, &raw.webex_configs, true, others::webex);
    list.check(ReceiverKind::MsTeams, &raw.msteams_configs, true, others::msteams);
    list.check(ReceiverKind::MsTeamsV2, &raw.msteamsv2_configs, true, others::msteams_v2);
    list.check(ReceiverKind::Jira, &raw.jira_configs, true, others::jira);
    list.check(ReceiverKind::RocketChat, &raw.rocketchat_configs, false, others::rocketchat);
    list.check(ReceiverKind::IncidentIo, &raw.incidentio_configs, true, others::incidentio);
    list.check(ReceiverKind::Mattermost, &raw.mattermost_configs, true, others::mattermost);
    let integrations = list.integrations;
    let labels = tree::labels(check, &raw.labels);
    Receiver { name: text(&raw.name).into(), labels: Labels::from_pairs(labels), integrations }
}

/// What every type of integration says.
pub(super) trait Sends {
    /// Whether it is told when alerts are resolved, if it says.
    fn send_resolved(&self) -> Option<bool>;
}

macro_rules! sends {
    ($($name:ident),*) => {
        $(impl Sends for raw::$name {
            fn send_resolved(&self) -> Option<bool> {
                self.send_resolved.as_ref().map(|setting| setting.value)
            }
        })*
    };
}

sends!(
    Webhook, Email, PagerDuty, OpsGenie, WeChat, Slack, VictorOps, Pushover, Sns, Telegram, Discord, Webex,
    MsTeams, MsTeamsV2, Jira, RocketChat, IncidentIo, Mattermost
);

struct List<'c, 'a> {
    check: &'c mut Check<'a>,
    global: &'c Global,
    whole: Location,
    integrations: Vec<Arc<Integration>>,
}

impl<'a> List<'_, 'a> {
    fn add<T: Sends>(
        &mut self,
        kind: ReceiverKind,
        entries: &Placed<Entries<T>>,
        send_resolved: bool,
        read: fn(&mut Check<'a>, &T, Location, &Global) -> Option<Settings>,
    ) {
        for (index, entry) in entries.iter().flat_map(|entries| &entries.value).enumerate() {
            let Some(entry) = entry else {
                let what = format!("missing {} config", kind.as_str());
                self.check.refuse(
                    self.whole,
                    what,
                    format!("an entry of {} is empty: fill or remove it", kind.field()),
                );
                continue;
            };
            if let Some(settings) = read(self.check, &entry.value, entry.referenced, self.global) {
                let send_resolved = entry.value.send_resolved().unwrap_or(send_resolved);
                self.integrations.push(Arc::new(Integration { kind, index, send_resolved, settings }));
            }
        }
    }

    fn check<T: Sends>(
        &mut self,
        kind: ReceiverKind,
        entries: &Placed<Entries<T>>,
        send_resolved: bool,
        check: fn(&mut Check<'a>, &T, Location, &Global),
    ) {
        for (index, entry) in entries.iter().flat_map(|entries| &entries.value).enumerate() {
            let Some(entry) = entry else {
                let what = format!("missing {} config", kind.as_str());
                self.check.refuse(
                    self.whole,
                    what,
                    format!("an entry of {} is empty: fill or remove it", kind.field()),
                );
                continue;
            };
            check(self.check, &entry.value, entry.referenced, self.global);
            let send_resolved = entry.value.send_resolved().unwrap_or(send_resolved);
            let settings = Settings::NotDelivered;
            self.integrations.push(Arc::new(Integration { kind, index, send_resolved, settings }));
        }
    }
}

/// Where the entries of a type are, for what is told about them.
pub(super) fn place_of(raw: &raw::Receiver, kind: ReceiverKind) -> Option<Location> {
    macro_rules! of {
        ($($variant:ident $field:ident),* $(,)?) => {
            match kind { $(ReceiverKind::$variant => super::place::place(&raw.$field),)* }
        };
    }
    of! {
        Webhook webhook_configs,
        Email email_configs,
        PagerDuty pagerduty_configs,
        OpsGenie opsgenie_configs,
        WeChat wechat_configs,
        Slack slack_configs,
        VictorOps victorops_configs,
        Pushover pushover_configs,
        Sns sns_configs,
        Telegram telegram_configs,
        Discord discord_configs,
        Webex webex_configs,
        MsTeams msteams_configs,
        MsTeamsV2 msteamsv2_configs,
        Jira jira_configs,
        RocketChat rocketchat_configs,
        IncidentIo incidentio_configs,
        Mattermost mattermost_configs,
    }
}

//! Receivers: whom a route tells, and by what ways.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Labels, Secret};
use url::Url;

use super::http::{HttpClient, Tls};

/// Whom a route tells.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its name, unique in the file.
    pub name: Arc<str>,
    /// Its labels, for `receiver_matchers` in the API.
    pub labels: Labels,
    /// By what ways, in Alertmanager's order: by type, within a type as in the file.
    pub integrations: Vec<Arc<Integration>>,
}

/// One way of a receiver.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its type.
    pub kind: ReceiverKind,
    /// Its place among those of its type in the receiver, from 0.
    pub index: usize,
    /// Whether it is told when alerts are resolved.
    pub send_resolved: bool,
    /// What the type needs.
    pub settings: Settings,
}

impl Integration {
    /// `webhook[0]`, as Alertmanager names it in logs and in its notification log.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}[{}]", self.kind.as_str(), self.index)
    }
}

macro_rules! kinds {
    ($($variant:ident $name:literal $field:literal),* $(,)?) => {
        /// The types of receivers that Alertmanager has, in its order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReceiverKind {
            $(#[doc = concat!("`", $field, "`")] $variant,)*
        }

        impl ReceiverKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name: `pagerduty`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its field in the file: `pagerduty_configs`.
            #[must_use]
            pub const fn field(self) -> &'static str {
                match self { $(Self::$variant => $field,)* }
            }
        }
    };
}

kinds! {
    Webhook "webhook" "webhook_configs",
    Email "email" "email_configs",
    PagerDuty "pagerduty" "pagerduty_configs",
    OpsGenie "opsgenie" "opsgenie_configs",
    WeChat "wechat" "wechat_configs",
    Slack "slack" "slack_configs",
    VictorOps "victorops" "victorops_configs",
    Pushover "pushover" "pushover_configs",
    Sns "sns" "sns_configs",
    Telegram "telegram" "telegram_configs",
    Discord "discord" "discord_configs",
    Webex "webex" "webex_configs",
    MsTeams "msteams" "msteams_configs",
    MsTeamsV2 "msteamsv2" "msteamsv2_configs",
    Jira "jira" "jira_configs",
    RocketChat "rocketchat" "rocketchat_configs",
    IncidentIo "incidentio" "incidentio_configs",
    Mattermost "mattermost" "mattermost_configs",
}

/// A secret, or the file that holds it and is read each time it is needed (white space around it is not part of it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Inline(Secret),
    /// The file that holds it.
    File(PathBuf),
}

/// What a type needs.
#[derive(Clone, Debug)]
pub enum Settings {
    /// `webhook_configs`
    Webhook(Webhook),
    /// `email_configs`
    Email(Email),
    /// `pagerduty_configs`
    PagerDuty(PagerDuty),
    /// `slack_configs`
    Slack(Slack),
    /// Parsed and checked, but not delivered by this version.
    NotDelivered,
}

/// A webhook. Texts are templates where Alertmanager's are.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to post; may be a template, then it is not checked as a URL before it is rendered.
    pub url: SecretSource,
    /// How.
    pub http: Arc<HttpClient>,
    /// The most alerts in one message; 0 for no limit.
    pub max_alerts: u64,
    /// How long one attempt may take; zero for no limit of its own.
    pub timeout: Duration,
    /// The body, when it is not Alertmanager's own: JSON whose texts are templates.
    pub payload: Option<serde_json::Value>,
}

/// Mail.
#[derive(Clone, Debug)]
pub struct Email {
    /// To whom, a template.
    pub to: String,
    /// From whom, a template.
    pub from: String,
    /// Name told in the greeting.
    pub hello: String,
    /// Server's host.
    pub host: String,
    /// Server's port, a number or a service name.
    pub port: String,
    /// User for CRAM-MD5, LOGIN and PLAIN; empty for no authentication.
    pub auth_username: String,
    /// Password for LOGIN and PLAIN.
    pub auth_password: Option<SecretSource>,
    /// Secret for CRAM-MD5.
    pub auth_secret: Option<SecretSource>,
    /// Identity for PLAIN.
    pub auth_identity: String,
    /// Headers, names in canonical form, values templates.
    pub headers: BTreeMap<String, String>,
    /// Body as HTML, a template; empty for none.
    pub html: String,
    /// Body as text, a template; empty for none.
    pub text: String,
    /// Whether to refuse a server without TLS.
    pub require_tls: bool,
    /// Whether TLS begins with the connection; when it does not say, at port 465.
    pub force_implicit_tls: Option<bool>,
    /// TLS.
    pub tls: Tls,
    /// Whether mails about one group are one thread, and by what date (`daily`, `none`).
    pub threading: Option<String>,
}

/// PagerDuty. Texts are templates.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    /// How.
    pub http: Arc<HttpClient>,
    /// Key of the Events API v1, when it is that.
    pub service_key: Option<SecretSource>,
    /// Key of the Events API v2, a template.
    pub routing_key: Option<SecretSource>,
    /// Where to post.
    pub url: Url,
    /// Name of the sender.
    pub client: String,
    /// Where to find the sender.
    pub client_url: String,
    /// What happened.
    pub description: String,
    /// More about it, by name; the standard ones are filled in.
    pub details: BTreeMap<String, serde_json::Value>,
    /// Pictures.
    pub images: Vec<PagerDutyImage>,
    /// Links.
    pub links: Vec<PagerDutyLink>,
    /// What is affected.
    pub source: String,
    /// How bad.
    pub severity: String,
    /// Class of the event.
    pub class: String,
    /// Which part is affected.
    pub component: String,
    /// Which group of parts.
    pub group: String,
    /// How long one attempt may take; zero for no limit of its own.
    pub timeout: Duration,
}

/// A picture in a PagerDuty event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagerDutyImage {
    /// Where it is.
    pub src: String,
    /// What it shows.
    pub alt: String,
    /// Where it leads.
    pub href: String,
}

/// A link in a PagerDuty event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagerDutyLink {
    /// Where it leads.
    pub href: String,
    /// What it says.
    pub text: String,
}

/// Slack. Texts are templates.
#[derive(Clone, Debug)]
pub struct Slack {
    /// How; the app's token is already its authorization.
    pub http: Arc<HttpClient>,
    /// Where to post: the webhook, or the app's URL when there is a token.
    pub api_url: SecretSource,
    /// Channel or user.
    pub channel: String,
    /// Under what name.
    pub username: String,
    /// Colour of the bar.
    pub color: String,
    /// Title.
    pub title: String,
    /// Where the title leads.
    pub title_link: String,
    /// Text before the attachment.
    pub pretext: String,
    /// Text.
    pub text: String,
    /// Text of the message itself, outside the attachment.
    pub message_text: String,
    /// Fields.
    pub fields: Vec<SlackField>,
    /// Whether fields are short unless they say.
    pub short_fields: bool,
    /// Footer.
    pub footer: String,
    /// Text for where attachments cannot be shown.
    pub fallback: String,
    /// Callback id.
    pub callback_id: String,
    /// Icon as emoji.
    pub icon_emoji: String,
    /// Icon by URL.
    pub icon_url: String,
    /// Picture.
    pub image_url: String,
    /// Small picture.
    pub thumb_url: String,
    /// Whether names and channels in texts become links.
    pub link_names: bool,
    /// Where Markdown is read: names of fields; the standard ones when it does not say.
    pub mrkdwn_in: Vec<String>,
    /// Buttons.
    pub actions: Vec<SlackAction>,
    /// How long one attempt may take; zero for no limit of its own.
    pub timeout: Duration,
    /// Whether the first message is changed instead of a new one sent; needs an app.
    pub update_message: bool,
}

/// A field of a Slack message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackField {
    /// Title.
    pub title: String,
    /// Value.
    pub value: String,
    /// Whether two stand side by side, if it says.
    pub short: Option<bool>,
}

/// A button of a Slack message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackAction {
    /// Type.
    pub kind: String,
    /// Text.
    pub text: String,
    /// Where it leads; empty for a button that sends.
    pub url: String,
    /// Style.
    pub style: String,
    /// Name; empty for a link.
    pub name: String,
    /// Value; empty for a link.
    pub value: String,
    /// What to ask before; none for a link.
    pub confirm: Option<SlackConfirmation>,
}

/// What a Slack button asks before it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackConfirmation {
    /// Text.
    pub text: String,
    /// Title.
    pub title: String,
    /// Text of the button that agrees.
    pub ok_text: String,
    /// Text of the button that does not.
    pub dismiss_text: String,
}

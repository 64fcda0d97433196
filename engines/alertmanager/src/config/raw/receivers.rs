//! Receivers as written: all 18 types.

use std::collections::BTreeMap;

use quarterdeck_yaml::Spanned;
use serde::{Deserialize, Serialize};

use super::{Address, Hidden, Http, Texts, Tls, raw};

/// Entries of a list of integrations; an entry that is null is there, but empty.
pub(in crate::config) type Entries<T> = Vec<Option<Spanned<T>>>;

raw! {
    /// An entry of `receivers`.
    Receiver {
        name: String,
        labels: Texts,
        webhook_configs: Entries<Webhook>,
        email_configs: Entries<Email>,
        pagerduty_configs: Entries<PagerDuty>,
        opsgenie_configs: Entries<OpsGenie>,
        wechat_configs: Entries<WeChat>,
        slack_configs: Entries<Slack>,
        victorops_configs: Entries<VictorOps>,
        pushover_configs: Entries<Pushover>,
        sns_configs: Entries<Sns>,
        telegram_configs: Entries<Telegram>,
        discord_configs: Entries<Discord>,
        webex_configs: Entries<Webex>,
        msteams_configs: Entries<MsTeams>,
        msteamsv2_configs: Entries<MsTeamsV2>,
        jira_configs: Entries<Jira>,
        rocketchat_configs: Entries<RocketChat>,
        incidentio_configs: Entries<IncidentIo>,
        mattermost_configs: Entries<Mattermost>,
    }

    Webhook {
        send_resolved: bool,
        http_config: Http,
        // amtool before 0.26 takes only an address here.
        #[serde(serialize_with = "super::scalar::host_only")]
        url: Hidden,
        url_file: String,
        max_alerts: u64,
        timeout: String,
        payload: serde_json::Value,
    }

    Email {
        send_resolved: bool,
        to: String,
        from: String,
        hello: String,
        smarthost: String,
        auth_username: String,
        auth_password: Hidden,
        auth_password_file: String,
        auth_secret: Hidden,
        auth_secret_file: String,
        auth_identity: String,
        headers: Texts,
        html: String,
        text: String,
        require_tls: bool,
        tls_config: Tls,
        force_implicit_tls: bool,
        threading: Threading,
    }

    Threading {
        enabled: bool,
        thread_by_date: String,
    }

    PagerDuty {
        send_resolved: bool,
        http_config: Http,
        service_key: Hidden,
        service_key_file: String,
        routing_key: Hidden,
        routing_key_file: String,
        url: Address,
        client: String,
        client_url: String,
        description: String,
        details: BTreeMap<String, serde_json::Value>,
        images: Vec<PagerDutyImage>,
        links: Vec<PagerDutyLink>,
        source: String,
        severity: String,
        class: String,
        component: String,
        group: String,
        timeout: String,
    }

    PagerDutyImage {
        src: String,
        alt: String,
        href: String,
    }

    PagerDutyLink {
        href: String,
        text: String,
    }

    Slack {
        send_resolved: bool,
        http_config: Http,
        api_url: Hidden,
        api_url_file: String,
        app_token: Hidden,
        app_token_file: String,
        app_url: Address,
        channel: String,
        username: String,
        color: String,
        title: String,
        title_link: String,
        pretext: String,
        text: String,
        message_text: String,
        fields: Vec<Spanned<AttachmentField>>,
        short_fields: bool,
        footer: String,
        fallback: String,
        callback_id: String,
        icon_emoji: String,
        icon_url: String,
        image_url: String,
        thumb_url: String,
        link_names: bool,
        mrkdwn_in: Vec<String>,
        actions: Vec<Spanned<SlackAction>>,
        update_message: bool,
        timeout: String,
    }

    AttachmentField {
        title: String,
        value: String,
        short: bool,
    }

    SlackAction {
        #[serde(rename = "type")]
        kind: String,
        text: String,
        url: String,
        style: String,
        name: String,
        value: String,
        confirm: SlackConfirmation,
    }

    SlackConfirmation {
        text: String,
        title: String,
        ok_text: String,
        dismiss_text: String,
    }

    OpsGenie {
        send_resolved: bool,
        http_config: Http,
        api_key: Hidden,
        api_key_file: String,
        api_url: Address,
        message: String,
        description: String,
        source: String,
        details: BTreeMap<String, String>,
        entity: String,
        responders: Vec<Spanned<Responder>>,
        actions: String,
        tags: String,
        note: String,
        priority: String,
        update_alerts: bool,
    }

    Responder {
        id: String,
        name: String,
        username: String,
        #[serde(rename = "type")]
        kind: String,
    }

    WeChat {
        send_resolved: bool,
        http_config: Http,
        api_secret: Hidden,
        api_secret_file: String,
        corp_id: String,
        message: String,
        api_url: Address,
        to_user: String,
        to_party: String,
        to_tag: String,
        agent_id: String,
        message_type: String,
    }

    VictorOps {
        send_resolved: bool,
        http_config: Http,
        api_key: Hidden,
        api_key_file: String,
        api_url: Address,
        routing_key: String,
        message_type: String,
        state_message: String,
        entity_display_name: String,
        monitoring_tool: String,
        custom_fields: BTreeMap<String, String>,
    }

    Pushover {
        send_resolved: bool,
        http_config: Http,
        user_key: Hidden,
        user_key_file: String,
        token: Hidden,
        token_file: String,
        title: String,
        message: String,
        url: String,
        url_title: String,
        device: String,
        sound: String,
        priority: String,
        retry: String,
        expire: String,
        ttl: String,
        html: bool,
        monospace: bool,
    }

    Sns {
        send_resolved: bool,
        http_config: Http,
        api_url: String,
        sigv4: SigV4,
        topic_arn: String,
        phone_number: String,
        target_arn: String,
        subject: String,
        message: String,
        attributes: BTreeMap<String, String>,
    }

    SigV4 {
        region: String,
        access_key: String,
        secret_key: Hidden,
        profile: String,
        role_arn: String,
        external_id: String,
        use_fips_sts_endpoint: bool,
    }

    Telegram {
        send_resolved: bool,
        http_config: Http,
        api_url: Address,
        bot_token: Hidden,
        bot_token_file: String,
        chat_id: i64,
        chat_id_file: String,
        message_thread_id: i64,
        message: String,
        disable_notifications: bool,
        parse_mode: String,
    }

    Discord {
        send_resolved: bool,
        http_config: Http,
        webhook_url: Hidden,
        webhook_url_file: String,
        content: String,
        title: String,
        message: String,
        username: String,
        avatar_url: String,
    }

    Webex {
        send_resolved: bool,
        http_config: Http,
        api_url: Address,
        message: String,
        room_id: String,
    }

    MsTeams {
        send_resolved: bool,
        http_config: Http,
        webhook_url: Hidden,
        webhook_url_file: String,
        title: String,
        summary: String,
        text: String,
    }

    MsTeamsV2 {
        send_resolved: bool,
        http_config: Http,
        webhook_url: Hidden,
        webhook_url_file: String,
        title: String,
        text: String,
    }

    Jira {
        send_resolved: bool,
        http_config: Http,
        api_url: Address,
        api_type: String,
        project: String,
        // A text, or a mapping with `template` and `enable_update`.
        summary: serde_json::Value,
        description: serde_json::Value,
        // A list, or a mapping with `values` and `enable_update`.
        labels: serde_json::Value,
        priority: String,
        issue_type: String,
        reopen_transition: String,
        resolve_transition: String,
        wont_fix_resolution: String,
        reopen_duration: String,
        fields: BTreeMap<String, serde_json::Value>,
    }

    RocketChat {
        send_resolved: bool,
        http_config: Http,
        api_url: Address,
        token_id: Hidden,
        token_id_file: String,
        token: Hidden,
        token_file: String,
        channel: String,
        color: String,
        title: String,
        title_link: String,
        text: String,
        fields: Vec<AttachmentField>,
        short_fields: bool,
        emoji: String,
        icon_url: String,
        image_url: String,
        thumb_url: String,
        link_names: bool,
        actions: Vec<RocketChatAction>,
    }

    // The original gives these no names for YAML, so that they are those of its fields in lower case.
    RocketChatAction {
        #[serde(rename = "type")]
        kind: String,
        text: String,
        url: String,
        imageurl: String,
        iswebview: bool,
        webviewheightratio: String,
        msg: String,
        msginchatwindow: bool,
        msgprocessingtype: String,
    }

    IncidentIo {
        send_resolved: bool,
        http_config: Http,
        url: Address,
        url_file: String,
        alert_source_token: Hidden,
        alert_source_token_file: String,
        max_alerts: u64,
        timeout: String,
        metadata: BTreeMap<String, String>,
    }

    Mattermost {
        send_resolved: bool,
        http_config: Http,
        webhook_url: Hidden,
        webhook_url_file: String,
        channel: String,
        username: String,
        text: String,
        fallback: String,
        color: String,
        pretext: String,
        author_name: String,
        author_link: String,
        author_icon: String,
        title: String,
        title_link: String,
        fields: Vec<Spanned<AttachmentField>>,
        thumb_url: String,
        footer: String,
        footer_icon: String,
        image_url: String,
        icon_url: String,
        icon_emoji: String,
        attachments: Vec<MattermostAttachment>,
        #[serde(rename = "type")]
        kind: String,
        props: MattermostProps,
        priority: MattermostPriority,
    }

    MattermostAttachment {
        fallback: String,
        color: String,
        pretext: String,
        text: String,
        author_name: String,
        author_link: String,
        author_icon: String,
        title: String,
        title_link: String,
        fields: Vec<Spanned<AttachmentField>>,
        thumb_url: String,
        footer: String,
        footer_icon: String,
        image_url: String,
    }

    MattermostProps {
        card: String,
    }

    MattermostPriority {
        priority: String,
        requested_ack: bool,
        persistent_notifications: bool,
    }
}

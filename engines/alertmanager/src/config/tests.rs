use super::*;
use proptest::prelude::*;

const MINIMAL: &str = "route: {receiver: r}\nreceivers: [{name: r}]\n";

fn read_text(text: &str) -> Result<Config, Vec<Diagnostic>> {
    Config::parse(text, "am.yml", Path::new("/etc/am"))
}

fn good(text: &str) -> Config {
    read_text(text).unwrap_or_else(|mistakes| panic!("{}\n{text}", told(&mistakes)))
}

fn bad(text: &str) -> String {
    told(&read_text(text).err().unwrap_or_else(|| panic!("accepted:\n{text}")))
}

fn told(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_least_that_is_lawful() {
    let config = good(MINIMAL);
    assert_eq!(config.resolve_timeout, Duration::from_secs(300));
    assert_eq!(&*config.routes.root().receiver, "r");
    assert!(config.receiver("r").is_some_and(|receiver| receiver.integrations.is_empty()));
    assert!(config.receiver("s").is_none() && config.notes.is_empty());
}

#[test]
fn unknown_fields_are_refused_with_their_place_and_the_nearest_name() {
    assert_eq!(
        bad("route:\n  receiver: r\n  group_intervall: 5m\nreceivers: [{name: r}]\n"),
        "am.yml:3:3: unknown field \"group_intervall\"; did you mean \"group_interval\"?"
    );
    let nested = "receivers:\n- name: r\n  slack_configs:\n  - api_url: http://x/\n    titel: x\nroute: {receiver: r}\n";
    assert_eq!(bad(nested), "am.yml:5:5: unknown field \"titel\"; did you mean \"title\"?");
}

#[test]
fn mistakes_are_all_told_in_order() {
    let text = "route:\n  receiver: q\n  group_interval: 0s\n  routes:\n  - matchers: ['a']\n    mute_time_intervals: [night]\n\
                receivers:\n- name: r\n- name: r\n";
    assert_eq!(
        bad(text),
        "am.yml:2:13: undefined receiver \"q\" used in route; add it to `receivers`\n\
         am.yml:3:19: group_interval cannot be zero; write how long, as in 5m\n\
         am.yml:5:16: bad matcher format: a; write name=\"value\", with =, !=, =~ or !~\n\
         am.yml:6:27: undefined time interval \"night\" used in route; add it to `time_intervals`\n\
         am.yml:9:9: notification config name \"r\" is not unique; give each receiver a name of its own"
    );
}

#[test]
fn what_alertmanager_refuses_is_refused_for_its_reason() {
    let route = |route: &str| format!("route:\n  receiver: r\n  {route}\nreceivers: [{{name: r}}]\n");
    let child = |child: &str| route(&format!("routes: [{child}]"));
    let with =
        |receiver: &str| format!("{MINIMAL}{}", "").replace("{name: r}", &format!("{{name: r, {receiver}}}"));
    let global = |global: &str| format!("global: {{{global}}}\n{MINIMAL}");
    let cases = [
        (String::new(), "no route provided in config"),
        ("route: {}\nreceivers: []\n".to_owned(), "root route must specify a default receiver"),
        (route("continue: true"), "cannot have continue in root route"),
        (route("match: {a: b}"), "root route must not have any matchers"),
        (route("matchers: [a=b]"), "root route must not have any matchers"),
        (route("mute_time_intervals: [x]"), "root route must not have any mute time intervals"),
        (route("active_time_intervals: [x]"), "root route must not have any active time intervals"),
        (route("group_by: ['...', a]"), "cannot have wildcard group_by"),
        (route("group_by: [a, a]"), "duplicated label \"a\" in group_by"),
        (route("group_by: ['']"), "invalid label name \"\" in group_by list"),
        (route("repeat_interval: 0"), "repeat_interval cannot be zero"),
        (route("group_wait: 5"), "not a valid duration string: \"5\""),
        (child("{match: {a-b: c}}"), "invalid label name \"a-b\""),
        (child("{match_re: {a: '('}}"), "regular expression \"(\" cannot be used"),
        (child("{matchers: ['a=~\"(\"']}"), "regular expression \"(\" cannot be used"),
        ("route: {receiver: r}\nreceivers: [{}]\n".to_owned(), "missing name in receiver"),
        (global("slack_api_url: foo"), "unsupported scheme \"\" for URL"),
        (global("pagerduty_url: 'http:///x'"), "missing host for URL"),
        (global("smtp_smarthost: localhost"), "missing port in address"),
        (global("resolve_timeout: 1x"), "not a valid duration string: \"1x\""),
        (
            global("http_config: {authorization: {type: Basic}}"),
            "authorization type cannot be set to \"basic\"",
        ),
        (
            global("http_config: {basic_auth: {username: u}, authorization: {credentials: c}}"),
            "at most one of basic_auth, oauth2 & authorization must be configured",
        ),
        (
            global("http_config: {no_proxy: x}"),
            "if no_proxy is configured, proxy_url must also be configured",
        ),
        (global("http_config: {tls_config: {min_version: TLS9}}"), "unknown TLS version: TLS9"),
        (global("http_config: {oauth2: {client_id: x}}"), "oauth2 token_url must be configured"),
        (with("webhook_configs: [{}]"), "one of url or url_file must be configured"),
        (
            with("webhook_configs: [{url: 'http://x/', url_file: f}]"),
            "at most one of url & url_file must be configured",
        ),
        (with("webhook_configs: [{url: x}]"), "invalid URL: unsupported scheme"),
        (with("webhook_configs: [{url: '{{ x'}]"), "invalid template syntax"),
        (with("webhook_configs: [~]"), "missing webhook config"),
        (with("email_configs: [{to: a}]"), "no global SMTP smarthost set"),
        (with("email_configs: [{smarthost: 'h:25', from: f}]"), "missing to address in email config"),
        (with("email_configs: [{to: a, smarthost: 'h:25'}]"), "no global SMTP from set"),
        (
            with("email_configs: [{to: a, smarthost: 'h:25', from: f, headers: {SUBJECT: a, Subject: b}}]"),
            "duplicate header \"Subject\" in email config",
        ),
        (
            with(
                "email_configs: [{to: a, smarthost: 'h:25', from: f, threading: {enabled: true, thread_by_date: x}}]",
            ),
            "threading.thread_by_date must be either 'none' or 'daily'",
        ),
        (with("pagerduty_configs: [{}]"), "missing service or routing key in PagerDuty config"),
        (
            with("slack_configs: [{api_url: 'http://x/', fields: [{title: t}]}]"),
            "missing value in Slack field configuration",
        ),
        (
            with("slack_configs: [{api_url: 'http://x/', actions: [{type: t, text: x}]}]"),
            "missing name or url in Slack action configuration",
        ),
        (
            with("slack_configs: [{app_token: t, http_config: {authorization: {credentials: c}}}]"),
            "http authorization can't be set when using Slack App tokens",
        ),
        (with("telegram_configs: [{bot_token: x}]"), "missing chat_id or chat_id_file on telegram_config"),
        (with("webex_configs: [{room_id: x}]"), "missing webex_configs.http_config.authorization"),
        (with("jira_configs: [{api_url: 'http://x/', project: p}]"), "missing issue_type in jira_config"),
        (with("discord_configs: [{}]"), "one of webhook_url or webhook_url_file must be configured"),
        (with("pushover_configs: [{user_key: k}]"), "one of token or token_file must be configured"),
        (with("incidentio_configs: [{}]"), "one of url or url_file must be configured"),
        (
            with("victorops_configs: [{api_key: k, routing_key: r, custom_fields: {entity_id: x}}]"),
            "custom field entity_id which cannot be used",
        ),
        (
            with("opsgenie_configs: [{api_key: k, responders: [{name: n, type: x}]}]"),
            "responder type \"x\" does not match",
        ),
        (format!("{MINIMAL}tracing: {{}}\n"), "tracing endpoint must be set"),
        (format!("{MINIMAL}inhibit_rules: [{{equal: ['']}}]\n"), "invalid label name \"\" in equal list"),
        (format!("{MINIMAL}time_intervals: [{{}}]\n"), "missing name in time interval"),
        (
            format!("{MINIMAL}time_intervals: [{{name: a}}]\nmute_time_intervals: [{{name: a}}]\n"),
            "time interval \"a\" is not unique",
        ),
        (
            format!(
                "{MINIMAL}time_intervals: [{{name: a, time_intervals: [{{location: Nowhere/At_all}}]}}]\n"
            ),
            "unknown time zone Nowhere/At_all",
        ),
        (
            format!(
                "{MINIMAL}time_intervals: [{{name: a, time_intervals: [{{times: [{{start_time: '9:00'}}]}}]}}]\n"
            ),
            "both start and end times must be provided",
        ),
    ];
    for (text, reason) in cases {
        let found = bad(&text);
        assert!(found.contains(reason), "expected {reason:?}, found {found:?} in\n{text}");
        assert!(found.starts_with("am.yml:"), "{found}");
    }
}

#[test]
fn receivers_inherit_from_global() {
    let config = good(
        "global:\n  smtp_smarthost: 'mail:587'\n  smtp_from: me@x\n  smtp_auth_password: pass\n  smtp_require_tls: false\n\
         \x20 http_config: {proxy_url: 'http://proxy:1'}\n  pagerduty_url: https://pd.example/\n\
         route: {receiver: r}\nreceivers:\n- name: r\n  email_configs:\n  - {to: a}\n  - {to: b, from: c, auth_password_file: f}\n\
         \x20 webhook_configs: [{url: 'http://x/', timeout: 1.5s, max_alerts: 3}]\n  pagerduty_configs: [{routing_key: k}]\n",
    );
    let integrations = &config.receiver("r").unwrap().integrations;
    let names: Vec<String> = integrations.iter().map(|integration| integration.name()).collect();
    assert_eq!(names, ["webhook[0]", "email[0]", "email[1]", "pagerduty[0]"]);
    let sends: Vec<bool> = integrations.iter().map(|integration| integration.send_resolved).collect();
    assert_eq!(sends, [true, false, false, true]);
    let Settings::Webhook(webhook) = &integrations[0].settings else { panic!("{integrations:?}") };
    assert_eq!((webhook.timeout, webhook.max_alerts), (Duration::from_millis(1500), 3));
    assert_eq!(
        webhook.http.proxy_url.as_ref().map(quarterdeck_kernel::Secret::expose),
        Some("http://proxy:1")
    );
    let Settings::Email(first) = &integrations[1].settings else { panic!("{integrations:?}") };
    assert_eq!((first.host.as_str(), first.port.as_str(), first.from.as_str()), ("mail", "587", "me@x"));
    assert_eq!((first.hello.as_str(), first.require_tls), ("localhost", false));
    assert_eq!(first.headers["Subject"], "{{ template \"email.default.subject\" . }}");
    let Settings::Email(second) = &integrations[2].settings else { panic!("{integrations:?}") };
    assert_eq!((second.from.as_str(), &second.auth_password), ("c", &Some(SecretSource::File("f".into()))));
    let Settings::PagerDuty(pagerduty) = &integrations[3].settings else { panic!("{integrations:?}") };
    assert_eq!(pagerduty.url.as_str(), "https://pd.example/");
    assert_eq!(pagerduty.details.len(), 4);
    assert_eq!(pagerduty.source, pagerduty.client);
}

#[test]
fn a_slack_app_posts_to_its_own_address_with_its_token() {
    let config = good(
        "global: {slack_app_token: tok}\nroute: {receiver: r}\nreceivers:\n- name: r\n  slack_configs:\n\
         \x20 - {channel: c, update_message: true}\n  - {api_url: 'http://hook/'}\n",
    );
    let integrations = &config.receiver("r").unwrap().integrations;
    let Settings::Slack(app) = &integrations[0].settings else { panic!("{integrations:?}") };
    let Settings::Slack(hook) = &integrations[1].settings else { panic!("{integrations:?}") };
    let text = |source: &SecretSource| match source {
        SecretSource::Inline(secret) => secret.expose().to_owned(),
        SecretSource::File(path) => panic!("{path:?}"),
    };
    assert_eq!(text(&app.api_url), "https://slack.com/api/chat.postMessage");
    assert_eq!(text(&app.http.authorization.as_ref().unwrap().credentials), "tok");
    assert_eq!(text(&hook.api_url), "http://hook/");
    assert!(hook.http.authorization.is_none());
}

#[test]
fn secrets_are_hidden_in_the_original_and_in_what_is_printed() {
    let text = "# a comment with S3CRET\nglobal:\n  smtp_auth_password: S3CRET\n  smtp_auth_secret: ''\n\
        \x20 slack_api_url: https://hooks.example/S3CRET\n  pagerduty_url: https://me:S3CRET@pd.example/\n\
        \x20 http_config:\n    basic_auth: {username: me, password: S3CRET}\n    proxy_url: http://u:S3CRET@proxy:1\n\
        \x20   http_headers: {X-Key: {secrets: [S3CRET], values: [open]}}\n\
        route: {receiver: r, group_by: ['...'], routes: [{matchers: ['a=\"b\"'], continue: true, receiver: r}]}\n\
        receivers:\n- name: r\n  webhook_configs: [{url: 'https://x/S3CRET'}]\n  slack_configs: [{text: '{{ .X }}: \"y\" # no'}]\n\
        \x20 sns_configs: [{topic_arn: a, sigv4: {access_key: k, secret_key: S3CRET}}]\n\
        templates: ['*.tmpl']\n";
    let config = good(text);
    assert!(!config.original.contains("S3CRET"), "{}", config.original);
    assert!(!format!("{config:?}").contains("S3CRET"));
    assert!(config.original.contains("smtp_auth_password: <secret>"), "{}", config.original);
    // What is shown is a configuration again, and the same one.
    let again = good(&config.original);
    assert_eq!(again.original, config.original);
    assert_eq!(again.routes.iter().count(), 2);
    assert_eq!(config.templates, [PathBuf::from("/etc/am/*.tmpl")]);
}

#[test]
fn a_mistake_does_not_show_a_secret() {
    let found = bad(&format!(
        "global: {{slack_api_url: 'S3CRET-not-a-url', opsgenie_api_key: S3CRET, opsgenie_api_key_file: f}}\n{MINIMAL}"
    ));
    assert!(!found.contains("S3CRET"), "{found}");
}

#[test]
fn what_is_not_delivered_is_told_when_a_route_uses_it() {
    let config = good(
        "route: {receiver: r}\nreceivers:\n- name: r\n  discord_configs: [{webhook_url: 'http://x/'}]\n\
         - name: unused\n  discord_configs: [{webhook_url: 'http://x/'}]\n",
    );
    let notes = told(&config.notes);
    assert!(notes.starts_with("am.yml:4:20: discord_configs of receiver \"r\" is not delivered"), "{notes}");
    assert_eq!(config.notes.len(), 1);
}

#[test]
fn scalars_are_read_as_go_reads_them() {
    let config = good(
        "route:\n  receiver: r\n  group_by:\n  routes:\n  - match: {code: 200, ok: true, none: }\n    continue: yes\n    group_by: []\n\
         receivers:\n- name: r\n",
    );
    let child = config.routes.iter().nth(1).unwrap();
    assert_eq!(&*child.key, "{}/{code=\"200\",none=\"\",ok=\"true\"}");
    assert!(child.continues);
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    let mut text = String::from("route:\n  receiver: r\n");
    for depth in 1..2000 {
        let indent = " ".repeat(depth * 2);
        text.push_str(&format!("{indent}routes:\n{indent}- receiver: r\n"));
    }
    text.push_str("receivers: [{name: r}]\n");
    assert!(read_text(&text).is_err());
    let shallow = format!(
        "route: {{receiver: r{}}}\nreceivers: [{{name: r}}]\n",
        ", routes: [{receiver: r".repeat(20) + &"}]".repeat(20)
    );
    assert_eq!(good(&shallow).routes.iter().count(), 21);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = read_text(&text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(at in 0usize..700, with in "[ -~\n]{0,3}", length in 0usize..6) {
        let text = "global: {resolve_timeout: 5m, smtp_smarthost: 'a:1', smtp_from: x}\nroute:\n  receiver: r\n  group_by: ['...']\n\
            \x20 group_wait: 1s\n  routes:\n  - match_re: {a: 'b|c'}\n    matchers: ['a=\"b\"', c!~d]\n    mute_time_intervals: [n]\n\
            inhibit_rules:\n- source_matchers: [a=b]\n  target_match: {c: d}\n  equal: [e]\n\
            time_intervals:\n- name: n\n  time_intervals:\n  - times: [{start_time: '01:00', end_time: '24:00'}]\n    weekdays: ['monday:friday']\n\
            \x20   days_of_month: ['-3:-1']\n    location: Europe/Berlin\n\
            receivers:\n- name: r\n  webhook_configs: [{url: 'http://x/', timeout: 3s}]\n  email_configs:\n  - {to: y, headers: {a: b}}\n";
        let start = at.min(text.len());
        let end = (start + length).min(text.len());
        if let (Some(before), Some(after)) = (text.get(..start), text.get(end..))
            && let Ok(config) = read_text(&format!("{before}{with}{after}"))
        {
            prop_assert!(read_text(&config.original).is_ok(), "{}", config.original);
        }
    }
}

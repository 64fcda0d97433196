//! A file as found in the field, and a corpus of mistakes.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{Authorization, Discovery, NameValidation, Protocol, Scheme, SecretSource};

const FILE: &str = r#"
# my global config
global:
  scrape_interval: 15s # Set the scrape interval to every 15 seconds.
  evaluation_interval: 15s
  external_labels:
    monitor: codelab
    foo: "${QUARTERDECK_TEST_UNSET}bar"
  body_size_limit: 15MB
  sample_limit: 1500
  label_limit: 30
alerting:
  alertmanagers:
    - scheme: https
      static_configs:
        - targets: ["1.2.3.4:9093"]
rule_files: ["first.rules", "my/*.rules"]
remote_write:
  - url: http://remote1/push
    write_relabel_configs:
      - source_labels: [__name__]
        regex: expensive.*
        action: drop
storage:
  tsdb:
    out_of_order_time_window: 30m
tracing:
  endpoint: localhost:4317
  client_type: grpc
scrape_configs:
  - job_name: prometheus
    honor_labels: true
    scrape_protocols: ["PrometheusText0.0.4"]
    scrape_failure_log_file: fail.log
    file_sd_configs:
      - files: [foo/*.slow.json, single/file.yml]
        refresh_interval: 10m
      - files: [bar/*.yaml]
    static_configs:
      - targets: ["localhost:9090", "localhost:9191"]
        labels:
          my: label
          your: label
    relabel_configs:
      - source_labels: [job, __meta_dns_name]
        regex: (.*)some-[regex]
        target_label: job
        replacement: foo-${1}
      - source_labels: [abc]
        target_label: cde
      - replacement: static
        target_label: abc
      - regex:
        replacement: static
        target_label: abc
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: expensive_metric.*
        action: drop
    authorization:
      credentials_file: valid_token_file
    tls_config:
      min_version: TLS10
  - job_name: service-x
    basic_auth:
      username: admin_name
      password: "multiline\nmysecret\ntest"
    scrape_interval: 50s
    scrape_timeout: 5s
    body_size_limit: 10MB
    sample_limit: 1000
    target_limit: 35
    scrape_protocols: ["PrometheusProto", "OpenMetricsText1.0.0"]
    metrics_path: /my_path
    scheme: https
    params: {module: [http_2xx], 'match[]': ['{job="a"}', up]}
    honor_timestamps: false
    enable_compression: false
    fallback_scrape_protocol: PrometheusText0.0.4
    metric_name_validation_scheme: legacy
    tls_config:
      ca_file: ca.pem
      server_name: example.org
      insecure_skip_verify: true
    http_sd_configs:
      - url: http://127.0.0.1:8080/sd
        bearer_token: t0ken
  - job_name: kube
    kubernetes_sd_configs:
      - role: endpoints
        namespaces: {names: [default]}
    consul_sd_configs: [{server: "localhost:1234"}]
    static_configs: [{targets: ["10.0.0.1:80"]}]
  - job_name: o
    oauth2: {client_id: x, client_secret: y, token_url: "http://t"}
    static_configs: [{targets: ["h"]}]
  - job_name: 0123
    static_configs:
"#;

#[test]
fn a_file_from_the_field_loads_unmodified() {
    let plan =
        parse(FILE, "prometheus.yml", Path::new("/etc/prometheus")).unwrap_or_else(|e| panic!("{e:#?}"));
    assert_eq!(plan.external_labels.get("foo"), Some("bar"));
    assert_eq!(
        plan.rule_files,
        [Path::new("/etc/prometheus/first.rules"), Path::new("/etc/prometheus/my/*.rules")]
    );
    assert_eq!(plan.evaluation_interval, Some(std::time::Duration::from_secs(15)));
    for unused in ["alerting", "remote_write", "storage", "tracing"] {
        let note = format!("{unused} is not used by this version");
        assert!(plan.notes.contains(&note), "{unused}: {:?}", plan.notes);
    }
    let [prometheus, service, kube, oauth, number] = &plan.jobs[..] else {
        panic!("{} jobs", plan.jobs.len())
    };

    assert_eq!((prometheus.interval, prometheus.timeout), (Duration::from_secs(15), Duration::from_secs(10)));
    assert_eq!(
        (prometheus.honor_labels, prometheus.relabel.len(), prometheus.metric_relabel.len()),
        (true, 4, 1)
    );
    assert_eq!(prometheus.limits.body_size, Some(15 << 20));
    assert_eq!(prometheus.protocols, [Protocol::PrometheusText004]);
    let token = SecretSource::File("/etc/prometheus/valid_token_file".into());
    assert_eq!(
        prometheus.client.authorization,
        Authorization::Scheme { scheme: "Bearer".into(), credentials: token }
    );
    let Discovery::Static(groups) = &prometheus.discoveries[0] else { panic!("static first") };
    assert_eq!((groups[0].targets.len(), groups[0].labels.len()), (2, 2));
    let Discovery::Files { paths, refresh } = &prometheus.discoveries[1] else { panic!("then files") };
    assert_eq!(paths[0], Path::new("/etc/prometheus/foo/*.slow.json"));
    assert_eq!(*refresh, Duration::from_secs(600));

    assert_eq!((service.scheme, service.metrics_path.as_str()), (Scheme::Https, "/my_path"));
    assert_eq!(
        (service.limits.samples, service.limits.targets, service.limits.labels),
        (Some(1000), Some(35), Some(30))
    );
    assert_eq!((service.honor_timestamps, service.enable_compression), (false, false));
    assert_eq!(
        (service.fallback, service.name_validation),
        (Some(Protocol::PrometheusText004), NameValidation::Legacy)
    );
    assert_eq!(service.params["match[]"], [r#"{job="a"}"#, "up"]);
    assert!(service.client.tls.insecure_skip_verify);
    assert!(matches!(service.discoveries[..], [Discovery::Http { .. }]));

    assert!(kube.unavailable[1].contains("kubernetes_sd_configs is not supported"), "{:?}", kube.unavailable);
    assert!(!kube.blocked, "its static targets are scraped");
    assert!(oauth.blocked && oauth.unavailable[0].contains("oauth2"));
    assert_eq!(&*number.name, "0123");
}

#[test]
fn secrets_do_not_print_with_the_plan() {
    let plan = parse(FILE, "prometheus.yml", Path::new("/")).unwrap();
    let printed = format!("{plan:?}");
    assert!(!printed.contains("mysecret") && !printed.contains("t0ken"));
}

#[test]
fn every_discovery_of_prometheus_is_known_by_name() {
    for sd in [
        "azure",
        "consul",
        "digitalocean",
        "dns",
        "docker",
        "dockerswarm",
        "ec2",
        "eureka",
        "gce",
        "hetzner",
        "ionos",
        "kubernetes",
        "kuma",
        "lightsail",
        "linode",
        "marathon",
        "nerve",
        "nomad",
        "openstack",
        "ovhcloud",
        "puppetdb",
        "scaleway",
        "serverset",
        "stackit",
        "triton",
        "uyuni",
        "vultr",
    ] {
        let text =
            format!("scrape_configs:\n- job_name: j\n  {sd}_sd_configs:\n  - anything: [1, {{a: b}}]\n");
        let plan = parse(&text, "p.yml", Path::new("/")).unwrap_or_else(|e| panic!("{sd}: {e:?}"));
        assert!(plan.jobs[0].unavailable[0].starts_with(sd), "{:?}", plan.jobs[0].unavailable);
    }
}

/// Files and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "global:\n  scrape_intervall: 15s\n",
        "p.yml:2:3: unknown field \"scrape_intervall\"; did you mean \"scrape_interval\"?",
    ),
    ("global:\n  scrape_interval: 15\n", "p.yml:2:20: \"15\" is not a duration"),
    (
        "global:\n  scrape_interval: 5s\n  scrape_timeout: 6s\n",
        "p.yml:3:19: global: the scrape timeout 6s is longer than the scrape interval 5s",
    ),
    (
        "scrape_configs:\n- job_name: a\n- job_name: a\n",
        "p.yml:3:13: the job name \"a\" is used twice, first in p.yml:2",
    ),
    ("scrape_configs:\n- static_configs: []\n", "p.yml:2:3: the job has no job_name; name it"),
    (
        "scrape_configs:\n- job_name: a\n  scrape_interval: 5s\n  scrape_timeout: 10s\n",
        "p.yml:4:19: job \"a\": the scrape timeout 10s is longer",
    ),
    (
        "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - source_labels: [x]\n    regex: '('\n    action: keep\n",
        "p.yml:5:12: regex: regular expression \"(\" cannot be used",
    ),
    (
        "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - target_label: x\n    action: kep\n",
        "p.yml:5:13: \"kep\" is not a relabel action; did you mean keep?",
    ),
    (
        "scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['http://h:1/metrics']\n",
        "p.yml:4:15: the target \"http://h:1/metrics\" is not an address",
    ),
    (
        "scrape_configs:\n- job_name: a\n  scheme: ftp\n",
        "p.yml:3:11: \"ftp\" is not known here; allowed here: http, https",
    ),
    ("scrape_configs:\n- job_name: a\n  body_size_limit: 10\n", "p.yml:3:20: \"10\" is not a size"),
    (
        "scrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [a.txt]}]\n",
        "\"a.txt\" is not a file that lists targets",
    ),
    (
        "scrape_configs:\n- job_name: a\n  http_sd_configs: [{url: 'ftp://x'}]\n",
        "\"ftp://x\" is not an http or https URL",
    ),
    (
        "scrape_configs:\n- job_name: a\n  basic_auth: {username: u}\n  bearer_token: t\n",
        "more than one of basic_auth, authorization, oauth2 and bearer_token",
    ),
    ("scrape_configs:\n- job_name: a\n  authorization: {type: Basic}\n", "write basic_auth instead"),
    (
        "scrape_configs:\n- job_name: a\n  scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]\n",
        "p.yml:3:21: scrape_protocols names a protocol twice",
    ),
    ("scrape_configs:\n- job_name: a\n  honor_labels: perhaps\n", "p.yml:3:17: "),
    ("scrape_configs:\n- job_name: a\n  job_name: b\n", "p.yml:3:3: "),
    ("scrape_configs: [\n", "p.yml:"),
    ("scrape_configs:\n- job_name: a\n  tls_config: {min_version: TLS9}\n", "\"TLS9\" is not a TLS version"),
    (
        "scrape_configs:\n- job_name: a\n  http_headers: {Authorization: {values: [x]}}\n",
        "cannot be set under http_headers",
    ),
];

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, expected) in MISTAKES {
        let Err(mistakes) = parse(text, "p.yml", Path::new("/")) else { panic!("taken: {text}") };
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(told[0].contains(expected), "{text}\nexpected {expected}\n    told {told:?}");
        assert!(mistakes[0].line > 0, "{text}: {told:?} has no place");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "scrape_configs:\n- job_name: a\n  scrape_timeout: 2m\n- job_name: a\n";
    assert_eq!(parse(text, "p.yml", Path::new("/")).map(|_| ()).unwrap_err().len(), 2);
}

#[test]
fn an_empty_file_is_an_empty_plan() {
    assert_eq!(parse("", "p.yml", Path::new("/")).map(|p| p.jobs.len()), Ok(0));
    assert_eq!(parse("scrape_configs:\n", "p.yml", Path::new("/")).map(|p| p.jobs.len()), Ok(0));
}

#[test]
fn further_files_bring_further_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("prometheus.yml");
    std::fs::write(&main, "scrape_config_files: ['jobs/*.yml']\nscrape_configs:\n- job_name: a\n").unwrap();
    std::fs::create_dir(folder.path().join("jobs")).unwrap();
    let job = folder.path().join("jobs/b.yml");
    std::fs::write(&job, "scrape_configs:\n- job_name: b\n  scrape_interval: 7s\n").unwrap();
    assert_eq!(load(&main).unwrap().jobs[1].interval, Duration::from_secs(7));

    std::fs::write(&job, "scrape_configs:\n- job_name: a\n").unwrap();
    let told = load(&main).unwrap_err()[0].to_string();
    assert!(told.contains("b.yml:2:13") && told.contains("prometheus.yml:3"), "{told}");

    let told = load(&folder.path().join("none.yml")).unwrap_err()[0].to_string();
    assert!(told.contains("none.yml: cannot be read"), "{told}");
}

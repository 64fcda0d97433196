//! The file as Prometheus 3.5 defines it, field by field. Settings that this version does not use are read and
//! kept only so far as to say so.

use std::collections::BTreeMap;

use quarterdeck_kernel::Secret;
use quarterdeck_yaml::Spanned;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::size::Bytes;
use crate::config::{NameValidation, Period, Protocol, Scheme};
use crate::relabel::RuleConfig;

/// A setting with its place, where one is needed to tell of a mistake.
pub(super) type Placed<T> = Option<Spanned<T>>;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) global: Option<Global>,
    pub(super) runtime: Option<IgnoredAny>,
    pub(super) rule_files: Option<Vec<String>>,
    pub(super) scrape_config_files: Option<Vec<Spanned<String>>>,
    pub(super) scrape_configs: Option<Vec<Spanned<ScrapeConfig>>>,
    pub(super) alerting: Option<IgnoredAny>,
    pub(super) storage: Option<IgnoredAny>,
    pub(super) tracing: Option<IgnoredAny>,
    pub(super) remote_write: Option<IgnoredAny>,
    pub(super) remote_read: Option<IgnoredAny>,
    pub(super) otlp: Option<IgnoredAny>,
}

/// A file named under `scrape_config_files`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JobsFile {
    pub(super) scrape_configs: Option<Vec<Spanned<ScrapeConfig>>>,
}

/// `global`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Global {
    pub(super) scrape_interval: Placed<Period>,
    pub(super) scrape_timeout: Placed<Period>,
    pub(super) scrape_protocols: Placed<Vec<Protocol>>,
    pub(super) evaluation_interval: Option<Period>,
    pub(super) rule_query_offset: Option<Period>,
    pub(super) query_log_file: Option<String>,
    pub(super) scrape_failure_log_file: Option<String>,
    pub(super) external_labels: Option<BTreeMap<String, Spanned<String>>>,
    pub(super) body_size_limit: Option<Bytes>,
    pub(super) sample_limit: Option<usize>,
    pub(super) target_limit: Option<usize>,
    pub(super) label_limit: Option<usize>,
    pub(super) label_name_length_limit: Option<usize>,
    pub(super) label_value_length_limit: Option<usize>,
    pub(super) keep_dropped_targets: Option<u64>,
    pub(super) metric_name_validation_scheme: Placed<NameValidation>,
    pub(super) metric_name_escaping_scheme: Option<String>,
    pub(super) scrape_native_histograms: Option<bool>,
    pub(super) convert_classic_histograms_to_nhcb: Option<bool>,
    pub(super) always_scrape_classic_histograms: Option<bool>,
    pub(super) extra_scrape_metrics: Option<bool>,
}

/// Defines a struct with the settings of an HTTP client among its own: Prometheus writes them inline.
macro_rules! with_http_client {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$fm:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$fm])* pub(super) $field: $kind,)*
            basic_auth: Placed<BasicAuth>,
            authorization: Placed<AuthorizationHeader>,
            oauth2: Placed<IgnoredAny>,
            bearer_token: Placed<Secret>,
            bearer_token_file: Placed<String>,
            tls_config: Option<TlsConfig>,
            follow_redirects: Option<bool>,
            enable_http2: Option<bool>,
            proxy_url: Placed<String>,
            no_proxy: Placed<String>,
            proxy_from_environment: Option<bool>,
            proxy_connect_header: Option<BTreeMap<String, Vec<Secret>>>,
            http_headers: Option<BTreeMap<String, Header>>,
        }

        impl $name {
            /// Takes the HTTP client's settings out.
            pub(super) fn take_http(&mut self) -> HttpSettings {
                HttpSettings {
                    basic_auth: self.basic_auth.take(),
                    authorization: self.authorization.take(),
                    oauth2: self.oauth2.take(),
                    bearer_token: self.bearer_token.take(),
                    bearer_token_file: self.bearer_token_file.take(),
                    tls_config: self.tls_config.take(),
                    follow_redirects: self.follow_redirects,
                    enable_http2: self.enable_http2,
                    proxy_url: self.proxy_url.take(),
                    no_proxy: self.no_proxy.take(),
                    proxy_from_environment: self.proxy_from_environment,
                    proxy_connect_header: self.proxy_connect_header.take(),
                    http_headers: self.http_headers.take(),
                }
            }
        }
    };
}

/// The settings of an HTTP client.
#[derive(Default)]
pub(super) struct HttpSettings {
    pub(super) basic_auth: Placed<BasicAuth>,
    pub(super) authorization: Placed<AuthorizationHeader>,
    pub(super) oauth2: Placed<IgnoredAny>,
    pub(super) bearer_token: Placed<Secret>,
    pub(super) bearer_token_file: Placed<String>,
    pub(super) tls_config: Option<TlsConfig>,
    pub(super) follow_redirects: Option<bool>,
    pub(super) enable_http2: Option<bool>,
    pub(super) proxy_url: Placed<String>,
    pub(super) no_proxy: Placed<String>,
    pub(super) proxy_from_environment: Option<bool>,
    pub(super) proxy_connect_header: Option<BTreeMap<String, Vec<Secret>>>,
    pub(super) http_headers: Option<BTreeMap<String, Header>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BasicAuth {
    pub(super) username: Option<String>,
    pub(super) username_file: Option<String>,
    pub(super) username_ref: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<String>,
    pub(super) password_ref: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuthorizationHeader {
    #[serde(rename = "type")]
    pub(super) scheme: Option<String>,
    pub(super) credentials: Option<Secret>,
    pub(super) credentials_file: Option<String>,
    pub(super) credentials_ref: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsConfig {
    pub(super) ca: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key: Placed<Secret>,
    pub(super) ca_file: Placed<String>,
    pub(super) cert_file: Placed<String>,
    pub(super) key_file: Placed<String>,
    pub(super) ca_ref: Option<String>,
    pub(super) cert_ref: Option<String>,
    pub(super) key_ref: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) insecure_skip_verify: Option<bool>,
    pub(super) min_version: Placed<String>,
    pub(super) max_version: Placed<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Header {
    pub(super) values: Option<Vec<String>>,
    pub(super) secrets: Option<Vec<Secret>>,
    pub(super) files: Option<Vec<String>>,
}

/// One entry of `static_configs`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StaticConfig {
    pub(super) targets: Option<Vec<Spanned<String>>>,
    pub(super) labels: Option<BTreeMap<String, Spanned<String>>>,
}

/// One entry of `file_sd_configs`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileDiscovery {
    pub(super) files: Option<Vec<Spanned<String>>>,
    pub(super) refresh_interval: Option<Period>,
}

with_http_client! {
    /// One entry of `http_sd_configs`.
    struct HttpDiscovery {
        url: Placed<String>,
        refresh_interval: Option<Period>,
    }
}

/// Declares the job with one field per discovery that is known by name only, and a function that lists those set.
macro_rules! scrape_config {
    ($($sd:ident),* $(,)?) => {
        with_http_client! {
            /// One entry of `scrape_configs`.
            struct ScrapeConfig {
                job_name: Placed<String>,
                honor_labels: Option<bool>,
                honor_timestamps: Option<bool>,
                track_timestamps_staleness: Option<bool>,
                params: Option<BTreeMap<String, Vec<String>>>,
                scrape_interval: Placed<Period>,
                scrape_timeout: Placed<Period>,
                scrape_protocols: Placed<Vec<Protocol>>,
                fallback_scrape_protocol: Placed<Protocol>,
                scrape_native_histograms: Option<bool>,
                always_scrape_classic_histograms: Option<bool>,
                convert_classic_histograms_to_nhcb: Option<bool>,
                extra_scrape_metrics: Option<bool>,
                scrape_failure_log_file: Option<String>,
                metrics_path: Option<String>,
                scheme: Option<Scheme>,
                enable_compression: Option<bool>,
                body_size_limit: Option<Bytes>,
                sample_limit: Option<usize>,
                target_limit: Option<usize>,
                label_limit: Option<usize>,
                label_name_length_limit: Option<usize>,
                label_value_length_limit: Option<usize>,
                native_histogram_bucket_limit: Option<u64>,
                native_histogram_min_bucket_factor: Option<f64>,
                keep_dropped_targets: Option<u64>,
                metric_name_validation_scheme: Placed<NameValidation>,
                metric_name_escaping_scheme: Option<String>,
                relabel_configs: Option<Vec<Spanned<RuleConfig>>>,
                metric_relabel_configs: Option<Vec<Spanned<RuleConfig>>>,
                static_configs: Option<Vec<StaticConfig>>,
                file_sd_configs: Option<Vec<FileDiscovery>>,
                http_sd_configs: Option<Vec<HttpDiscovery>>,
                $($sd: Option<IgnoredAny>,)*
            }
        }

        impl ScrapeConfig {
            /// The discoveries it names that this version does not have.
            pub(super) fn unsupported(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$sd.is_some() { names.push(stringify!($sd)); })*
                names
            }
        }
    };
}

scrape_config! {
    aws_sd_configs,
    azure_sd_configs,
    consul_sd_configs,
    digitalocean_sd_configs,
    dns_sd_configs,
    docker_sd_configs,
    dockerswarm_sd_configs,
    ec2_sd_configs,
    eureka_sd_configs,
    gce_sd_configs,
    hetzner_sd_configs,
    ionos_sd_configs,
    kubernetes_sd_configs,
    kuma_sd_configs,
    lightsail_sd_configs,
    linode_sd_configs,
    marathon_sd_configs,
    nerve_sd_configs,
    nomad_sd_configs,
    openstack_sd_configs,
    outscale_sd_configs,
    ovhcloud_sd_configs,
    puppetdb_sd_configs,
    scaleway_sd_configs,
    serverset_sd_configs,
    stackit_sd_configs,
    triton_sd_configs,
    uyuni_sd_configs,
    vultr_sd_configs,
}

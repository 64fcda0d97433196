//! What is scraped and how: the `[scrape]` section of `quarterdeck.toml`, and the common form ([`Plan`], [`Job`])
//! that it and `prometheus.yml` are turned into.

mod credentials;
mod job;
mod period;
mod section;

pub use credentials::{Authorization, HttpClient, Proxy, SecretError, SecretSource, Tls, TlsVersion};
pub use job::{Discovery, Job, Limits, NameValidation, Plan, Protocol, Scheme, TargetGroup, is_name_valid};
pub use period::Period;
pub use section::{BasicAuthConfig, Config, HttpDiscoveryConfig, JobConfig, TlsConfig};

/// The largest page that is read, in bytes after decompression, where no `body_size_limit` says otherwise: 64 MiB.
pub const DEFAULT_BODY_LIMIT: u64 = 64 << 20;

/// The most targets one job may have where no `target_limit` says otherwise. Beyond it the job's targets fail with
/// the reason, as with a configured limit.
pub const DEFAULT_TARGET_LIMIT: usize = 20_000;

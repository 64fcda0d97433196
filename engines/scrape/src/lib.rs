//! Scraping: targets from an unmodified prometheus.yml or from quarterdeck.toml.

//! The metrics store: exposition formats, samples at rest, instruments.

pub mod ingest;

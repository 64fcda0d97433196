//! `[deploy]`: which services are deployed, how and where.

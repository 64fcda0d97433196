//! Where versions run.

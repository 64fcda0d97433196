//! Analyses: measurements, conditions, limits, outcome.

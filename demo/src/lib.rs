//! A small simulated trading platform of real processes.

//! Services: the catalogue and their golden signals.

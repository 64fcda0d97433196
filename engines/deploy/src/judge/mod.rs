//! The statistical judge of a new version against the stable one.

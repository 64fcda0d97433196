//! Strategies and the files they are written in.

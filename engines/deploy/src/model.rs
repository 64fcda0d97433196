//! Plain data, and the snapshot.

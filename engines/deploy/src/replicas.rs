//! How many replicas of each version there are to be.

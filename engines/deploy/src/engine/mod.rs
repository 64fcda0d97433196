//! The state machine of rollouts.

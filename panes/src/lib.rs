//! The panes: what is shown, which actions are offered.

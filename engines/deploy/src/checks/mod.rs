//! What is looked at before a rollout begins.

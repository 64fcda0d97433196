//! Who is on call, and who is told next: rotations, overrides, escalation.

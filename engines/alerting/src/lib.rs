//! Alerts from first firing to resolved: grouping, inhibition, silences, acknowledgement, escalation, notification.

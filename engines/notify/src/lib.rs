//! Deliveries: webhook, Slack, PagerDuty, email, command, log file, bell, each with its own queue.

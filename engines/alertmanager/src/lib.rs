//! What Alertmanager's files and words mean: configuration, matchers, routes, time intervals.

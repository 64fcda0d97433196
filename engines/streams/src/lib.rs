//! WebSocket feeds: live rows, rates, gaps, and metric series from messages.

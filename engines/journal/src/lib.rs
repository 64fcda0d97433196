//! What makes things durable: store, timeline, dispatcher, configuration.

//! Where traffic comes in: listeners, connections, and the threads that carry them.

pub(crate) mod accept;
pub(crate) mod alarm;
pub(crate) mod conn;
pub mod framing;
pub(crate) mod guard;
pub mod proxy_protocol;
pub mod tls;
pub(crate) mod worker;

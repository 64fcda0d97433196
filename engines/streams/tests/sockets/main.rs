//! Feeds over real sockets on the loopback interface.

mod feeds;
mod hostile;
mod support;

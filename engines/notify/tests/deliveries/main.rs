//! Deliveries over real sockets, to receivers that behave well, badly, and not at all.

mod hostile;
mod http;
mod local;
mod mail;
mod support;

//! What is done to a request on its way, in this order:
//!
//! 1. [`trace`]: request id and trace context
//! 2. [`auth`]: who calls, and whether they may
//! 3. [`versions`]: which version of the interface is meant
//! 4. [`validate`]: whether the request looks as it must; its body ([`schema`]) when it has come, behind 7
//! 5. [`limit`] and [`quota`]: whether it may be made now, and today
//! 6. [`cache`]: whether the answer is known
//! 7. [`bulkhead`]: whether there is room
//! 8. for each attempt ([`retry`](quarterdeck_resilience::retry)): split, [`breaker`], endpoint ([`health`]), send
//! 9. the fallback, or an answer past its time, if all of that failed
//! 10. [`access`]: what is kept of it to be looked at
//!
//! They are plain structs that one function calls in turn, not `tower` layers: a stack of layers whose futures differ per
//! route has to be boxed at each layer, which costs an allocation and an indirect call per filter and request, twice the
//! work of most of these filters. The order is fixed, and a filter that is not configured costs a look at an `Option`.

pub mod access;
pub mod auth;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
pub mod health;
pub mod jwks;
pub mod jwt;
pub mod limit;
pub mod quota;
pub mod schema;
pub mod trace;
pub mod validate;
pub mod versions;

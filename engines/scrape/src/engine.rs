//! The pure core: which targets there are, when each is scraped, what a page comes to. No sockets, no clock.

pub(crate) mod cache;
mod families;
pub(crate) mod mutate;
pub(crate) mod report;
pub(crate) mod schedule;
pub(crate) mod scraper;
pub(crate) mod target;

#[cfg(test)]
pub(crate) mod tests;

//! Histories of sessions, as data: those of an exhaustive walk through the protocol, and random ones
//! through the whole service; and races. Every store that keeps sessions is held to them.
#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod flaky;
pub(crate) mod lifetimes;
pub(crate) mod protocol;
pub(crate) mod races;

//! Histories of sessions, as data: those of an exhaustive walk through the protocol, and random ones
//! through the whole service. Every store that keeps sessions is held to them.

pub(crate) mod lifetimes;
pub(crate) mod protocol;

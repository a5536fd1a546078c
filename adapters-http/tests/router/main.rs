//! The router as a client sees it, over in-memory adapters and without a socket.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod address;
mod bad_input;
mod client;
mod contract;
mod deletion;
#[cfg(feature = "openapi")]
mod described;
mod enumeration;
mod faults;
mod hang_ups;
mod keys;
mod languages;
mod origins;
mod password;
mod refusals;
mod request_ids;
mod sessions;
mod tokens;

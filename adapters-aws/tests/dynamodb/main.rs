//! The DynamoDB stores.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conformance;
#[path = "../dynamo/mod.rs"]
mod dynamo;
mod faults;
mod histories;
mod moves;
mod price;
mod proxy;
mod rows;
mod scale_page;
mod session_faults;
mod world;

//! The program itself, driven as Lambda drives it: the Runtime API at its front; DynamoDB, Secrets Manager,
//! SQS and SES by their protocols behind it.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod aws;
mod defects;
#[path = "../../../adapters-aws/tests/dynamo/mod.rs"]
mod dynamo;
mod freeze;
mod gateway;
mod gateways;
#[path = "../../../examples/tests/life/mod.rs"]
mod life;
mod life_of_an_account;
mod logs;
mod mails;
mod runtime_api;
mod secrets;
mod sessions;
mod start;
mod take_over;
mod world;

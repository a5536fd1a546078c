//! Adapters of [`auth_domain`] for AWS.

mod client;
pub mod dynamodb;
mod fault;

pub use client::{AwsRoots, AwsSettings};
pub use fault::AwsFault;

//! Adapters of [`auth_domain`] for AWS.

mod client;
pub mod dynamodb;
mod fault;
mod secrets;
mod ses;
mod sqs;

pub use client::{AwsRoots, AwsSettings};
pub use fault::AwsFault;
pub use secrets::{SecretError, SecretSource, Secrets};
pub use ses::{SesMailer, SesSettings, SesSettingsError};
pub use sqs::{MailBatch, MailBatchAnswer, SqsMailQueue};

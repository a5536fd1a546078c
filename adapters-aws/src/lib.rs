//! Adapters of [`auth_domain`] for AWS: stores on DynamoDB, mail through SES and SQS, secrets of Secrets
//! Manager. `lambda-entry` composes them all; in a service of your own the stores are these lines:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use adapters_aws::dynamodb::{DynamoAttempts, DynamoRateLimiter, DynamoResetTokens};
//! use adapters_aws::dynamodb::{DynamoSessions, DynamoUsers, TableNames};
//! use adapters_aws::{AwsSettings, clients};
//!
//! # async fn compose(ports: &mut auth_domain::Ports) -> Result<(), Box<dyn std::error::Error>> {
//! let client = clients::dynamodb(&AwsSettings::default().load().await?);
//! let tables = TableNames::with_prefix("my-service-");
//! ports.users = Arc::new(DynamoUsers::new(client.clone(), tables.users));
//! ports.sessions = Arc::new(DynamoSessions::new(client.clone(), tables.sessions));
//! ports.reset_tokens = Arc::new(DynamoResetTokens::new(client.clone(), tables.password_resets));
//! ports.attempts = Arc::new(DynamoAttempts::new(client.clone(), tables.attempts));
//! ports.limiter = Arc::new(DynamoRateLimiter::new(client, tables.rate_limits));
//! # Ok(())
//! # }
//! ```
//!
//! `deploy/template.yaml` of the repository creates the tables. Whoever logs the SDK's own events (targets
//! `aws_*`) must let nothing below info through: it quotes whole requests.

#[cfg(feature = "tools")]
pub mod address_walk;
mod client;
pub mod clients;
pub mod dynamodb;
mod emf;
mod fault;
mod secrets;
mod ses;
mod sqs;

pub use client::{AwsRoots, AwsSettings};
pub use emf::{EmfEvents, EmfMetric, EmfSettings, EmfSettingsError};
pub use fault::AwsFault;
pub use secrets::{SecretError, SecretSource, Secrets};
pub use ses::{SesMailer, SesSettings, SesSettingsError};
pub use sqs::{MailBatch, MailBatchAnswer, SqsMailQueue};

//! The SDK's clients, as the adapters of this crate want them.
//!
//! How often and how long they try is said by [`AwsSettings`](crate::AwsSettings). Beside that the SDK
//! keeps a quota of retries, so that many callers together do not keep a service down that is struggling:
//! 500 tokens, of which a retry costs 5 (after a time-out 10). Left to itself it comes back only with calls
//! that succeed at once, so that after an outage, or when a Lambda thaws, nothing would be tried again for
//! a while. Here it also comes back by time, 50 tokens a second.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

const RETRY_TOKENS: usize = 500;
const RETRY_TOKENS_A_SECOND: f32 = 50.0;

/// For the stores. It tries again what the SDK's own rules do not: a write that met a transaction on its
/// item, such as the move of a row to its canonical address.
pub fn dynamodb(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_partition(quota("dynamodb"))
        .retry_classifier(MetATransaction);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// For [`SecretSource`](crate::SecretSource).
pub fn secrets_manager(config: &SdkConfig) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::config::Builder::from(config);
    let config = config.retry_partition(quota("secretsmanager"));
    aws_sdk_secretsmanager::Client::from_conf(config.build())
}

/// For [`SesMailer`](crate::SesMailer).
pub fn ses(config: &SdkConfig) -> aws_sdk_sesv2::Client {
    let config = aws_sdk_sesv2::config::Builder::from(config).retry_partition(quota("ses"));
    aws_sdk_sesv2::Client::from_conf(config.build())
}

/// For [`SqsMailQueue`](crate::SqsMailQueue).
pub fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(config).retry_partition(quota("sqs"));
    aws_sdk_sqs::Client::from_conf(config.build())
}

fn quota(service: &'static str) -> RetryPartition {
    let tokens =
        TokenBucket::builder().capacity(RETRY_TOKENS).refill_rate(RETRY_TOKENS_A_SECOND).build();
    RetryPartition::custom(service).token_bucket(tokens).build()
}

#[derive(Debug)]
struct MetATransaction;

impl ClassifyRetry for MetATransaction {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|outcome| outcome.err());
        let refusal = error.and_then(|error| error.as_operation_error());
        if refusal.is_some_and(is_conflict) {
            RetryAction::server_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "met a transaction"
    }
}

fn is_conflict(error: &Error) -> bool {
    let put = error.downcast_ref().is_some_and(PutItemError::is_transaction_conflict_exception);
    let update =
        error.downcast_ref().is_some_and(UpdateItemError::is_transaction_conflict_exception);
    let delete =
        error.downcast_ref().is_some_and(DeleteItemError::is_transaction_conflict_exception);
    put || update || delete
}

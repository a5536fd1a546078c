//! The stores on DynamoDB.
//!
//! Every promise of a port is one conditional write or one strongly consistent read. A write carries an
//! operation id; where the SDK tries again after an answer that was lost and meets its own write, the
//! condition fails, the old item comes back with that id, and the write counts as done.
//!
//! | table | key | attributes |
//! |---|---|---|
//! | `users` | `email` S | `user_id` S, `name` S, `password_hash` S, `credential_version` N, `disabled` BOOL, `created_at` S, `updated_at` S, `last_login` S, `operation_id` S |
//! | its index `user_id-index` | `user_id` S | keys only |
//! | `password-resets` | `email` S, `reset_token` S | `user_id` S, `credential_version` N, `created_at` S, `expires_at` S, `used` BOOL, `operation_id` S, `ttl` N |
//! | `attempts` | `key` S | `count` N, `last` N (microseconds), `operation_id` S, `ttl` N |
//! | `rate-limits` | `key` S | `count` N, `operation_id` S, `ttl` N |
//!
//! Times in strings are UTC, `2025-09-06T11:22:33.123456`; `ttl` is in epoch seconds, and only clean-up:
//! expiry is checked by conditions. `reset_token` is `sha256:` and the digest in hex; rows without that
//! prefix are of the system that this replaced, and are never read. The user rows of that system are
//! read as they are: attributes that they lack have a meaning, and the first write adds them and removes
//! `reset_token`, `reset_expires` and `reset_created`, in which it kept secrets in the clear.
//!
//! What a call costs, of items under 1 KB (read and write request units):
//!
//! | use case | calls | RRU | WRU |
//! |---|---|---|---|
//! | register, also when taken | 1 | 0 | 1, and 1 for the index if it is new |
//! | login | attempt, user, clear, last login | 1 | 3, and 1 once for an old hash |
//! | login that is refused | attempt, user | 1 | 1 |
//! | forgot, the worker's half | user, newest, put | 2 | 1, and 1 for each cap |
//! | reset | newest, user, consume, user, clear | 2 | 3 |
//!
//! An address that is not typed in its canonical form costs a login one more read, whether or not there
//! is an account.

mod attempts;
mod conditional;
mod layout;
mod rate_limiter;
mod reset_tokens;
mod users;

pub use attempts::DynamoAttempts;
#[cfg(feature = "tools")]
pub(crate) use layout::{EMAIL, PLAINTEXT_RESETS, USER_ATTRIBUTES, USER_ID};
pub use layout::{RowFault, TableNames};
pub use rate_limiter::DynamoRateLimiter;
pub use reset_tokens::DynamoResetTokens;
pub use users::DynamoUsers;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

/// A client for these stores. It tries again what the SDK's own rules do not: a write that met a
/// transaction on its item, such as the move of a row to its canonical address.
pub fn client(config: &SdkConfig) -> Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config);
    Client::from_conf(config.retry_classifier(MetATransaction).build())
}

#[derive(Debug)]
struct MetATransaction;

impl ClassifyRetry for MetATransaction {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|outcome| outcome.err());
        let refusal = error.and_then(|error| error.as_operation_error());
        if refusal.is_some_and(is_conflict) {
            RetryAction::transient_error()
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

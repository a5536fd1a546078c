//! What the SDK's clients of the tests are made from.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

const ATTEMPT: Duration = Duration::from_millis(400);
/// How long a call takes at most.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1500);

/// The settings of [`adapters_aws::AwsSettings`], with less patience.
pub(crate) fn config(endpoint: &str, tries: u32) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(tries)
        .with_initial_backoff(Duration::from_millis(5));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(DEADLINE)
        .build();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .retry_config(retries)
        .timeout_config(timeouts)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

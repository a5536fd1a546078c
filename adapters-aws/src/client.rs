use std::num::NonZeroU32;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, HttpClientError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// How AWS is reached. The defaults suit a request that a person waits for.
///
/// Region, credentials and endpoints are found as every AWS SDK finds them (`AWS_REGION`, `AWS_PROFILE`,
/// `AWS_ENDPOINT_URL` and so on).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AwsSettings {
    /// How long one try of a call may take. Default 1.5 s: DynamoDB answers in milliseconds, and a
    /// connection that died while its Lambda was frozen shows in no other way.
    pub attempt_timeout: Duration,
    /// How long connecting may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long a call may take with all its tries and the pauses between them. Default 4 s: the five
    /// calls of a login then end before an API gateway gives up (29 s).
    pub deadline: Duration,
    /// The most tries of one call, the first among them. Default 5. Pauses between them are random, up to
    /// 50 ms and doubling.
    pub max_attempts: NonZeroU32,
    /// How long an unused connection is kept. Default 20 s: less than AWS keeps it, so that it is seldom
    /// this side that finds it closed.
    pub pool_idle_timeout: Duration,
    /// Which certificates are trusted.
    pub roots: AwsRoots,
}

/// Which certificates are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsRoots {
    /// Amazon's own (<https://www.amazontrust.com/repository/>), which sign every AWS endpoint and are
    /// built in. Reading all of a machine's takes some milliseconds of each cold start.
    Amazon,
    /// The machine's, for who reaches AWS through a proxy that opens TLS.
    System,
}

const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_millis(1500),
            connect_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(4),
            max_attempts: const { NonZeroU32::new(5).unwrap() },
            pool_idle_timeout: Duration::from_secs(20),
            roots: AwsRoots::Amazon,
        }
    }
}

impl AwsSettings {
    /// What every client of the SDK is made from. They then share connections and credentials.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub async fn load(&self) -> Result<SdkConfig, HttpClientError> {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http_client()?)
            .retry_config(self.retries())
            .timeout_config(self.timeouts());
        Ok(loader.load().await)
    }

    fn http_client(&self) -> Result<SharedHttpClient, HttpClientError> {
        let roots = match self.roots {
            AwsRoots::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            AwsRoots::System => TrustStore::empty().with_native_roots(true),
        };
        let context = TlsContext::builder().with_trust_store(roots).build()?;
        Ok(Builder::new()
            .pool_idle_timeout(self.pool_idle_timeout)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context)
            .build_https())
    }

    fn retries(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.max_attempts.get())
            .with_initial_backoff(FIRST_PAUSE)
            .with_max_backoff(LONGEST_PAUSE)
    }

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_attempt_timeout(self.attempt_timeout)
            .operation_timeout(self.deadline)
            .build()
    }
}

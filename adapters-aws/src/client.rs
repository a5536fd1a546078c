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
    /// How long a call may take with all its tries and the pauses between them. Default 4 s: the seven
    /// calls of a login then end before an API gateway gives up (29 s).
    pub deadline: Duration,
    /// The most tries of one call, the first among them. Default 11. Pauses between them are random: up to 50 ms,
    /// doubling up to 500 ms. So what throttles for a second is mostly outlasted, and what throttles for ever
    /// is told as such before the deadline.
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
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_millis(1500),
            connect_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(4),
            max_attempts: const { NonZeroU32::new(11).unwrap() },
            pool_idle_timeout: Duration::from_secs(20),
            roots: AwsRoots::Amazon,
        }
    }
}

impl AwsSettings {
    /// What [`clients`](crate::clients) are made from. They then share connections and credentials.
    ///
    /// Nothing is checked: without region or credentials each call fails. Outside AWS, looking for them in
    /// the instance's metadata takes seconds, unless the environment names them or `AWS_EC2_METADATA_DISABLED=true`.
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

#[cfg(test)]
mod tests {
    use pem_rfc7468::decode_vec;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        let pem = std::str::from_utf8(AMAZON_ROOTS).unwrap();
        let fingerprints: Vec<String> = pem
            .split_inclusive("-----END CERTIFICATE-----\n")
            .filter_map(|certificate| certificate.find("-----BEGIN").map(|at| &certificate[at..]))
            .map(|certificate| Sha256::digest(decode_vec(certificate.as_bytes()).unwrap().1))
            .map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        // From the repository that `AwsRoots::Amazon` names.
        let published = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];
        assert_eq!(fingerprints, published);
    }

    #[test]
    fn every_try_and_pause_fits_into_an_api_gateways_patience() {
        let settings = AwsSettings::default();
        assert!(settings.connect_timeout < settings.attempt_timeout);
        let pauses = (1..settings.max_attempts.get())
            .map(|retry| LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(retry - 1)));
        assert!(pauses.sum::<Duration>() < settings.deadline);
        assert!(settings.attempt_timeout * 2 < settings.deadline, "a second try has its time");
        assert!(settings.deadline * 7 < Duration::from_secs(29), "the calls of a login");
    }
}

//! AWS, as the programs of operators reach it: with more patience than a request has.

use std::error::Error as _;
use std::num::NonZeroU32;
use std::time::Duration;

use adapters_aws::{AwsFault, AwsRoots, AwsSettings};
use anyhow::{Context as _, Result};
use auth_domain::{PortError, PortErrorKind};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::ProvideCredentials as _;

/// Fails at once where there is no region or there are no credentials, and says what to set.
pub(crate) async fn load(system_roots: bool) -> Result<SdkConfig> {
    let mut settings = AwsSettings::default();
    settings.attempt_timeout = Duration::from_secs(10);
    settings.connect_timeout = Duration::from_secs(5);
    settings.deadline = Duration::from_secs(60);
    settings.max_attempts = const { NonZeroU32::new(20).unwrap() };
    if system_roots {
        settings.roots = AwsRoots::System;
    }
    let config = settings.load().await?;
    config.region().context("no AWS region: set AWS_REGION, or one in the profile")?;
    let provider = config.credentials_provider().context(NO_CREDENTIALS)?;
    provider.provide_credentials().await.context(NO_CREDENTIALS)?;
    Ok(config)
}

const NO_CREDENTIALS: &str = "no AWS credentials: set AWS_PROFILE, or log in with `aws sso login`";

/// What to do about a failure, as far as it does not depend on the program.
pub(crate) fn advice(error: &PortError) -> Option<&'static str> {
    let fault = error.source().and_then(|cause| cause.downcast_ref::<AwsFault>());
    let code = match fault {
        Some(AwsFault::Refused { code, .. }) => code.as_str(),
        _ => "",
    };
    match (code, error.kind()) {
        ("AccessDeniedException" | "AccessDenied", _) => {
            Some("These credentials may not do that: --help lists the permissions needed")
        }
        (
            "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "UnrecognizedClientException",
            _,
        ) => Some(
            "AWS does not accept these credentials: log in again, check AWS_PROFILE and the clock",
        ),
        (_, PortErrorKind::Unavailable) => Some(
            "Check the network and AWS_REGION; behind a proxy that opens TLS, add --system-roots",
        ),
        _ => None,
    }
}

/// Whether what was asked for is not there.
pub(crate) fn is_absent(error: &PortError) -> bool {
    let fault = error.source().and_then(|cause| cause.downcast_ref::<AwsFault>());
    matches!(fault, Some(AwsFault::Refused { code, .. }) if code == "ResourceNotFoundException")
}

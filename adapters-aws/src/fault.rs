//! What an error of the SDK means to a port.

use std::error::Error;

use auth_domain::{PortError, PortErrorKind};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use thiserror::Error;

/// Why a call to AWS failed, without the words of AWS: those may quote what was sent, a mail's recipient
/// or, of a failed condition, the whole row.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AwsFault {
    /// The request could not be made from what was given.
    #[error("the request could not be made")]
    NotMade,
    /// Not sent: no region or no credentials, or what gives them out failed.
    #[error("not sent: no region or no credentials")]
    NotSigned,
    /// No connection, or none that lasted.
    #[error("no connection: {0}")]
    NoConnection(String),
    /// No answer in time.
    #[error("no answer in time")]
    NoAnswer,
    /// An answer that is none of the service's: no code in it, as of a proxy in between.
    #[error("an answer that cannot be read (status {status})")]
    Unreadable {
        /// HTTP status.
        status: u16,
    },
    /// The service said no.
    #[error("{code} (status {status}, request {request_id})")]
    Refused {
        /// The service's name for it.
        code: String,
        /// HTTP status.
        status: u16,
        /// What AWS knows the call by.
        request_id: String,
    },
}

/// Codes of too much at once, whatever the service.
const THROTTLED: &[&str] = &[
    "KMS.ThrottlingException",
    "KmsThrottled",
    "LimitExceededException",
    "OverLimit",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes of what passes by itself although the status is one of the client's: another write of the same
/// item, a clock that is being set, credentials that are about to be renewed.
const PASSING: &[&str] = &[
    "ExpiredTokenException",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

impl AwsFault {
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::NotMade,
            SdkError::TimeoutError(_) => Self::NoAnswer,
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) if error.is_io() || error.is_timeout() => {
                    Self::NoConnection(innermost(error))
                }
                _ => Self::NotSigned,
            },
            SdkError::ServiceError(refusal) => {
                let status = refusal.raw().status().as_u16();
                refusal.err().code().map_or(Self::Unreadable { status }, |code| Self::Refused {
                    code: code.to_owned(),
                    status,
                    request_id: request_id(refusal.raw()),
                })
            }
            SdkError::ResponseError(answer) => {
                Self::Unreadable { status: answer.raw().status().as_u16() }
            }
            _ => Self::NoAnswer,
        }
    }

    /// What a caller can do about it.
    pub(crate) fn kind(&self) -> PortErrorKind {
        match self {
            Self::NotMade => PortErrorKind::Rejected,
            Self::Unreadable { status: 429 } => PortErrorKind::Throttled,
            Self::NotSigned | Self::NoConnection(_) | Self::NoAnswer | Self::Unreadable { .. } => {
                PortErrorKind::Unavailable
            }
            Self::Refused { code, .. } if THROTTLED.contains(&code.as_str()) => {
                PortErrorKind::Throttled
            }
            Self::Refused { code, status, .. }
                if *status >= 500 || PASSING.contains(&code.as_str()) =>
            {
                PortErrorKind::Unavailable
            }
            Self::Refused { status: 429, .. } => PortErrorKind::Throttled,
            Self::Refused { .. } => PortErrorKind::Rejected,
        }
    }
}

fn request_id(answer: &HttpResponse) -> String {
    let named = ["x-amzn-requestid", "x-amz-request-id"];
    let id = named.iter().find_map(|name| answer.headers().get(*name));
    id.unwrap_or("unknown").to_owned()
}

/// The last of an error's causes: what the operating system or TLS said. Names hosts, never a body.
fn innermost(error: &(impl Error + 'static)) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The error of a port's operation that a failed call comes to.
pub(crate) fn port_error<E: ProvideErrorMetadata>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    let fault = AwsFault::of(error);
    PortError::new(fault.kind(), operation).caused_by(fault)
}

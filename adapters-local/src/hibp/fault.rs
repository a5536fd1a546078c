use std::error::Error;

use auth_domain::{PortError, PortErrorKind};
use http_body_util::LengthLimitError;
use hyper::StatusCode;
use thiserror::Error;

/// Why it is not known whether a password leaked. Holds nothing of what was asked, nor of the answer.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("the answer was {0}")]
    Answered(StatusCode),
    #[error("the answer was cut off")]
    Cut(#[source] Box<dyn Error + Send + Sync>),
    #[error("there was no whole answer in time")]
    Overdue,
    #[error("there is no such request")]
    Request(#[source] hyper::http::Error),
    #[error("the answer makes no sense")]
    Senseless,
    #[error("the answer is longer than most_bytes")]
    TooLong,
    #[error("there was no answer")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
}

impl Fault {
    pub(super) fn of_body(error: Box<dyn Error + Send + Sync>) -> Self {
        if error.is::<LengthLimitError>() { Self::TooLong } else { Self::Cut(error) }
    }

    fn kind(&self) -> PortErrorKind {
        match self {
            Self::Answered(StatusCode::TOO_MANY_REQUESTS) => PortErrorKind::Throttled,
            Self::Answered(status) if status.is_server_error() => PortErrorKind::Unavailable,
            Self::Answered(_) | Self::Request(_) => PortErrorKind::Rejected,
            Self::Senseless | Self::TooLong => PortErrorKind::Corrupt,
            Self::Cut(_) | Self::Overdue | Self::Unreachable(_) => PortErrorKind::Unavailable,
        }
    }
}

impl From<Fault> for PortError {
    fn from(fault: Fault) -> Self {
        Self::new(fault.kind(), "breached_passwords.contains").caused_by(fault)
    }
}

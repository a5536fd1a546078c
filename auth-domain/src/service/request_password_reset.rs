use std::time::Duration;

use thiserror::Error;

use super::span::use_case;
use super::{Auth, refused, refuses};
use crate::{Email, ErrorCode, EventKind, JobId, MailJob, PortError, RequestContext};

/// Why no mail with a link was asked for. Never says whether the address has an account.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestMailError {
    /// An adapter failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many requests from this source.
    #[error("too many requests from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
}

impl RequestMailError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
        }
    }
}

refused!(RequestMailError);

refuses!(RequestMailError: Limited::RateLimited);

impl Auth {
    /// Asks for a reset mail to an address.
    ///
    /// The request only queues a job, for every address alike; whether there is an account to send a
    /// mail for is looked up by [`Auth::deliver`], where nobody times it. It changes nothing in the
    /// account. `Ok` means that the job is queued.
    ///
    /// # Errors
    /// [`RequestMailError`].
    pub async fn request_password_reset(
        &self,
        email: Email,
        context: &RequestContext,
    ) -> Result<(), RequestMailError> {
        use_case!(self, context, "request_password_reset", async {
            let subject = self.subject(Some(&email), context);
            let outcome = self.try_request_reset(email, context).await;
            match &outcome {
                Ok(()) => self.record(subject, EventKind::PasswordResetRequested),
                Err(error) => {
                    if let RequestMailError::Port(fault) = error {
                        self.record_fault(subject, fault);
                    }
                    let code = error.code();
                    self.record(subject, EventKind::PasswordResetRequestRefused { code });
                }
            }
            outcome
        })
    }

    async fn try_request_reset(
        &self,
        email: Email,
        context: &RequestContext,
    ) -> Result<(), RequestMailError> {
        let limit = self.settings().limits.reset_request_per_source;
        self.limit_source("reset-request", limit, context).await?;
        let job = MailJob::PasswordReset {
            id: JobId::from_bytes(self.entropy()?),
            email,
            requested_at: self.now(),
            locale: context.locale,
        };
        Ok(self.ports().mail_queue.enqueue(job).await?)
    }
}

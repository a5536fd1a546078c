use std::time::Duration;

use thiserror::Error;

use super::span::use_case;
use super::{Auth, RequestMailError, Subject, refused, refuses};
use crate::link::LinkClaims;
use crate::ports::{CredentialChange, CredentialUpdate, Update, UserKey};
use crate::{
    AccountCall, Email, ErrorCode, JobId, MailJob, PortError, RequestContext, User,
    VerificationToken,
};

/// Why no address was confirmed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyEmailError {
    /// Never issued or expired, or the account is gone, disabled or changed since.
    #[error("the link is not valid")]
    InvalidToken,
    /// An adapter failed. The link stays good.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many uses of links from this source.
    #[error("too many uses of links from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
}

impl VerifyEmailError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidToken => ErrorCode::LinkInvalid,
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
        }
    }
}

refused!(VerifyEmailError);

refuses!(VerifyEmailError: Limited::RateLimited);

impl Auth {
    /// Confirms that somebody reads mail at an account's address. Logs nobody in, and again is as good as
    /// once: programs that look at mails follow their links.
    ///
    /// # Errors
    /// [`VerifyEmailError`].
    pub async fn verify_email(
        &self,
        token: VerificationToken,
        context: &RequestContext,
    ) -> Result<(), VerifyEmailError> {
        use_case!(self, context, "verify_email", async {
            let mut subject = self.subject(Some(&token.claims().email), context);
            let outcome = self.try_verify_email(token, context, &mut subject).await;
            self.record_call(subject, AccountCall::VerifyEmail, outcome)
        })
    }

    async fn try_verify_email(
        &self,
        token: VerificationToken,
        context: &RequestContext,
        subject: &mut Subject,
    ) -> Result<(), VerifyEmailError> {
        self.limit_source("verify-email", self.settings().limits.reset_per_source, context).await?;
        let keys = &self.inner.verification_keys;
        if !keys.issued(|key| token.is_of(key)) {
            return Err(VerifyEmailError::InvalidToken);
        }
        let owner = self.owner_by_link(token.claims(), subject).await?;
        let user = owner.ok_or(VerifyEmailError::InvalidToken)?;
        if user.email_verified_at.is_some() {
            return Ok(());
        }
        let update = CredentialUpdate {
            key: UserKey { email: user.email, id: user.id },
            expected: user.credential_version,
            next: user.credential_version,
            change: CredentialChange::EmailVerified(self.now()),
            updated_at: user.updated_at,
        };
        match self.ports().users.update_credentials(update).await? {
            Update::Updated => Ok(()),
            Update::Stale => Err(VerifyEmailError::InvalidToken),
        }
    }

    /// The account that a link was made for, if the link is in time and nothing about the account's
    /// credentials changed since.
    pub(super) async fn owner_by_link(
        &self,
        claims: &LinkClaims,
        subject: &mut Subject,
    ) -> Result<Option<User>, PortError> {
        subject.user_id = Some(claims.user_id);
        if self.now() >= claims.expires_at {
            return Ok(None);
        }
        let found = self.readable(&claims.email, *subject).await?;
        Ok(found.filter(|user| user.stands_at(claims.user_id, claims.credential_version)))
    }

    /// Asks for another mail with a link that confirms an address.
    ///
    /// The request only queues a job, for every address alike, as
    /// [`Auth::request_password_reset`] does.
    ///
    /// # Errors
    /// [`RequestMailError`].
    pub async fn request_verification(
        &self,
        email: Email,
        context: &RequestContext,
    ) -> Result<(), RequestMailError> {
        use_case!(self, context, "request_verification", async {
            let subject = self.subject(Some(&email), context);
            let outcome = self.try_request_verification(email, context).await;
            self.record_call(subject, AccountCall::RequestVerification, outcome)
        })
    }

    async fn try_request_verification(
        &self,
        email: Email,
        context: &RequestContext,
    ) -> Result<(), RequestMailError> {
        let limit = self.settings().limits.reset_request_per_source;
        self.limit_source("verify-request", limit, context).await?;
        let job = MailJob::VerifyEmail {
            id: JobId::from_bytes(self.entropy()?),
            email,
            registered: None,
            requested_at: self.now(),
            locale: context.locale,
        };
        Ok(self.ports().mail_queue.enqueue(job).await?)
    }
}

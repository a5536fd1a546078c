use std::time::Duration;

use thiserror::Error;

use super::span::use_case;
use super::{Auth, Subject, is_corrupt, refuses};
use crate::ports::{CredentialChange, CredentialUpdate, Update, UserKey};
use crate::{
    DeviceToken, ErrorCode, EventKind, MailJob, Password, PolicyViolation, PortError,
    RequestContext, ResetRecord, ResetToken, Timestamp, User,
};

/// What somebody redeems a reset link with.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it: a new field is a new question to them"
)]
pub struct ResetRequest {
    /// The link's token.
    pub token: ResetToken,
    /// The password to set.
    pub new_password: Password,
}

/// What a reset gives its client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PasswordReset {
    /// What the client presents at the login that follows ([`RequestContext::device`]), so that strangers
    /// who go on guessing at the account do not keep it out. Logs nobody in.
    pub device_token: DeviceToken,
}

/// Why no password was reset.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// Wrong, used, expired or superseded, or the account is gone, disabled or changed since: one answer
    /// for all.
    #[error("the reset link is not valid")]
    InvalidToken,
    /// No place to hash in. The link stays good.
    #[error("too many passwords are being hashed")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The policy refuses the password, or it leaked. The link stays good.
    #[error("the password is refused: {0}")]
    PasswordRefused(#[from] PolicyViolation),
    /// An adapter failed. The link may be spent and the password may be set: logging in tells, and
    /// another mail helps.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many uses of links from this source.
    #[error("too many uses of reset links from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
}

impl ResetError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidToken => ErrorCode::ResetTokenInvalid,
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::PasswordRefused(violation) => violation.code(),
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
        }
    }
}

refuses!(ResetError: Limited::RateLimited, Crowded::Overloaded);

impl Auth {
    /// Sets a new password with a reset link. Logs nobody in.
    ///
    /// A link works once: one conditional write consumes it before the password is set, so that of any
    /// number of callers at most one gets through, and a crash in between costs its owner another mail
    /// and never leaves a link that works twice. Whatever can be refused is refused before that. The
    /// write of the password bumps the credential version, which ends every older link and session. Who
    /// uses the link reads mail at the address, so it is confirmed as well: whoever signed up with
    /// somebody else's address before him is out.
    ///
    /// The notice to the owner is queued before anything is changed, and sent once the change is seen:
    /// neither a crash nor a caller that goes away can suppress it, and a full queue costs no link.
    ///
    /// # Errors
    /// [`ResetError`].
    pub async fn reset_password(
        &self,
        request: ResetRequest,
        context: &RequestContext,
    ) -> Result<PasswordReset, ResetError> {
        use_case!(self, context, "reset_password", async {
            let mut subject = self.subject(Some(request.token.email()), context);
            let outcome = self.try_reset(request, context, &mut subject).await;
            match &outcome {
                Ok(_) => self.record(subject, EventKind::PasswordReset),
                Err(error) => {
                    if let ResetError::Port(fault) = error {
                        self.record_fault(subject, fault);
                    }
                    self.record(subject, EventKind::PasswordResetRefused { code: error.code() });
                }
            }
            outcome
        })
    }

    async fn try_reset(
        &self,
        request: ResetRequest,
        context: &RequestContext,
        subject: &mut Subject,
    ) -> Result<PasswordReset, ResetError> {
        let ResetRequest { token, new_password } = request;
        self.limit_source("reset", self.settings().limits.reset_per_source, context).await?;
        let record = self.live_record(&token, *subject).await?;
        let user = self.owner(&record, *subject).await?;
        subject.user_id = Some(user.id);
        self.settings().password_policy.check(&new_password, &user.email, &user.name)?;
        self.refuse_breached::<ResetError>(&new_password, *subject).await?;
        let slot = self.reserve_hash()?;
        let changed_at = self.now();
        self.queue_notice(&user, changed_at, context).await?;
        let tokens = &self.ports().reset_tokens;
        if tokens.consume(&user.email, record.digest, self.now()).await?.is_none() {
            return Err(ResetError::InvalidToken);
        }
        let update = CredentialUpdate {
            key: UserKey { email: user.email.clone(), id: user.id },
            expected: record.credential_version,
            next: record.credential_version.next(),
            change: CredentialChange::PasswordHashByMail(
                slot.hash(new_password).await?,
                changed_at,
            ),
            updated_at: changed_at,
        };
        if self.ports().users.update_credentials(update).await? == Update::Stale {
            return Err(ResetError::InvalidToken);
        }
        let user = User { credential_version: record.credential_version.next(), ..user };
        self.forget_strangers(&user.email, *subject).await;
        self.remove_sessions(user.id, user.credential_version, *subject).await;
        Ok(PasswordReset { device_token: self.device_token(&user) })
    }

    /// The newest row of the address, if it is this token's and live. What we never issued is not looked
    /// for. While one of the rows cannot be read, none is known to be the newest.
    async fn live_record(
        &self,
        token: &ResetToken,
        subject: Subject,
    ) -> Result<ResetRecord, ResetError> {
        if !self.inner.reset_keys.issued(|key| token.is_of(key)) {
            return Err(ResetError::InvalidToken);
        }
        let newest = match self.ports().reset_tokens.newest(token.email()).await {
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                None
            }
            answer => answer?,
        };
        newest
            .filter(|record| record.digest == token.digest())
            .filter(|record| !record.used && self.now() < record.expires_at)
            .ok_or(ResetError::InvalidToken)
    }

    /// The account that the link was issued for, if nothing about its credentials changed since.
    async fn owner(&self, record: &ResetRecord, subject: Subject) -> Result<User, ResetError> {
        self.readable(&record.email, subject)
            .await?
            .filter(|user| user.stands_at(record.user_id, record.credential_version))
            .ok_or(ResetError::InvalidToken)
    }

    pub(super) async fn queue_notice(
        &self,
        user: &User,
        changed_at: Timestamp,
        context: &RequestContext,
    ) -> Result<(), PortError> {
        let job = MailJob::PasswordChanged {
            email: user.email.clone(),
            user_id: user.id,
            credential_version: user.credential_version.next(),
            changed_at,
            locale: context.locale,
        };
        self.ports().mail_queue.enqueue(job).await
    }
}

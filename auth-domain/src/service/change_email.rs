use std::time::Duration;

use thiserror::Error;

use super::session::Current;
use super::span::use_case;
use super::{Auth, ProofError, Subject, refused, refuses};
use crate::ports::{EmailChange, EmailUpdate, RateDecision, UserKey};
use crate::{
    AccountCall, Claims, Email, EmailChangeToken, ErrorCode, MailJob, Password, PortError,
    RequestContext, User,
};

/// What somebody asks for another address with.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it: a new field is a new question to them"
)]
pub struct ChangeEmailRequest {
    /// The address to move to.
    pub new_email: Email,
    /// The account's password.
    pub current_password: Password,
}

/// Why no confirmation of a new address was asked for. Never says whether that address has an account.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeEmailError {
    /// The caller did not prove to be the owner.
    #[error(transparent)]
    NotProved(#[from] ProofError),
    /// An adapter failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many requests from this source, or for this account.
    #[error("too many requests for another address")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// It is the account's address.
    #[error("the account has this address already")]
    Unchanged,
}

impl ChangeEmailError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotProved(error) => error.code(),
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Unchanged => ErrorCode::EmailUnchanged,
        }
    }
}

refused!(ChangeEmailError, NotProved);

/// Why an account did not move to its new address.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfirmEmailError {
    /// Another account has the address. Said only to who reads its mail.
    #[error("the address is taken")]
    EmailTaken,
    /// Never issued, used or expired, or the account is gone, disabled or changed since.
    #[error("the link is not valid")]
    InvalidToken,
    /// An adapter failed. The account may have moved: logging in tells.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many uses of links from this source.
    #[error("too many uses of links from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
}

impl ConfirmEmailError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::EmailTaken => ErrorCode::EmailTaken,
            Self::InvalidToken => ErrorCode::LinkInvalid,
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
        }
    }
}

refused!(ConfirmEmailError);

refuses!(ChangeEmailError: Limited::RateLimited);
refuses!(ConfirmEmailError: Limited::RateLimited);

impl Auth {
    /// Asks to move a token's account to another address, given its password. Changes nothing: a link is
    /// mailed to the new address, and only its use moves the account.
    ///
    /// The request only queues a job, whether or not the new address has an account.
    ///
    /// # Errors
    /// [`ChangeEmailError`].
    pub async fn request_email_change(
        &self,
        claims: &Claims,
        request: ChangeEmailRequest,
        context: &RequestContext,
    ) -> Result<(), ChangeEmailError> {
        use_case!(self, context, "request_email_change", async {
            let subject = self.subject_of(claims, context);
            let outcome = self.try_request_email_change(claims, request, context, subject).await;
            self.record_call(subject, AccountCall::RequestEmailChange, outcome)
        })
    }

    async fn try_request_email_change(
        &self,
        claims: &Claims,
        request: ChangeEmailRequest,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), ChangeEmailError> {
        let ChangeEmailRequest { new_email, current_password } = request;
        let Current { user, .. } = self.current(claims, subject).await.map_err(ProofError::from)?;
        if new_email == user.email {
            return Err(ChangeEmailError::Unchanged);
        }
        self.limit_change(&user, context, subject).await?;
        self.prove(&user, current_password, context, subject).await?;
        let job = MailJob::ConfirmNewEmail {
            email: user.email,
            new_email,
            user_id: user.id,
            credential_version: user.credential_version,
            requested_at: self.now(),
            locale: context.locale,
        };
        Ok(self.ports().mail_queue.enqueue(job).await?)
    }

    /// By source and by account, since each request may mail somebody else.
    async fn limit_change(
        &self,
        user: &User,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), ChangeEmailError> {
        let limits = &self.settings().limits;
        self.limit_source("change-email", limits.reset_request_per_source, context).await?;
        let account = self.limit_key("change-email", &user.id.to_string());
        match self.hit(account, limits.mails_per_address, subject).await? {
            RateDecision::Allow => Ok(()),
            RateDecision::Deny { retry_after } => {
                Err(ChangeEmailError::RateLimited { retry_after })
            }
        }
    }

    /// Moves an account to the address whose reader uses this link. Logs nobody in.
    ///
    /// One transaction moves the row, on condition of the credential version that the link was made for,
    /// and bumps it: so a link works once, and ends every session and every other link. Each link says
    /// its own address, and confirms no other. The notice to the old address is queued before, and sent
    /// once the move is seen.
    ///
    /// # Errors
    /// [`ConfirmEmailError`].
    pub async fn confirm_email_change(
        &self,
        token: EmailChangeToken,
        context: &RequestContext,
    ) -> Result<(), ConfirmEmailError> {
        use_case!(self, context, "confirm_email_change", async {
            let mut subject = self.subject(Some(&token.claims().email), context);
            let outcome = self.try_confirm_email_change(token, context, &mut subject).await;
            self.record_call(subject, AccountCall::ConfirmEmailChange, outcome)
        })
    }

    async fn try_confirm_email_change(
        &self,
        token: EmailChangeToken,
        context: &RequestContext,
        subject: &mut Subject,
    ) -> Result<(), ConfirmEmailError> {
        self.limit_source("confirm-email", self.settings().limits.reset_per_source, context)
            .await?;
        let keys = &self.inner.email_change_keys;
        if !keys.issued(|key| token.is_of(key)) {
            return Err(ConfirmEmailError::InvalidToken);
        }
        let owner = self.owner_by_link(token.claims(), subject).await?;
        let user = owner.ok_or(ConfirmEmailError::InvalidToken)?;
        // Looked at before the notice is queued, so that a link to a taken address queues nothing.
        if self.readable(token.new_email(), *subject).await?.is_some() {
            return Err(ConfirmEmailError::EmailTaken);
        }
        let change = EmailChange {
            key: UserKey { email: user.email.clone(), id: user.id },
            expected: user.credential_version,
            next: user.credential_version.next(),
            new_email: token.new_email().clone(),
            at: self.now(),
        };
        let next = change.next;
        self.queue_email_notice(&user, &change, context).await?;
        match self.ports().users.change_email(change).await? {
            EmailUpdate::Updated => {}
            EmailUpdate::EmailTaken => return Err(ConfirmEmailError::EmailTaken),
            EmailUpdate::Stale => return Err(ConfirmEmailError::InvalidToken),
        }
        if let Err(error) = self.erase_leftovers(&user.email, user.id, Some(next)).await {
            self.record_fault(*subject, &error);
        }
        self.forget_strangers(&user.email, *subject).await;
        Ok(())
    }

    async fn queue_email_notice(
        &self,
        user: &User,
        change: &EmailChange,
        context: &RequestContext,
    ) -> Result<(), PortError> {
        let job = MailJob::EmailChanged {
            email: user.email.clone(),
            user_id: user.id,
            credential_version: change.next,
            changed_at: change.at,
            locale: context.locale,
        };
        self.ports().mail_queue.enqueue(job).await
    }
}

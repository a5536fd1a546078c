//! Recent proof of the password, for what a stolen access token must not be enough for.

use std::time::Duration;

use thiserror::Error;

use super::session::NotCurrent;
use super::{Auth, Subject, is_corrupt, refuses};
use crate::ports::Verification;
use crate::{Attempt, Email, ErrorCode, Password, PortError, RequestContext, TokenRejected, User};

/// Why a caller did not prove that he is the owner of the account.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// No place to hash in.
    #[error("too many passwords are being hashed")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// An adapter failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many proofs from this source.
    #[error("too many proofs of passwords from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The session of the token is over, or its account is gone, disabled or changed.
    #[error(transparent)]
    Rejected(#[from] TokenRejected),
    /// Too many attempts at this account's password, here or at login: both count together.
    #[error("too many attempts at one address")]
    TooManyAttempts {
        /// When to try again.
        retry_after: Duration,
    },
    /// Not the account's password, or it has none.
    #[error("the current password is wrong")]
    WrongPassword,
}

impl ProofError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Rejected(_) => ErrorCode::TokenInvalid,
            Self::TooManyAttempts { .. } => ErrorCode::TooManyAttempts,
            Self::WrongPassword => ErrorCode::PasswordWrong,
        }
    }

    pub(super) const fn fault(&self) -> Option<&PortError> {
        match self {
            Self::Port(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NotCurrent> for ProofError {
    fn from(error: NotCurrent) -> Self {
        match error {
            NotCurrent::Port(error) => Self::Port(error),
            NotCurrent::Rejected(rejected) => Self::Rejected(rejected),
        }
    }
}

refuses!(ProofError: Limited::RateLimited, Crowded::Overloaded);

impl Auth {
    /// Counts an attempt, verifies once, and clears the attempts on a match: whoever stole a session may
    /// guess here no more often than a stranger may at login.
    pub(super) async fn prove(
        &self,
        user: &User,
        password: Password,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), ProofError> {
        self.limit_source("prove", self.settings().limits.login_per_source, context).await?;
        let slot = self.reserve_hash()?;
        if let Some(retry_after) = self.begin_attempt(&user.email, subject).await? {
            return Err(ProofError::TooManyAttempts { retry_after });
        }
        match slot.verify(password, user.password_hash.clone()).await {
            Ok(Verification::Mismatch) => return Err(ProofError::WrongPassword),
            Ok(Verification::Match | Verification::MatchNeedsRehash) => {}
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                return Err(ProofError::WrongPassword);
            }
            Err(error) => return Err(error.into()),
        }
        if self.settings().attempts.is_some() {
            self.clear_attempts(&user.email, subject).await;
        }
        Ok(())
    }

    /// Counts an attempt at an address's password; the wait, if there is one.
    pub(super) async fn begin_attempt(
        &self,
        email: &Email,
        subject: Subject,
    ) -> Result<Option<Duration>, PortError> {
        let Some(policy) = &self.settings().attempts else {
            return Ok(None);
        };
        let key = self.account_key(email);
        let answer = self.ports().attempts.begin(key, self.now(), policy).await;
        let go_on = Attempt::Proceed { prior: 0 };
        Ok(match answer.or_else(|error| self.without_counter(subject, error, go_on))? {
            Attempt::Proceed { .. } => None,
            Attempt::Wait { retry_after } => Some(retry_after),
        })
    }
}

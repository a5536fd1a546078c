//! Recent proof of the password, for what a stolen access token must not be enough for.

use std::time::Duration;

use thiserror::Error;

use super::session::NotCurrent;
use super::{Auth, Blocked, Subject, is_corrupt, refuses};
use crate::ports::Verification;
use crate::{
    Attempt, AttemptPolicy, CredentialVersion, Email, ErrorCode, EventKind, LimitKey, Password,
    PortError, RequestContext, TokenRejected, User, UserId,
};

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

/// Whose caller proved the present password before, and under which version.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) user_id: UserId,
    pub(super) version: CredentialVersion,
}

/// What a success clears, if attempts are counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    /// The counter that let the attempt in.
    by: Option<LimitKey>,
    /// The share of who is known, whether or not anything was left in it.
    own: Option<LimitKey>,
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

refuses!(
    ProofError: Limited::RateLimited, Crowded::Overloaded, Blocked::TooManyAttempts
);

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
        let counted = self.begin_attempt(&user.email, None, subject).await?;
        match slot.verify(password, user.password_hash.clone()).await {
            Ok(Verification::Mismatch) => return Err(ProofError::WrongPassword),
            Ok(Verification::Match | Verification::MatchNeedsRehash) => {}
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                return Err(ProofError::WrongPassword);
            }
            Err(error) => return Err(error.into()),
        }
        self.clear_attempts(counted, subject).await;
        Ok(())
    }

    /// Counts an attempt at an address's password, before anything is verified. Who is known has a share of
    /// attempts of his own, and those of everybody once it is used up.
    pub(super) async fn begin_attempt(
        &self,
        email: &Email,
        known: Option<Known>,
        subject: Subject,
    ) -> Result<Counted, Blocked> {
        let Some(policy) = &self.settings().attempts else {
            return Ok(Counted::default());
        };
        let (everybody, share) = policy.shares();
        let share = known.zip(share).map(|(known, share)| (self.known_key(known), share));
        let own = share.map(|(key, _)| key);
        let mut shortest = Duration::MAX;
        for (key, policy) in share.into_iter().chain([(self.account_key(email), everybody)]) {
            match self.count_attempt(key, &policy, subject).await? {
                Attempt::Proceed { .. } => return Ok(Counted { by: Some(key), own }),
                Attempt::Wait { retry_after } => shortest = shortest.min(retry_after),
            }
        }
        Err(Blocked::TooManyAttempts { retry_after: shortest })
    }

    /// Of a client whose token proves outdated: counted with strangers, unless it is already.
    pub(super) async fn recount_attempt(
        &self,
        email: &Email,
        counted: Counted,
        subject: Subject,
    ) -> Result<Counted, Blocked> {
        if counted.by == Some(self.account_key(email)) {
            return Ok(Counted { own: None, ..counted });
        }
        self.begin_attempt(email, None, subject).await
    }

    async fn count_attempt(
        &self,
        key: LimitKey,
        policy: &AttemptPolicy,
        subject: Subject,
    ) -> Result<Attempt, PortError> {
        let answer = self.ports().attempts.begin(key, self.now(), policy).await;
        answer.or_else(|error| self.without_counter(subject, error, Attempt::Proceed { prior: 0 }))
    }

    /// The counter of a share. A change of credentials starts another.
    fn known_key(&self, known: Known) -> LimitKey {
        let Known { user_id, version } = known;
        self.limit_key("known", &format!("{user_id} {}", version.get()))
    }

    /// After a success. Who is known then has all of his share again, although he used it up and was let in
    /// with everybody; what strangers tried is not forgotten for that.
    pub(super) async fn clear_attempts(&self, Counted { by, own }: Counted, subject: Subject) {
        if let Some(key) = own.or(by) {
            self.forget_attempts(key, subject).await;
        }
    }

    /// After a recovery, or where the account is gone: what strangers tried at its address.
    pub(super) async fn forget_strangers(&self, email: &Email, subject: Subject) {
        self.forget_attempts(self.account_key(email), subject).await;
    }

    async fn forget_attempts(&self, key: LimitKey, subject: Subject) {
        if let Err(error) = self.ports().attempts.clear(key).await {
            self.record_without(&error, subject, EventKind::AttemptsNotCleared);
        }
    }
}

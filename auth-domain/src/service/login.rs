use std::time::Duration;

use thiserror::Error;

use super::{Auth, LoginFailure, Refusal, Subject, is_corrupt};
use crate::ports::{CredentialUpdate, Reservation, Update, UserKey, Verification};
use crate::{
    Attempt, Claims, DisplayName, Email, ErrorCode, EventKind, Password, PasswordHash, PortError,
    RequestContext, SignedToken, Timestamp, User, UserId,
};

/// What somebody logs in with.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it: a new field is a new question to them"
)]
pub struct LoginRequest {
    /// The address. [With its spelling](Email::parse_with_spelling) it also finds an account that a store
    /// still holds under the address as it was typed.
    pub email: Email,
    /// The password.
    pub password: Password,
}

/// A good login.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// The account.
    pub user_id: UserId,
    /// Its address.
    pub email: Email,
    /// Its name.
    pub name: DisplayName,
    /// What [`Auth::authenticate`] accepts.
    pub access_token: SignedToken,
    /// How long the access token is good for.
    pub expires_in: Duration,
    /// A token for the systems around the one that this replaced, where an issuer for it is composed.
    pub compatibility_token: Option<SignedToken>,
}

/// Why nobody was logged in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// No place to hash in.
    #[error("too many passwords are being hashed")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// An adapter failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many logins from this source.
    #[error("too many logins from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Unknown address, wrong password, disabled account, or one without a readable password: one
    /// answer, and one cost.
    #[error("address or password is wrong")]
    Rejected,
    /// Too many attempts at this address, whether or not it has an account. After a hundred in a row
    /// only a password reset helps.
    #[error("too many attempts at one address")]
    TooManyAttempts {
        /// When to try again.
        retry_after: Duration,
    },
}

impl LoginError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Rejected => ErrorCode::CredentialsRejected,
            Self::TooManyAttempts { .. } => ErrorCode::TooManyAttempts,
        }
    }
}

impl From<Refusal> for LoginError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Overloaded { retry_after } => Self::Overloaded { retry_after },
            Refusal::RateLimited { retry_after } => Self::RateLimited { retry_after },
            Refusal::Port(error) => Self::Port(error),
        }
    }
}

/// What the store has for an address: whom to let in on a match, or why nobody.
struct Candidate {
    stored: Option<PasswordHash>,
    user: Result<User, LoginFailure>,
    user_id: Option<UserId>,
}

impl Candidate {
    fn nobody(why: LoginFailure, user_id: Option<UserId>) -> Self {
        Self { stored: None, user: Err(why), user_id }
    }

    fn of(found: Option<User>) -> Self {
        match found {
            None => Self::nobody(LoginFailure::UnknownAccount, None),
            Some(user) if user.disabled => Self::nobody(LoginFailure::Disabled, Some(user.id)),
            Some(user) => match user.password_hash.clone() {
                None => Self::nobody(LoginFailure::NoPassword, Some(user.id)),
                stored => Self { stored, user_id: Some(user.id), user: Ok(user) },
            },
        }
    }
}

impl Auth {
    /// Logs somebody in.
    ///
    /// Whatever the account is like, a call counts one attempt, reads the store once and verifies once
    /// at one cost, in that order; a place to hash in is reserved first, so that an overloaded server
    /// counts no attempt that it did not look at. A good login clears the attempts, upgrades a hash of
    /// an older format and notes the time; none of these three can fail it.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(
        &self,
        request: LoginRequest,
        context: &RequestContext,
    ) -> Result<Login, LoginError> {
        let mut subject = self.subject(Some(&request.email), context);
        let mut failure = None;
        let outcome = self.try_login(request, context, &mut subject, &mut failure).await;
        match &outcome {
            Ok(_) => self.record(subject, EventKind::LoggedIn),
            Err(error) => {
                if let LoginError::Port(fault) = error {
                    self.record_fault(subject, fault);
                }
                self.record(subject, EventKind::LoginRefused { code: error.code(), failure });
            }
        }
        outcome
    }

    async fn try_login(
        &self,
        request: LoginRequest,
        context: &RequestContext,
        subject: &mut Subject,
        failure: &mut Option<LoginFailure>,
    ) -> Result<Login, LoginError> {
        let LoginRequest { email, password } = request;
        self.limit_source("login", self.settings().limits.login_per_source, context).await?;
        let slot = self.reserve_hash()?;
        self.begin_attempt(&email, *subject).await?;
        let candidate = self.find_candidate(&email, *subject).await?;
        subject.user_id = candidate.user_id;
        let verified = slot.verify(password.clone(), candidate.stored).await;
        let (user, verification) = match (candidate.user, verified) {
            (Err(why), Ok(_)) => {
                *failure = Some(why);
                return Err(LoginError::Rejected);
            }
            (Ok(_), Ok(Verification::Mismatch)) => {
                *failure = Some(LoginFailure::WrongPassword);
                return Err(LoginError::Rejected);
            }
            (_, Err(error)) if is_corrupt(&error) => {
                self.record_fault(*subject, &error);
                *failure = Some(LoginFailure::MalformedHash);
                return Err(LoginError::Rejected);
            }
            (_, Err(error)) => return Err(error.into()),
            (Ok(user), Ok(verification)) => (user, verification),
        };
        let login = self.issue_tokens(&user).await?;
        self.after_login(&user, verification, password, *subject).await;
        Ok(login)
    }

    async fn begin_attempt(&self, email: &Email, subject: Subject) -> Result<(), LoginError> {
        let Some(policy) = &self.settings().attempts else {
            return Ok(());
        };
        let key = self.account_key(email);
        let answer = self.ports().attempts.begin(key, self.now(), policy).await;
        let go_on = Attempt::Proceed { prior: 0 };
        match answer.or_else(|error| self.without_counter(subject, error, go_on))? {
            Attempt::Proceed { .. } => Ok(()),
            Attempt::Wait { retry_after } => Err(LoginError::TooManyAttempts { retry_after }),
        }
    }

    /// A row that cannot be read shuts out its own account, and looks like no account from outside.
    async fn find_candidate(
        &self,
        email: &Email,
        subject: Subject,
    ) -> Result<Candidate, PortError> {
        match self.ports().users.find_by_email(email).await {
            Ok(found) => Ok(Candidate::of(found)),
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                Ok(Candidate::nobody(LoginFailure::UnreadableAccount, None))
            }
            Err(error) => Err(error),
        }
    }

    async fn issue_tokens(&self, user: &User) -> Result<Login, PortError> {
        // Tokens count in whole seconds, so that is what they are issued and checked in.
        let issued_at = Timestamp::from_seconds(self.now().as_seconds());
        let expires_in = self.settings().access_token_life;
        let mut claims = Claims {
            user_id: user.id,
            email: user.email.clone(),
            name: user.name.abridged(),
            credential_version: user.credential_version,
            issued_at,
            expires_at: issued_at + expires_in,
        };
        let access_token = self.ports().token_issuer.issue(&claims).await?;
        let compatibility_token = match &self.ports().compatibility_issuer {
            None => None,
            Some(issuer) => {
                claims.expires_at = issued_at + self.settings().compatibility_token_life;
                Some(issuer.issue(&claims).await?)
            }
        };
        let Claims { user_id, email, .. } = claims;
        let name = user.name.clone();
        Ok(Login { user_id, email, name, access_token, expires_in, compatibility_token })
    }

    async fn after_login(
        &self,
        user: &User,
        verification: Verification,
        password: Password,
        subject: Subject,
    ) {
        if self.settings().attempts.is_some() {
            self.clear_attempts(&user.email, subject).await;
        }
        if verification == Verification::MatchNeedsRehash {
            let kind = match self.upgrade_hash(user, password).await {
                Ok(true) => EventKind::PasswordHashUpgraded,
                Ok(false) => EventKind::PasswordHashUpgradeSkipped,
                Err(error) => {
                    self.record_fault(subject, &error);
                    EventKind::PasswordHashUpgradeSkipped
                }
            };
            self.record(subject, kind);
        }
        let key = UserKey { email: user.email.clone(), id: user.id };
        if let Err(error) = self.ports().users.touch_last_login(&key, self.now()).await {
            self.record_fault(subject, &error);
            self.record(subject, EventKind::LastLoginNotWritten);
        }
    }

    pub(super) async fn clear_attempts(&self, email: &Email, subject: Subject) {
        if let Err(error) = self.ports().attempts.clear(self.account_key(email)).await {
            self.record_fault(subject, &error);
            self.record(subject, EventKind::AttemptsNotCleared);
        }
    }

    /// The version stays: the password is the same, and nobody's session ends. A reset meanwhile has
    /// bumped it and wins.
    async fn upgrade_hash(&self, user: &User, password: Password) -> Result<bool, PortError> {
        let Reservation::Slot(slot) = self.ports().hasher.reserve()? else {
            return Ok(false);
        };
        let update = CredentialUpdate {
            key: UserKey { email: user.email.clone(), id: user.id },
            expected: user.credential_version,
            next: user.credential_version,
            password_hash: slot.hash(password).await?,
            updated_at: user.updated_at,
        };
        let outcome = self.ports().users.update_credentials(update).await?;
        Ok(outcome == Update::Updated)
    }
}

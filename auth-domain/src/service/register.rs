use std::time::Duration;

use thiserror::Error;

use super::{Auth, Refusal, Subject};
use crate::ports::Insert;
use crate::{
    CredentialVersion, DisplayName, Email, ErrorCode, EventKind, Password, PolicyViolation,
    PortError, RequestContext, User, UserId,
};

/// What somebody signs up with.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it: a new field is a new question to them"
)]
pub struct RegisterRequest {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// The name.
    pub name: DisplayName,
}

/// A new account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Its id.
    pub user_id: UserId,
    /// Its canonical address.
    pub email: Email,
    /// Its name.
    pub name: DisplayName,
}

/// Why nobody was signed up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another account has the address. Tells who has one; the replaced system's clients rely on it.
    #[error("the address is taken")]
    EmailTaken,
    /// No place to hash in.
    #[error("too many passwords are being hashed")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The policy refuses the password.
    #[error("the password is refused: {0}")]
    PasswordRefused(#[from] PolicyViolation),
    /// An adapter failed. Whether the account was made is not known.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many sign-ups from this source.
    #[error("too many sign-ups from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
}

impl RegisterError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::EmailTaken => ErrorCode::EmailTaken,
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::PasswordRefused(violation) => violation.code(),
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
        }
    }
}

impl PolicyViolation {
    /// The stable code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Common => ErrorCode::PasswordCommon,
            Self::ContextWord => ErrorCode::PasswordContextWord,
            Self::ControlCharacter => ErrorCode::PasswordControlCharacter,
            Self::TooLong { .. } => ErrorCode::PasswordTooLong,
            Self::TooShort { .. } => ErrorCode::PasswordTooShort,
        }
    }
}

impl From<Refusal> for RegisterError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Overloaded { retry_after } => Self::Overloaded { retry_after },
            Refusal::RateLimited { retry_after } => Self::RateLimited { retry_after },
            Refusal::Port(error) => Self::Port(error),
        }
    }
}

impl Auth {
    /// Makes an account, if the address is free and the password good enough.
    ///
    /// One insert decides: of any number of callers with one address exactly one succeeds. A taken
    /// address costs what a free one costs.
    ///
    /// # Errors
    /// [`RegisterError`]. After [`RegisterError::Port`] the account may exist: logging in tells.
    pub async fn register(
        &self,
        request: RegisterRequest,
        context: &RequestContext,
    ) -> Result<Registered, RegisterError> {
        let subject = self.subject(Some(&request.email), context);
        let outcome = self.try_register(request, context).await;
        match &outcome {
            Ok(Registered { user_id, .. }) => {
                let subject = Subject { user_id: Some(*user_id), ..subject };
                self.record(subject, EventKind::Registered);
            }
            Err(error) => {
                if let RegisterError::Port(fault) = error {
                    self.record_fault(subject, fault);
                }
                self.record(subject, EventKind::RegisterRefused { code: error.code() });
            }
        }
        outcome
    }

    async fn try_register(
        &self,
        request: RegisterRequest,
        context: &RequestContext,
    ) -> Result<Registered, RegisterError> {
        let RegisterRequest { email, password, name } = request;
        self.limit_source("register", self.settings().limits.register_per_source, context).await?;
        self.settings().password_policy.check(&password, &email, &name)?;
        let user_id = UserId::from_entropy_bytes(self.entropy()?);
        let password_hash = self.reserve_hash()?.hash(password).await?;
        let now = self.now();
        let user = User {
            id: user_id,
            email: email.clone(),
            name: name.clone(),
            password_hash: Some(password_hash),
            credential_version: CredentialVersion::FIRST,
            disabled: false,
            created_at: now,
            updated_at: now,
            last_login: None,
        };
        match self.ports().users.insert(user).await? {
            Insert::Inserted => Ok(Registered { user_id, email, name }),
            Insert::EmailTaken => Err(RegisterError::EmailTaken),
        }
    }
}

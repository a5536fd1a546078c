//! What the errors of the domain are as problems.

use auth_domain::{
    AuthenticateError, ChangeEmailError, ChangePasswordError, ConfirmEmailError,
    DeleteAccountError, DisplayNameError, EmailError, ErrorCode, LinkTokenError, LoginError,
    LogoutError, PasswordError, PolicyViolation, ProofError, RefreshError, RefreshTokenError,
    RegisterError, RequestMailError, ResetError, ResetTokenError, SessionError, SessionIdError,
    VerifyEmailError,
};

use crate::problem::{Problem, coded};

/// Errors whose code says it all, but for when to come back.
macro_rules! coded {
    ($($error:ident $(waits for $waiting:ident)*;)*) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                match error {
                    $($error::$waiting { retry_after } => coded(error.code()).retry_after(retry_after),)*
                    error => coded(error.code()),
                }
            }
        })*
    };
}

coded! {
    AuthenticateError;
    ConfirmEmailError waits for RateLimited;
    LoginError waits for Overloaded waits for RateLimited waits for TooManyAttempts;
    LogoutError waits for RateLimited;
    RefreshError waits for RateLimited;
    RequestMailError waits for RateLimited;
    SessionError;
    VerifyEmailError waits for RateLimited;
}

/// Texts that are not what they should be.
macro_rules! malformed {
    ($($error:ident is $code:ident $(in $field:literal)?;)*) => {
        $(impl From<$error> for Problem {
            fn from(_: $error) -> Self {
                coded(ErrorCode::$code)$(.about($field))?
            }
        })*
    };
}

malformed! {
    DisplayNameError is NameInvalid in "name";
    EmailError is EmailInvalid in "email";
    LinkTokenError is LinkInvalid;
    RefreshTokenError is RefreshTokenInvalid;
    ResetTokenError is ResetTokenInvalid;
    SessionIdError is SessionNotFound;
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        coded(match error {
            PasswordError::Empty => ErrorCode::PasswordEmpty,
            _ => ErrorCode::PasswordTooLong,
        })
    }
}

impl From<PolicyViolation> for Problem {
    fn from(violation: PolicyViolation) -> Self {
        let limit = match violation {
            PolicyViolation::TooShort { min } => Some(min),
            PolicyViolation::TooLong { max } => Some(max),
            _ => None,
        };
        coded(violation.code()).beyond(limit)
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Overloaded { retry_after }
            | RegisterError::RateLimited { retry_after } => {
                coded(error.code()).retry_after(retry_after)
            }
            RegisterError::PasswordRefused(violation) => Self::from(violation).about("password"),
            error => coded(error.code()),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Overloaded { retry_after } | ResetError::RateLimited { retry_after } => {
                coded(error.code()).retry_after(retry_after)
            }
            ResetError::PasswordRefused(violation) => Self::from(violation).about("new_password"),
            error => coded(error.code()),
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Overloaded { retry_after }
            | ProofError::RateLimited { retry_after }
            | ProofError::TooManyAttempts { retry_after } => {
                coded(error.code()).retry_after(retry_after)
            }
            ProofError::WrongPassword => coded(error.code()).about("current_password"),
            error => coded(error.code()),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::NotProved(error) => error.into(),
            ChangePasswordError::PasswordRefused(violation) => {
                Self::from(violation).about("new_password")
            }
            error => coded(error.code()),
        }
    }
}

impl From<ChangeEmailError> for Problem {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::NotProved(error) => error.into(),
            ChangeEmailError::RateLimited { retry_after } => {
                coded(error.code()).retry_after(retry_after)
            }
            ChangeEmailError::Unchanged => coded(error.code()).about("new_email"),
            error => coded(error.code()),
        }
    }
}

impl From<DeleteAccountError> for Problem {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::NotProved(error) => error.into(),
            error => coded(error.code()),
        }
    }
}

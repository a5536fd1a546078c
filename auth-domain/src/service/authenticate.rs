use thiserror::Error;

use super::{Auth, Subject};
use crate::{Claims, ErrorCode, EventKind, PortError, TokenCheck, TokenRejected};

/// Why a token does not let anybody in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// The user store failed; only where [`TokenCheck::Strict`] is chosen.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Not a valid access token, or (strict) no longer its account's.
    #[error(transparent)]
    Rejected(#[from] TokenRejected),
}

impl AuthenticateError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Port(error) => error.code(),
            Self::Rejected(_) => ErrorCode::TokenInvalid,
        }
    }
}

impl Auth {
    /// Who bears this access token.
    ///
    /// With [`TokenCheck::TokenOnly`] this is computation alone, and a token is good until it expires,
    /// whatever became of its account. With [`TokenCheck::Strict`] the account is read too, and must
    /// still be there, enabled, and at the credential version that the token was issued under.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate(&self, token: &str) -> Result<Claims, AuthenticateError> {
        let outcome = self.try_authenticate(token).await;
        match &outcome {
            Ok(_) => {}
            Err(AuthenticateError::Port(fault)) => self.record_fault(Subject::default(), fault),
            Err(AuthenticateError::Rejected(_)) => {
                self.record(Subject::default(), EventKind::TokenRefused);
            }
        }
        outcome
    }

    async fn try_authenticate(&self, token: &str) -> Result<Claims, AuthenticateError> {
        let claims = self.ports().token_verifier.verify(token, self.now())?;
        if self.settings().token_check == TokenCheck::Strict {
            let found = self.readable(&claims.email, Subject::default()).await?;
            let current = found.is_some_and(|user| {
                user.id == claims.user_id
                    && user.credential_version == claims.credential_version
                    && !user.disabled
            });
            if !current {
                return Err(TokenRejected.into());
            }
        }
        Ok(claims)
    }
}

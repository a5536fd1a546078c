use thiserror::Error;

use super::session::{Current, NotCurrent};
use super::span::use_case;
use super::{Auth, Subject};
use crate::{Claims, ErrorCode, EventKind, PortError, RequestContext, TokenCheck, TokenRejected};

/// Why a token does not let anybody in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// A store failed; only where a strict [`TokenCheck`] is chosen.
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

impl From<NotCurrent> for AuthenticateError {
    fn from(error: NotCurrent) -> Self {
        match error {
            NotCurrent::Port(error) => Self::Port(error),
            NotCurrent::Rejected(rejected) => Self::Rejected(rejected),
        }
    }
}

impl Auth {
    /// Who bears this access token.
    ///
    /// With [`TokenCheck::TokenOnly`] this is computation alone, and a token is good until it expires,
    /// whatever became of its account. With [`TokenCheck::Strict`] the account is read too, and must
    /// still be there, enabled, and at the credential version that the token was issued under. With
    /// [`TokenCheck::StrictSession`] session and account are read, and both must be alive.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate(&self, token: &str) -> Result<Claims, AuthenticateError> {
        self.authenticate_request(token, &RequestContext::new()).await
    }

    /// As [`Auth::authenticate`], with where the token came from and in which request, for the event of a
    /// refusal.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate_request(
        &self,
        token: &str,
        context: &RequestContext,
    ) -> Result<Claims, AuthenticateError> {
        use_case!(self, context, "authenticate", async {
            let mut subject = self.subject(None, context);
            let outcome = self.try_authenticate(token, &mut subject).await;
            match &outcome {
                Ok(_) => {}
                Err(AuthenticateError::Port(fault)) => self.record_fault(subject, fault),
                Err(AuthenticateError::Rejected(_)) => {
                    self.record(subject, EventKind::TokenRefused)
                }
            }
            outcome
        })
    }

    async fn try_authenticate(
        &self,
        token: &str,
        subject: &mut Subject,
    ) -> Result<Claims, AuthenticateError> {
        let claims = self.ports().token_verifier.verify(token, self.now())?;
        subject.user_id = Some(claims.user_id);
        match self.settings().token_check {
            TokenCheck::TokenOnly => {}
            TokenCheck::Strict => self.check_account(&claims, *subject).await?,
            TokenCheck::StrictSession => {
                let Current { user, .. } = self.current(&claims, *subject).await?;
                if user.credential_version != claims.credential_version {
                    return Err(TokenRejected.into());
                }
            }
        }
        Ok(claims)
    }

    async fn check_account(
        &self,
        claims: &Claims,
        subject: Subject,
    ) -> Result<(), AuthenticateError> {
        let found = self.readable(&claims.email, subject).await?;
        let stands =
            found.is_some_and(|user| user.stands_at(claims.user_id, claims.credential_version));
        if stands { Ok(()) } else { Err(TokenRejected.into()) }
    }

    /// The keys that access tokens are checked with, as a JSON Web Key Set (RFC 7517 section 5): for
    /// services that check them without asking. Public members only.
    pub fn jwks(&self) -> String {
        self.ports().token_verifier.jwks()
    }
}

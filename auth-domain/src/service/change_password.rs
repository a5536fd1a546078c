use std::time::Duration;

use thiserror::Error;

use super::session::{Current, Issued};
use super::span::use_case;
use super::{Auth, Crowded, ProofError, Subject, refused};
use crate::ports::{CredentialChange, Update};
use crate::{
    AccountCall, Claims, DeviceToken, ErrorCode, Password, PolicyViolation, PortError,
    RequestContext, SignedToken, User,
};

/// What somebody changes his password with.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it: a new field is a new question to them"
)]
pub struct ChangePasswordRequest {
    /// The password that the account has.
    pub current_password: Password,
    /// The password to set.
    pub new_password: Password,
}

/// What goes on after a change of password: the session that made it, under the new credential version.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PasswordChanged {
    /// What [`Auth::authenticate`] accepts, also where it compares versions.
    pub access_token: SignedToken,
    /// How long the access token is good for.
    pub expires_in: Duration,
    /// A token for the systems around the one that this replaced, where an issuer for it is composed.
    pub compatibility_token: Option<SignedToken>,
    /// In the place of the one of the login, which ended with the old password.
    pub device_token: DeviceToken,
}

/// Why no password was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// Somebody else changed the account meanwhile.
    #[error("the account was changed meanwhile")]
    Conflict,
    /// The caller did not prove to be the owner.
    #[error(transparent)]
    NotProved(#[from] ProofError),
    /// The policy refuses the new password, or it leaked.
    #[error("the password is refused: {0}")]
    PasswordRefused(#[from] PolicyViolation),
    /// An adapter failed. The password may be changed: logging in tells.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl ChangePasswordError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Conflict => ErrorCode::Conflict,
            Self::NotProved(error) => error.code(),
            Self::PasswordRefused(violation) => violation.code(),
            Self::Port(error) => error.code(),
        }
    }
}

refused!(ChangePasswordError, NotProved);

impl From<Crowded> for ChangePasswordError {
    fn from(crowded: Crowded) -> Self {
        Self::NotProved(crowded.into())
    }
}

impl Auth {
    /// Sets a new password for a token's account, given the current one.
    ///
    /// One conditional write sets it and bumps the credential version, which ends every session and every
    /// mailed link at once. The session that asked is then re-stamped and goes on with its refresh token;
    /// a crash in between costs it, too. The notice to the owner is queued before anything is changed, and
    /// sent once the change is seen.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        claims: &Claims,
        request: ChangePasswordRequest,
        context: &RequestContext,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        use_case!(self, context, "change_password", async {
            let subject = self.subject_of(claims, context);
            let outcome = self.try_change_password(claims, request, context, subject).await;
            self.record_call(subject, AccountCall::ChangePassword, outcome)
        })
    }

    async fn try_change_password(
        &self,
        claims: &Claims,
        request: ChangePasswordRequest,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        let Current { user, session } =
            self.current(claims, subject).await.map_err(ProofError::from)?;
        let ChangePasswordRequest { current_password, new_password } = request;
        self.settings().password_policy.check(&new_password, &user.email, &user.name)?;
        self.prove(&user, current_password, context, subject).await?;
        self.refuse_breached::<ChangePasswordError>(&new_password, subject).await?;
        let password_hash = self.reserve_hash()?.hash(new_password).await?;
        let update = self.bump(&user, CredentialChange::PasswordHash(password_hash));
        self.queue_notice(&user, update.updated_at, context).await?;
        let (next, expected) = (update.next, update.expected);
        if self.ports().users.update_credentials(update).await? == Update::Stale {
            return Err(ChangePasswordError::Conflict);
        }
        let user = User { credential_version: next, ..user };
        let restamped = self.ports().sessions.restamp(&session.key, expected, next).await;
        if let Err(error) = &restamped {
            self.record_fault(subject, error);
        }
        self.remove_sessions(user.id, next, subject).await;
        let issued = self.issue_tokens(&user, session.key.id).await?;
        let Issued { access_token, expires_in, compatibility_token } = issued;
        let device_token = self.device_token(&user);
        Ok(PasswordChanged { access_token, expires_in, compatibility_token, device_token })
    }
}

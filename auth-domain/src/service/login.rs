use std::time::Duration;

use thiserror::Error;

use super::proof::Known;
use super::session::Issued;
use super::span::use_case;
use super::{Auth, LoginFailure, Subject, is_corrupt, refuses};
use crate::link::LinkClaims;
use crate::ports::{
    CredentialChange, CredentialUpdate, Reservation, Update, UserKey, Verification,
};
use crate::{
    DeviceToken, DisplayName, Email, EmailVerification, ErrorCode, EventKind, Password,
    PasswordHash, PortError, RefreshToken, RequestContext, SessionId, SignedToken, User, UserId,
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
    /// The session that was opened.
    pub session_id: SessionId,
    /// What [`Auth::refresh`] spends for the next tokens.
    pub refresh_token: RefreshToken,
    /// What the client presents at its next login ([`RequestContext::device`]), so that strangers who guess
    /// at the account do not keep it out.
    pub device_token: DeviceToken,
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
    /// Too many logins from this source, or from everybody.
    #[error("too many logins from one source, or from everybody")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Unknown address, wrong password, disabled account, one without a readable password, or one whose
    /// address must be confirmed first: one answer, and one cost.
    #[error("address or password is wrong")]
    Rejected,
    /// Too many attempts at this address, whether or not it has an account. After 90 in a row only a
    /// password reset helps whoever presents no device token.
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

refuses!(
    LoginError: Limited::RateLimited, Crowded::Overloaded, Blocked::TooManyAttempts
);

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

    /// Whether it is the account that a client is known to, under the same version.
    fn is(&self, known: Known) -> bool {
        self.user.as_ref().is_ok_and(|user| user.stands_at(known.user_id, known.version))
    }

    fn of(found: Option<User>, verification: EmailVerification) -> Self {
        let must_be_verified = verification == EmailVerification::RequireVerified;
        match found {
            None => Self::nobody(LoginFailure::UnknownAccount, None),
            Some(user) if user.disabled => Self::nobody(LoginFailure::Disabled, Some(user.id)),
            Some(user) if must_be_verified && user.email_verified_at.is_none() => {
                Self::nobody(LoginFailure::Unverified, Some(user.id))
            }
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
    /// at one cost, in that order (where a device token proves outdated, the attempt is then counted with those
    /// of strangers); a place to hash in is reserved first, so that an overloaded server
    /// counts no attempt that it did not look at. A good login opens a session of its own, clears the
    /// attempts, upgrades a hash of an older format, notes the time and ends the oldest sessions beyond the
    /// cap; none of the last four can fail it.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(
        &self,
        request: LoginRequest,
        context: &RequestContext,
    ) -> Result<Login, LoginError> {
        use_case!(self, context, "login", async {
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
        })
    }

    async fn try_login(
        &self,
        request: LoginRequest,
        context: &RequestContext,
        subject: &mut Subject,
        failure: &mut Option<LoginFailure>,
    ) -> Result<Login, LoginError> {
        let LoginRequest { email, password } = request;
        let limits = &self.settings().limits;
        self.limit_source("login", limits.login_per_source, context).await?;
        self.limit_everybody("login", limits.logins_global, context).await?;
        let slot = self.reserve_hash()?;
        let known = self.known_device(&email, context);
        let mut counted = self.begin_attempt(&email, known, *subject).await?;
        let candidate = self.find_candidate(&email, *subject).await?;
        if known.is_some_and(|known| !candidate.is(known)) {
            counted = self.recount_attempt(&email, counted, *subject).await?;
        }
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
        let (session_id, refresh_token) = self.open_session(&user, context).await?;
        let issued = self.issue_tokens(&user, session_id).await?;
        self.clear_attempts(counted, *subject).await;
        self.after_login(&user, verification, password, *subject).await;
        self.cap_sessions(&user, session_id, *subject).await;
        let device_token = self.device_token(&user);
        let Issued { access_token, expires_in, compatibility_token } = issued;
        let User { id: user_id, email, name, .. } = user;
        Ok(Login {
            user_id,
            email,
            name,
            access_token,
            expires_in,
            compatibility_token,
            session_id,
            refresh_token,
            device_token,
        })
    }

    /// Whom a token of this address says to have logged in before, if it was issued here and is in time.
    fn known_device(&self, email: &Email, context: &RequestContext) -> Option<Known> {
        let device = context.device.as_ref()?;
        let claims = device.claims();
        let good = claims.email.as_str() == email.as_str()
            && self.now() < claims.expires_at
            && self.inner.device_keys.issued(|key| device.is_of(key));
        good.then_some(Known { user_id: claims.user_id, version: claims.credential_version })
    }

    /// What its client is known by at the next login.
    pub(super) fn device_token(&self, user: &User) -> DeviceToken {
        let claims = LinkClaims {
            user_id: user.id,
            credential_version: user.credential_version,
            expires_at: self.now() + DeviceToken::LIFE,
            email: user.email.clone(),
        };
        DeviceToken::sign(&self.inner.device_keys.current, claims)
    }

    /// A row that cannot be read shuts out its own account, and looks like no account from outside.
    async fn find_candidate(
        &self,
        email: &Email,
        subject: Subject,
    ) -> Result<Candidate, PortError> {
        match self.ports().users.find_by_email(email).await {
            Ok(found) => Ok(Candidate::of(found, self.settings().email_verification)),
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                Ok(Candidate::nobody(LoginFailure::UnreadableAccount, None))
            }
            Err(error) => Err(error),
        }
    }

    async fn after_login(
        &self,
        user: &User,
        verification: Verification,
        password: Password,
        subject: Subject,
    ) {
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
            change: CredentialChange::PasswordHash(slot.hash(password).await?),
            updated_at: user.updated_at,
        };
        let outcome = self.ports().users.update_credentials(update).await?;
        Ok(outcome == Update::Updated)
    }
}

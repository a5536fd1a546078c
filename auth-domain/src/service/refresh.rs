use std::time::Duration;

use thiserror::Error;

use super::session::Issued;
use super::span::use_case;
use super::{Auth, Subject, is_corrupt, refuses};
use crate::ports::{Rotated, Rotation};
use crate::{ErrorCode, EventKind, PortError, RefreshToken, RequestContext, Session, SignedToken};

/// A session that goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refreshed {
    /// What [`Auth::authenticate`] accepts.
    pub access_token: SignedToken,
    /// How long the access token is good for.
    pub expires_in: Duration,
    /// A token for the systems around the one that this replaced, where an issuer for it is composed.
    pub compatibility_token: Option<SignedToken>,
    /// What to refresh with next time. The presented one is spent.
    pub refresh_token: RefreshToken,
}

/// Why a session does not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// An adapter failed. The token may be spent: presented again within
    /// [`Session::RETRY_WINDOW`] it yields what it would have yielded.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many refreshes from this source.
    #[error("too many refreshes from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Never issued, spent, expired or ended, or the account is gone, disabled or changed: one answer for
    /// all.
    #[error("the refresh token is not valid")]
    Rejected,
}

impl RefreshError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Rejected => ErrorCode::RefreshTokenInvalid,
        }
    }
}

refuses!(RefreshError: Limited::RateLimited);

impl Auth {
    /// Spends a refresh token for its child and a new access token.
    ///
    /// One conditional write rotates it: of any number of callers with one token one does, and the others
    /// are given the same child, for [`Session::RETRY_WINDOW`] and as long as nobody used that child. So
    /// a client whose answer was lost tries again and goes on. Any other use of a spent token says that
    /// somebody has a copy: the whole session is ended before the answer, whoever of them called
    /// (RFC 9700 section 4.14.2).
    ///
    /// The account is read after the rotation, so that nothing is issued once a reset, a change of
    /// password or address, a disabling or a deletion was answered.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(
        &self,
        token: RefreshToken,
        context: &RequestContext,
    ) -> Result<Refreshed, RefreshError> {
        use_case!(self, context, "refresh", async {
            let mut subject = self.subject(None, context);
            let outcome = self.try_refresh(token, context, &mut subject).await;
            match &outcome {
                Ok(_) => self.record(subject, EventKind::SessionRefreshed),
                Err(error) => {
                    if let RefreshError::Port(fault) = error {
                        self.record_fault(subject, fault);
                    }
                    self.record(subject, EventKind::RefreshRefused { code: error.code() });
                }
            }
            outcome
        })
    }

    async fn try_refresh(
        &self,
        token: RefreshToken,
        context: &RequestContext,
        subject: &mut Subject,
    ) -> Result<Refreshed, RefreshError> {
        self.limit_source("refresh", self.settings().limits.refresh_per_source, context).await?;
        let keys = &self.inner.refresh_keys;
        if !keys.issued(|key| token.is_of(key)) {
            return Err(RefreshError::Rejected);
        }
        subject.user_id = Some(token.session().user_id);
        let child = token.child(&keys.current);
        let (session, child) = match self.rotate(&token, &child, *subject).await? {
            Rotated::Rotated(session) => (session, child),
            Rotated::Retry(session) => {
                let child = self.same_child(&token, &session).ok_or(RefreshError::Rejected)?;
                self.record(*subject, EventKind::RefreshRetried);
                (session, child)
            }
            Rotated::Reused(_) => {
                self.record(*subject, EventKind::RefreshTokenReused);
                return Err(RefreshError::Rejected);
            }
            Rotated::Gone => return Err(RefreshError::Rejected),
        };
        let owner = self.owner_of(&session, *subject).await?;
        let user = owner.ok_or(RefreshError::Rejected)?;
        let issued = self.issue_tokens(&user, session.key.id).await?;
        let Issued { access_token, expires_in, compatibility_token } = issued;
        Ok(Refreshed { access_token, expires_in, compatibility_token, refresh_token: child })
    }

    /// A row that cannot be read is no session, and hides no other.
    async fn rotate(
        &self,
        token: &RefreshToken,
        child: &RefreshToken,
        subject: Subject,
    ) -> Result<Rotated, PortError> {
        let now = self.now();
        let rotation = Rotation {
            key: token.session(),
            presented: token.digest(),
            next: child.digest(),
            now,
            idle_expires_at: now + self.settings().session_idle_life,
        };
        match self.ports().sessions.rotate(rotation).await {
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                Ok(Rotated::Gone)
            }
            answer => answer,
        }
    }

    /// The child that this token was spent for, which an instance with the other master secret may have
    /// derived.
    fn same_child(&self, token: &RefreshToken, session: &Session) -> Option<RefreshToken> {
        let children = self.inner.refresh_keys.all().map(|key| token.child(key));
        children.into_iter().find(|child| child.digest() == session.current)
    }
}

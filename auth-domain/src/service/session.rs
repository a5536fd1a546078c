//! What the use cases of sessions share.

use crate::ports::SessionStore;
use crate::{
    Claims, CredentialVersion, EventKind, PortError, RefreshToken, RequestContext, Session,
    SessionId, SessionKey, SignedToken, Timestamp, TokenRejected, User, UserId,
};

use std::time::Duration;

use super::{Auth, Subject, is_corrupt};

/// What a client calls with.
pub(super) struct Issued {
    pub(super) access_token: SignedToken,
    pub(super) expires_in: Duration,
    pub(super) compatibility_token: Option<SignedToken>,
}

/// Why a token's bearer may not act for an account.
pub(super) enum NotCurrent {
    Port(PortError),
    Rejected(TokenRejected),
}

impl From<PortError> for NotCurrent {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// The account and the session that a token was issued in, as they now are.
pub(super) struct Current {
    pub(super) user: User,
    pub(super) session: Session,
}

impl Auth {
    fn sessions(&self) -> &dyn SessionStore {
        self.ports().sessions.as_ref()
    }

    pub(super) async fn open_session(
        &self,
        user: &User,
        context: &RequestContext,
    ) -> Result<(SessionId, RefreshToken), PortError> {
        let key =
            SessionKey { user_id: user.id, id: SessionId::from_entropy_bytes(self.entropy()?) };
        let token = RefreshToken::first(&self.inner.refresh_keys.current, key, self.entropy()?);
        let now = self.now();
        let session = Session {
            key,
            email: user.email.clone(),
            credential_version: user.credential_version,
            current: token.digest(),
            parent: None,
            created_at: now,
            last_used_at: now,
            idle_expires_at: now + self.settings().session_idle_life,
            expires_at: now + self.settings().session_life,
            user_agent: context.user_agent.clone(),
        };
        self.sessions().create(session).await?;
        Ok((key.id, token))
    }

    /// Ends the oldest sessions beyond the cap, and before them those that are dead anyway; never the one
    /// just opened, which is the oldest where the clock was set back.
    pub(super) async fn cap_sessions(&self, user: &User, opened: SessionId, subject: Subject) {
        if let Err(error) = self.try_cap_sessions(user, opened).await {
            self.record_fault(subject, &error);
            self.record(subject, EventKind::SessionsNotCapped);
        }
    }

    async fn try_cap_sessions(&self, user: &User, opened: SessionId) -> Result<(), PortError> {
        let mut sessions = self.sessions().list(user.id).await?;
        let cap = self.settings().sessions_per_account.get();
        sessions.sort_unstable_by_key(|session| {
            (session.key.id == opened, self.is_live(session, user), session.created_at)
        });
        let beyond = sessions.len().saturating_sub(cap);
        for session in &sessions[..beyond] {
            self.sessions().end(&session.key).await?;
        }
        Ok(())
    }

    pub(super) fn is_live(&self, session: &Session, user: &User) -> bool {
        session.credential_version == user.credential_version && !session.is_expired(self.now())
    }

    pub(super) async fn issue_tokens(
        &self,
        user: &User,
        session_id: SessionId,
    ) -> Result<Issued, PortError> {
        // Tokens count in whole seconds, so that is what they are issued and checked in.
        let issued_at = Timestamp::from_seconds(self.now().as_seconds());
        let expires_in = self.settings().access_token_life;
        let mut claims = Claims {
            user_id: user.id,
            session_id,
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
        Ok(Issued { access_token, expires_in, compatibility_token })
    }

    /// The account and the session of a token, read strongly, if both are alive and of one credential
    /// version. The token's own version is not asked: a change of password re-stamps its session.
    pub(super) async fn current(
        &self,
        claims: &Claims,
        subject: Subject,
    ) -> Result<Current, NotCurrent> {
        let key = SessionKey { user_id: claims.user_id, id: claims.session_id };
        let found = match self.sessions().find(&key).await {
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                None
            }
            answer => answer?,
        };
        let live = found.filter(|session| !session.is_expired(self.now()));
        let session = live.ok_or(NotCurrent::Rejected(TokenRejected))?;
        let owner = self.owner_of(&session, subject).await?;
        let user = owner.ok_or(NotCurrent::Rejected(TokenRejected))?;
        Ok(Current { user, session })
    }

    /// The account of a session, if it is there, enabled, and at the session's credential version.
    pub(super) async fn owner_of(
        &self,
        session: &Session,
        subject: Subject,
    ) -> Result<Option<User>, PortError> {
        let found = self.readable(&session.email, subject).await?;
        Ok(found.filter(|user| user.stands_at(session.key.user_id, session.credential_version)))
    }

    /// Removes rows of sessions that a bump to this version has ended already.
    pub(super) async fn remove_sessions(
        &self,
        user_id: UserId,
        older_than: CredentialVersion,
        subject: Subject,
    ) {
        if let Err(error) = self.sessions().end_all(user_id, Some(older_than)).await {
            self.record_fault(subject, &error);
        }
    }
}

use std::cmp::Reverse;
use std::time::Duration;

use thiserror::Error;

use super::session::{Current, NotCurrent};
use super::span::use_case;
use super::{AdminError, Auth, Subject, refused, refuses};
use crate::ports::{CredentialChange, Update};
use crate::{
    AccountCall, Claims, ErrorCode, PortError, RefreshToken, RequestContext, SessionId, SessionKey,
    Timestamp, TokenRejected, User, UserAgent,
};

/// One session, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last refreshed, or opened.
    pub last_used_at: Timestamp,
    /// What the client called itself.
    pub user_agent: Option<UserAgent>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Why sessions were not listed or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Others kept changing the account. Trying again is right.
    #[error("the account kept changing")]
    Conflict,
    /// The account has no such session; nothing is said of those of others.
    #[error("there is no such session")]
    NotFound,
    /// An adapter failed. Whether anything was ended is not known.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The session of the token is over, or its account is gone, disabled or changed.
    #[error(transparent)]
    Rejected(#[from] TokenRejected),
}

impl SessionError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Conflict => ErrorCode::Conflict,
            Self::NotFound => ErrorCode::SessionNotFound,
            Self::Port(error) => error.code(),
            Self::Rejected(_) => ErrorCode::TokenInvalid,
        }
    }
}

refused!(SessionError);

impl From<NotCurrent> for SessionError {
    fn from(error: NotCurrent) -> Self {
        match error {
            NotCurrent::Port(error) => Self::Port(error),
            NotCurrent::Rejected(rejected) => Self::Rejected(rejected),
        }
    }
}

/// Why nobody was logged out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogoutError {
    /// An adapter failed. Whether the session was ended is not known.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many calls from this source.
    #[error("too many calls from one source")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Never issued.
    #[error("the refresh token is not valid")]
    Rejected,
}

impl LogoutError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Rejected => ErrorCode::RefreshTokenInvalid,
        }
    }
}

refused!(LogoutError);

refuses!(LogoutError: Limited::RateLimited);

impl Auth {
    /// Ends the session of a refresh token, good or spent. A session that is over already is no error, so
    /// that a client may try again. Access tokens of the session live out their life unless
    /// [`TokenCheck::StrictSession`](crate::TokenCheck::StrictSession) is chosen.
    ///
    /// # Errors
    /// [`LogoutError`].
    pub async fn logout(
        &self,
        token: RefreshToken,
        context: &RequestContext,
    ) -> Result<(), LogoutError> {
        use_case!(self, context, "logout", async {
            let mut subject = self.subject(None, context);
            let outcome = self.try_logout(token, context, &mut subject).await;
            self.record_call(subject, AccountCall::Logout, outcome)
        })
    }

    async fn try_logout(
        &self,
        token: RefreshToken,
        context: &RequestContext,
        subject: &mut Subject,
    ) -> Result<(), LogoutError> {
        self.limit_source("refresh", self.settings().limits.refresh_per_source, context).await?;
        if !self.inner.refresh_keys.issued(|key| token.is_of(key)) {
            return Err(LogoutError::Rejected);
        }
        subject.user_id = Some(token.session().user_id);
        self.ports().sessions.end(&token.session()).await?;
        Ok(())
    }

    /// The live sessions of a token's account, the one last used first.
    ///
    /// Costs two strong reads for the token's own session and account, whatever
    /// [`TokenCheck`](crate::TokenCheck) says, as do all calls that act for an account.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn list_sessions(
        &self,
        claims: &Claims,
        context: &RequestContext,
    ) -> Result<Vec<SessionInfo>, SessionError> {
        use_case!(self, context, "list_sessions", async {
            let subject = self.subject_of(claims, context);
            let outcome = self.try_list_sessions(claims, subject).await;
            self.record_call(subject, AccountCall::ListSessions, outcome)
        })
    }

    async fn try_list_sessions(
        &self,
        claims: &Claims,
        subject: Subject,
    ) -> Result<Vec<SessionInfo>, SessionError> {
        let Current { user, session } = self.current(claims, subject).await?;
        Ok(self.live_sessions(&user, Some(session.key.id)).await?)
    }

    pub(super) async fn live_sessions(
        &self,
        user: &User,
        current: Option<SessionId>,
    ) -> Result<Vec<SessionInfo>, PortError> {
        let mut sessions = self.ports().sessions.list(user.id).await?;
        sessions.retain(|session| self.is_live(session, user));
        sessions.sort_unstable_by_key(|session| Reverse(session.last_used_at));
        let infos = sessions.into_iter().map(|session| SessionInfo {
            id: session.key.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            user_agent: session.user_agent,
            current: Some(session.key.id) == current,
        });
        Ok(infos.collect())
    }

    /// Ends one session of a token's account; its own, too. Once it returns no refresh token of that
    /// session is good.
    ///
    /// # Errors
    /// [`SessionError`]; [`SessionError::NotFound`] for a session of somebody else as for none.
    pub async fn end_session(
        &self,
        claims: &Claims,
        id: SessionId,
        context: &RequestContext,
    ) -> Result<(), SessionError> {
        use_case!(self, context, "end_session", async {
            let subject = self.subject_of(claims, context);
            let outcome = self.try_end_session(claims, id, subject).await;
            self.record_call(subject, AccountCall::EndSession, outcome)
        })
    }

    async fn try_end_session(
        &self,
        claims: &Claims,
        id: SessionId,
        subject: Subject,
    ) -> Result<(), SessionError> {
        let Current { user, .. } = self.current(claims, subject).await?;
        match self.ports().sessions.end(&SessionKey { user_id: user.id, id }).await? {
            Update::Updated => Ok(()),
            Update::Stale => Err(SessionError::NotFound),
        }
    }

    /// Ends every session of a token's account, its own too, by one bump of the credential version: all
    /// at once, however many there are. It is tried anew when another change comes first. Links that were mailed before are void from then on as well.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn end_all_sessions(
        &self,
        claims: &Claims,
        context: &RequestContext,
    ) -> Result<(), SessionError> {
        use_case!(self, context, "end_all_sessions", async {
            let subject = self.subject_of(claims, context);
            let outcome = self.try_end_all_sessions(claims, subject).await;
            self.record_call(subject, AccountCall::EndAllSessions, outcome)
        })
    }

    async fn try_end_all_sessions(
        &self,
        claims: &Claims,
        subject: Subject,
    ) -> Result<(), SessionError> {
        let Current { user, .. } = self.current(claims, subject).await?;
        match self.change_account(user, CredentialChange::Nothing, subject).await {
            // Nobody has a session of an account that is gone.
            Ok(_) | Err(AdminError::NotFound) => Ok(()),
            Err(AdminError::Contended) => Err(SessionError::Conflict),
            Err(AdminError::Port(error)) => Err(error.into()),
        }
    }
}

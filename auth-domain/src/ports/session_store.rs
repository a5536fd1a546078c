use async_trait::async_trait;

use super::Update;
use crate::{CredentialVersion, PortError, Session, SessionKey, Timestamp, TokenDigest, UserId};

/// A use of a refresh token.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field must not compile until each store minds it"
)]
pub struct Rotation {
    /// The session.
    pub key: SessionKey,
    /// What the presented token is known by.
    pub presented: TokenDigest,
    /// What its child is known by.
    pub next: TokenDigest,
    /// When.
    pub now: Timestamp,
    /// What the row's `idle_expires_at` then says.
    pub idle_expires_at: Timestamp,
}

/// What came of a use of a refresh token. The session is as it then stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers must decide on every outcome")]
pub enum Rotated {
    /// There is no such session, or its time has run out.
    Gone,
    /// The token was the one before the good one, spent just now: nothing was written, and the session's
    /// `current` is what it was spent for.
    Retry(Session),
    /// The token was spent for good: somebody has a copy. The session is ended.
    Reused(Session),
    /// The token was the good one; now its child is.
    Rotated(Session),
}

/// Keeps sessions, by account and id. Never sees the secret of a refresh token.
///
/// Expired rows may be swept at any time; nothing relies on it. An ended session is gone for good: no
/// method but [`SessionStore::create`] ever makes a row.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a new session. Seen by whoever reads after it returns.
    ///
    /// # Errors
    /// Whether it is kept is not known.
    async fn create(&self, session: Session) -> Result<(), PortError>;

    /// One session, expired or not. A strong read.
    ///
    /// # Errors
    /// Corrupt: the row is there and cannot be read. Otherwise nothing was learnt; never "absent".
    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError>;

    /// Spends a token for its child, as [`Session::presented`] decides: for
    /// [`Presented::Current`](crate::Presented::Current) the row's `current`
    /// becomes `next`, `parent` what was presented, `last_used_at` now, and `idle_expires_at` what is
    /// given, and nothing else changes.
    ///
    /// One conditional write decides: of any number of concurrent callers with one token exactly one is
    /// [`Rotated::Rotated`]. Before [`Rotated::Reused`] is returned the session is ended, so that no
    /// token of it that anybody holds is good from then on.
    ///
    /// # Errors
    /// Whether the token was spent is not known. Corrupt: the row cannot be read; no token of it is good.
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError>;

    /// Writes the credential version and nothing else, if the session is there and at the expected one.
    /// One conditional write.
    ///
    /// # Errors
    /// Whether it was written is not known.
    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError>;

    /// All sessions of an account that are kept, expired or not, in no order. A strong read.
    ///
    /// # Errors
    /// Nothing was learnt. A row that cannot be read is left out, since it hides no other.
    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError>;

    /// Ends one session; [`Update::Stale`] if there is none. Once it returns no token of it is good.
    ///
    /// # Errors
    /// Whether it was ended is not known.
    async fn end(&self, key: &SessionKey) -> Result<Update, PortError>;

    /// Ends all sessions of an account that were there when it was called, or those of them whose credential
    /// version is older than the given one; in either case those that cannot be read.
    ///
    /// # Errors
    /// Some may be left.
    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError>;
}

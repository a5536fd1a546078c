use async_trait::async_trait;

use crate::{Email, PortError, ResetRecord, Timestamp, TokenDigest, UserId};

/// What came of putting a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the row is new or it is not")]
pub enum Put {
    /// A row of that address and digest was there already; it is as it was.
    AlreadyThere,
    /// The row is kept.
    Stored,
}

/// Keeps issued reset links, by address and digest. Never sees a link's secret.
///
/// Old rows may be swept at any time after they expired; nothing relies on it.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait ResetTokenStore: Send + Sync {
    /// Keeps a row, unless one of the same address and digest is there: then that one stays as it is,
    /// used if it was used. One conditional write. Seen by whoever reads after it returns.
    ///
    /// # Errors
    /// Whether the row is kept is not known.
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError>;

    /// The row of this address that is the greatest by [`ResetRecord::age`], used or not, expired or not
    /// (an expired one may be gone). A strong read.
    ///
    /// # Errors
    /// Nothing was learnt.
    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError>;

    /// Marks a row as used and returns it as it now is, if it is there, unused, and `now` is before its `expires_at`;
    /// otherwise `None`, which does not say why.
    ///
    /// One conditional write: of any number of concurrent callers at most one gets the row. Once it
    /// returned the row it never does so again.
    ///
    /// # Errors
    /// Whether the row was consumed is not known.
    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError>;

    /// Removes all rows of an account at an address that were there when it was called. Rows of another
    /// account, which has the address now, stay.
    ///
    /// # Errors
    /// Some may be left.
    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError>;
}

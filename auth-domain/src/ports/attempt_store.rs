use async_trait::async_trait;

use crate::{Attempt, AttemptPolicy, LimitKey, PortError, Timestamp};

/// Counts attempts to log in, before they cost anything and whether or not the address has an account.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait AttemptStore: Send + Sync {
    /// Lets an attempt in and counts it, or says how long to wait, as [`AttemptPolicy::decide`] does.
    ///
    /// Deciding and counting are one conditional write: of any number of concurrent callers, no more are
    /// let in than the policy allows, and each of those sees another `prior`. An attempt that is not let
    /// in leaves no trace. A count is lost only as the implementation says.
    ///
    /// # Errors
    /// Whether the attempt was counted is not known.
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError>;

    /// Forgets the attempts of one key, and of no other.
    ///
    /// # Errors
    /// Whether they are forgotten is not known.
    async fn clear(&self, key: LimitKey) -> Result<(), PortError>;
}

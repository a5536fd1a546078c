use std::time::Duration;

use async_trait::async_trait;

use crate::{LimitKey, PortError, RateLimit, Timestamp};

/// Whether a hit is within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a hit is within its limit or it is not")]
pub enum RateDecision {
    /// Within the limit, and counted.
    Allow,
    /// Beyond the limit.
    Deny {
        /// How long until one hit will be allowed again.
        retry_after: Duration,
    },
}

/// Counts hits against limits.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts a hit of `key` against `limit`, if it is within it. A key has a count of its own under
    /// each limit.
    ///
    /// Deciding and counting are one step: of any number of concurrent callers no more than the burst
    /// are allowed. A hit that is denied does not count, so that who keeps knocking is let in after
    /// `retry_after` all the same; after a whole idle period the whole burst is there again.
    ///
    /// # Errors
    /// Whether the hit was counted is not known.
    async fn hit(
        &self,
        key: LimitKey,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<RateDecision, PortError>;
}

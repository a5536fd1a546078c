use std::num::NonZeroUsize;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::AttemptStore;
use auth_domain::{Attempt, AttemptPolicy, AttemptState, LimitKey, PortError, Timestamp};
use lru::LruCache;

use super::locked;

/// Attempts to log in, counted in memory.
///
/// Anybody can make up addresses, so the number of keys is bounded: beyond it the key that was tried
/// longest ago is forgotten, and whoever tries as many other addresses in between has that one's count
/// start anew.
#[derive(Debug)]
pub struct MemoryAttempts {
    counts: Mutex<LruCache<LimitKey, AttemptState>>,
}

impl MemoryAttempts {
    /// Keys counted at once by [`MemoryAttempts::new`]: about 10 MB when all are in use.
    pub const DEFAULT_KEYS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

    /// A store that counts [`MemoryAttempts::DEFAULT_KEYS`] keys.
    pub fn new() -> Self {
        Self::with_keys(Self::DEFAULT_KEYS)
    }

    /// A store that counts `keys` keys at once.
    pub fn with_keys(keys: NonZeroUsize) -> Self {
        // `LruCache::new` would set aside room for all of them at once.
        let mut counts = LruCache::unbounded();
        counts.resize(keys);
        Self { counts: Mutex::new(counts) }
    }
}

impl Default for MemoryAttempts {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl AttemptStore for MemoryAttempts {
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        let mut counts = locked(&self.counts);
        let decision = policy.decide(counts.get(&key).copied(), now);
        if let Attempt::Proceed { prior } = decision {
            counts.put(key, AttemptState { count: prior.saturating_add(1), last: now });
        }
        Ok(decision)
    }

    async fn clear(&self, key: LimitKey) -> Result<(), PortError> {
        locked(&self.counts).pop(&key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_key_tried_longest_ago_is_forgotten_first() {
        let store = MemoryAttempts::with_keys(NonZeroUsize::new(2).unwrap());
        let policy = AttemptPolicy::default();
        let now = Timestamp::from_seconds(1);
        let key = |n| LimitKey::from_bytes([n; 32]);
        for n in [1, 2, 1, 3] {
            store.begin(key(n), now, &policy).await.unwrap();
        }
        let third_of_one = store.begin(key(1), now, &policy).await.unwrap();
        assert_eq!(third_of_one, Attempt::Proceed { prior: 2 });
        assert_eq!(store.begin(key(2), now, &policy).await.unwrap(), Attempt::Proceed { prior: 0 });
        assert_eq!(locked(&store.counts).len(), 2);
    }
}

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{RateDecision, RateLimiter};
use auth_domain::{LimitKey, PortError, RateLimit, Timestamp};
use governor::Quota;
use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::keyed::DefaultKeyedStateStore;

use super::locked;

type Governor = governor::RateLimiter<
    LimitKey,
    DefaultKeyedStateStore<LimitKey>,
    CallersClock,
    governor::middleware::NoOpMiddleware<Nanos>,
>;

/// Hits, counted in memory by `governor` (the generic cell rate algorithm): a burst comes back evenly
/// over its period.
///
/// Keys whose burst is whole again are forgotten every 10,000 hits, so memory follows the sources that
/// were active within a period, not those that ever called.
#[derive(Debug)]
pub struct MemoryRateLimiter {
    clock: CallersClock,
    limits: Mutex<HashMap<RateLimit, Arc<Governor>>>,
    hits: AtomicUsize,
}

const HITS_BETWEEN_SWEEPS: usize = 10_000;

/// Tells governor the time that the caller of [`RateLimiter::hit`] brought: time is a port.
#[derive(Clone, Debug)]
struct CallersClock(Arc<AtomicU64>);

impl Clock for CallersClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(Duration::from_micros(self.0.load(Ordering::Acquire)))
    }
}

impl MemoryRateLimiter {
    /// A limiter that has counted nothing.
    pub fn new() -> Self {
        let clock = CallersClock(Arc::new(AtomicU64::new(0)));
        Self { clock, limits: Mutex::default(), hits: AtomicUsize::new(0) }
    }

    fn governor(&self, limit: RateLimit) -> Arc<Governor> {
        let mut limits = locked(&self.limits);
        let governor = limits.entry(limit).or_insert_with(|| {
            let state = DefaultKeyedStateStore::default();
            Arc::new(governor::RateLimiter::new(quota(limit), state, self.clock.clone()))
        });
        Arc::clone(governor)
    }

    fn sweep_at_times(&self) {
        if self.hits.fetch_add(1, Ordering::Relaxed) % HITS_BETWEEN_SWEEPS
            == HITS_BETWEEN_SWEEPS - 1
        {
            let governors: Vec<_> = locked(&self.limits).values().map(Arc::clone).collect();
            for governor in governors {
                governor.retain_recent();
                governor.shrink_to_fit();
            }
        }
    }
}

impl Default for MemoryRateLimiter {
    fn default() -> Self {
        Self::new()
    }
}

fn quota(limit: RateLimit) -> Quota {
    let replenish_one = (limit.period / limit.burst.get()).max(Duration::from_nanos(1));
    Quota::with_period(replenish_one)
        .unwrap_or_else(|| Quota::per_second(limit.burst))
        .allow_burst(limit.burst)
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn hit(
        &self,
        key: LimitKey,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<RateDecision, PortError> {
        self.sweep_at_times();
        let governor = self.governor(limit);
        self.clock.0.store(now.as_micros(), Ordering::Release);
        Ok(match governor.check_key(&key) {
            Ok(()) => RateDecision::Allow,
            Err(denied) => {
                RateDecision::Deny { retry_after: denied.wait_time_from(self.clock.now()) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn idle_keys_are_forgotten() {
        let limiter = MemoryRateLimiter::new();
        let limit = RateLimit::new(2, Duration::from_secs(1));
        for n in 0..3 * HITS_BETWEEN_SWEEPS as u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            let now = Timestamp::from_seconds(1_000_000) + Duration::from_millis(n);
            limiter.hit(LimitKey::from_bytes(key), limit, now).await.unwrap();
        }
        assert!(limiter.governor(limit).len() <= HITS_BETWEEN_SWEEPS + 1_000);
    }
}

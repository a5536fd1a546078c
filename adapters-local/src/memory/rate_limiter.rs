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
/// When the clock is set back by more than a limit's period, that limit starts to count anew.
///
/// Keys whose burst is whole again are forgotten after 10,000 hits, or as many more as keys were left the last
/// time: so memory follows the sources that were active within a period, not those that ever called, and what
/// forgetting adds to a hit does not grow with them.
#[derive(Debug)]
pub struct MemoryRateLimiter {
    limits: Mutex<HashMap<RateLimit, Arc<Counted>>>,
    hits: AtomicUsize,
    /// The number of hits at which keys are looked through.
    sweep_at: AtomicUsize,
}

/// The keys of one limit. Governor counts time from its clock's first reading, which is the epoch here,
/// so that no later time lies before it.
#[derive(Debug)]
struct Counted {
    clock: CallersClock,
    governor: Governor,
}

impl Counted {
    fn new(limit: RateLimit) -> Self {
        let clock = CallersClock(Arc::new(AtomicU64::new(0)));
        let state = DefaultKeyedStateStore::default();
        let governor = governor::RateLimiter::new(quota(limit), state, clock.clone());
        Self { clock, governor }
    }

    fn hit(&self, key: LimitKey, now: Timestamp) -> RateDecision {
        self.clock.0.store(now.as_micros(), Ordering::Release);
        match self.governor.check_key(&key) {
            Ok(()) => RateDecision::Allow,
            Err(denied) => {
                RateDecision::Deny { retry_after: denied.wait_time_from(self.clock.now()) }
            }
        }
    }
}

/// At least.
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
        Self {
            limits: Mutex::default(),
            hits: AtomicUsize::new(0),
            sweep_at: AtomicUsize::new(HITS_BETWEEN_SWEEPS),
        }
    }

    fn counted(&self, limit: RateLimit) -> Arc<Counted> {
        let mut limits = locked(&self.limits);
        Arc::clone(limits.entry(limit).or_insert_with(|| Arc::new(Counted::new(limit))))
    }

    fn sweep_at_times(&self) {
        let hits = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
        let due = self.sweep_at.load(Ordering::Relaxed);
        // Whoever takes the turn moves it out of everybody's reach until it is done.
        let (relaxed, out_of_reach) = (Ordering::Relaxed, usize::MAX);
        if hits < due
            || self.sweep_at.compare_exchange(due, out_of_reach, relaxed, relaxed).is_err()
        {
            return;
        }
        let left = self.sweep();
        self.sweep_at.store(hits + left.max(HITS_BETWEEN_SWEEPS), Ordering::Relaxed);
    }

    /// How many keys are left.
    fn sweep(&self) -> usize {
        let limits: Vec<_> = locked(&self.limits).values().map(Arc::clone).collect();
        let swept = limits.iter().map(|counted| {
            counted.governor.retain_recent();
            counted.governor.shrink_to_fit();
            counted.governor.len()
        });
        swept.sum()
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
        let decision = self.counted(limit).hit(key, now);
        Ok(match decision {
            // Nobody waits longer than a period, and for one hit more where callers come in another order than
            // they read the clock; unless the clock was set back since he was counted.
            RateDecision::Deny { retry_after }
                if retry_after > limit.period.saturating_add(limit.period / limit.burst.get()) =>
            {
                locked(&self.limits).remove(&limit);
                self.counted(limit).hit(key, now)
            }
            _ => decision,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_set_back_shuts_nobody_out() {
        let limiter = MemoryRateLimiter::new();
        let limit = RateLimit::new(2, Duration::from_mins(1));
        let key = LimitKey::from_bytes([1; 32]);
        let noon = Timestamp::from_seconds(1_700_000_000);
        for _ in 0..3 {
            limiter.hit(key, limit, noon).await.unwrap();
        }
        let earlier = noon - Duration::from_hours(2);
        assert_eq!(limiter.hit(key, limit, earlier).await.unwrap(), RateDecision::Allow);
        limiter.hit(key, limit, earlier).await.unwrap();
        let third = limiter.hit(key, limit, earlier).await.unwrap();
        assert!(matches!(third, RateDecision::Deny { .. }), "the limit is gone for good");
    }

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
        assert!(limiter.counted(limit).governor.len() <= HITS_BETWEEN_SWEEPS + 1_000);
    }

    #[tokio::test]
    async fn the_more_keys_are_left_the_more_hits_pass_before_they_are_looked_through_again() {
        let limiter = MemoryRateLimiter::new();
        let limit = RateLimit::new(2, Duration::from_hours(1));
        let now = Timestamp::from_seconds(1_000_000);
        for n in 0..4 * HITS_BETWEEN_SWEEPS as u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            limiter.hit(LimitKey::from_bytes(key), limit, now).await.unwrap();
        }
        // Looked through at one, two and four times as many hits, each before its own key was counted.
        assert_eq!(limiter.sweep_at.load(Ordering::Relaxed), 8 * HITS_BETWEEN_SWEEPS - 3);
    }

    #[tokio::test]
    async fn a_clock_set_back_by_little_more_than_a_period_is_noticed() {
        let limiter = MemoryRateLimiter::new();
        let limit = RateLimit::new(5, Duration::from_hours(1));
        let key = LimitKey::from_bytes([1; 32]);
        let noon = Timestamp::from_seconds(1_700_000_000);
        for _ in 0..6 {
            limiter.hit(key, limit, noon).await.unwrap();
        }
        let earlier = noon - Duration::from_mins(61);
        assert_eq!(limiter.hit(key, limit, earlier).await.unwrap(), RateDecision::Allow);
    }

    #[tokio::test]
    async fn who_read_the_clock_first_and_comes_second_opens_nothing() {
        let limiter = MemoryRateLimiter::new();
        let limit = RateLimit::new(1, Duration::from_hours(1));
        let key = LimitKey::from_bytes([1; 32]);
        let noon = Timestamp::from_seconds(1_700_000_000);
        let earlier = noon - Duration::from_secs(1);
        assert_eq!(limiter.hit(key, limit, noon).await.unwrap(), RateDecision::Allow);
        let answer = limiter.hit(key, limit, earlier).await.unwrap();
        assert!(matches!(answer, RateDecision::Deny { .. }), "{answer:?}");
    }
}

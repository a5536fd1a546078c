//! The laws of [`RateLimiter`]. They leave open how a burst comes back: evenly (the generic cell rate
//! algorithm) or at once (fixed windows).

use std::sync::Arc;
use std::time::Duration;

use super::race::{ROUNDS, Spawner, race, racers_of};
use super::{done, fresh};
use crate::ports::{RateDecision, RateLimiter};
use crate::{LimitKey, RateLimit, Timestamp};

#[doc(hidden)]
#[macro_export]
macro_rules! __rate_limiter_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            rate_limiter
            alone: [
                a_burst_is_allowed_and_no_more,
                retry_after_is_true,
                denied_hits_do_not_count,
                an_idle_period_brings_the_whole_burst_back,
                a_long_rest_brings_one_burst_and_no_more,
                no_period_lets_in_more_than_two_bursts,
                keys_do_not_mix,
                a_key_counts_apart_under_each_limit,
            ]
            racing: [
                concurrent_hits_get_one_burst_and_no_more,
            ]
        }
    };
}

__rate_limiter_laws! { __laws_by_name { dyn RateLimiter } }

/// Makes each law of [`RateLimiter`](crate::ports::RateLimiter) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the limiter; `spawn` is a
/// [`Spawner`](crate::conformance::Spawner). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! rate_limiter_conformance {
    (test: $test:meta, spawn: $spawn:expr, adapter: $adapter:expr $(,)?) => {
        $crate::__rate_limiter_laws! { __laws_as_tests { $test, $spawn, $adapter } }
    };
}

const BURST: u32 = 5;
const PERIOD: Duration = Duration::from_mins(1);

const fn limit() -> RateLimit {
    RateLimit::new(BURST, PERIOD)
}

/// Catches a limiter that is off by one, or does not limit.
pub async fn a_burst_is_allowed_and_no_more(limiter: &dyn RateLimiter) {
    for limit in [limit(), RateLimit::new(1, PERIOD), RateLimit::new(40, PERIOD)] {
        let (key, now) = (fresh::limit_key(), fresh::now());
        let allowed = knock(limiter, key, limit, now).await.allowed;
        assert_eq!(allowed, limit.burst.get(), "hits at one moment");
    }
}

/// Catches a `retry_after` that is a guess: clients who obey it would be denied again, or wait for
/// nothing.
pub async fn retry_after_is_true(limiter: &dyn RateLimiter) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    let retry_after = knock(limiter, key, limit(), now).await.retry_after;
    let just_before = retry_after.saturating_sub(Duration::from_millis(1));
    let early = limiter.hit(key, limit(), now + just_before).await;
    assert_ne!(done(early), RateDecision::Allow, "allowed before its time");
    let due = limiter.hit(key, limit(), now + retry_after).await;
    assert_eq!(done(due), RateDecision::Allow, "denied after {retry_after:?}");
}

/// Catches a limiter that counts refusals: whoever keeps knocking would never be let in again.
pub async fn denied_hits_do_not_count(limiter: &dyn RateLimiter) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    let retry_after = knock(limiter, key, limit(), now).await.retry_after;
    for tenth in 0..10 {
        let knocking = now + retry_after / 10 * tenth;
        for _ in 0..BURST {
            let denied = done(limiter.hit(key, limit(), knocking).await);
            assert_ne!(denied, RateDecision::Allow, "allowed before its time");
        }
    }
    let due = done(limiter.hit(key, limit(), now + retry_after).await);
    assert_eq!(due, RateDecision::Allow, "knocking put off its own time");
}

/// Catches a limit that never forgets, or forgets a part.
pub async fn an_idle_period_brings_the_whole_burst_back(limiter: &dyn RateLimiter) {
    let (key, mut now) = (fresh::limit_key(), fresh::now());
    for _ in 0..4 {
        let allowed = knock(limiter, key, limit(), now).await.allowed;
        assert_eq!(allowed, BURST, "hits after an idle period");
        now = now + PERIOD;
    }
}

/// Catches a bucket without a brim: a source that slept for a day would have a day's hits at once.
pub async fn a_long_rest_brings_one_burst_and_no_more(limiter: &dyn RateLimiter) {
    let (key, mut now) = (fresh::limit_key(), fresh::now());
    for hours in [0, 24, 24 * 365] {
        now = now + Duration::from_hours(hours);
        let allowed = knock(limiter, key, limit(), now).await.allowed;
        assert!(allowed <= BURST, "{allowed} hits at once after a rest");
        now = now + PERIOD;
    }
}

/// Catches a limit that one hit in time lifts: a burst for each `retry_after` instead of one for each
/// period. Two bursts may meet where fixed windows do, or where a spent burst comes back evenly.
pub async fn no_period_lets_in_more_than_two_bursts(limiter: &dyn RateLimiter) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    let mut allowed = 0;
    for step in 0..20 {
        let knocked = knock(limiter, key, limit(), now + PERIOD / 20 * step).await;
        allowed += knocked.allowed;
    }
    assert!(allowed <= 2 * BURST, "{allowed} hits within one period");
}

/// Catches keys that are cut, or one count for all.
pub async fn keys_do_not_mix(limiter: &dyn RateLimiter) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    let mut neighbour = *key.as_bytes();
    neighbour[31] ^= 1;
    for key in [key, LimitKey::from_bytes(neighbour), fresh::limit_key()] {
        let allowed = knock(limiter, key, limit(), now).await.allowed;
        assert_eq!(allowed, BURST, "hits of a key of its own");
    }
}

/// Catches a count that two limits share: the narrow one would eat up the wide one.
pub async fn a_key_counts_apart_under_each_limit(limiter: &dyn RateLimiter) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    let same_burst = RateLimit::new(BURST, PERIOD * 60);
    let same_period = RateLimit::new(3, PERIOD);
    for limit in [limit(), same_burst, same_period] {
        let allowed = knock(limiter, key, limit, now).await.allowed;
        assert_eq!(allowed, limit.burst.get(), "hits under a limit of its own");
    }
}

/// Catches looking first and counting then: requests sent all at once would all be within the limit.
pub async fn concurrent_hits_get_one_burst_and_no_more(
    limiter: Arc<dyn RateLimiter>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let (key, now) = (fresh::limit_key(), fresh::now());
        let racers = (0..racers_of(spawner)).map(|_| {
            let limiter = Arc::clone(&limiter);
            async move { done(limiter.hit(key, limit(), now).await) }
        });
        let answers = race(spawner, racers.collect()).await;
        let allowed = answers.iter().filter(|answer| **answer == RateDecision::Allow);
        assert_eq!(allowed.count(), BURST as usize, "of {} hits at once", answers.len());
    }
}

struct Knocked {
    allowed: u32,
    retry_after: Duration,
}

/// Hits at one moment until it is denied.
async fn knock(
    limiter: &dyn RateLimiter,
    key: LimitKey,
    limit: RateLimit,
    now: Timestamp,
) -> Knocked {
    for allowed in 0..=2 * limit.burst.get() {
        if let RateDecision::Deny { retry_after } = done(limiter.hit(key, limit, now).await) {
            return Knocked { allowed, retry_after };
        }
    }
    panic!("a limit of {limit:?} denied nothing");
}

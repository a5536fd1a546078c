use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{RateDecision, RateLimiter};
use auth_domain::{LimitKey, PortError, RateLimit, Timestamp};

use super::{first_half, locked};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimiterFault {
    AllowsAll,
    AllowsOneMore,
    CountsLimitsOfOneBurstTogether,
    CountsLimitsTogether,
    CutsKeys,
    DenialStartsThePeriodAnew,
    ForgetsTooSoon,
    LooksFirst,
    NeverForgets,
    SavesUp,
    SaysOneSecond,
    SaysTwicePeriod,
}

use LimiterFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[LimiterFault])] = &[
    ("a_burst_is_allowed_and_no_more", &[AllowsOneMore, AllowsAll]),
    ("retry_after_is_true", &[SaysOneSecond, SaysTwicePeriod]),
    ("denied_hits_do_not_count", &[DenialStartsThePeriodAnew]),
    ("an_idle_period_brings_the_whole_burst_back", &[NeverForgets]),
    ("a_long_rest_brings_one_burst_and_no_more", &[SavesUp]),
    ("no_period_lets_in_more_than_two_bursts", &[ForgetsTooSoon]),
    ("keys_do_not_mix", &[CutsKeys]),
    (
        "a_key_counts_apart_under_each_limit",
        &[CountsLimitsTogether, CountsLimitsOfOneBurstTogether],
    ),
    ("concurrent_hits_get_one_burst_and_no_more", &[LooksFirst]),
];

/// Fixed windows, each from the first hit in it.
pub(crate) struct Limiter {
    fault: Option<LimiterFault>,
    windows: Mutex<HashMap<(LimitKey, RateLimit), Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    start: Timestamp,
    left: u32,
}

impl Limiter {
    pub(crate) fn new(fault: Option<LimiterFault>) -> Self {
        Self { fault, windows: Mutex::default() }
    }

    fn row_key(&self, key: LimitKey, limit: RateLimit) -> (LimitKey, RateLimit) {
        match self.fault {
            Some(CutsKeys) => (first_half(key), limit),
            Some(CountsLimitsTogether) => (key, RateLimit::new(1, Duration::ZERO)),
            Some(CountsLimitsOfOneBurstTogether) => {
                let period = Duration::ZERO;
                (key, RateLimit { period, ..limit })
            }
            _ => (key, limit),
        }
    }

    fn period(&self, limit: RateLimit) -> Duration {
        match self.fault {
            Some(NeverForgets) => limit.period * 1_000,
            Some(ForgetsTooSoon) => limit.period / limit.burst.get(),
            _ => limit.period,
        }
    }

    fn burst(&self, limit: RateLimit, idle: Duration) -> u32 {
        match self.fault {
            Some(AllowsAll) => u32::MAX,
            Some(AllowsOneMore) => limit.burst.get() + 1,
            Some(SavesUp) => {
                let periods = idle.as_secs() / limit.period.as_secs();
                limit.burst.get() * u32::try_from(periods.clamp(1, 2)).unwrap_or(1)
            }
            _ => limit.burst.get(),
        }
    }

    /// The window as this hit finds it.
    fn window(&self, kept: Option<Window>, limit: RateLimit, now: Timestamp) -> Window {
        let idle = kept.map_or(Duration::ZERO, |window| now.since(window.start));
        kept.filter(|_| idle < self.period(limit))
            .unwrap_or_else(|| Window { start: now, left: self.burst(limit, idle) })
    }

    /// The window as this hit leaves it, and what the hit is told.
    fn count(
        &self,
        mut window: Window,
        limit: RateLimit,
        now: Timestamp,
    ) -> (Window, RateDecision) {
        if let Some(left) = window.left.checked_sub(1) {
            window.left = left;
            return (window, RateDecision::Allow);
        }
        if self.has(DenialStartsThePeriodAnew) {
            window.start = now;
        }
        let end = window.start + self.period(limit);
        let retry_after = match self.fault {
            Some(SaysOneSecond) => Duration::from_secs(1),
            Some(SaysTwicePeriod) => limit.period * 2,
            _ => end.since(now),
        };
        (window, RateDecision::Deny { retry_after })
    }

    fn has(&self, fault: LimiterFault) -> bool {
        self.fault == Some(fault)
    }
}

#[async_trait]
impl RateLimiter for Limiter {
    async fn hit(
        &self,
        key: LimitKey,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<RateDecision, PortError> {
        let key = self.row_key(key, limit);
        if self.has(LooksFirst) {
            let kept = locked(&self.windows).get(&key).copied();
            let (window, answer) = self.count(self.window(kept, limit, now), limit, now);
            tokio::task::yield_now().await;
            locked(&self.windows).insert(key, window);
            return Ok(answer);
        }
        let mut windows = locked(&self.windows);
        let window = self.window(windows.get(&key).copied(), limit, now);
        let (window, answer) = self.count(window, limit, now);
        windows.insert(key, window);
        Ok(answer)
    }
}

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::AttemptStore;
use auth_domain::{Attempt, AttemptPolicy, AttemptState, LimitKey, PortError, Timestamp};

use super::{first_half, locked, whole_seconds};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptFault {
    ClearKeepsTheCount,
    ClearLeavesTheLock,
    ClearsAll,
    CountsNothing,
    CountsTwice,
    CutsKeys,
    CutsTimesToSeconds,
    ForgetsAfterADay,
    KeepsAVerdict,
    LooksFirst,
    NeverWaits,
    OpensInACrowd,
    OpensToThePatient,
    RefusalCounts,
    RefusalStartsTheWaitAnew,
    TakesTheDifferenceOfTimes,
    WaitStaysTheSame,
}

use AttemptFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[AttemptFault])] = &[
    ("free_attempts_proceed_and_are_counted", &[CountsNothing, CountsTwice]),
    ("after_the_free_attempts_the_next_one_waits", &[NeverWaits]),
    ("waits_double", &[WaitStaysTheSame]),
    ("an_attempt_proceeds_exactly_when_its_wait_is_over", &[CutsTimesToSeconds]),
    ("a_refused_attempt_leaves_no_trace", &[RefusalStartsTheWaitAnew, RefusalCounts]),
    ("too_many_in_a_row_lock_however_long_one_waits", &[OpensToThePatient]),
    ("clearing_opens_a_key_again", &[ClearKeepsTheCount, ClearLeavesTheLock]),
    ("clearing_leaves_other_keys", &[ClearsAll]),
    ("keys_do_not_mix", &[CutsKeys]),
    ("a_clock_set_back_opens_nothing", &[TakesTheDifferenceOfTimes]),
    ("attempts_do_not_lapse_by_time_alone", &[ForgetsAfterADay]),
    ("the_policy_of_the_call_decides", &[KeepsAVerdict]),
    ("of_concurrent_attempts_only_the_free_ones_get_in", &[LooksFirst]),
    ("of_concurrent_attempts_after_a_wait_one_gets_in", &[LooksFirst]),
    (
        "of_a_thousand_attempts_at_once_only_the_free_ones_are_let_in",
        &[LooksFirst, CountsNothing, OpensInACrowd],
    ),
];

/// Callers that one which [`OpensInACrowd`] serves at once: more than the usual racers.
const SERVED: usize = 100;

pub(crate) struct Attempts {
    fault: Option<AttemptFault>,
    callers: AtomicUsize,
    counts: Mutex<HashMap<LimitKey, AttemptState>>,
    refused_until: Mutex<HashMap<LimitKey, Timestamp>>,
}

impl Attempts {
    pub(crate) fn new(fault: Option<AttemptFault>) -> Self {
        Self {
            fault,
            callers: AtomicUsize::new(0),
            counts: Mutex::default(),
            refused_until: Mutex::default(),
        }
    }

    fn has(&self, fault: AttemptFault) -> bool {
        self.fault == Some(fault)
    }

    fn row_key(&self, key: LimitKey) -> LimitKey {
        if self.has(CutsKeys) { first_half(key) } else { key }
    }

    fn decide(
        &self,
        mut stored: Option<AttemptState>,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Attempt {
        let mut policy = *policy;
        match self.fault {
            Some(WaitStaysTheSame) => policy.longest_wait = policy.first_wait,
            Some(NeverWaits) => policy.free = u32::MAX,
            Some(OpensToThePatient) => policy.most_in_a_row = u32::MAX,
            Some(ForgetsAfterADay) => {
                stored = stored.filter(|state| now.since(state.last) < Duration::from_hours(24));
            }
            Some(TakesTheDifferenceOfTimes) => {
                let ahead = stored.map_or(Duration::ZERO, |state| state.last.since(now));
                return policy.decide(stored, now + ahead * 2);
            }
            _ => {}
        }
        policy.decide(stored, now)
    }

    /// Writes what follows from `decision`.
    fn count(&self, key: LimitKey, now: Timestamp, decision: Attempt) {
        let mut counts = locked(&self.counts);
        let last = if self.has(CutsTimesToSeconds) { whole_seconds(now) } else { now };
        match decision {
            Attempt::Proceed { prior } => {
                let more = match self.fault {
                    Some(CountsNothing) => 0,
                    Some(CountsTwice) => 2,
                    _ => 1,
                };
                let count = prior + more;
                counts.insert(key, AttemptState { count, last });
            }
            Attempt::Wait { retry_after } => {
                counts.entry(key).and_modify(|state| match self.fault {
                    Some(RefusalCounts) => state.count += 1,
                    Some(RefusalStartsTheWaitAnew) => state.last = now,
                    _ => {}
                });
                locked(&self.refused_until).insert(key, now + retry_after);
            }
        }
    }

    /// Whether there are more callers than are served at once, this one the last of them.
    async fn is_crowded(&self) -> bool {
        let before = self.callers.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.callers.fetch_sub(1, Ordering::Relaxed);
        before >= SERVED
    }

    fn verdict(&self, key: LimitKey, now: Timestamp) -> Option<Attempt> {
        let until = *locked(&self.refused_until).get(&key)?;
        (self.has(KeepsAVerdict) && now < until)
            .then(|| Attempt::Wait { retry_after: until.since(now) })
    }
}

#[async_trait]
impl AttemptStore for Attempts {
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        let key = self.row_key(key);
        if let Some(verdict) = self.verdict(key, now) {
            return Ok(verdict);
        }
        if self.has(OpensInACrowd) && self.is_crowded().await {
            return Ok(Attempt::Proceed { prior: 0 });
        }
        if self.has(LooksFirst) {
            let stored = locked(&self.counts).get(&key).copied();
            let decision = self.decide(stored, now, policy);
            tokio::task::yield_now().await;
            self.count(key, now, decision);
            return Ok(decision);
        }
        // An honest store decides and counts under one lock.
        let step = locked(&ONE_STEP);
        let stored = locked(&self.counts).get(&key).copied();
        let decision = self.decide(stored, now, policy);
        self.count(key, now, decision);
        drop(step);
        Ok(decision)
    }

    async fn clear(&self, key: LimitKey) -> Result<(), PortError> {
        let key = self.row_key(key);
        let mut counts = locked(&self.counts);
        match self.fault {
            Some(ClearsAll) => counts.clear(),
            Some(ClearKeepsTheCount) => {
                let never = Timestamp::from_seconds(0);
                counts.entry(key).and_modify(|state| state.last = never);
            }
            Some(ClearLeavesTheLock) => {
                counts.retain(|kept, state| *kept != key || state.count > 10)
            }
            _ => drop(counts.remove(&key)),
        }
        Ok(())
    }
}

static ONE_STEP: Mutex<()> = Mutex::new(());

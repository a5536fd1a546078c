//! The laws of [`AttemptStore`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::race::{ROUNDS, Spawner, race, racers_of};
use super::{done, fresh, the_one};
use crate::ports::AttemptStore;
use crate::{Attempt, AttemptPolicy, LimitKey, Timestamp};

#[doc(hidden)]
#[macro_export]
macro_rules! __attempt_store_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            attempt_store
            alone: [
                free_attempts_proceed_and_are_counted,
                after_the_free_attempts_the_next_one_waits,
                waits_double,
                an_attempt_proceeds_exactly_when_its_wait_is_over,
                a_refused_attempt_leaves_no_trace,
                too_many_in_a_row_lock_however_long_one_waits,
                clearing_opens_a_key_again,
                clearing_leaves_other_keys,
                keys_do_not_mix,
                a_clock_set_back_opens_nothing,
                attempts_do_not_lapse_by_time_alone,
                the_policy_of_the_call_decides,
            ]
            racing: [
                of_concurrent_attempts_only_the_free_ones_get_in,
                of_concurrent_attempts_after_a_wait_one_gets_in,
                of_a_thousand_attempts_at_once_only_the_free_ones_are_let_in,
            ]
        }
    };
}

__attempt_store_laws! { __laws_by_name { dyn AttemptStore } }

/// Makes each law of [`AttemptStore`](crate::ports::AttemptStore) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the store; `spawn` is a
/// [`Spawner`](crate::conformance::Spawner). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! attempt_store_conformance {
    (test: $test:meta, spawn: $spawn:expr, adapter: $adapter:expr $(,)?) => {
        $crate::__attempt_store_laws! { __laws_as_tests { $test, $spawn, $adapter } }
    };
}

const INSTANT: Duration = Duration::from_micros(1);
const FREE: u32 = 5;
/// More callers than a store has connections or workers for, so that most of them queue for one.
const CROWD: usize = 1_000;

fn policy() -> AttemptPolicy {
    AttemptPolicy {
        free: FREE,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(8),
        most_in_a_row: 12,
    }
}

/// Catches attempts that are not counted, or counted twice.
pub async fn free_attempts_proceed_and_are_counted(store: &dyn AttemptStore) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    for prior in 0..FREE {
        assert_eq!(begin(store, key, now).await, Attempt::Proceed { prior }, "a free attempt");
    }
}

/// Catches a store that never makes anybody wait, or says a wrong time.
pub async fn after_the_free_attempts_the_next_one_waits(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    assert_eq!(
        begin(store, key, now).await,
        wait(Duration::from_secs(1)),
        "after the free attempts"
    );
    let later = now + Duration::from_millis(400);
    let rest = wait(Duration::from_millis(600));
    assert_eq!(begin(store, key, later).await, rest, "after the free attempts");
}

/// Catches a wait that stays at its first length: 86,400 guesses a day instead of some thirty.
pub async fn waits_double(store: &dyn AttemptStore) {
    let (key, mut now) = spent(store).await;
    for (prior, seconds) in (FREE..).zip([1, 2, 4, 8, 8]) {
        let due = Duration::from_secs(seconds);
        assert_eq!(begin(store, key, now).await, wait(due), "after {prior} attempts");
        now = now + due;
        assert_eq!(
            begin(store, key, now).await,
            Attempt::Proceed { prior },
            "after {prior} attempts"
        );
    }
}

/// Catches a time kept too coarsely: cut to the second, a wait would end early.
pub async fn an_attempt_proceeds_exactly_when_its_wait_is_over(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    let due = now + Duration::from_secs(1);
    assert_eq!(begin(store, key, due - INSTANT).await, wait(INSTANT), "at the end of a wait");
    let proceed = Attempt::Proceed { prior: FREE };
    assert_eq!(begin(store, key, due).await, proceed, "at the end of a wait");
}

/// Catches a refused attempt that counts or starts the wait anew: whoever knocks on would lock out the
/// owner for good.
pub async fn a_refused_attempt_leaves_no_trace(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    for tenth in 0..10 {
        let knock = now + Duration::from_millis(100) * tenth;
        let rest = Duration::from_secs(1) - Duration::from_millis(100) * tenth;
        assert_eq!(begin(store, key, knock).await, wait(rest), "after refused attempts");
    }
    let due = now + Duration::from_secs(1);
    let proceed = Attempt::Proceed { prior: FREE };
    assert_eq!(begin(store, key, due).await, proceed, "after refused attempts");
    assert_eq!(
        begin(store, key, due).await,
        wait(Duration::from_secs(2)),
        "after refused attempts"
    );
}

/// Catches a store that lets patience win: NIST SP 800-63B-4 section 3.2.2 wants a hundred failures to
/// be the end.
pub async fn too_many_in_a_row_lock_however_long_one_waits(store: &dyn AttemptStore) {
    let (key, locked) = locked(store).await;
    for patience in [0, 3_600, 86_400, 3_650 * 86_400] {
        let answer = begin(store, key, locked + Duration::from_secs(patience)).await;
        assert_eq!(
            answer,
            wait(policy().longest_wait),
            "{patience} s after the last attempt there is"
        );
    }
}

/// Catches a clear that resets the wait and not the count, or does not open what is locked.
pub async fn clearing_opens_a_key_again(store: &dyn AttemptStore) {
    done(store.clear(fresh::limit_key()).await);
    for (key, now) in [spent(store).await, locked(store).await] {
        done(store.clear(key).await);
        for prior in 0..FREE {
            assert_eq!(begin(store, key, now).await, Attempt::Proceed { prior }, "after a clear");
        }
        assert_eq!(begin(store, key, now).await, wait(Duration::from_secs(1)), "after a clear");
    }
}

/// Catches a clear that clears all: a guesser would log in to an account of his own between guesses.
pub async fn clearing_leaves_other_keys(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    done(store.clear(neighbour(key)).await);
    done(store.clear(fresh::limit_key()).await);
    assert_eq!(
        begin(store, key, now).await,
        wait(Duration::from_secs(1)),
        "after a clear of other keys"
    );
}

/// Catches keys that are cut: an attack on one address would lock out others.
pub async fn keys_do_not_mix(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    for other in [neighbour(key), fresh::limit_key()] {
        let first = Attempt::Proceed { prior: 0 };
        assert_eq!(begin(store, other, now).await, first, "the first attempt of a key");
    }
}

/// Catches a difference of times that wraps, or a negative one that is taken for a long one.
pub async fn a_clock_set_back_opens_nothing(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    for back in [INSTANT, Duration::from_hours(1), Duration::from_hours(87_600)] {
        let answer = begin(store, key, now - back).await;
        assert_eq!(answer, wait(Duration::from_secs(1)), "with the clock set back by {back:?}");
    }
}

/// Catches a count that expires: a patient guesser would never reach the lock.
pub async fn attempts_do_not_lapse_by_time_alone(store: &dyn AttemptStore) {
    let (key, mut now) = (fresh::limit_key(), fresh::now());
    for (prior, years) in [(0, 0), (1, 1), (2, 5), (3, 20)] {
        now = now + Duration::from_hours(24 * 365 * years);
        assert_eq!(begin(store, key, now).await, Attempt::Proceed { prior }, "{years} years later");
    }
}

/// Catches a store that keeps a verdict instead of what was counted: a changed setting would not bind.
pub async fn the_policy_of_the_call_decides(store: &dyn AttemptStore) {
    let (key, now) = spent(store).await;
    assert_eq!(
        begin(store, key, now).await,
        wait(Duration::from_secs(1)),
        "under the policy of the call"
    );
    let looser = AttemptPolicy { free: 2 * FREE, ..policy() };
    let answer = done(store.begin(key, now, &looser).await);
    assert_eq!(answer, Attempt::Proceed { prior: FREE }, "under the policy of the call");
    assert_eq!(
        begin(store, key, now).await,
        wait(Duration::from_secs(2)),
        "under the policy of the call"
    );
}

/// Catches looking first and counting then: guesses sent all at once would be free, however many.
pub async fn of_concurrent_attempts_only_the_free_ones_get_in(
    store: Arc<dyn AttemptStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let (key, now) = (fresh::limit_key(), fresh::now());
        let answers = race(spawner, racers(&store, spawner, key, now)).await;
        let each_once: Vec<_> = (0..FREE).collect();
        assert_eq!(priors_of(answers), each_once, "the counts of those let in");
    }
}

/// Catches a condition on the count alone, or none once a wait is over.
pub async fn of_concurrent_attempts_after_a_wait_one_gets_in(
    store: Arc<dyn AttemptStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let (key, now) = spent(&*store).await;
        let due = now + Duration::from_secs(1);
        let answers = race(spawner, racers(&store, spawner, key, due)).await;
        the_one(&answers, &Attempt::Proceed { prior: FREE });
        let others = answers.len() - 1;
        let refused = answers.into_iter().filter(|answer| prior_of(*answer).is_none());
        assert_eq!(refused.count(), others, "more than one got in");
    }
}

/// Catches a store that opens when it has more callers than it was built for: a guesser would bring them.
///
/// A transient error lets nobody in, and may have counted, as a call whose answer was lost.
pub async fn of_a_thousand_attempts_at_once_only_the_free_ones_are_let_in(
    store: Arc<dyn AttemptStore>,
    spawner: &dyn Spawner,
) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    let due = now + policy().first_wait;
    for (now, free) in [(now, 0..FREE), (due, FREE..FREE + 1)] {
        let racers = (0..CROWD).map(|_| begin_if_answered(Arc::clone(&store), key, now));
        let answers = race(spawner, racers.collect()).await;
        let all_answered = !answers.contains(&None);
        let mut priors = priors_of(answers.into_iter().flatten());
        let each_once: Vec<_> = free.clone().collect();
        if all_answered {
            assert_eq!(priors, each_once, "the counts of those let in");
        }
        // What a lost answer has not counted is still free.
        for _ in free {
            priors.extend(prior_of(begin(&*store, key, now).await));
        }
        let different: BTreeSet<_> = priors.iter().collect();
        assert_eq!(different.len(), priors.len(), "let in with one count: {priors:?}");
        assert!(different.is_subset(&each_once.iter().collect()), "let in with {priors:?}");
        assert_eq!(prior_of(begin(&*store, key, now).await), None, "after a thousand attempts");
    }
}

/// `None` when the store was too busy for this one of a crowd, which may have been counted all the same.
async fn begin_if_answered(
    store: Arc<dyn AttemptStore>,
    key: LimitKey,
    now: Timestamp,
) -> Option<Attempt> {
    match store.begin(key, now, &policy()).await {
        Err(error) if error.is_transient() => None,
        result => Some(done(result)),
    }
}

fn racers(
    store: &Arc<dyn AttemptStore>,
    spawner: &dyn Spawner,
    key: LimitKey,
    now: Timestamp,
) -> Vec<impl Future<Output = Attempt> + Send + use<>> {
    let racer = |_| {
        let store = Arc::clone(store);
        async move { begin(&*store, key, now).await }
    };
    (0..racers_of(spawner)).map(racer).collect()
}

async fn begin(store: &dyn AttemptStore, key: LimitKey, now: Timestamp) -> Attempt {
    done(store.begin(key, now, &policy()).await)
}

const fn wait(retry_after: Duration) -> Attempt {
    Attempt::Wait { retry_after }
}

const fn prior_of(answer: Attempt) -> Option<u32> {
    match answer {
        Attempt::Proceed { prior } => Some(prior),
        Attempt::Wait { .. } => None,
    }
}

/// The counts that those let in were told, in order.
fn priors_of(answers: impl IntoIterator<Item = Attempt>) -> Vec<u32> {
    let mut priors: Vec<_> = answers.into_iter().filter_map(prior_of).collect();
    priors.sort_unstable();
    priors
}

/// A key whose free attempts were all made just now.
async fn spent(store: &dyn AttemptStore) -> (LimitKey, Timestamp) {
    let (key, now) = (fresh::limit_key(), fresh::now());
    for prior in 0..FREE {
        assert_eq!(begin(store, key, now).await, Attempt::Proceed { prior }, "a free attempt");
    }
    (key, now)
}

/// A key that has had as many attempts as waiting allows.
async fn locked(store: &dyn AttemptStore) -> (LimitKey, Timestamp) {
    let (key, mut now) = (fresh::limit_key(), fresh::now());
    for prior in 0..policy().most_in_a_row {
        now = now + policy().longest_wait;
        assert_eq!(
            begin(store, key, now).await,
            Attempt::Proceed { prior },
            "an attempt that has waited"
        );
    }
    (key, now)
}

/// A key that differs in its last bit.
fn neighbour(key: LimitKey) -> LimitKey {
    let mut bytes = *key.as_bytes();
    bytes[31] ^= 1;
    LimitKey::from_bytes(bytes)
}

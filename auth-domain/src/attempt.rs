use std::time::Duration;

use crate::Timestamp;

/// How long somebody waits between guesses at one account.
///
/// `free` attempts follow each other at once; then each waits for the one before it, twice as long
/// each time up to `longest_wait`; after `most_in_a_row` without a success only a password reset opens
/// the account again (NIST SP 800-63B-4 section 3.2.2: at most 100).
///
/// A tenth of the attempts in a row is kept for clients that proved the account's present password before,
/// and present a [`DeviceToken`](crate::DeviceToken) for it, with waits of their own: what strangers try
/// keeps none of them out, and no success of theirs forgets what strangers tried. While their own are used
/// up, or wait, they are counted with strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptPolicy {
    /// Attempts that need not wait. Default 5: more than a human mistypes, far fewer than a guesser wants.
    pub free: u32,
    /// The wait after the last free attempt. Default 1 s.
    pub first_wait: Duration,
    /// The wait stops doubling here. Default 1 h, the most that NIST names.
    pub longest_wait: Duration,
    /// Attempts in a row after which waiting no longer helps. Default 100: 90, and 10 more for
    /// clients that are known.
    pub most_in_a_row: u32,
}

impl Default for AttemptPolicy {
    fn default() -> Self {
        Self {
            free: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_hours(1),
            most_in_a_row: 100,
        }
    }
}

/// What a store keeps for each key: attempts since the last success, and when the last one was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "stores build it: a new field must not compile until each store keeps it"
)]
pub struct AttemptState {
    /// Attempts let in since the last success.
    pub count: u32,
    /// When the last of them was let in.
    pub last: Timestamp,
}

/// Whether an attempt is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an attempt is let in or it is not")]
pub enum Attempt {
    /// Let in, and counted already.
    Proceed {
        /// Attempts counted before this one.
        prior: u32,
    },
    /// Not let in and not counted.
    Wait {
        /// How long until it is worth trying again.
        retry_after: Duration,
    },
}

impl AttemptPolicy {
    /// What the next attempt meets, given what is stored. Pure: a store makes it atomic.
    pub fn decide(&self, stored: Option<AttemptState>, now: Timestamp) -> Attempt {
        let Some(AttemptState { count, last }) = stored else {
            return Attempt::Proceed { prior: 0 };
        };
        if count >= self.most_in_a_row {
            return Attempt::Wait { retry_after: self.longest_wait };
        }
        let wait = self.wait_after(count);
        let elapsed = now.since(last);
        if elapsed >= wait {
            Attempt::Proceed { prior: count }
        } else {
            Attempt::Wait { retry_after: wait - elapsed }
        }
    }

    /// What everybody has, and what clients that are known have besides; too few attempts for both are
    /// everybody's.
    pub(crate) fn shares(&self) -> (Self, Option<Self>) {
        let most = self.most_in_a_row / 10;
        let known = Self { most_in_a_row: most, free: self.free.min(most), ..*self };
        (Self { most_in_a_row: self.most_in_a_row - most, ..*self }, (most > 0).then_some(known))
    }

    /// How long the attempt after `count` others waits from the last of them; zero while they are free.
    pub fn wait_after(&self, count: u32) -> Duration {
        let Some(doublings) = count.checked_sub(self.free) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(factor).min(self.longest_wait)
    }

    /// The waits after the free attempts, each with the count that it ends below: shortest first, 33 at
    /// most. Terms for a store that decides and counts in one conditional write.
    ///
    /// It lets an attempt in that nothing is stored for, whose count is below both `free` and
    /// `most_in_a_row`, or of which one term holds: the count is below the term's, and the last attempt at
    /// least the wait ago. That is [`AttemptPolicy::decide`], since a longer wait than a count asks for
    /// has passed only where its own has.
    pub fn waits(&self) -> Vec<(u32, Duration)> {
        let most = self.most_in_a_row;
        let mut waits = Vec::new();
        let mut count = self.free;
        while count < most {
            let wait = self.wait_after(count);
            let grows = self.wait_after(count + 1) > wait;
            count = if grows { count + 1 } else { most };
            waits.push((count, wait));
        }
        waits
    }

    /// What somebody is told whom a store's own condition refused, given what is stored: how long until it
    /// is worth trying again. The first wait where [`AttemptPolicy::decide`] would let him in by now.
    pub fn retry_after(&self, stored: AttemptState, now: Timestamp) -> Duration {
        match self.decide(Some(stored), now) {
            Attempt::Proceed { .. } => self.first_wait,
            Attempt::Wait { retry_after } => retry_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_to_an_hour_and_stay_there() {
        let policy = AttemptPolicy::default();
        let seconds: Vec<u64> = [4, 5, 6, 7, 15, 16, 17, 18, 36, 37, 38, 99, u32::MAX]
            .map(|count| policy.wait_after(count).as_secs())
            .to_vec();
        assert_eq!(seconds, [0, 1, 2, 4, 1024, 2048, 3600, 3600, 3600, 3600, 3600, 3600, 3600]);
    }

    #[test]
    fn both_shares_together_are_no_more_than_the_whole() {
        for most_in_a_row in 0..=100 {
            let policy = AttemptPolicy { most_in_a_row, ..AttemptPolicy::default() };
            let (everybody, known) = policy.shares();
            let known = known.map_or(0, |known| known.most_in_a_row);
            assert_eq!(everybody.most_in_a_row + known, most_in_a_row);
            assert_eq!(known == 0, most_in_a_row < 10);
        }
    }

    #[test]
    fn a_hundred_in_a_row_end_it_however_long_one_waits() {
        let policy = AttemptPolicy::default();
        let last = Timestamp::from_seconds(1_000);
        let much_later = Timestamp::from_seconds(1_000_000_000);
        let at = |count| policy.decide(Some(AttemptState { count, last }), much_later);
        assert_eq!(at(99), Attempt::Proceed { prior: 99 });
        assert_eq!(at(100), Attempt::Wait { retry_after: Duration::from_hours(1) });
    }

    #[test]
    fn a_clock_set_back_neither_opens_the_account_nor_lengthens_a_wait() {
        let state = AttemptState { count: 6, last: Timestamp::from_seconds(10_000) };
        let earlier = Timestamp::from_seconds(9_000);
        let wait = Attempt::Wait { retry_after: Duration::from_secs(2) };
        assert_eq!(AttemptPolicy::default().decide(Some(state), earlier), wait);
    }

    #[test]
    fn every_wait_of_the_default_policy_has_its_term() {
        let waits = AttemptPolicy::default().waits();
        let waits: Vec<_> = waits.iter().map(|(below, wait)| (*below, wait.as_secs())).collect();
        let doubling = (0..12).map(|n| (6 + n, 1 << n));
        assert_eq!(waits, doubling.chain([(100, 3600)]).collect::<Vec<_>>());
    }

    #[test]
    fn a_policy_of_extremes_has_few_terms() {
        let endless = AttemptPolicy {
            free: 0,
            first_wait: Duration::from_nanos(1),
            longest_wait: Duration::MAX,
            most_in_a_row: u32::MAX,
        };
        assert_eq!(endless.waits().len(), 33);
        let all_free = AttemptPolicy { free: u32::MAX, ..endless };
        assert_eq!(all_free.waits(), []);
    }

    #[test]
    fn who_was_refused_is_told_the_rest_of_his_wait_and_never_to_go_on() {
        let policy = AttemptPolicy::default();
        let last = Timestamp::from_seconds(1_000);
        let told = |count, seconds| {
            policy
                .retry_after(AttemptState { count, last }, Timestamp::from_seconds(seconds))
                .as_secs()
        };
        assert_eq!(told(8, 1_003), 5);
        assert_eq!(told(100, 1_003), 3_600);
        assert_eq!(told(8, 1_008), 1, "his wait passed between refusal and answer");
        assert_eq!(told(0, 1_003), 1, "a success cleared the count in between");
    }

    fn is_let_in_by_terms(policy: &AttemptPolicy, count: u32, elapsed: Duration) -> bool {
        let holds = |(below, wait): (u32, Duration)| count < below && elapsed >= wait;
        count < policy.free.min(policy.most_in_a_row) || policy.waits().into_iter().any(holds)
    }

    fn policies() -> impl Strategy<Value = AttemptPolicy> {
        (0..9_u32, 0..5_000_000_u64, 0..5_000_000_000_u64, 0..60_u32).prop_map(
            |(free, first, longest, most_in_a_row)| AttemptPolicy {
                free,
                first_wait: Duration::from_micros(first),
                longest_wait: Duration::from_micros(longest),
                most_in_a_row,
            },
        )
    }

    proptest! {
        #[test]
        fn terms_decide_as_the_policy_does(policy in policies()) {
            let last = Timestamp::from_seconds(1_000);
            for count in 0..=policy.most_in_a_row {
                let wait = policy.wait_after(count);
                if (policy.free..policy.most_in_a_row).contains(&count) {
                    let term = policy.waits().into_iter().find(|(below, _)| count < *below);
                    prop_assert_eq!(term.map(|(_, wait)| wait), Some(wait), "after {}", count);
                }
                let one = Duration::from_micros(1);
                for elapsed in [Duration::ZERO, wait.saturating_sub(one), wait, wait + one] {
                    let decided = policy.decide(Some(AttemptState { count, last }), last + elapsed);
                    let is_let_in = decided == Attempt::Proceed { prior: count };
                    prop_assert_eq!(is_let_in_by_terms(&policy, count, elapsed), is_let_in);
                }
            }
        }
    }
}

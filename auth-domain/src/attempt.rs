use std::time::Duration;

use crate::Timestamp;

/// How long somebody waits between guesses at one account.
///
/// `free` attempts follow each other at once; then each waits for the one before it, twice as long
/// each time up to `longest_wait`; after `most_in_a_row` without a success only a password reset opens
/// the account again (NIST SP 800-63B-4 section 3.2.2: at most 100).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptPolicy {
    /// Attempts that need not wait. Default 5: more than a human mistypes, far fewer than a guesser wants.
    pub free: u32,
    /// The wait after the last free attempt. Default 1 s.
    pub first_wait: Duration,
    /// The wait stops doubling here. Default 1 h, the most that NIST names.
    pub longest_wait: Duration,
    /// Attempts in a row after which waiting no longer helps. Default 100.
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

    /// How long the attempt after `count` others waits from the last of them; zero while they are free.
    pub fn wait_after(&self, count: u32) -> Duration {
        let Some(doublings) = count.checked_sub(self.free) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(factor).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
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
}

use std::time::Duration;

/// A point in time: microseconds since 1970-01-01T00:00:00 UTC.
///
/// Comes from the [`Clock`](crate::ports::Clock) port or from a stored row, never from the machine.
/// Arithmetic saturates, so that a hostile stored value cannot make it panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Whole seconds since the epoch, as JWT's `NumericDate` counts them (RFC 7519 section 2).
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch, the resolution that stores keep.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How far apart the two are, whichever comes first: a clock set back makes nothing recent.
    pub(crate) const fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }

    /// How long ago `earlier` was; zero if it lies ahead, as it may after a clock was set back.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, life: Duration) -> Self {
        Self(self.0.saturating_add(micros(life)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, life: Duration) -> Self {
        Self(self.0.saturating_sub(micros(life)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let first = Timestamp::from_micros(0);
        let last = Timestamp::from_micros(u64::MAX);
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(first - Duration::MAX, first);
        assert_eq!(first.since(last), Duration::ZERO);
        assert_eq!(Timestamp::from_seconds(u64::MAX), last);
    }

    #[test]
    fn seconds_round_down() {
        assert_eq!(Timestamp::from_micros(1_999_999).as_seconds(), 1);
    }
}

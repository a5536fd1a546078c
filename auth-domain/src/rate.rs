use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// At most `burst` hits at once, and `burst` again spread over each `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the two numbers are the whole of a limit")]
pub struct RateLimit {
    /// The most hits at once.
    pub burst: NonZeroU32,
    /// How long a spent burst takes to come back whole.
    pub period: Duration,
}

impl RateLimit {
    /// `burst` hits for each `period`; a burst of zero is taken as one.
    #[must_use]
    pub const fn new(burst: u32, period: Duration) -> Self {
        let burst = match NonZeroU32::new(burst) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        Self { burst, period }
    }
}

/// What a counter is kept under: an HMAC-SHA-256 of its purpose and subject, so that a store of
/// counters tells nothing of who was counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey([u8; 32]);

impl LimitKey {
    /// A key of 32 bytes that are already an HMAC, or random in a test.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes that a store keys its row by.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "LimitKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// Its first 16 hex digits: enough to tell addresses apart in logs.
impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// HMAC-SHA-256 of `parts`, each preceded by its length so that no two lists of parts collide.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 section 2)")]
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let key = [1; 32];
        assert_ne!(hmac_sha256(&key, &[b"ab", b"c"]), hmac_sha256(&key, &[b"a", b"bc"]));
        assert_ne!(hmac_sha256(&key, &[b"ab"]), hmac_sha256(&[2; 32], &[b"ab"]));
    }

    #[test]
    fn in_logs_a_key_is_sixteen_digits() {
        assert_eq!(LimitKey::from_bytes([0xa9; 32]).to_string(), "a9a9a9a9a9a9a9a9");
    }

    #[test]
    fn a_burst_of_zero_would_shut_everyone_out_and_is_one() {
        assert_eq!(RateLimit::new(0, Duration::ZERO).burst.get(), 1);
    }
}

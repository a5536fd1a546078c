use std::time::Duration;

use async_trait::async_trait;

use crate::{Password, PasswordHash, PortError};

/// What came of verifying a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers must decide on every outcome")]
pub enum Verification {
    /// The password fits.
    Match,
    /// The password fits, and its hash should be replaced by one of today's.
    MatchNeedsRehash,
    /// The password does not fit.
    Mismatch,
}

/// What came of asking for a place in the queue.
#[expect(clippy::exhaustive_enums, reason = "there is room or there is not")]
pub enum Reservation {
    /// A place, good for one hash.
    Slot(Box<dyn HashSlot>),
    /// No place is free.
    Overloaded {
        /// How long until it is worth trying again.
        retry_after: Duration,
    },
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slot(_) => f.write_str("Slot(..)"),
            Self::Overloaded { retry_after } => {
                f.debug_struct("Overloaded").field("retry_after", retry_after).finish()
            }
        }
    }
}

/// Hashes and verifies passwords: slow by purpose, and so a bounded resource.
#[cfg_attr(test, mockall::automock)]
pub trait PasswordHasher: Send + Sync {
    /// Asks for a place, at once and at no cost. Memory is bounded by the places there are; beyond them
    /// the answer is [`Reservation::Overloaded`], never a wait.
    ///
    /// # Errors
    /// The hasher is gone.
    fn reserve(&self) -> Result<Reservation, PortError>;
}

/// A place in the queue of a [`PasswordHasher`]. Dropped unused, or with its future dropped before the
/// hash has begun, it costs no hash and is free for another at once.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait HashSlot: Send {
    /// Hashes with today's parameters and a fresh salt.
    ///
    /// # Errors
    /// No hash was made.
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError>;

    /// Verifies against a stored hash with the parameters that it names.
    ///
    /// Costs at least what today's parameters cost, whatever the outcome: a hash of a cheaper format, one
    /// that cannot be read and `None` (there is no such account) all take as long. `None` is always a
    /// [`Verification::Mismatch`].
    ///
    /// # Errors
    /// [`PortErrorKind::Corrupt`](crate::PortErrorKind::Corrupt) when the stored text is no hash that
    /// this hasher knows, or names parameters above its ceiling; nothing is allocated for those.
    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError>;
}

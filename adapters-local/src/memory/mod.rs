//! Stores that live and die with the process: for tests, trials, and services that may forget.
//!
//! Each decision of a port is made under one lock. Nothing survives the process.

mod attempts;
mod breached_passwords;
mod events;
mod mailbox;
mod rate_limiter;
mod reset_tokens;
mod sessions;
mod users;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use attempts::MemoryAttempts;
pub use breached_passwords::MemoryBreachedPasswords;
pub use events::MemoryEvents;
pub use mailbox::{MailFault, Mailbox};
pub use rate_limiter::MemoryRateLimiter;
pub use reset_tokens::MemoryResetTokens;
pub use sessions::MemorySessions;
pub use users::MemoryUsers;

/// No holder of a lock here can panic half-way through a change, so a poisoned lock guards whole data.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

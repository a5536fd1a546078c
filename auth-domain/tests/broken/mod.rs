//! A small honest adapter for each port, and the faults that can be put into it.

pub(crate) mod attempts;
pub(crate) mod breached;
pub(crate) mod generator;
pub(crate) mod hasher;
pub(crate) mod limiter;
pub(crate) mod reset_tokens;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod users;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use auth_domain::{Email, LimitKey, Timestamp};

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn random() -> u64 {
    RandomState::new().hash_one(())
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_seconds(time.as_seconds())
}

/// As a database with an accent-blind collation compares.
fn without_accents(email: &Email) -> Email {
    let plain = email.as_str().replace('\u{e9}', "e");
    Email::parse(&plain).expect("an address")
}

fn first_half(key: LimitKey) -> LimitKey {
    let mut bytes = *key.as_bytes();
    bytes[16..].fill(0);
    LimitKey::from_bytes(bytes)
}

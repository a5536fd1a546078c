//! Values that no other run has used, so that laws share a table with each other and with other data.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::{
    CredentialVersion, DisplayName, Email, LimitKey, PasswordHash, ResetRecord, Session, SessionId,
    SessionKey, Timestamp, TokenDigest, User, UserAgent, UserId,
};

/// Some moment of the year 2039.
///
/// After 2^31 seconds, so that a store with 32-bit times is found out; and ahead of every machine's
/// clock, so that a store's own sweeper, which goes by that, takes no row away from under a law.
pub(super) fn now() -> Timestamp {
    let within_a_month = number() % Duration::from_hours(30 * 24).as_secs() * 1_000_000;
    let start = Timestamp::from_seconds(2_200_000_000);
    start + Duration::from_micros(within_a_month + 123_457)
}

/// `RandomState` is the one source of randomness in the standard library: seeded by the operating
/// system and different each time. It is not for secrets, and nothing here is one. The `Entropy` port
/// would make every law ask for another adapter.
pub(super) fn number() -> u64 {
    RandomState::new().hash_one(())
}

pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&number().to_le_bytes()[..chunk.len()]);
    }
    bytes
}

pub(super) fn user_id() -> UserId {
    UserId::from_entropy_bytes(bytes())
}

pub(super) fn session_id() -> SessionId {
    SessionId::from_entropy_bytes(bytes())
}

pub(super) fn limit_key() -> LimitKey {
    LimitKey::from_bytes(bytes())
}

pub(super) fn digest() -> TokenDigest {
    TokenDigest::from_bytes(bytes())
}

/// An address of a domain that receives no mail (RFC 2606 section 2).
pub(super) fn email() -> Email {
    email_like("ann", &suffix())
}

pub(super) fn suffix() -> String {
    format!("{:016x}", number())
}

pub(super) fn email_like(local: &str, suffix: &str) -> Email {
    Email::parse(&format!("{local}.{suffix}@conformance.example")).expect("an address")
}

pub(super) fn password_hash() -> PasswordHash {
    PasswordHash::from_stored(format!("$law$v=1$c2FsdA${:016x}", number()))
}

pub(super) fn user() -> User {
    let now = now();
    User {
        id: user_id(),
        email: email(),
        name: DisplayName::parse("Zo\u{eb} O'Hara \u{5f20}\u{1f469}\u{200d}\u{1f52c}")
            .expect("a name"),
        password_hash: Some(password_hash()),
        credential_version: CredentialVersion::new(3),
        disabled: false,
        email_verified_at: Some(now + Duration::from_micros(7)),
        created_at: now,
        updated_at: now + Duration::from_micros(1_000_001),
        last_login: None,
    }
}

pub(super) fn session() -> Session {
    let now = now();
    Session {
        key: SessionKey { user_id: user_id(), id: session_id() },
        email: email(),
        credential_version: CredentialVersion::new(3),
        current: digest(),
        parent: None,
        created_at: now,
        last_used_at: now + Duration::from_micros(1),
        idle_expires_at: now + Duration::from_micros(3_600_000_001),
        expires_at: now + Duration::from_micros(7_200_000_001),
        user_agent: UserAgent::new("Law/1.0"),
    }
}

pub(super) fn reset_record() -> ResetRecord {
    reset_record_of(&email())
}

pub(super) fn reset_record_of(email: &Email) -> ResetRecord {
    let now = now();
    ResetRecord {
        email: email.clone(),
        digest: digest(),
        user_id: user_id(),
        credential_version: CredentialVersion::new(3),
        created_at: now,
        expires_at: now + Duration::from_hours(1),
        used: false,
    }
}

//! Values to store.

use std::time::Duration;

use auth_domain::ports::{CredentialChange, CredentialUpdate, Rotation, UserKey};
use auth_domain::{
    CredentialVersion, DisplayName, Email, LimitKey, PasswordHash, ResetRecord, Session, SessionId,
    SessionKey, Timestamp, TokenDigest, User, UserId,
};

pub(crate) const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

pub(crate) fn user(name: &str) -> User {
    User {
        id: UserId::from_entropy_bytes(*uuid::Uuid::new_v4().as_bytes()),
        email: email(name),
        name: DisplayName::parse("Ann").unwrap(),
        password_hash: Some(PasswordHash::from_stored("$first".to_owned())),
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        email_verified_at: None,
        created_at: NOON,
        updated_at: NOON,
        last_login: None,
    }
}

pub(crate) fn key(user: &User) -> UserKey {
    UserKey { email: user.email.clone(), id: user.id }
}

pub(crate) fn new_hash(user: &User, hash: &str) -> CredentialUpdate {
    CredentialUpdate {
        key: key(user),
        expected: user.credential_version,
        next: user.credential_version.next(),
        change: CredentialChange::PasswordHash(PasswordHash::from_stored(hash.to_owned())),
        updated_at: NOON + HOUR,
    }
}

pub(crate) fn session() -> Session {
    Session {
        key: SessionKey {
            user_id: UserId::from_entropy_bytes(*uuid::Uuid::new_v4().as_bytes()),
            id: SessionId::from_entropy_bytes(*uuid::Uuid::new_v4().as_bytes()),
        },
        email: email("ann"),
        credential_version: CredentialVersion::FIRST,
        current: TokenDigest::from_bytes([1; 32]),
        parent: None,
        created_at: NOON,
        last_used_at: NOON,
        idle_expires_at: NOON + HOUR,
        expires_at: NOON + HOUR,
        user_agent: None,
    }
}

pub(crate) fn rotation(session: &Session, next: u8) -> Rotation {
    Rotation {
        key: session.key,
        presented: session.current,
        next: TokenDigest::from_bytes([next; 32]),
        now: NOON + Duration::from_secs(1),
        idle_expires_at: NOON + HOUR,
    }
}

pub(crate) fn link(name: &str) -> ResetRecord {
    ResetRecord {
        email: email(name),
        digest: TokenDigest::from_bytes([1; 32]),
        user_id: UserId::from_entropy_bytes([1; 16]),
        credential_version: CredentialVersion::FIRST,
        created_at: NOON,
        expires_at: NOON + HOUR,
        used: false,
    }
}

pub(crate) fn limit_key(n: u8) -> LimitKey {
    LimitKey::from_bytes([n; 32])
}

//! What is removed, and what never relies on it.

use std::time::Duration;

use auth_domain::ports::{
    AttemptStore, Put, RateLimiter, ResetTokenStore, Rotated, Rotation, SessionStore,
};
use auth_domain::{
    AttemptPolicy, CredentialVersion, Email, LimitKey, RateLimit, ResetRecord, Session, SessionId,
    SessionKey, Timestamp, TokenDigest, UserId,
};

use adapters_sql::Swept;

use crate::databases::Database;

const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The first moment of the day after.
const MIDNIGHT: Timestamp = Timestamp::from_seconds(1_700_006_400);

fn session(n: u8, idle_expires_at: Timestamp, expires_at: Timestamp) -> Session {
    Session {
        key: SessionKey {
            user_id: UserId::from_entropy_bytes([1; 16]),
            id: SessionId::from_entropy_bytes([n; 16]),
        },
        email: Email::parse("ann@example.com").unwrap(),
        credential_version: CredentialVersion::FIRST,
        current: TokenDigest::from_bytes([n; 32]),
        parent: None,
        created_at: NOON - HOUR,
        last_used_at: NOON - HOUR,
        idle_expires_at,
        expires_at,
        user_agent: None,
    }
}

fn link(n: u8, expires_at: Timestamp) -> ResetRecord {
    ResetRecord {
        email: Email::parse("ann@example.com").unwrap(),
        digest: TokenDigest::from_bytes([n; 32]),
        user_id: UserId::from_entropy_bytes([1; 16]),
        credential_version: CredentialVersion::FIRST,
        created_at: NOON - HOUR - HOUR,
        expires_at,
        used: false,
    }
}

#[tokio::test]
async fn what_has_expired_goes_when_its_day_is_over_and_all_else_stays() {
    for database in Database::each().await {
        let store = &database.store;
        let last_moment = MIDNIGHT - Duration::from_micros(1);
        for session in [
            session(1, last_moment, MIDNIGHT),
            session(2, MIDNIGHT, last_moment),
            session(3, MIDNIGHT, MIDNIGHT),
        ] {
            store.create(session).await.unwrap();
        }
        for link in [link(1, MIDNIGHT), link(2, MIDNIGHT + HOUR)] {
            assert_eq!(store.put(link).await.unwrap(), Put::Stored);
        }
        let limit = RateLimit::new(1, HOUR);
        let just_under = HOUR + Duration::from_micros(1);
        store.hit(LimitKey::from_bytes([1; 32]), limit, MIDNIGHT - just_under).await.unwrap();
        store.hit(LimitKey::from_bytes([2; 32]), limit, MIDNIGHT - HOUR).await.unwrap();
        let (year, policy) = (365 * DAY, AttemptPolicy::default());
        store.begin(LimitKey::from_bytes([1; 32]), last_moment - year, &policy).await.unwrap();
        store.begin(LimitKey::from_bytes([2; 32]), MIDNIGHT - year, &policy).await.unwrap();

        let before = store.sweep(last_moment, 100).await.unwrap();
        assert_eq!(before, Swept::default(), "before the day is over");
        let swept = store.sweep(MIDNIGHT, 100).await.unwrap();
        let counts = (swept.sessions, swept.reset_tokens, swept.rate_limits, swept.attempts);
        assert_eq!((counts, swept.more), ((2, 1, 1, 1), false));
        assert_eq!(store.list(UserId::from_entropy_bytes([1; 16])).await.unwrap().len(), 1);
        let newest = store.newest(&link(2, NOON).email).await.unwrap();
        assert_eq!(newest, Some(link(2, MIDNIGHT + HOUR)));
        assert_eq!(store.sweep(MIDNIGHT, 100).await.unwrap(), Swept::default());
    }
}

#[tokio::test]
async fn one_sweep_removes_no_more_than_it_was_told() {
    for database in Database::each().await {
        for n in 0..25 {
            database.store.create(session(n, NOON, NOON)).await.unwrap();
        }
        let mut counts = Vec::new();
        loop {
            let swept = database.store.sweep(MIDNIGHT, 10).await.unwrap();
            counts.push(swept.sessions);
            if !swept.more {
                break;
            }
        }
        assert_eq!(counts, [10, 10, 5]);
    }
}

#[tokio::test]
async fn what_has_expired_is_dead_although_nobody_swept() {
    for database in Database::each().await {
        let (store, dead) = (&database.store, session(1, NOON, NOON + HOUR));
        store.create(dead.clone()).await.unwrap();
        let rotation = Rotation {
            key: dead.key,
            presented: dead.current,
            next: TokenDigest::from_bytes([9; 32]),
            now: NOON,
            idle_expires_at: NOON + HOUR,
        };
        assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Gone);
        store.put(link(1, NOON)).await.unwrap();
        let link = link(1, NOON);
        assert!(store.consume(&link.email, link.digest, NOON).await.unwrap().is_none());
    }
}

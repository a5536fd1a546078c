//! Rows that this library did not write: each shuts out what it is about, and nothing else.

use std::time::Duration;

use adapters_local::{Testing, testing_with};
use auth_domain::ports::{AttemptStore, RateLimiter, ResetTokenStore, SessionStore, UserStore};
use auth_domain::{
    AttemptPolicy, CredentialVersion, DisplayName, Email, LimitKey, LoginError, LoginRequest,
    Password, PortErrorKind, RateLimit, RefreshError, RegisterRequest, RequestContext, ResetError,
    ResetRequest, Timestamp,
};
use std::sync::Arc;

use crate::databases::Database;

const PASSWORD: &str = "correct horse battery";

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

fn over(database: &Database) -> Testing {
    let store = Arc::new(database.store.clone());
    testing_with(|ports, _| {
        ports.users = Arc::clone(&store) as _;
        ports.sessions = Arc::clone(&store) as _;
        ports.reset_tokens = Arc::clone(&store) as _;
        ports.attempts = Arc::clone(&store) as _;
        ports.limiter = store as _;
    })
}

async fn register(world: &Testing, name: &str) {
    let request = RegisterRequest {
        email: email(name),
        password: Password::new(PASSWORD).unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    world.auth.register(request, &RequestContext::new()).await.unwrap();
}

async fn login(world: &Testing, name: &str) -> Result<auth_domain::Login, LoginError> {
    let password = Password::new(PASSWORD).unwrap();
    let request = LoginRequest { email: email(name), password };
    world.auth.login(request, &RequestContext::new()).await
}

impl Database {
    /// Somebody's hand, past the checks of the tables.
    async fn poison(&self, sql: &str) {
        if self.is_postgres() {
            let drop_checks = "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname \
                FROM pg_constraint WHERE contype = 'c' AND conrelid::regclass::text LIKE '@%' LOOP \
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; END $$";
            self.execute(drop_checks).await;
            self.execute(&sql.replace("EMPTY", "''")).await;
        } else {
            let sql = sql.replace("EMPTY", "x''");
            self.execute(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).await;
        }
    }

    /// Of each kind of database those statements that its types let through.
    fn poisons<'a>(&self, both: &[&'a str], sqlite: &[&'a str]) -> Vec<&'a str> {
        let more = if self.is_postgres() { &[] } else { sqlite };
        both.iter().chain(more).copied().collect()
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_shut_and_the_others_are_open() {
    for database in Database::each().await {
        let world = over(&database);
        register(&world, "other").await;
        let poisons = database.poisons(
            &[
                "credential_version = -1",
                "created_at = -1",
                "updated_at = -1",
                "last_login = -1",
                "email_verified_at = -9223372036854775808",
            ],
            &["user_id = 'ann'", "user_id = ''", "disabled = 7"],
        );
        for (n, poison) in poisons.into_iter().enumerate() {
            let name = format!("ann{n}");
            register(&world, &name).await;
            let address = email(&name);
            let sql = format!("UPDATE @users SET {poison} WHERE email LIKE '{name}%'");
            database.poison(&sql).await;
            if poison != "disabled = 7" {
                let error = database.store.find_by_email(&address).await.unwrap_err();
                assert_eq!(error.kind(), PortErrorKind::Corrupt, "{poison}");
                assert!(!error.with_causes().contains(&name), "{}", error.with_causes());
            }
            let refused = login(&world, &name).await;
            assert!(matches!(refused, Err(LoginError::Rejected)), "{poison}: {refused:?}");
        }
        login(&world, "other").await.unwrap();
    }
}

#[tokio::test]
async fn a_hash_that_is_none_and_an_address_that_is_none_shut_one_account() {
    for database in Database::each().await {
        let world = over(&database);
        register(&world, "ann").await;
        register(&world, "bob").await;
        database.poison("UPDATE @users SET password_hash = '$' WHERE email LIKE 'ann%'").await;
        assert!(matches!(login(&world, "ann").await, Err(LoginError::Rejected)));
        database.poison("UPDATE @users SET email = upper(email) WHERE email LIKE 'bob%'").await;
        assert!(database.store.find_by_email(&email("bob")).await.unwrap().is_none());
        assert!(matches!(login(&world, "bob").await, Err(LoginError::Rejected)));
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_over_and_hides_no_other() {
    for database in Database::each().await {
        let world = over(&database);
        register(&world, "ann").await;
        let poisons = database.poisons(
            &[
                "current_digest = EMPTY",
                "credential_version = -1",
                "idle_expires_at = -1",
                "email = 'nobody'",
            ],
            &["session_id = 'none'"],
        );
        for poison in poisons {
            let good = login(&world, "ann").await.unwrap();
            let bad = login(&world, "ann").await.unwrap();
            let sql =
                format!("UPDATE @sessions SET {poison} WHERE session_id = '{}'", bad.session_id);
            database.poison(&sql).await;
            let refused = world.auth.refresh(bad.refresh_token, &RequestContext::new()).await;
            assert!(matches!(refused, Err(RefreshError::Rejected)), "{poison}: {refused:?}");
            let listed = database.store.list(good.user_id).await.unwrap();
            assert!(listed.iter().any(|session| session.key.id == good.session_id), "{poison}");
            let refreshed = world.auth.refresh(good.refresh_token, &RequestContext::new()).await;
            assert!(refreshed.is_ok(), "{poison}");
            // Those that are ended by a version take along what has none that can be read.
            let version = CredentialVersion::new(0);
            database.store.end_all(good.user_id, Some(version)).await.unwrap();
            let unnamed = i64::from(poison == "session_id = 'none'");
            assert_eq!(database.count("sessions").await, 1 + unnamed, "{poison}");
            database.store.end_all(good.user_id, None).await.unwrap();
            assert_eq!(database.count("sessions").await, 0, "{poison}");
        }
    }
}

#[tokio::test]
async fn a_link_that_cannot_be_read_closes_the_links_of_its_address_until_it_is_gone() {
    for database in Database::each().await {
        let world = over(&database);
        for poison in ["digest = EMPTY", "credential_version = -1", "expires_at = -1"] {
            let name = format!("ann{}", poison.len());
            register(&world, &name).await;
            world.auth.request_password_reset(email(&name), &RequestContext::new()).await.unwrap();
            world.deliver_mail().await;
            let token = world.reset_token(&email(&name)).unwrap();
            database
                .poison(&format!("UPDATE @reset_tokens SET {poison} WHERE email LIKE '{name}%'"))
                .await;
            let error = database.store.newest(&email(&name)).await.unwrap_err();
            assert_eq!(error.kind(), PortErrorKind::Corrupt, "{poison}");
            let new_password = Password::new("a brand new staple").unwrap();
            let reset = ResetRequest { token, new_password };
            let refused = world.auth.reset_password(reset, &RequestContext::new()).await;
            assert!(matches!(refused, Err(ResetError::InvalidToken)), "{poison}: {refused:?}");
            login(&world, &name).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_count_that_cannot_be_read_lets_nobody_in_until_it_is_cleared() {
    for database in Database::each().await {
        let (store, policy) = (&database.store, AttemptPolicy::default());
        let (key, now) = (LimitKey::from_bytes([1; 32]), Timestamp::from_seconds(1_700_000_000));
        let limit = RateLimit::new(1, Duration::from_secs(60));
        store.begin(key, now, &policy).await.unwrap();
        store.hit(key, limit, now).await.unwrap();
        database.poison("UPDATE @attempts SET count = 99999999999").await;
        let error = store.begin(key, now, &policy).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Corrupt);
        store.clear(key).await.unwrap();
        store.begin(key, now, &policy).await.unwrap();
        // A limit counts anew from what makes no sense.
        database.poison("UPDATE @rate_limits SET full_at = 9223372036854775807").await;
        store.hit(key, limit, now).await.unwrap();
    }
}

//! What `deploy/SCALE.md` says of units, dollars and bytes is what is counted here.

use std::time::Duration;

use adapters_aws::dynamodb::{DynamoAttempts, DynamoRateLimiter, DynamoResetTokens};
use auth_domain::ports::{
    AttemptStore, Insert, RateLimiter, ResetTokenStore, SessionStore, UserStore,
};
use auth_domain::{
    AttemptPolicy, CredentialVersion, DisplayName, Email, LimitKey, PasswordHash, RateLimit,
    RequestContext, ResetRecord, Session, SessionId, SessionKey, TokenCheck, TokenDigest, User,
    UserAgent, UserId,
};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::price::Price;
use crate::world::{Item, NEW, OLD, World, ann};

const PAGE: &str = include_str!("../../../deploy/SCALE.md");

/// On demand, us-east-1: dollars for a million read and write request units.
const DOLLARS: (f64, f64) = (0.125, 0.625);

fn assert_charges(use_case: &str, Price(reads, writes, calls): Price) {
    // A sum of nothing is written as -0.
    let (reads, writes) = (reads + 0.0, writes + 0.0);
    let dollars = DOLLARS.0 * reads + DOLLARS.1 * writes;
    assert_says(&format!("| {use_case} | {calls} | {reads} | {writes} | {dollars:.3} |"));
}

fn assert_says(row: &str) {
    assert!(PAGE.contains(row), "deploy/SCALE.md lacks the row\n{row}");
}

#[tokio::test]
async fn the_page_on_scale_charges_for_logins_what_is_charged() {
    let world = World::new().await;
    assert_charges("registration", world.price_of(world.register(OLD)).await.0);
    assert_charges("registration, address taken", world.price_of(world.register(OLD)).await.0);
    assert_charges("login, good", world.price_of(world.login(OLD)).await.0);
    assert_charges("login, wrong password", world.price_of(world.login(NEW)).await.0);
    let login = world.login(OLD).await.unwrap();
    let refreshed = world.price_of(world.refresh(&login.refresh_token)).await;
    assert_charges("refresh", refreshed.0);
    let (auth, claims) = (&world.testing.auth, world.claims(&login).await);
    let context = RequestContext::new();
    let (price, _) = world.price_of(auth.list_sessions(&claims, &context)).await;
    assert_charges("list of sessions", price);
    let token = refreshed.1.unwrap().refresh_token;
    assert_charges("logout", world.price_of(auth.logout(token, &context)).await.0);
}

#[tokio::test]
async fn the_page_on_scale_charges_for_changes_what_is_charged() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let (price, _) = world.price_of(world.change_password(&login)).await;
    assert_charges("change of password, one session", price);
    world.testing.deliver_mail().await;
    let forgotten = async {
        world.forget().await;
        world.testing.deliver_mail().await;
    };
    assert_charges("forgotten password, with its mail", world.price_of(forgotten).await.0);
    let link = world.testing.reset_token(&ann()).unwrap();
    assert_charges("reset, one session", world.price_of(world.reset(&link)).await.0);
    let (price, _) = world.price_of(world.testing.deliver_mail()).await;
    assert_charges("notice of a change, with its mail", price);
    let login = world.login(NEW).await.unwrap();
    let (price, _) = world.price_of(world.delete_account(&login)).await;
    assert_charges("deletion, one session and one link", price);
}

#[tokio::test]
async fn the_page_on_scale_charges_for_checks_what_is_charged() {
    for (check, use_case) in [
        (TokenCheck::TokenOnly, "check of a token"),
        (TokenCheck::Strict, "check of a token, `StrictTokens=on`"),
        (TokenCheck::StrictSession, "check of a token, `StrictTokens=session`"),
    ] {
        let world = World::with(|_, settings| settings.token_check = check).await;
        world.register(OLD).await.unwrap();
        let login = world.login(OLD).await.unwrap();
        let token = login.access_token.expose();
        let (price, outcome) = world.price_of(world.testing.auth.authenticate(token)).await;
        outcome.unwrap();
        assert_charges(use_case, price);
    }
}

/// By the rules of <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
fn bytes(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.trim_end_matches('0').len().div_ceil(2) + 1,
        AttributeValue::Bool(_) => 1,
        other => unreachable!("no row has an attribute like {other:?}"),
    };
    item.iter().map(|(name, content)| name.len() + value(content)).sum()
}

/// With an address of 24 characters, a name of 10, an Argon2id hash and what Firefox calls itself.
fn typical(world: &World) -> (User, Session) {
    let now = world.now() + Duration::from_micros(123_457);
    let salt_and_tag = format!("{}${}", "A".repeat(22), "B".repeat(43));
    let user = User {
        id: UserId::from_entropy_bytes([1; 16]),
        email: Email::parse("firstname.last@gmail.com").unwrap(),
        name: DisplayName::parse("First Last").unwrap(),
        password_hash: Some(PasswordHash::from_stored(format!(
            "$argon2id$v=19$m=19456,t=2,p=1${salt_and_tag}"
        ))),
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        email_verified_at: Some(now),
        created_at: now,
        updated_at: now,
        last_login: Some(now),
    };
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let session = Session {
        key: SessionKey { user_id: user.id, id: SessionId::from_entropy_bytes([2; 16]) },
        email: user.email.clone(),
        credential_version: CredentialVersion::FIRST,
        current: TokenDigest::from_bytes([3; 32]),
        parent: Some(TokenDigest::from_bytes([4; 32])),
        created_at: now,
        last_used_at: now,
        idle_expires_at: now,
        expires_at: now,
        user_agent: UserAgent::new(agent),
    };
    (user, session)
}

/// One of each.
async fn fill(world: &World) {
    let (user, session) = typical(world);
    let client = &world.dynamo.client;
    let link = ResetRecord {
        email: user.email.clone(),
        digest: TokenDigest::from_bytes([5; 32]),
        user_id: user.id,
        credential_version: CredentialVersion::FIRST,
        created_at: user.created_at,
        expires_at: user.created_at,
        used: false,
    };
    DynamoResetTokens::new(client.clone(), "t-password-resets").put(link).await.unwrap();
    let (key, policy) = (LimitKey::from_bytes([6; 32]), AttemptPolicy::default());
    let attempts = DynamoAttempts::new(client.clone(), "t-attempts");
    attempts.begin(key, user.created_at, &policy).await.unwrap();
    let limit = RateLimit::new(5, Duration::from_hours(1));
    let limiter = DynamoRateLimiter::new(client.clone(), "t-rate-limits");
    limiter.hit(key, limit, user.created_at).await.unwrap();
    assert_eq!(world.users.insert(user).await.unwrap(), Insert::Inserted);
    world.sessions.create(session).await.unwrap();
}

#[tokio::test]
async fn the_page_on_scale_knows_how_many_bytes_a_row_takes() {
    let world = World::new().await;
    fill(&world).await;
    let mut sizes = Vec::new();
    for (table, what) in [
        ("t-users", "account"),
        ("t-sessions", "session"),
        ("t-password-resets", "reset link"),
        ("t-attempts", "counter of attempts"),
        ("t-rate-limits", "counter of hits"),
    ] {
        let rows = world.rows_of(table).await;
        sizes.push((what, bytes(&rows[0])));
    }
    let mut entry = world.rows_of("t-users").await.remove(0);
    entry.retain(|name, _| name == "email" || name == "user_id");
    sizes.push(("entry of the account in `user_id-index`", bytes(&entry)));
    println!("{sizes:?}");
    for (what, size) in sizes {
        assert_says(&format!("| {what} | {size} |"));
        assert!(size <= 1024, "a write of it would cost two units");
    }
}

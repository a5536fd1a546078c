//! Rows that this library did not write, or not so: of the system that it replaces, and broken ones.

use std::sync::Arc;

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy};
use auth_domain::ports::SessionStore;
use auth_domain::{
    CredentialVersion, Email, EventKind, LoginError, LoginFailure, LoginRequest, PortErrorKind,
    RefreshError, RequestContext, ResetError, UserAgent, UserId,
};
use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use crate::world::{Item, OLD, World, typed};

impl World {
    /// With the hasher that knows the old system's hashes.
    async fn hashing() -> Self {
        Self::with(|ports, _| {
            let settings = Argon2idSettings::default();
            let hasher = Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap();
            ports.hasher = Arc::new(hasher);
        })
        .await
    }

    async fn row(&self, email: &str) -> Option<Item> {
        let get = self.dynamo.client.get_item().table_name("t-users");
        get.key("email", text(email)).send().await.unwrap().item
    }

    /// The faults that were recorded.
    fn faults(&self) -> Vec<(PortErrorKind, String)> {
        let events = self.testing.events.all();
        let faults = events.into_iter().filter_map(|event| match event.kind {
            EventKind::PortFailed { kind, .. } => Some((kind, event.cause.unwrap_or_default())),
            _ => None,
        });
        faults.collect()
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// As the old register handler wrote it, and with what the old forgot handler left on it.
fn old_row(email: &str, password: &str) -> Item {
    let hash: String = Sha256::digest(password).iter().map(|b| format!("{b:02x}")).collect();
    [
        ("email", email),
        ("user_id", "6c2b2a52-5f5a-4a30-9d3c-3a1f1d1f9a10"),
        ("name", "\u{ae40}\u{cca0}\u{c218} \u{1f37a}"),
        ("password_hash", &hash),
        ("created_at", "2025-09-06T11:22:33.123456"),
        ("updated_at", "2025-09-08T01:02:03.400000"),
        ("reset_token", "0b4f7a50-63a4-4a38-8b1e-0a3d0d8a9f11"),
        ("reset_expires", "2025-09-07T12:22:33.123456"),
        ("reset_created", "2025-09-07T11:22:33.123456"),
        ("favourite_drink", "makgeolli"),
    ]
    .map(|(name, value)| (name.to_owned(), text(value)))
    .into()
}

fn spelt(address: &str) -> Email {
    Email::parse_with_spelling(address).unwrap()
}

#[tokio::test]
async fn an_old_row_logs_in_by_its_old_password_and_is_upgraded_by_that() {
    let world = World::hashing().await;
    let before = old_row("ann@example.com", "short");
    world.put("t-users", before.clone()).await;
    let login = world.login("short").await.unwrap();
    assert_eq!(login.name.as_str(), "\u{ae40}\u{cca0}\u{c218} \u{1f37a}");

    let after = world.row("ann@example.com").await.unwrap();
    assert!(after["password_hash"].as_s().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    for gone in ["reset_token", "reset_expires", "reset_created"] {
        assert!(!after.contains_key(gone), "{gone}");
    }
    for kept in ["user_id", "name", "created_at", "updated_at", "favourite_drink"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(after["credential_version"], AttributeValue::N("0".to_owned()));
    assert_eq!(after["disabled"], AttributeValue::Bool(false));
    assert_eq!(after["last_login"], text("2023-11-14T22:13:20.000000"));
    world.login("short").await.unwrap();
    assert!(matches!(world.login("another").await, Err(LoginError::Rejected)));
    // What the old handlers need of a row is still there, in the old types.
    for read in ["email", "user_id", "name", "password_hash", "created_at", "updated_at"] {
        assert!(after[read].is_s(), "{read}");
    }
}

#[tokio::test]
async fn the_first_write_takes_plaintext_reset_fields_away_even_without_a_new_hash() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let mut row = world.row("ann@example.com").await.unwrap();
    row.insert("reset_token".to_owned(), text("0b4f7a50-63a4-4a38-8b1e-0a3d0d8a9f11"));
    world.put("t-users", row).await;
    world.login(OLD).await.unwrap();
    assert!(!world.row("ann@example.com").await.unwrap().contains_key("reset_token"));
}

#[tokio::test]
async fn a_row_under_an_address_as_it_was_typed_is_found_by_that_spelling_and_stays_there() {
    for key in ["Ann@Example.com", " ann@example.com"] {
        let world = World::hashing().await;
        world.put("t-users", old_row(key, "short")).await;
        let login = world.login_as(spelt(key), "short").await.unwrap();
        assert_eq!(login.email.as_str(), "ann@example.com");
        assert_eq!(world.rows_of("t-users").await.len(), 1);
        let row = world.row(key).await.unwrap();
        assert!(row["password_hash"].as_s().unwrap().starts_with("$argon2id$"));
        assert!(row.contains_key("last_login"));
        world.login_as(spelt(key), "short").await.unwrap();
        let other = world.login_as(spelt("aNN@example.com"), "short").await;
        assert!(matches!(other, Err(LoginError::Rejected)));
    }
}

#[tokio::test]
async fn the_canonical_row_comes_before_one_that_is_spelt_otherwise() {
    let world = World::hashing().await;
    world.put("t-users", old_row("Ann@Example.com", "of the capitals")).await;
    world.register("of the canonical row").await.unwrap();
    world.login_as(spelt("Ann@Example.com"), "of the canonical row").await.unwrap();
    let other = world.login_as(spelt("Ann@Example.com"), "of the capitals").await;
    assert!(matches!(other, Err(LoginError::Rejected)));
}

#[tokio::test]
async fn old_reset_rows_are_neither_read_nor_redeemed_nor_in_the_way() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let old = [
        ("email", text("ann@example.com")),
        ("reset_token", text("0b4f7a50-63a4-4a38-8b1e-0a3d0d8a9f11")),
        ("expires_at", text("2099-01-01T00:00:00.000000")),
        ("created_at", text("2098-12-31T23:00:00.000000")),
        ("used", AttributeValue::Bool(false)),
    ];
    let old: Item = old.map(|(name, value)| (name.to_owned(), value)).into();
    world.put("t-password-resets", old.clone()).await;
    let token = world.link().await;
    world.reset(&token).await.unwrap();
    let rows = world.rows_of("t-password-resets").await;
    assert!(rows.contains(&old));
    let ours = rows.iter().find(|row| **row != old).unwrap();
    assert!(ours["ttl"].is_n() && ours["expires_at"].is_s() && ours["created_at"].is_s());
    let shown = format!("{ours:?}");
    let (_, secret) = shown.split_once("sha256:").unwrap();
    assert!(!token.expose().split_once('.').unwrap().1.contains(&secret[..64]));
}

fn is_text(value: &AttributeValue) -> bool {
    value.as_s().is_ok_and(|text| !text.is_empty())
}

/// Every attribute of a row, missing and as something else.
fn poisoned(row: &Item, optional: &[&str]) -> Vec<(String, Item)> {
    let mut rows = Vec::new();
    let kept = |name: &str| ["email", "reset_token", "ttl"].contains(&name);
    for name in row.keys().filter(|name| !kept(name)) {
        let wrong = [
            AttributeValue::Null(true),
            AttributeValue::N("-1".to_owned()),
            AttributeValue::N("1e99".to_owned()),
            AttributeValue::S("\u{0}garbage".to_owned()),
            AttributeValue::S(String::new()),
            AttributeValue::L(Vec::new()),
        ];
        for value in wrong {
            // The index refuses such an account before we do.
            if optional.contains(&"updated_at") && name == "user_id" && !is_text(&value) {
                continue;
            }
            let with = row.clone().into_iter().chain([(name.clone(), value.clone())]).collect();
            rows.push((format!("{name} = {value:?}"), with));
        }
        if !optional.contains(&name.as_str()) {
            let without = row.clone().into_iter().filter(|(key, _)| key != name).collect();
            rows.push((format!("no {name}"), without));
        }
    }
    rows
}

#[tokio::test]
async fn a_broken_account_is_closed_with_an_event_and_nobody_else_is() {
    let world = World::hashing().await;
    world.register(OLD).await.unwrap();
    let row = world.row("ann@example.com").await.unwrap();
    let mut closed = 0;
    for (how, mut row) in poisoned(&row, &["credential_version", "disabled", "updated_at"]) {
        // Any text is a name, and what nobody reads harms nobody.
        let harmless = how.starts_with("name = S") || how.contains("operation_id");
        row.insert("email".to_owned(), text("eve@example.com"));
        world.put("t-users", row).await;
        world.testing.clock.advance(std::time::Duration::from_hours(24));
        let outcome = world.login_as(spelt("eve@example.com"), OLD).await;
        if harmless {
            outcome.expect(&how);
            continue;
        }
        assert!(matches!(outcome, Err(LoginError::Rejected)), "{how}: {outcome:?}");
        let event = world.testing.events.all().pop().unwrap();
        assert!(
            matches!(
                event.kind,
                EventKind::LoginRefused {
                    failure: Some(
                        LoginFailure::UnreadableAccount
                            | LoginFailure::MalformedHash
                            | LoginFailure::NoPassword
                    ),
                    ..
                }
            ),
            "{how}: {:?}",
            event.kind
        );
        closed += 1;
    }
    assert_eq!(closed, 39);
    assert!(world.faults().iter().all(|(kind, cause)| {
        *kind == PortErrorKind::Corrupt && !cause.contains("garbage") && !cause.contains("eve")
    }));
    world.login(OLD).await.unwrap();
}

#[tokio::test]
async fn a_broken_reset_row_closes_the_links_of_its_address_with_an_event() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let token = world.link().await;
    let row = world.rows_of("t-password-resets").await.remove(0);
    let broken: Vec<_> = poisoned(&row, &["operation_id"]);
    assert!(broken.len() > 30);
    for (how, item) in broken.into_iter().filter(|(how, _)| !how.contains("operation_id")) {
        world.put("t-password-resets", item).await;
        let before = world.faults().len();
        let outcome = world.reset(&token).await;
        assert!(matches!(outcome, Err(ResetError::InvalidToken)), "{how}: {outcome:?}");
        let refused_quietly = how.contains("credential_version = N");
        assert!(refused_quietly || world.faults().len() == before + 1, "{how}");
    }
    world.login(OLD).await.unwrap();
    world.put("t-password-resets", row).await;
    world.reset(&token).await.unwrap();
}

#[tokio::test]
async fn a_broken_counter_lets_nobody_in_until_a_reset_clears_it() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    world.login(super::world::NEW).await.unwrap_err();
    let mut row = world.rows_of("t-attempts").await.remove(0);
    row.insert("count".to_owned(), text("many"));
    world.put("t-attempts", row).await;
    assert!(matches!(world.login(OLD).await, Err(LoginError::Port(_))));
    let token = world.link().await;
    world.reset(&token).await.unwrap();
    world.login(super::world::NEW).await.unwrap();
}

/// A rotation writes these anew, so that they may be anything before.
const WRITTEN_ANEW: &[&str] = &["parent", "last_used_at", "operation_id"];

#[tokio::test]
async fn a_broken_session_is_over_and_hides_no_other() {
    let world = World::unlimited().await;
    world.register(OLD).await.unwrap();
    let whole = world.login(OLD).await.unwrap();
    let mut context = RequestContext::new();
    context.user_agent = UserAgent::new("okhttp/4");
    let request = LoginRequest { email: spelt("ann@example.com"), password: typed(OLD) };
    let login = world.testing.auth.login(request, &context).await.unwrap();
    world.refresh(&login.refresh_token).await.unwrap();
    let id = text(&login.session_id.to_string());
    let rows = world.rows_of("t-sessions").await;
    let row = rows.into_iter().find(|row| row["session_id"] == id).unwrap();
    let good = world.refresh(&login.refresh_token).await.unwrap().refresh_token;

    let claims = world.claims(&whole).await;
    let mut broken = poisoned(&row, &["parent", "operation_id", "user_agent"]);
    broken.retain(|(how, _)| !how.contains("user_id") && !how.contains("session_id"));
    for email in [text("garbage"), text("nobody@example.com"), AttributeValue::Null(true)] {
        let with = row.clone().into_iter().chain([("email".to_owned(), email.clone())]).collect();
        broken.push((format!("email = {email:?}"), with));
    }
    let mut ended = 0;
    for (how, item) in broken {
        world.put("t-sessions", item).await;
        let faults = world.faults().len();
        let listed = world.testing.auth.list_sessions(&claims, &context).await.unwrap();
        assert!(listed.iter().any(|session| session.current), "{how}: the whole one is hidden");
        let outcome = world.refresh(&good).await;
        if WRITTEN_ANEW.iter().any(|name| how.contains(name)) || how.contains("user_agent = S") {
            outcome.expect(&how);
            continue;
        }
        assert!(matches!(outcome, Err(RefreshError::Rejected)), "{how}: {outcome:?}");
        let can_be_read = how.contains("nobody@example.com");
        assert_eq!(world.faults().len(), faults + usize::from(!can_be_read), "{how}");
        assert_eq!(listed.len(), 1 + usize::from(can_be_read), "{how}");
        ended += 1;
    }
    assert_eq!(ended, 5 * 7 + 4 + 3);
    assert!(world.faults().iter().all(|(kind, cause)| {
        *kind == PortErrorKind::Corrupt && !cause.contains("garbage") && !cause.contains("example")
    }));
    world.refresh(&whole.refresh_token).await.unwrap();
}

#[tokio::test]
async fn sessions_that_cannot_be_read_end_with_the_others() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let mut row = world.rows_of("t-sessions").await.remove(0);
    row.remove("current");
    for id in ["not a uuid", "00000000-0000-4000-8000-000000000000"] {
        row.insert("session_id".to_owned(), text(id));
        world.put("t-sessions", row.clone()).await;
    }
    let owner = login.user_id;
    assert_eq!(world.sessions.list(owner).await.unwrap().len(), 1);
    world.sessions.end_all(owner, Some(CredentialVersion::FIRST)).await.unwrap();
    assert_eq!(world.rows_of("t-sessions").await.len(), 1);
    world.refresh(&login.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_session_goes_on_when_its_account_moves_to_the_canonical_spelling() {
    let world = World::hashing().await;
    world.put("t-users", old_row("Ann@Example.com", "short")).await;
    let login = world.login_as(spelt("Ann@Example.com"), "short").await.unwrap();
    let mut row = world.row("Ann@Example.com").await.unwrap();
    let away = world.dynamo.client.delete_item().table_name("t-users");
    away.key("email", text("Ann@Example.com")).send().await.unwrap();
    row.insert("email".to_owned(), text("ann@example.com"));
    world.put("t-users", row).await;
    world.refresh(&login.refresh_token).await.unwrap();
    let claims = world.claims(&login).await;
    let sessions = world.testing.auth.list_sessions(&claims, &RequestContext::new()).await;
    assert_eq!(sessions.unwrap().len(), 1);
}

/// None of its own, and none in the clear.
#[tokio::test]
async fn a_deleted_account_leaves_no_row_of_the_replaced_system_either() {
    let world = World::hashing().await;
    world.put("t-users", old_row("Ann@Example.com", "short")).await;
    for (address, token) in [("Ann@Example.com", "one"), ("ann@example.com", "two")] {
        let row = [("email", text(address)), ("reset_token", text(token))];
        let row = row.map(|(name, value)| (name.to_owned(), value)).into();
        world.put("t-password-resets", row).await;
    }
    let other = [("email", text("eve@example.com")), ("reset_token", text("three"))];
    let other: Item = other.map(|(name, value)| (name.to_owned(), value)).into();
    world.put("t-password-resets", other.clone()).await;
    let login = world.login_as(spelt("Ann@Example.com"), "short").await.unwrap();
    let claims = world.claims(&login).await;
    let context = RequestContext::new();
    world.testing.auth.delete_account(&claims, None, &context).await.unwrap();
    assert!(world.rows_of("t-users").await.is_empty());
    assert!(world.rows_of("t-sessions").await.is_empty());
    assert_eq!(world.rows_of("t-password-resets").await, [other]);
}

/// What a session's row says of its tokens, and when the table may sweep it.
#[tokio::test]
async fn a_session_row_holds_no_secret_and_is_swept_after_its_end() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let opened = world.now().as_seconds();
    let ttl = |row: &Item| row["ttl"].as_n().unwrap().parse::<u64>().unwrap();
    let before = world.rows_of("t-sessions").await.remove(0);
    let day = 24 * 60 * 60;
    assert_eq!(ttl(&before), opened + 14 * day + 1);
    world.testing.clock.advance(std::time::Duration::from_secs(5 * day));
    let next = world.refresh(&login.refresh_token).await.unwrap().refresh_token;
    let after = world.rows_of("t-sessions").await.remove(0);
    assert_eq!(ttl(&after), opened + 19 * day + 1);
    assert_eq!(after["parent"], before["current"]);
    assert_eq!(after["expires_at"], before["expires_at"]);
    let shown = format!("{before:?} {after:?}");
    for token in [login.refresh_token, next] {
        let secret = token.expose().split_once('.').unwrap().1.to_owned();
        assert!(!shown.contains(&secret) && !shown.contains(&secret[..20]));
    }
    assert_eq!(after["user_id"], text(&UserId::to_string(&login.user_id)));
}

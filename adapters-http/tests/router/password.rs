//! Changing the password.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters_local::memory::MemoryBreachedPasswords;
use adapters_local::{InsecureInstantHasher, testing, testing_with};
use auth_domain::ports::{PasswordHasher, Reservation};
use auth_domain::{Password, PortError, TokenCheck};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, NEW, OLD, Session, ann, reset_token};

fn change(current: &str, new: &str) -> Value {
    json!({"current_password": current, "new_password": new})
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_the_own_one_goes_on() {
    let world = testing_with(|_, settings| settings.token_check = TokenCheck::Strict);
    let client = Client::of(&world);
    let (own, other) = (client.first_session().await, client.session().await);
    let answer = client.post_as(&own.access, "/auth/change-password", change(OLD, NEW)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    let expected = ["access_token", "device_token", "expires_in", "message", "token", "token_type"];
    assert_eq!(names, expected);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(body["token"], body["access_token"]);

    let access = body["access_token"].as_str().unwrap();
    assert_eq!(client.get_as(access, "/auth/me").await.status, StatusCode::OK);
    assert_eq!(client.get_as(&own.access, "/auth/me").await.code().0, 401);
    assert!(client.is_alive(&own).await);
    assert!(!client.is_alive(&other).await);
    assert_eq!(client.login(OLD).await.code(), (401, "credentials_rejected".into()));
    assert_eq!(client.login(NEW).await.status, StatusCode::OK);
    world.deliver_mail().await;
    let notice = world.mailbox.latest(&ann()).unwrap().content.subject;
    assert_eq!(notice, "Your Example password was changed");
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    for (current, new, status, code, field) in [
        ("wrong wrong wrong", NEW, 403, "password_wrong", "current_password"),
        ("", NEW, 400, "password_empty", "current_password"),
        (&"p".repeat(5_000), NEW, 400, "password_too_long", "current_password"),
        (OLD, "", 400, "password_empty", "new_password"),
        (OLD, "short", 400, "password_too_short", "new_password"),
        (OLD, "password123", 400, "password_common", "new_password"),
        (OLD, "ann@example.com", 400, "password_context_word", "new_password"),
        (OLD, "nul\u{0}inside", 400, "password_control_character", "new_password"),
    ] {
        let body = change(current, new);
        let answer = client.post_as(&session.access, "/auth/change-password", body).await;
        assert_eq!(answer.code(), (status, code.into()));
        assert_eq!(answer.json()["field"], field, "{code}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    let anonymous = client.post("/auth/change-password", change(OLD, NEW)).await;
    assert_eq!(anonymous.code(), (401, "token_missing".into()));
    assert!(client.is_alive(&session).await);
    assert_eq!(client.login(OLD).await.status, StatusCode::OK);
    assert!(world.queued_mail().is_empty());
}

#[tokio::test]
async fn a_leaked_password_is_refused_wherever_one_is_set() {
    let leaked = Password::new(NEW).unwrap();
    let world = testing_with(|ports, _| {
        ports.breached_passwords = Some(Arc::new(MemoryBreachedPasswords::new([leaked])));
    });
    let client = Client::of(&world);
    let session = client.first_session().await;
    let token = reset_token(&world, &client).await;
    let register = json!({"email": "eve@example.com", "password": NEW, "name": "Eve"});
    let reset = json!({"token": token, "new_password": NEW});
    let changed = client.post_as(&session.access, "/auth/change-password", change(OLD, NEW)).await;
    for (answer, field) in [
        (client.post("/auth/register", register).await, "password"),
        (client.post("/auth/reset-password", reset).await, "new_password"),
        (changed, "new_password"),
    ] {
        assert_eq!(answer.code(), (400, "password_breached".into()));
        assert_eq!(answer.json()["field"], field);
    }
    let other = json!({"token": token, "new_password": "nobody had this one"});
    assert_eq!(client.post("/auth/reset-password", other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn guesses_with_a_stolen_session_and_at_login_count_together() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let wrong = change("wrong wrong wrong", NEW);
    for _ in 0..3 {
        client.post_as(&session.access, "/auth/change-password", wrong.clone()).await;
    }
    for _ in 0..2 {
        assert_eq!(client.login("wrong wrong wrong").await.code().0, 401);
    }
    let answer = client.post_as(&session.access, "/auth/change-password", change(OLD, NEW)).await;
    assert_eq!(answer.code(), (429, "too_many_attempts".into()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    world.clock.advance(Duration::from_secs(1));
    let answer = client.post_as(&session.access, "/auth/change-password", change(OLD, NEW)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn b5_a_reset_link_from_before_a_change_of_the_password_is_void() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let token = reset_token(&world, &client).await;
    client.post_as(&session.access, "/auth/change-password", change(OLD, NEW)).await;
    let reset = json!({"token": token, "new_password": "yet another staple"});
    let answer = client.post("/auth/reset-password", reset).await;
    assert_eq!(answer.code(), (400, "reset_token_invalid".into()));
}

#[tokio::test]
async fn a_client_that_kept_its_device_token_logs_in_while_strangers_lock_the_account() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    let device = client.login(OLD).await.json()["device_token"].clone();
    while client.login("a wrong guess").await.code().0 == 401 {}
    let with = async |device: Value| {
        let body = json!({"email": "ann@example.com", "password": OLD, "device_token": device});
        client.post("/auth/login", body).await.code()
    };
    let locked = (429, "too_many_attempts".to_owned());
    for none in [Value::Null, json!(""), json!("junk"), json!("A".repeat(10_000))] {
        assert_eq!(with(none).await, locked);
    }
    assert_eq!(with(json!(7)).await, (400, "field_wrong_type".to_owned()));
    assert_eq!(with(device).await.0, 200);
}

#[tokio::test]
async fn a7_a_reset_ends_every_session() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let token = reset_token(&world, &client).await;
    let reset = json!({"token": token, "new_password": NEW});
    let answer = client.post("/auth/reset-password", reset).await;
    assert_eq!(answer.json()["message"], "Your new password is set. Log in with it.");
    assert!(!client.is_alive(&session).await);
    assert!(client.is_alive(&Session::of(&client.login(NEW).await)).await);
}

/// A hasher that has no place while it is told so.
struct Busy {
    is_busy: AtomicBool,
    hasher: InsecureInstantHasher,
}

impl PasswordHasher for Busy {
    fn reserve(&self) -> Result<Reservation, PortError> {
        if self.is_busy.load(Ordering::SeqCst) {
            return Ok(Reservation::Overloaded { retry_after: Duration::from_millis(1_500) });
        }
        self.hasher.reserve()
    }
}

#[tokio::test]
async fn without_a_place_to_hash_in_each_call_with_a_password_says_when_to_come_back() {
    let hasher =
        Arc::new(Busy { is_busy: AtomicBool::new(false), hasher: InsecureInstantHasher::new() });
    let world = testing_with(|ports, _| ports.hasher = Arc::clone(&hasher) as _);
    let client = Client::of(&world);
    let session = client.first_session().await;
    hasher.is_busy.store(true, Ordering::SeqCst);
    let moving = json!({"new_email": "new@example.com", "current_password": OLD});
    let password = Some(json!({"current_password": OLD}));
    for answer in [
        client.register_as("eve@example.com", "Eve").await,
        client.login(OLD).await,
        client.post_as(&session.access, "/auth/change-password", change(OLD, NEW)).await,
        client.post_as(&session.access, "/auth/change-email", moving).await,
        client.call_as(&session.access, axum::http::Method::DELETE, "/auth/me", password).await,
    ] {
        assert_eq!(answer.code(), (503, "overloaded".into()));
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    hasher.is_busy.store(false, Ordering::SeqCst);
    assert_eq!(client.login(OLD).await.status, StatusCode::OK);
}

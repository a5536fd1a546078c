//! The life of sessions and accounts, as the function serves it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::world::{MASTER_ARN, PASSWORD, World, token_after};

const NEW_PASSWORD: &str = "a brand new staple";

impl World {
    /// A call of who bears this access token.
    async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string());
        let mut event = Gateway::Rest.event(method, path, body.as_deref());
        Gateway::Rest.add_header(&mut event, "Authorization", &format!("Bearer {token}"));
        self.send(&event).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({"refresh_token": token})).await
    }

    /// Access and refresh token of a new session.
    async fn session(&self, email: &str) -> (String, String) {
        let login = self.login(email, PASSWORD).await;
        assert_eq!(login.status, 200, "{login:?}");
        (login.text("access_token").to_owned(), login.text("refresh_token").to_owned())
    }
}

fn names(body: &Value) -> BTreeSet<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_login_keeps_the_fields_of_the_installed_app_and_adds_what_came_since() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let login = world.login("ann@example.com", PASSWORD).await;
    let before = ["message", "user_id", "email", "name", "token"];
    let since = ["access_token", "token_type", "expires_in", "refresh_token", "device_token"];
    assert_eq!(names(&login.body), before.into_iter().chain(since).collect());
}

#[tokio::test]
async fn a_session_is_opened_refreshed_listed_and_ended() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let (_, other) = world.session("ann@example.com").await;
    let (_, first) = world.session("ann@example.com").await;

    let refreshed = world.refresh(&first).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let (access, second) = (refreshed.text("access_token"), refreshed.text("refresh_token"));
    assert_ne!(second, first);
    assert_eq!(world.me(access).await.text("email"), "ann@example.com");

    let listed = world.call(access, "GET", "/auth/sessions", None).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let sessions = listed.body["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let (own, others): (Vec<_>, Vec<_>) =
        sessions.iter().partition(|session| session["current"] == true);
    assert_eq!((own.len(), others.len()), (1, 1), "{listed:?}");

    let path = format!("/auth/sessions/{}", others[0]["id"].as_str().unwrap());
    assert_eq!(world.call(access, "DELETE", &path, None).await.status, 200);
    let gone = world.call(access, "DELETE", &path, None).await;
    assert_eq!(gone.code(), (404, "session_not_found"));
    assert_eq!(world.refresh(&other).await.code(), (401, "refresh_token_invalid"));

    let logout = world.post("/auth/logout", json!({"refresh_token": second})).await;
    assert_eq!(logout.status, 200, "{logout:?}");
    assert_eq!(world.refresh(second).await.code(), (401, "refresh_token_invalid"));
    assert!(world.rows("sessions").await.is_empty());
}

#[tokio::test]
async fn a_token_that_is_used_again_ends_the_session_also_by_another_instance() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let (_, first) = world.session("ann@example.com").await;
    let second = world.refresh(&first).await.text("refresh_token").to_owned();
    let retried = world.refresh(&first).await;
    assert_eq!(retried.text("refresh_token"), second, "the answer was lost: the same child again");
    let third = world.refresh(&second).await.text("refresh_token").to_owned();
    let body = json!({"refresh_token": first}).to_string();
    let theft = Gateway::Rest.event("POST", "/auth/refresh", Some(&body));
    let answer = world.another().await.invoke(&theft).await;
    assert_eq!(Answer::of(Gateway::Rest, &answer).code(), (401, "refresh_token_invalid"));
    assert_eq!(world.refresh(&third).await.code(), (401, "refresh_token_invalid"));
    assert!(world.rows("sessions").await.is_empty());
}

#[tokio::test]
async fn a_session_goes_on_over_a_rotation_of_the_master_secret() {
    let world = World::with(&[("AUTH_SECRET_CACHE_SECONDS", "0")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let (_, first) = world.session("ann@example.com").await;
    world.aws.rotate_secret(MASTER_ARN, "second-master-secret-of-this-test-4Ru8");
    let second = world.refresh(&first).await.text("refresh_token").to_owned();
    let retried = world.refresh(&first).await;
    assert_eq!(retried.text("refresh_token"), second);
    assert_eq!(world.refresh(&second).await.status, 200);
}

#[tokio::test]
async fn where_sessions_are_checked_a_logout_ends_the_access_token_at_once() {
    let world = World::with(&[("AUTH_STRICT_TOKENS", "session")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let (access, refresh) = world.session("ann@example.com").await;
    assert_eq!(world.me(&access).await.status, 200);
    world.post("/auth/logout", json!({"refresh_token": refresh})).await;
    assert_eq!(world.me(&access).await.code(), (401, "token_invalid"));
}

#[tokio::test]
async fn an_account_changes_its_password_and_address_and_is_deleted_with_all_its_rows() {
    let world = World::with(&[("AUTH_SUPPORT_CONTACT", "help@alcolook-app.com")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let (access, refresh) = world.session("ann@example.com").await;
    let (_, other) = world.session("ann@example.com").await;
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    world.mailed_token().await;

    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let changed = world.call(&access, "POST", "/auth/change-password", Some(change)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(world.refresh(&other).await.status, 401);
    assert_eq!(world.refresh(&refresh).await.status, 200);
    world.deliver_mails().await;
    world.aws.take_mails();

    let access = changed.text("access_token");
    let moving = json!({"new_email": "ann@elsewhere.example", "current_password": NEW_PASSWORD});
    let asked = world.call(access, "POST", "/auth/change-email", Some(moving)).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    world.deliver_mails().await;
    let mails = world.aws.take_mails();
    assert_eq!(mails[0]["Destination"]["ToAddresses"], json!(["ann@elsewhere.example"]));
    let token = token_after(&mails[0], "https://alcolook-app.com/confirm-email?token=");
    let moved = world.post("/auth/change-email/confirm", json!({"token": token})).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    world.deliver_mails().await;
    let notices = world.aws.take_mails();
    assert_eq!(notices[0]["Destination"]["ToAddresses"], json!(["ann@example.com"]));
    assert!(notices[0].to_string().contains("help@alcolook-app.com"), "whom to contact");
    assert_eq!(world.login("ann@example.com", NEW_PASSWORD).await.status, 401);

    let login = world.login("ann@elsewhere.example", NEW_PASSWORD).await;
    let left = world.call(login.text("access_token"), "DELETE", "/auth/me", None).await;
    assert_eq!(left.status, 200, "{left:?}");
    for table in ["users", "sessions", "password-resets"] {
        assert!(world.rows(table).await.is_empty(), "{table}");
    }
    world.deliver_mails().await;
    let notices = world.aws.take_mails();
    assert_eq!(notices[0]["Destination"]["ToAddresses"], json!(["ann@elsewhere.example"]));
}

#[tokio::test]
async fn where_sign_up_is_private_everybody_is_told_the_same_and_a_mailed_link_lets_in() {
    let private = [("AUTH_REGISTRATION", "private"), ("AUTH_EMAIL_VERIFICATION", "required")];
    let world = World::with(&private).await;
    let new = world.register("ann@example.com").await;
    assert_eq!(new.status, 202, "{new:?}");
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 401);
    world.deliver_mails().await;
    let mails = world.aws.take_mails();
    let token = token_after(&mails[0], "https://alcolook-app.com/verify-email?token=");
    let taken = world.register("ann@example.com").await;
    assert_eq!((taken.status, &taken.body), (new.status, &new.body));
    assert_eq!(world.post("/auth/verify-email", json!({"token": token})).await.status, 200);
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn the_public_keys_are_published() {
    let world = World::start().await;
    let keys = world.send(&Gateway::Rest.event("GET", "/.well-known/jwks.json", None)).await;
    assert_eq!(keys.status, 200);
    let keys = keys.body["keys"].as_array().unwrap();
    assert!(!keys.is_empty() && keys.iter().all(|key| key.get("d").is_none()), "{keys:?}");
}

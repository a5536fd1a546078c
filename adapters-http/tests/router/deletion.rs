//! Leaving for good.

use std::time::Duration;

use adapters_local::testing;
use auth_domain::ports::{ResetTokenStore, SessionStore, UserStore};
use auth_domain::{Claims, Email};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{
    ANN, Client, NEW, OLD, Session, ann, email_change_token, json_request, reset_token,
    verification_token,
};

async fn delete(client: &Client, session: &Session, body: Option<Value>) -> (u16, String) {
    let answer = client.call_as(&session.access, Method::DELETE, "/auth/me", body).await;
    answer.code()
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_behind_that_works_or_names_its_owner() {
    let world = testing();
    let client = Client::of(&world);
    let (session, other) = (client.first_session().await, client.session().await);
    let Claims { user_id, .. } = world.auth.authenticate(&session.access).await.unwrap();
    let reset = reset_token(&world, &client).await;
    let verification = verification_token(&world, &client).await;
    let moving = email_change_token(&world, &client, &session, "new@example.com").await;
    world.clock.advance(Duration::from_mins(10));
    let body = Some(json!({"current_password": OLD}));
    let answer = client.call_as(&session.access, Method::DELETE, "/auth/me", body).await;
    let said = (answer.status, answer.json());
    assert_eq!(said, (StatusCode::OK, json!({"message": "Your account is deleted."})));

    assert_eq!(client.login(OLD).await.code(), (401, "credentials_rejected".into()));
    for session in [&session, &other] {
        assert!(!client.is_alive(session).await);
        assert_eq!(client.get_as(&session.access, "/auth/sessions").await.code().0, 401);
    }
    let reset = json!({"token": reset, "new_password": NEW});
    assert_eq!(client.post("/auth/reset-password", reset).await.code().0, 400);
    for (path, token) in
        [("/auth/verify-email", verification), ("/auth/change-email/confirm", moving)]
    {
        assert_eq!(client.post(path, json!({"token": token})).await.code().0, 400, "{path}");
    }
    world.deliver_mail().await;
    assert_eq!(
        world.mailbox.latest(&ann()).unwrap().content.subject,
        "Your Example account was deleted"
    );
    for email in [ann(), Email::parse("new@example.com").unwrap()] {
        assert_eq!(world.users.find_by_email(&email).await.unwrap().map(|user| user.id), None);
        assert!(world.reset_tokens.newest(&email).await.unwrap().is_none());
    }
    assert!(world.users.find_by_id(user_id).await.unwrap().is_none());
    assert!(world.sessions.list(user_id).await.unwrap().is_empty());
    assert_eq!(client.register().await.status, StatusCode::CREATED, "the address is free");
}

#[tokio::test]
async fn without_the_password_only_a_login_of_the_last_five_minutes_deletes() {
    let needed = (403, "recent_login_needed".to_owned());
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    world.clock.advance(Duration::from_mins(5) + Duration::from_micros(1));
    assert_eq!(delete(&client, &session, None).await, needed);
    // A refreshed session is no new login.
    let session = Session::of(&client.refresh(&session.refresh).await);
    assert_eq!(delete(&client, &session, None).await, needed);
    let session = client.session().await;
    world.clock.advance(Duration::from_mins(5));
    assert_eq!(delete(&client, &session, None).await, (200, String::new()));
    assert_eq!(client.login(OLD).await.code().0, 401);
}

#[tokio::test]
async fn a_body_is_taken_at_its_word_even_after_a_login_just_now() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    for (body, status, code) in [
        (json!({"current_password": "wrong wrong wrong"}), 403, "password_wrong"),
        (json!({"current_password": ""}), 400, "password_empty"),
        (json!({"current_password": null}), 400, "field_missing"),
        (json!({"current_password": 7}), 400, "field_wrong_type"),
        (json!({"password": OLD}), 400, "field_unknown"),
        (json!({}), 400, "field_missing"),
        (json!(null), 400, "body_not_object"),
        (json!([OLD]), 400, "body_not_object"),
    ] {
        let answered = delete(&client, &session, Some(body.clone())).await;
        assert_eq!(answered, (status, code.into()), "{body}");
    }
    let anonymous = json_request(&Method::DELETE, "/auth/me").body(Body::empty()).unwrap();
    assert_eq!(client.send(anonymous).await.code(), (401, "token_missing".into()));
    assert!(client.is_alive(&session).await);
    let login = client.post("/auth/login", json!({"email": ANN, "password": OLD})).await;
    assert_eq!(login.status, StatusCode::OK);
}

#[tokio::test]
async fn the_password_of_a_stolen_session_is_guessed_here_no_more_often_than_at_login() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let wrong = || Some(json!({"current_password": "wrong wrong wrong"}));
    for _ in 0..5 {
        assert_eq!(delete(&client, &session, wrong()).await.0, 403);
    }
    assert_eq!(delete(&client, &session, wrong()).await, (429, "too_many_attempts".into()));
    assert_eq!(client.login(OLD).await.code(), (429, "too_many_attempts".into()));
}

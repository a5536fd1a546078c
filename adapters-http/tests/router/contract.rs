//! What clients of the replaced system rely on.

use std::sync::Arc;
use std::time::Duration;

use adapters_http::HttpOptions;
use adapters_local::{CompatibilityIssuer, testing, testing_with};
use auth_domain::{Locale, TokenCheck, UserId};
use axum::http::StatusCode;
use serde_json::json;

use crate::client::{Client, NEW, OLD, ann, reset_token};

#[tokio::test]
async fn the_installed_app_finds_the_fields_that_it_reads() {
    let world = testing();
    let mut options = HttpOptions::default();
    options.default_locale = Locale::KO;
    let client = Client::with(&world, options);
    let registered = client.register().await;
    assert_eq!(registered.status, StatusCode::CREATED);
    let body = registered.json();
    assert_eq!(body["email"], "ann@example.com");
    assert_eq!(body["name"], "안 Ann");
    assert_eq!(body["message"], "회원가입이 완료되었습니다.");
    assert!(UserId::parse(body["user_id"].as_str().unwrap()).is_ok());

    let login = client.login(OLD).await;
    assert_eq!(login.status, StatusCode::OK);
    let tokens = login.json();
    assert_eq!(tokens["user_id"], body["user_id"]);
    assert_eq!(tokens["token"], tokens["access_token"]);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));

    let again = client.register().await;
    assert_eq!(again.code(), (409, "email_taken".into()));
    assert_eq!(again.json()["error"], "이미 가입된 이메일입니다.");
    for path in ["/auth/forgot-password", "/auth/forgotpassword"] {
        let known = client.post(path, json!({"email": "ann@example.com"})).await;
        let unknown = client.post(path, json!({"email": "nobody@example.com"})).await;
        assert_eq!(known.status, StatusCode::OK);
        assert_eq!((known.text, known.headers), (unknown.text, unknown.headers));
    }
}

#[tokio::test]
async fn with_a_compatibility_issuer_the_two_tokens_differ_and_only_ours_lets_in() {
    let world = testing_with(|ports, _| {
        ports.compatibility_issuer = Some(Arc::new(CompatibilityIssuer::new(&[9; 32]).unwrap()));
    });
    let client = Client::of(&world);
    client.register().await;
    let tokens = client.login(OLD).await.json();
    let bearer = |name: &str| format!("Bearer {}", tokens[name].as_str().unwrap());
    assert_eq!(client.get("/auth/me", &[&bearer("access_token")]).await.status, StatusCode::OK);
    let refused = client.get("/auth/me", &[&bearer("token")]).await;
    assert_eq!(refused.code(), (401, "token_invalid".into()));
}

#[tokio::test]
async fn a_password_is_forgotten_and_reset_in_both_languages() {
    for (language, subject, done) in [
        ("en", "Reset your Example password", "Your new password is set. Log in with it."),
        (
            "ko-KR,ko;q=0.9",
            "Example 비밀번호 재설정",
            "새 비밀번호가 설정되었습니다. 새 비밀번호로 로그인해 주세요.",
        ),
    ] {
        let world = testing();
        let client = Client::of(&world);
        client.register().await;
        let body = json!({"email": "ann@example.com"}).to_string();
        client.post_raw("/auth/forgot-password", body, Some(language)).await;
        world.deliver_mail().await;
        assert_eq!(world.mailbox.latest(&ann()).unwrap().content.subject, subject);
        let token = world.reset_token(&ann()).unwrap().expose();
        let body = json!({"token": *token, "new_password": NEW}).to_string();
        let reset = client.post_raw("/auth/reset-password", body.clone(), Some(language)).await;
        assert_eq!(reset.status, StatusCode::OK);
        assert_eq!(reset.json()["message"], done);
        assert_eq!(reset.header("content-language"), Some(&language[..2]));
        assert_eq!(client.login(NEW).await.status, StatusCode::OK);
        assert_eq!(client.login(OLD).await.code(), (401, "credentials_rejected".into()));
        let again = client.post_raw("/auth/reset-password", body, None).await;
        assert_eq!(again.code(), (400, "reset_token_invalid".into()));
    }
}

#[tokio::test]
async fn a_bearer_is_told_who_he_is() {
    let world = testing();
    let client = Client::of(&world);
    let account = client.register().await.json();
    let token = client.login(OLD).await.json()["access_token"].as_str().unwrap().to_owned();
    let me = client.get("/auth/me", &[&format!("bearer {token}")]).await;
    let expected =
        json!({"user_id": account["user_id"], "email": "ann@example.com", "name": "안 Ann"});
    assert_eq!((me.status, me.json()), (StatusCode::OK, expected));
    world.clock.advance(Duration::from_mins(15));
    let expired = client.get("/auth/me", &[&format!("Bearer {token}")]).await;
    assert_eq!(expired.code(), (401, "token_invalid".into()));
}

#[tokio::test]
async fn with_strict_checks_a_reset_ends_access_tokens_at_once() {
    for (check, expected) in [(TokenCheck::TokenOnly, 200), (TokenCheck::Strict, 401)] {
        let world = testing_with(|_, settings| settings.token_check = check);
        let client = Client::of(&world);
        client.register().await;
        let token = client.login(OLD).await.json()["access_token"].as_str().unwrap().to_owned();
        let link = reset_token(&world, &client).await;
        client.post("/auth/reset-password", json!({"token": link, "new_password": NEW})).await;
        let me = client.get("/auth/me", &[&format!("Bearer {token}")]).await;
        assert_eq!(me.status.as_u16(), expected, "{check:?}");
    }
}

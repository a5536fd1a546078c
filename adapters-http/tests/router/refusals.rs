//! Refusals and their headers.

use std::net::SocketAddr;

use adapters_local::testing;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::client::{Client, OLD};

#[tokio::test]
async fn every_refusal_is_a_problem_with_the_headers_of_its_status() {
    let client = Client::of(&testing());
    let missing = client.get("/auth/me", &[]).await;
    assert_eq!(missing.code(), (401, "token_missing".into()));
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"auth\""));
    let invalid = client.get("/auth/me", &["Bearer a.b.c"]).await;
    let challenge = "Bearer realm=\"auth\", error=\"invalid_token\"";
    assert_eq!(invalid.header("www-authenticate"), Some(challenge));
    let doubled = client.get("/auth/me", &["Bearer a", "Bearer b"]).await;
    assert_eq!(doubled.code(), (400, "authorization_malformed".into()));
    let rejected = client.login(OLD).await;
    assert_eq!(rejected.header("www-authenticate"), Some("Bearer realm=\"auth\""));
    let nowhere = client.get("/auth/nowhere", &[]).await;
    assert_eq!(nowhere.code(), (404, "not_found".into()));
    let wrong_method = client.get("/auth/login", &[]).await;
    assert_eq!(wrong_method.code(), (405, "method_not_allowed".into()));
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    for answer in [missing, invalid, doubled, rejected, nowhere, wrong_method] {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let body = answer.json();
        assert_eq!(body["status"], answer.status.as_u16());
        assert_eq!(body["error"], body["detail"]);
        assert_eq!(body["type"], "about:blank");
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_alike_for_known_and_unknown_addresses() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    let mut seen = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let body = json!({"email": email, "password": "wrong wrong wrong"});
        let mut answers = Vec::new();
        for _ in 0..6 {
            let answer = client.post("/auth/login", body.clone()).await;
            answers.push((answer.code(), answer.headers, answer.text));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0][4].0, (401, "credentials_rejected".into()));
    assert_eq!(seen[0][5].0, (429, "too_many_attempts".into()));
    assert_eq!(seen[0][5].1["retry-after"], "1");
}

#[tokio::test]
async fn one_source_is_limited_and_another_is_not() {
    let world = testing();
    let client = Client::of(&world);
    let from = |address: [u8; 4]| {
        Request::post("/auth/forgot-password")
            .header("Content-Type", "application/json")
            .header("X-Forwarded-For", "198.51.100.1")
            .extension(ConnectInfo(SocketAddr::from((address, 1))))
            .body(Body::from(r#"{"email":"ann@example.com"}"#))
            .unwrap()
    };
    for _ in 0..30 {
        assert_eq!(client.send(from([192, 0, 2, 1])).await.status, StatusCode::OK);
    }
    let limited = client.send(from([192, 0, 2, 1])).await;
    assert_eq!(limited.code(), (429, "rate_limited".into()));
    assert_eq!(limited.header("retry-after"), Some("120"));
    assert_eq!(client.send(from([192, 0, 2, 2])).await.status, StatusCode::OK);
}

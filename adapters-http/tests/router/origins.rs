//! Links, origins and methods.

use adapters_http::{AllowedOrigins, HttpOptions, Origin};
use adapters_local::testing;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::client::{Client, ann};

#[tokio::test]
async fn no_header_changes_where_a_link_leads() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    let request = Request::post("/auth/forgot-password")
        .header("Content-Type", "application/json")
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "http")
        .header("Forwarded", "host=evil.example")
        .header("Origin", "https://evil.example")
        .body(Body::from(r#"{"email":"ann@example.com"}"#))
        .unwrap();
    client.send(request).await;
    world.deliver_mail().await;
    let content = world.mailbox.latest(&ann()).unwrap().content;
    assert!(content.text.contains("\nhttps://example.com/reset-password?token="));
    assert!(!content.text.contains("evil") && !content.html.contains("evil"));
}

#[tokio::test]
async fn pages_may_call_only_where_they_were_allowed_to() {
    let preflight = |origin: &'static str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/auth/login")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .body(Body::empty())
            .unwrap()
    };
    let world = testing();
    let mut options = HttpOptions::default();
    options.allowed_origins =
        AllowedOrigins::Only(vec![Origin::parse("https://app.example.com").unwrap()]);
    for (options, origin, allowed) in [
        (HttpOptions::default(), "https://app.example.com", None),
        (options.clone(), "https://app.example.com", Some("https://app.example.com")),
        (options.clone(), "https://app.example.com.evil.example", None),
        (options, "null", None),
    ] {
        let answer = Client::with(&world, options).send(preflight(origin)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), Some("DELETE,GET,POST"));
        assert!(answer.header("access-control-allow-headers").unwrap().contains("content-type"));
    }
}

#[tokio::test]
async fn each_path_allows_its_methods_and_names_them_to_who_uses_another() {
    let client = Client::of(&testing());
    for (path, allowed) in [
        ("/auth/register", "POST"),
        ("/auth/login", "POST"),
        ("/auth/refresh", "POST"),
        ("/auth/logout", "POST"),
        ("/auth/forgot-password", "POST"),
        ("/auth/forgotpassword", "POST"),
        ("/auth/reset-password", "POST"),
        ("/auth/change-password", "POST"),
        ("/auth/verify-email", "POST"),
        ("/auth/verify-email/resend", "POST"),
        ("/auth/change-email", "POST"),
        ("/auth/change-email/confirm", "POST"),
        ("/auth/sessions", "GET,HEAD,DELETE"),
        ("/auth/sessions/00000000-0000-4000-8000-000000000000", "DELETE"),
        ("/auth/me", "GET,HEAD,DELETE"),
        ("/.well-known/jwks.json", "GET,HEAD"),
        ("/healthz", "GET,HEAD"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = client.send(request).await;
            if allowed.split(',').any(|allowed| allowed == method) {
                assert!(![404, 405].contains(&answer.status.as_u16()), "{method} {path}");
            } else {
                assert_eq!(answer.code(), (405, "method_not_allowed".into()), "{method} {path}");
                assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
            }
        }
    }
}

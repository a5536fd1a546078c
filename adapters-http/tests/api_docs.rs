//! The description of the API as it is served.
#![expect(clippy::unwrap_used, reason = "tests")]

use adapters_http::{HttpOptions, api_docs, openapi};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn answer(router: &Router, method: &str, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes().to_vec();
    (parts.status, parts.headers, String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn the_document_and_its_page_are_served_and_may_be_kept_for_a_while() {
    let router = api_docs(&HttpOptions::default());
    for (path, media) in [
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs.css", "text/css; charset=utf-8"),
    ] {
        let (status, headers, text) = answer(&router, "GET", path).await;
        assert_eq!(
            (status, headers["content-type"].as_bytes()),
            (StatusCode::OK, media.as_bytes())
        );
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!text.is_empty(), "{path}");
        let (status, headers, _) = answer(&router, "POST", path).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["content-type"], "application/problem+json");
    }
    let (_, headers, _) = answer(&router, "GET", "/docs").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
}

#[tokio::test]
async fn nested_it_says_where_the_calls_are() {
    let router = Router::new().nest("/accounts", api_docs(&HttpOptions::default()));
    let (_, _, text) = answer(&router, "GET", "/accounts/openapi.json").await;
    let mut document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["servers"], json!([{ "url": "/accounts" }]));
    document["servers"] = openapi()["servers"].clone();
    assert_eq!(document, openapi());
}

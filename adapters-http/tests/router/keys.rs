//! The published keys.

use std::sync::Arc;

use adapters_local::{CompatibilityIssuer, testing, testing_with};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use crate::client::Client;

#[tokio::test]
async fn the_keys_are_public_may_be_kept_five_minutes_and_are_good_for_checking_alone() {
    let world = testing_with(|ports, _| {
        ports.compatibility_issuer = Some(Arc::new(CompatibilityIssuer::new(&[9; 32]).unwrap()));
    });
    let client = Client::of(&world);
    let answer = client.get("/.well-known/jwks.json", &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "no secret that is shared is a key here");
    let members: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(!members.contains(&private), "{private}");
    }
    let text = |name: &str| keys[0][name].as_str().unwrap_or_default().to_owned();
    assert_eq!([text("kty"), text("crv"), text("alg")], ["OKP", "Ed25519", "EdDSA"]);
    let token = client.first_session().await.access;
    assert_eq!(header(&token)["kid"], keys[0]["kid"]);
}

fn header(token: &str) -> Value {
    let encoded = token.split('.').next().unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(encoded).unwrap()).unwrap()
}

#[tokio::test]
async fn who_asks_for_the_keys_makes_no_difference_and_nothing_but_asking_is_allowed() {
    let client = Client::of(&testing());
    let expected = client.get("/.well-known/jwks.json", &[]).await.whole();
    for authorization in [&["Bearer junk"][..], &["Bearer a", "Bearer b"], &["Basic YTpi"]] {
        let answer = client.get("/.well-known/jwks.json", authorization).await;
        assert_eq!(answer.whole(), expected);
    }
    let head = Request::builder().method(Method::HEAD).uri("/.well-known/jwks.json");
    let head = client.send(head.body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.header("cache-control"), Some("public, max-age=300"));
    let wrong_method = client.post_raw("/.well-known/jwks.json", "{}", None).await;
    assert_eq!(wrong_method.code(), (405, "method_not_allowed".into()));
    assert_eq!(wrong_method.header("cache-control"), Some("no-store"));
}

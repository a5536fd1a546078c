//! Each kind of token at each endpoint that takes one.

use std::sync::Arc;

use adapters_local::{CompatibilityIssuer, testing, testing_with};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{
    ANN, Answer, Client, NEW, OLD, Session, email_change_token, json_request, reset_token,
    verification_token,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Access,
    Compatibility,
    EmailChange,
    Refresh,
    Reset,
    Verification,
}

const KINDS: [Kind; 6] = [
    Kind::Access,
    Kind::Compatibility,
    Kind::EmailChange,
    Kind::Refresh,
    Kind::Reset,
    Kind::Verification,
];

/// One that takes a token: as its bearer's, or in a field of its body.
struct Endpoint {
    method: Method,
    path: &'static str,
    takes: Kind,
    field: Option<&'static str>,
    /// The rest of a body that is good.
    body: Option<Value>,
}

impl Endpoint {
    fn bearer(method: Method, path: &'static str, body: Option<Value>) -> Self {
        Self { method, path, takes: Kind::Access, field: None, body }
    }

    fn field(path: &'static str, takes: Kind, field: &'static str) -> Self {
        Self { method: Method::POST, path, takes, field: Some(field), body: Some(json!({})) }
    }

    async fn present(&self, client: &Client, token: Value) -> Answer {
        let mut request = json_request(&self.method, self.path);
        let mut body = self.body.clone();
        match (self.field, &mut body) {
            (Some(field), Some(body)) => body[field] = token,
            _ => {
                let bearer = format!("Bearer {}", token.as_str().unwrap());
                request = request.header("Authorization", bearer);
            }
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        client.send(request.body(body).unwrap()).await
    }

    /// How it refuses what is no token of its kind.
    fn refusal(&self) -> (u16, String) {
        match self.takes {
            Kind::Access => (401, "token_invalid".into()),
            Kind::Refresh => (401, "refresh_token_invalid".into()),
            Kind::Reset => (400, "reset_token_invalid".into()),
            _ => (400, "link_invalid".into()),
        }
    }
}

/// A good token for it gets past the door, and learns that there is nothing.
const NO_SESSION: &str = "/auth/sessions/00000000-0000-4000-8000-000000000000";

fn passed(answer: &Answer) -> bool {
    answer.status.is_success() || answer.code() == (404, "session_not_found".into())
}

fn endpoints() -> Vec<Endpoint> {
    let change = json!({"current_password": OLD, "new_password": NEW});
    let moving = json!({"current_password": OLD, "new_email": "other@moved.example"});
    let mut reset = Endpoint::field("/auth/reset-password", Kind::Reset, "token");
    reset.body = Some(json!({"new_password": NEW}));
    vec![
        Endpoint::bearer(Method::GET, "/auth/me", None),
        Endpoint::bearer(Method::DELETE, "/auth/me", None),
        Endpoint::bearer(Method::DELETE, "/auth/me", Some(json!({"current_password": OLD}))),
        Endpoint::bearer(Method::GET, "/auth/sessions", None),
        Endpoint::bearer(Method::DELETE, "/auth/sessions", None),
        Endpoint::bearer(Method::DELETE, NO_SESSION, None),
        Endpoint::bearer(Method::POST, "/auth/change-password", Some(change)),
        Endpoint::bearer(Method::POST, "/auth/change-email", Some(moving)),
        Endpoint::field("/auth/refresh", Kind::Refresh, "refresh_token"),
        Endpoint::field("/auth/logout", Kind::Refresh, "refresh_token"),
        reset,
        Endpoint::field("/auth/verify-email", Kind::Verification, "token"),
        Endpoint::field("/auth/change-email/confirm", Kind::EmailChange, "token"),
    ]
}

/// Ann's account, and a good token of each kind for it.
async fn world_with_tokens() -> (Client, impl Fn(Kind) -> String) {
    let world = testing_with(|ports, _| {
        ports.compatibility_issuer = Some(Arc::new(CompatibilityIssuer::new(&[9; 32]).unwrap()));
    });
    let client = Client::of(&world);
    client.register().await;
    let login = client.login(OLD).await;
    let session = Session::of(&login);
    let compatibility = login.json()["token"].as_str().unwrap().to_owned();
    let reset = reset_token(&world, &client).await;
    let verification = verification_token(&world, &client).await;
    let email_change = email_change_token(&world, &client, &session, "ann@moved.example").await;
    let token = move |kind| match kind {
        Kind::Access => session.access.clone(),
        Kind::Compatibility => compatibility.clone(),
        Kind::EmailChange => email_change.clone(),
        Kind::Refresh => session.refresh.clone(),
        Kind::Reset => reset.clone(),
        Kind::Verification => verification.clone(),
    };
    (client, token)
}

#[tokio::test]
async fn b2_only_the_right_kind_of_token_passes_at_each_endpoint() {
    let mut diagonal = 0;
    for endpoint in endpoints() {
        for kind in KINDS {
            // Each anew, since most of these calls end what the tokens are good for.
            let (client, token) = world_with_tokens().await;
            let answer = endpoint.present(&client, json!(token(kind))).await;
            if kind == endpoint.takes {
                assert!(passed(&answer), "{kind:?} at {}: {answer:?}", endpoint.path);
                diagonal += 1;
            } else {
                assert_eq!(answer.code(), endpoint.refusal(), "{kind:?} at {}", endpoint.path);
                assert_eq!(client.login(OLD).await.status, StatusCode::OK);
            }
        }
    }
    assert_eq!(diagonal, endpoints().len());
}

#[tokio::test]
async fn b3_what_is_empty_cut_stretched_or_of_another_type_is_no_token_anywhere() {
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.field.is_some()) {
        let (client, token) = world_with_tokens().await;
        let good = token(endpoint.takes);
        let (head, tail) = good.split_once('.').unwrap();
        let mut refusals = Vec::new();
        for bad in [
            String::new(),
            " ".into(),
            "\t\n".into(),
            "\u{0}".into(),
            ".".into(),
            "null".into(),
            "undefined".into(),
            good[1..].to_owned(),
            good[..good.len() - 1].to_owned(),
            good[..good.len() / 2].to_owned(),
            head.to_owned(),
            format!("{head}."),
            format!(".{tail}"),
            format!("{tail}.{head}"),
            format!("{good}\u{0}"),
            format!("\u{0}{good}"),
            format!("{good} "),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{good}="),
            format!("{good}A"),
            format!("{good}.{good}"),
            good.to_lowercase(),
            "A".repeat(good.len()),
            good.repeat(50),
        ] {
            let answer = endpoint.present(&client, json!(bad)).await;
            assert_eq!(answer.code(), endpoint.refusal(), "{bad:?} at {}", endpoint.path);
            refusals.push(answer.whole());
        }
        refusals.dedup();
        assert_eq!(refusals.len(), 1, "one refusal for every reason");
        for (bad, code) in [
            (json!(null), "field_missing"),
            (json!(0), "field_wrong_type"),
            (json!(true), "field_wrong_type"),
            (json!([good]), "field_wrong_type"),
            (json!({"token": good}), "field_wrong_type"),
        ] {
            let answer = endpoint.present(&client, bad.clone()).await;
            assert_eq!(answer.code(), (400, code.into()), "{bad} at {}", endpoint.path);
        }
        let answer = endpoint.present(&client, json!(good)).await;
        assert!(passed(&answer), "the token is still good at {}", endpoint.path);
    }
}

#[tokio::test]
async fn b3_what_is_empty_cut_or_stretched_bears_nobody_anywhere() {
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.field.is_none()) {
        let (client, token) = world_with_tokens().await;
        let good = token(Kind::Access);
        let malformed = (400, "authorization_malformed".to_owned());
        let refused = endpoint.refusal();
        for (bad, expected) in [
            (String::new(), &malformed),
            ("  ".into(), &malformed),
            (format!("{good} {good}"), &malformed),
            (format!("{good},{good}"), &malformed),
            ("null".into(), &refused),
            ("undefined".into(), &refused),
            (".".into(), &refused),
            ("..".into(), &refused),
            (good[1..].to_owned(), &refused),
            (good[..good.len() - 1].to_owned(), &refused),
            (good.split_once('.').unwrap().0.to_owned(), &refused),
            (format!("{good}="), &refused),
            (format!("{good}.{good}"), &refused),
            (good.repeat(20), &refused),
        ] {
            let answer = endpoint.present(&client, json!(bad)).await;
            assert_eq!(answer.code(), *expected, "{bad:?} at {}", endpoint.path);
            assert!(answer.header("www-authenticate").is_some());
        }
        let answer = endpoint.present(&client, json!(good)).await;
        assert!(passed(&answer), "the token is still good at {}", endpoint.path);
    }
}

#[tokio::test]
async fn a_bearer_is_read_from_nowhere_but_the_header() {
    let world = testing();
    let client = Client::of(&world);
    let token = client.first_session().await.access;
    for path in ["/auth/me", "/auth/sessions"] {
        let answer = client.get(&format!("{path}?access_token={token}"), &[]).await;
        assert_eq!(answer.code(), (401, "token_missing".into()));
    }
    let cookie = json_request(&Method::GET, "/auth/me").header("Cookie", format!("token={token}"));
    let answer = client.send(cookie.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.code(), (401, "token_missing".into()));
}

#[tokio::test]
async fn f3_a_body_that_says_who_somebody_is_is_refused() {
    let register = json!({"email": "eve@example.com", "password": OLD, "name": "Eve"});
    let bodies = [
        ("/auth/register", register),
        ("/auth/login", json!({"email": ANN, "password": OLD})),
        ("/auth/forgot-password", json!({"email": ANN})),
        ("/auth/verify-email/resend", json!({"email": ANN})),
    ];
    let of_tokens = endpoints().into_iter().filter_map(|endpoint| {
        let takes = endpoint.takes;
        endpoint.body.map(|body| (endpoint.method, endpoint.path, endpoint.field, takes, body))
    });
    let others =
        bodies.into_iter().map(|(path, body)| (Method::POST, path, None, Kind::Access, body));
    let (client, token) = world_with_tokens().await;
    for (method, path, field, takes, mut good) in of_tokens.chain(others) {
        if let Some(field) = field {
            good[field] = json!(token(takes));
        }
        for name in
            ["user_id", "userId", "id", "session_id", "role", "email_verified", "__proto__", "sub"]
        {
            let mut body = good.clone();
            body[name] = json!("00000000-0000-4000-8000-000000000000");
            let answer =
                client.call_as(&token(Kind::Access), method.clone(), path, Some(body)).await;
            assert_eq!(answer.code(), (400, "field_unknown".into()), "{name} at {path}");
        }
    }
    let session = Session { access: token(Kind::Access), refresh: token(Kind::Refresh) };
    assert!(client.is_alive(&session).await, "nothing was done");
}

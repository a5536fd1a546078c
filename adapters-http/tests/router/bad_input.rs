//! Bad input.

use adapters_local::testing;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, NEW, OLD, json_request, reset_token};

/// Every call that takes a body.
const WITH_BODY: [(&str, &str); 15] = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/forgotpassword"),
    ("POST", "/auth/reset-password"),
    ("POST", "/auth/change-password"),
    ("POST", "/auth/verify-email"),
    ("POST", "/auth/verify-email/resend"),
    ("POST", "/auth/change-email"),
    ("POST", "/auth/change-email/confirm"),
    ("DELETE", "/auth/me"),
    // A slash more or a capital is another path, and takes none.
    ("POST", "/auth/login/"),
    ("POST", "/auth/Login"),
];

#[tokio::test]
async fn bad_bodies_have_stable_codes_on_every_route() {
    let client = Client::of(&testing());
    let bearer = format!("Bearer {}", client.first_session().await.access);
    let nested = "[".repeat(100_000);
    let large = format!("{{\"email\":\"{}\"}}", "a".repeat(17 * 1024));
    let deep = format!("{{\"email\":{}", "[".repeat(16_000));
    for (method, path) in WITH_BODY {
        let is_route = !path.ends_with('/') && path == path.to_lowercase();
        for (body, code) in [
            (&b" "[..], "malformed_json"),
            (b"not json", "malformed_json"),
            (b"[]", "body_not_object"),
            (b"null", "body_not_object"),
            (b"{}", "field_missing"),
            (b"{\"email\":\"\xff\"}", "malformed_json"),
            (b"{\"role\":\"admin\"}", "field_unknown"),
            (deep.as_bytes(), "malformed_json"),
            (nested.as_bytes(), "body_too_large"),
            (large.as_bytes(), "body_too_large"),
        ] {
            let request = json_request(&method.parse().unwrap(), path)
                .header("Authorization", &bearer)
                .body(Body::from(body.to_vec()));
            let answer = client.send(request.unwrap()).await;
            assert_eq!(answer.code().1, if is_route { code } else { "not_found" }, "{path}");
            assert!(answer.status.is_client_error());
        }
    }
}

#[tokio::test]
async fn only_the_deletion_of_an_account_goes_without_a_body() {
    let client = Client::of(&testing());
    for (path, code) in [("/auth/login", "malformed_json"), ("/auth/refresh", "malformed_json")] {
        assert_eq!(client.post_raw(path, "", None).await.code(), (400, code.into()));
    }
    let session = client.first_session().await;
    let request = Request::delete("/auth/me")
        .header("Authorization", format!("Bearer {}", session.access))
        .body(Body::empty());
    assert_eq!(client.send(request.unwrap()).await.status, StatusCode::OK, "nor a content type");
}

#[tokio::test]
async fn who_bears_no_token_is_not_told_what_is_wrong_with_his_body() {
    let client = Client::of(&testing());
    for path in ["/auth/change-password", "/auth/change-email"] {
        for body in ["{", "{}", &"[".repeat(100_000)] {
            let answer = client.post_raw(path, body.to_owned(), None).await;
            assert_eq!(answer.code(), (401, "token_missing".into()), "{path}");
        }
    }
}

#[tokio::test]
async fn fields_that_are_null_doubled_or_of_another_type_are_named() {
    let client = Client::of(&testing());
    for (body, code, field) in [
        (r#"{"email":null,"password":"p"}"#, "field_missing", json!("email")),
        (r#"{"email":"a@b.c"}"#, "field_missing", json!("password")),
        (r#"{"email":7,"password":"p"}"#, "field_wrong_type", json!("email")),
        (r#"{"email":"a@b.c","password":["p"]}"#, "field_wrong_type", json!("password")),
        (r#"{"email":"a@b.c","email":"d@e.f","password":"p"}"#, "field_duplicate", json!("email")),
        (r#"{"email":"a@b.c","password":"p","user_id":"x"}"#, "field_unknown", Value::Null),
        (r#"{"email":"a@b.c","password":""}"#, "password_empty", json!("password")),
        (r#"{"email":"a@@b.c","password":"p"}"#, "email_invalid", json!("email")),
    ] {
        let answer = client.post_raw("/auth/login", body, None).await;
        assert_eq!(answer.code(), (400, code.into()), "{body}");
        assert_eq!(answer.json()["field"], field, "{body}");
    }
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let client = Client::of(&testing());
    let body = || Body::from(r#"{"email":"ann@example.com"}"#);
    for headers in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "application/json; charset=utf-16")],
        &[("Content-Type", "application/jsonp")],
        &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
    ] {
        let mut request = Request::post("/auth/forgot-password");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client.send(request.body(body()).unwrap()).await;
        assert_eq!(answer.code(), (415, "unsupported_media_type".into()), "{headers:?}");
    }
}

#[tokio::test]
async fn addresses_and_names_that_would_break_a_mail_are_refused() {
    let client = Client::of(&testing());
    let long = format!("{}@example.com", "a".repeat(290));
    for email in [
        "ann@example.com\r\nBcc: eve@example.com",
        "a@b@example.com",
        &long,
        "ann",
        "",
        "ann@example.com, eve@example.com",
        "Ann <ann@example.com>",
        "ann\u{ff20}example.com",
    ] {
        let body = json!({"email": email, "password": OLD, "name": "Ann"});
        let answer = client.post("/auth/register", body).await;
        assert_eq!(answer.code(), (400, "email_invalid".into()), "{email:?}");
    }
    for name in ["", " ", "Ann\r\nX-Header: 1", "Ann\u{0}", "\u{202e}nnA", &"n".repeat(101)] {
        let body = json!({"email": "ann@example.com", "password": OLD, "name": name});
        let answer = client.post("/auth/register", body).await;
        assert_eq!(answer.code(), (400, "name_invalid".into()), "{name:?}");
    }
}

#[tokio::test]
async fn spellings_of_one_address_are_one_account() {
    let client = Client::of(&testing());
    for (index, email) in
        [" ANN@B\u{fc}cher.example ", "ann@xn--bcher-kva.example", "Ann@B\u{dc}CHER.Example"]
            .iter()
            .enumerate()
    {
        let body = json!({"email": email, "password": OLD, "name": "Ann"});
        let answer = client.post("/auth/register", body).await;
        assert_eq!(answer.status.as_u16(), if index == 0 { 201 } else { 409 }, "{email}");
    }
}

#[tokio::test]
async fn passwords_are_bounded_by_code_points_and_one_password_in_two_forms_is_one() {
    let client = Client::of(&testing());
    let register =
        |email: &str, password: &str| json!({"email": email, "password": password, "name": "A"});
    for (password, code, limit) in [
        ("siebenz", "password_too_short", json!(8)),
        ("cafe\u{301}s\u{301}12", "password_too_short", json!(8)),
        (&"long ".repeat(60), "password_too_long", json!(256)),
        (&"long ".repeat(900), "password_too_long", Value::Null),
        ("nul\u{0}inside", "password_control_character", Value::Null),
        ("zero\u{200b}width", "password_forbidden_character", Value::Null),
        ("qwertyuiop", "password_common", Value::Null),
        ("Example", "password_too_short", json!(8)),
        ("ann@example.com", "password_context_word", Value::Null),
    ] {
        let answer = client.post("/auth/register", register("ann@example.com", password)).await;
        assert_eq!(answer.code(), (400, code.into()), "{password:.40}");
        assert_eq!(answer.json()["limit"], limit, "{password:.40}");
        assert_eq!(answer.json()["field"], "password");
        assert!(!answer.text.contains(password), "the password is echoed");
    }
    let composed = "caf\u{e9} \u{d55c}\u{ae00} 12";
    let decomposed = "cafe\u{301} \u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} 12";
    let registered = client.post("/auth/register", register("ann@example.com", composed)).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    assert_eq!(client.login(decomposed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_password_leaves_the_link_alive_and_junk_links_are_one_refusal() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    let token = reset_token(&world, &client).await;
    let weak = json!({"token": token, "new_password": "short"});
    let answer = client.post("/auth/reset-password", weak).await;
    assert_eq!(answer.code(), (400, "password_too_short".into()));
    assert_eq!(answer.json()["field"], "new_password");
    let (address, secret) = token.split_once('.').unwrap();
    let other = "A".repeat(64);
    let mut refusals = Vec::new();
    for junk in [
        String::new(),
        " ".into(),
        "\u{0}".into(),
        ".".into(),
        address.into(),
        format!("{address}.{other}"),
        format!("{token}="),
        format!("{token}\u{0}"),
        token[1..].to_owned(),
        token[..token.len() - 1].to_owned(),
        format!("{secret}.{address}"),
        "A".repeat(9_000),
    ] {
        let answer =
            client.post("/auth/reset-password", json!({"token": junk, "new_password": NEW})).await;
        refusals.push((answer.code(), answer.text));
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]));
    assert_eq!(refusals[0].0, (400, "reset_token_invalid".into()));
    let good = json!({"token": token, "new_password": NEW});
    assert_eq!(client.post("/auth/reset-password", good).await.status, StatusCode::OK);
}

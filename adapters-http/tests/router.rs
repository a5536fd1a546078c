//! The router as a client sees it, over in-memory adapters and without a socket.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters_http::{AllowedOrigins, HttpOptions, Origin, router};
use adapters_local::memory::MailFault;
use adapters_local::{CompatibilityIssuer, Testing, testing, testing_with};
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey, UserStore,
};
use auth_domain::{Email, Locale, PortError, PortErrorKind, Timestamp, TokenCheck, User, UserId};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

struct Client {
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Client {
    fn of(world: &Testing) -> Self {
        Self::with(world, HttpOptions::default())
    }

    fn with(world: &Testing, options: HttpOptions) -> Self {
        Self { router: router(world.auth.clone(), options) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn post_raw(&self, path: &str, body: impl Into<Body>, language: Option<&str>) -> Answer {
        let mut request = Request::post(path)
            .header("Content-Type", "application/json; charset=UTF-8")
            .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
        if let Some(language) = language {
            request = request.header("Accept-Language", language);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_raw(path, body.to_string(), None).await
    }

    async fn register(&self) -> Answer {
        let body = json!({"email": "Ann@Example.com", "password": OLD, "name": "안 Ann"});
        self.post("/auth/register", body).await
    }

    async fn login(&self, password: &str) -> Answer {
        self.post("/auth/login", json!({"email": "ann@example.com", "password": password})).await
    }

    async fn get(&self, path: &str, authorization: &[&str]) -> Answer {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header("Authorization", *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

async fn token_of(world: &Testing, client: &Client) -> String {
    client.post("/auth/forgot-password", json!({"email": "ann@example.com"})).await;
    world.deliver_mail().await;
    world.reset_token(&ann()).unwrap().expose().to_string()
}

// The seed's contract.

#[tokio::test]
async fn the_installed_app_finds_the_fields_that_it_reads() {
    let world = testing();
    let mut options = HttpOptions::default();
    options.default_locale = Locale::Ko;
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
        assert_eq!(reset.json(), json!({"message": done}));
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
        let link = token_of(&world, &client).await;
        client.post("/auth/reset-password", json!({"token": link, "new_password": NEW})).await;
        let me = client.get("/auth/me", &[&format!("Bearer {token}")]).await;
        assert_eq!(me.status.as_u16(), expected, "{check:?}");
    }
}

// Refusals and their headers.

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
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
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

// Bad input.

#[tokio::test]
async fn bad_bodies_have_stable_codes_on_every_route() {
    let client = Client::of(&testing());
    let routes = [
        "/auth/register",
        "/auth/login",
        "/auth/forgot-password",
        "/auth/forgotpassword",
        "/auth/reset-password",
    ];
    let nested = "[".repeat(100_000);
    let large = format!("{{\"email\":\"{}\"}}", "a".repeat(17 * 1024));
    let deep = format!("{{\"email\":{}", "[".repeat(16_000));
    for path in routes {
        for (body, code) in [
            (&b""[..], "malformed_json"),
            (b"not json", "malformed_json"),
            (b"[]", "body_not_object"),
            (b"{}", "field_missing"),
            (b"{\"email\":\"\xff\"}", "malformed_json"),
            (b"{\"role\":\"admin\"}", "field_unknown"),
            (deep.as_bytes(), "malformed_json"),
            (nested.as_bytes(), "body_too_large"),
            (large.as_bytes(), "body_too_large"),
        ] {
            let answer = client.post_raw(path, body.to_vec(), None).await;
            assert_eq!(answer.code().1, code, "{path}");
            assert!(answer.status.is_client_error());
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
    let token = token_of(&world, &client).await;
    let weak = json!({"token": token, "new_password": "short"});
    let answer = client.post("/auth/reset-password", weak).await;
    assert_eq!(answer.code(), (400, "password_too_short".into()));
    assert_eq!(answer.json()["field"], "new_password");
    let (address, secret) = token.split_once('.').unwrap();
    let other = "A".repeat(43);
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

// Faults.

struct BrokenStore(PortErrorKind);

impl BrokenStore {
    fn fail<T>(&self) -> Result<T, PortError> {
        Err(PortError::new(self.0, "user_store.any").caused_by("canary: the cause"))
    }
}

#[async_trait::async_trait]
impl UserStore for BrokenStore {
    async fn find_by_email(&self, _: &Email) -> Result<Option<User>, PortError> {
        self.fail()
    }
    async fn find_by_id(&self, _: UserId) -> Result<Option<User>, PortError> {
        self.fail()
    }
    async fn insert(&self, _: User) -> Result<Insert, PortError> {
        if self.0 == PortErrorKind::Rejected {
            panic!("canary: the panic")
        }
        self.fail()
    }
    async fn update_credentials(&self, _: CredentialUpdate) -> Result<Update, PortError> {
        self.fail()
    }
    async fn change_email(&self, _: EmailChange) -> Result<EmailUpdate, PortError> {
        self.fail()
    }
    async fn touch_last_login(&self, _: &UserKey, _: Timestamp) -> Result<Update, PortError> {
        self.fail()
    }
    async fn delete(&self, _: &UserKey) -> Result<Update, PortError> {
        self.fail()
    }
}

#[tokio::test]
async fn a_fault_is_a_503_or_a_500_without_its_cause_and_the_service_lives_on() {
    for (kind, status, code) in [
        (PortErrorKind::Unavailable, 503, "unavailable"),
        (PortErrorKind::Corrupt, 500, "internal_error"),
        (PortErrorKind::Rejected, 500, "internal_error"),
    ] {
        let world = testing_with(|ports, _| ports.users = Arc::new(BrokenStore(kind)));
        let client = Client::of(&world);
        let answer = client.register().await;
        assert_eq!(answer.code(), (status, code.into()));
        assert!(!answer.text.contains("canary"));
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("1"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(client.get("/healthz", &[]).await.json(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn a_panic_is_answered_in_the_configured_language() {
    let world =
        testing_with(|ports, _| ports.users = Arc::new(BrokenStore(PortErrorKind::Rejected)));
    let mut options = HttpOptions::default();
    options.default_locale = Locale::Ko;
    let answer = Client::with(&world, options).register().await;
    assert_eq!(answer.json()["error"], "서버 내부 오류가 발생했습니다.");
}

#[tokio::test]
async fn no_accept_language_header_is_too_much() {
    let client = Client::of(&testing());
    // Weights without an order: sorting by them has made servers panic.
    let unordered: Vec<String> = (0..40)
        .map(|n| format!("a;q={}", if n % 2 == 0 { "nan".into() } else { format!("0.{n}") }))
        .collect();
    for language in [unordered.join(","), ",;q".repeat(2000), "ko;q=\u{7f}".replace('\u{7f}', "-")]
    {
        let answer = client.post_raw("/auth/login", "{}", Some(&language)).await;
        assert_eq!(answer.code(), (400, "field_missing".into()));
        assert_eq!(answer.header("content-language"), Some("en"));
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_looks_like_a_wrong_password() {
    let world =
        testing_with(|ports, _| ports.users = Arc::new(BrokenStore(PortErrorKind::Corrupt)));
    assert_eq!(Client::of(&world).login(OLD).await.code(), (401, "credentials_rejected".into()));
}

#[tokio::test]
async fn a_mail_service_that_is_down_changes_no_answer() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    world.mailbox.fail_next([MailFault::Transient]);
    let answer = client.post("/auth/forgot-password", json!({"email": "ann@example.com"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(world.deliver_mail().await, [None]);
    assert!(world.reset_token(&ann()).is_none());
    world.deliver_mail().await;
    assert!(world.reset_token(&ann()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let client = Client::of(&testing());
    let never =
        Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let answer = client.post_raw("/auth/login", never, None).await;
    assert_eq!(answer.code(), (408, "request_timeout".into()));
    assert_eq!(answer.header("connection"), Some("close"));
}

// Links and origins.

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
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

//! The calls inside somebody else's application.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use adapters_http::{Bearer, HttpOptions, RequireBearer, router, routes};
use adapters_local::{Testing, testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, Put, ResetTokenStore, Update, UserKey,
    UserStore,
};
use auth_domain::{
    Auth, CredentialVersion, DisplayName, Email, LoginRequest, Password, PortError,
    RegisterRequest, RequestContext, ResetRecord, Timestamp, TokenCheck, TokenDigest, User, UserId,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt;
use tower::ServiceExt;

#[derive(Clone, FromRef)]
struct Shop {
    require_bearer: RequireBearer,
    motto: &'static str,
}

async fn greet(Bearer(claims): Bearer, State(shop): State<Shop>) -> String {
    format!("{}, {}", shop.motto, claims.name.as_str())
}

fn application(world: &Testing) -> Router {
    let shop = Shop { require_bearer: RequireBearer::new(world.auth.clone()), motto: "Welcome" };
    Router::new()
        .route("/healthz", get(async || "the shop is open"))
        .route("/greeting", get(greet))
        .fallback(async || (StatusCode::NOT_FOUND, "no such shelf"))
        .with_state(shop)
        .merge(routes(world.auth.clone(), HttpOptions::default()))
}

async fn send(router: &Router, request: Request<Body>) -> (u16, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

fn visit(path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("Authorization", value);
    }
    request.body(Body::empty()).unwrap()
}

async fn access_token(auth: &Auth) -> String {
    let email = Email::parse("ann@example.com").unwrap();
    let password = Password::new("correct horse battery").unwrap();
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email: email.clone(), password: password.clone(), name };
    auth.register(request, &RequestContext::new()).await.unwrap();
    let login = auth.login(LoginRequest { email, password }, &RequestContext::new()).await.unwrap();
    login.access_token.expose().to_owned()
}

#[tokio::test]
async fn an_application_keeps_its_own_fallback_and_health_check() {
    let app = application(&testing());
    let nowhere = send(&app, visit("/nowhere", None)).await;
    assert_eq!(nowhere, (404, "no such shelf".into()));
    let health = send(&app, visit("/healthz", None)).await;
    assert_eq!(health, (200, "the shop is open".into()));
    let (status, body) = send(&app, visit("/auth/login", None)).await;
    assert_eq!(status, 405);
    assert!(body.contains("method_not_allowed"));
}

#[tokio::test]
async fn a_route_of_ones_own_lets_bearers_in_and_nobody_else() {
    let world = testing();
    let app = application(&world);
    let token = access_token(&world.auth).await;
    let greeting = send(&app, visit("/greeting", Some(&format!("bearer {token}")))).await;
    assert_eq!(greeting, (200, "Welcome, Ann".into()));
    for (authorization, status, code) in [
        (None, 401, "token_missing"),
        (Some("Bearer a.b.c"), 401, "token_invalid"),
        (Some("Bearer"), 400, "authorization_malformed"),
    ] {
        let (answered, body) = send(&app, visit("/greeting", authorization)).await;
        assert_eq!(answered, status);
        assert!(body.contains(code), "{body}");
    }
}

#[tokio::test]
async fn the_calls_work_under_a_path_of_ones_own_that_leaves_a_part_open() {
    let world = testing();
    let calls = routes(world.auth.clone(), HttpOptions::default());
    let app = Router::new().nest("/shops/{shop}", calls);
    let token = access_token(&world.auth).await;
    let claims = world.auth.authenticate(&token).await.unwrap();
    let end = Request::delete(format!("/shops/7/auth/sessions/{}", claims.session_id))
        .header("Authorization", format!("Bearer {token}"))
        .body(Body::empty());
    let (status, body) = send(&app, end.unwrap()).await;
    assert_eq!(status, 200, "{body}");
}

/// A store that never answers.
struct Hanging;

#[async_trait]
impl UserStore for Hanging {
    async fn find_by_email(&self, _: &Email) -> Result<Option<User>, PortError> {
        std::future::pending().await
    }
    async fn find_by_id(&self, _: UserId) -> Result<Option<User>, PortError> {
        std::future::pending().await
    }
    async fn insert(&self, _: User) -> Result<Insert, PortError> {
        std::future::pending().await
    }
    async fn update_credentials(&self, _: CredentialUpdate) -> Result<Update, PortError> {
        std::future::pending().await
    }
    async fn change_email(&self, _: EmailChange) -> Result<EmailUpdate, PortError> {
        std::future::pending().await
    }
    async fn touch_last_login(&self, _: &UserKey, _: Timestamp) -> Result<Update, PortError> {
        std::future::pending().await
    }
    async fn delete(&self, _: &UserKey, _: Option<CredentialVersion>) -> Result<Update, PortError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_in_every_call() {
    let token = access_token(&testing().auth).await;
    let world = testing_with(|ports, settings| {
        ports.users = Arc::new(Hanging);
        settings.token_check = TokenCheck::Strict;
    });
    let router = router(world.auth.clone(), HttpOptions::default());
    let started = tokio::time::Instant::now();
    let login = Request::post("/auth/login")
        .header("Content-Type", "application/json")
        .body(Body::from(r#"{"email":"ann@example.com","password":"p"}"#));
    for request in [login.unwrap(), visit("/auth/me", Some(&format!("Bearer {token}")))] {
        let (status, body) = send(&router, request).await;
        assert_eq!(status, 503);
        assert!(body.contains(r#""code":"timeout""#), "{body}");
    }
    assert_eq!(started.elapsed().as_secs(), 2 * Duration::from_secs(20).as_secs());
}

/// A store that never answers, and tells how many still wait for it.
struct HangingTokens(Arc<()>);

#[async_trait]
impl ResetTokenStore for HangingTokens {
    async fn put(&self, _: ResetRecord) -> Result<Put, PortError> {
        std::future::pending().await
    }
    async fn newest(&self, _: &Email) -> Result<Option<ResetRecord>, PortError> {
        let _waiting = Arc::clone(&self.0);
        std::future::pending().await
    }
    async fn consume(
        &self,
        _: &Email,
        _: TokenDigest,
        _: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        std::future::pending().await
    }
    async fn delete_all(&self, _: &Email, _: UserId) -> Result<(), PortError> {
        std::future::pending().await
    }
}

/// Every world for tests has one master secret: a link of one is of the other.
async fn issued_elsewhere() -> String {
    let (world, context) = (testing(), RequestContext::new());
    let email = Email::parse("ann@example.com").unwrap();
    let request = RegisterRequest {
        email: email.clone(),
        password: Password::new("correct horse battery").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    world.auth.register(request, &context).await.unwrap();
    world.auth.request_password_reset(email.clone(), &context).await.unwrap();
    world.deliver_mail().await;
    world.link_token(&email).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_is_given_up_does_not_go_on_behind_its_answer() {
    let waiting = Arc::new(());
    let store = Arc::new(HangingTokens(Arc::clone(&waiting)));
    let world = testing_with(|ports, _| ports.reset_tokens = store);
    let router = router(world.auth.clone(), HttpOptions::default());
    let token = issued_elsewhere().await;
    let body = format!(r#"{{"token":"{token}","new_password":"a brand new staple"}}"#);
    let reset = Request::post("/auth/reset-password")
        .header("Content-Type", "application/json")
        .body(Body::from(body));
    let (status, body) = send(&router, reset.unwrap()).await;
    assert_eq!((status, body.contains(r#""code":"timeout""#)), (503, true), "{body}");
    assert_eq!(Arc::strong_count(&waiting), 2, "the store's and this one");
}

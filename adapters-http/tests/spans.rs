//! The spans of requests and of the use cases in them, and that nothing secret is in their fields.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use adapters_http::{HttpOptions, router};
use adapters_local::{Testing, testing};
use auth_domain::{Claims, Email, RequestContext};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

const ANN: &str = "ann@example.com";
const PASSWORD: &str = "a canary for a password";
const NEW: &str = "another canary for one";

/// Its name, its fields, its id and its parent's.
type Span = BTreeMap<String, String>;

thread_local! {
    /// Of a test, which has a thread to itself.
    static SPANS: RefCell<Vec<Span>> = RefCell::default();
}

/// For the whole process: what one thread alone listens to, another may switch off.
struct ByThread;

struct Fields<'a>(&'a mut Span);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ByThread {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let text = |id: &Id| id.into_u64().to_string();
        let mut fields = Span::from([("name".to_owned(), span.name().to_owned())]);
        fields.insert("id".to_owned(), text(id));
        if let Some(parent) = span.parent() {
            fields.insert("parent".to_owned(), text(&parent.id()));
        }
        attributes.record(&mut Fields(&mut fields));
        SPANS.with_borrow_mut(|spans| spans.push(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let id = id.into_u64().to_string();
        SPANS.with_borrow_mut(|spans| {
            let span = spans.iter_mut().rev().find(|span| span["id"] == id).unwrap();
            values.record(&mut Fields(span));
        });
    }
}

/// A world whose spans are recorded.
fn start() -> (Testing, Router) {
    // Another test of this process may have come first.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(ByThread));
    let world = testing();
    let app = router(world.auth.clone(), HttpOptions::default());
    (world, app)
}

fn spans() -> Vec<Span> {
    SPANS.with_borrow(Clone::clone)
}

async fn send(app: &Router, request: Request<Body>) -> Value {
    let answer = app.clone().oneshot(request).await.unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

async fn post(app: &Router, path: &str, body: Value) -> Value {
    let request = Request::post(path).header("content-type", "application/json");
    send(app, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn register(app: &Router) {
    let body = json!({"email": ANN, "password": PASSWORD, "name": "Canary"});
    assert_eq!(post(app, "/auth/register", body).await["email"], ANN);
}

async fn login(app: &Router) -> Value {
    post(app, "/auth/login", json!({"email": ANN, "password": PASSWORD})).await
}

async fn reset_token(world: &Testing, app: &Router) -> String {
    post(app, "/auth/forgot-password", json!({"email": ANN})).await;
    world.deliver_mail().await;
    world.link_token(&Email::parse(ANN).unwrap()).unwrap()
}

#[tokio::test]
async fn a_request_is_a_span_by_the_conventions_of_opentelemetry() {
    let (_world, app) = start();
    let request = Request::post("/auth/login?canary=canary")
        .header("content-type", "application/json")
        .header("x-request-id", "seven")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let body = json!({"email": ANN, "password": PASSWORD}).to_string();
    send(&app, request.body(Body::from(body)).unwrap()).await;
    let expected = json!({
        "name": "request",
        "otel.name": "POST /auth/login",
        "otel.kind": "server",
        "http.request.method": "POST",
        "http.route": "/auth/login",
        "http.response.status_code": "401",
        "request_id": "seven",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    let mut span = spans().swap_remove(0);
    span.remove("id");
    assert_eq!(json!(span), expected);
}

#[tokio::test]
async fn the_span_of_a_use_case_is_within_the_one_of_its_request() {
    let (world, app) = start();
    register(&app).await;
    post(&app, "/auth/login", json!({"email": ANN, "password": NEW})).await;
    // Which goes on without its client, in a task of its own.
    let token = reset_token(&world, &app).await;
    post(&app, "/auth/reset-password", json!({"token": token, "new_password": NEW})).await;
    let spans = spans();
    for (use_case, request, error) in [
        ("register", "POST /auth/register", None),
        ("login", "POST /auth/login", Some("credentials_rejected")),
        ("reset_password", "POST /auth/reset-password", None),
    ] {
        let span = spans.iter().find(|span| span["name"] == use_case).unwrap();
        let parent = spans.iter().find(|parent| parent["id"] == span["parent"]).unwrap();
        assert_eq!(parent["otel.name"], request);
        assert_eq!(span.get("error.type").map(String::as_str), error);
    }
}

#[tokio::test]
async fn every_use_case_and_every_mail_is_a_span_of_its_name() {
    let (world, app) = start();
    register(&app).await;
    let first = login(&app).await;
    let auth = &world.auth;
    let context = RequestContext::new();
    let access = first["access_token"].as_str().unwrap();
    let claims: Claims = auth.authenticate(access).await.unwrap();
    auth.list_sessions(&claims, &context).await.unwrap();
    auth.end_session(&claims, claims.session_id, &context).await.unwrap();
    auth.end_all_sessions(&claims, &context).await.unwrap_err();
    auth.delete_account(&claims, None, &context).await.unwrap_err();
    for (path, body) in [
        ("refresh", json!({"refresh_token": first["refresh_token"]})),
        ("logout", json!({"refresh_token": first["refresh_token"]})),
        ("verify-email/resend", json!({"email": ANN})),
        ("change-password", json!({"current_password": PASSWORD, "new_password": NEW})),
        ("change-email", json!({"current_password": PASSWORD, "new_email": "a@b.example"})),
    ] {
        let request = Request::post(format!("/auth/{path}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {access}"));
        send(&app, request.body(Body::from(body.to_string())).unwrap()).await;
    }
    world.deliver_mail().await;
    let link = world.link_token(&Email::parse(ANN).unwrap()).unwrap();
    post(&app, "/auth/verify-email", json!({"token": link})).await;
    let admin = auth.admin();
    let key = admin.look_up(&Email::parse(ANN).unwrap()).await.unwrap().key;
    admin.look_up_by_id(key.id).await.unwrap();
    admin.disable(&key).await.unwrap();
    admin.enable(&key).await.unwrap();
    admin.end_sessions(&key).await.unwrap();
    admin.force_password_change(&key, &context).await.unwrap();
    admin.delete(&key, &context).await.unwrap();

    let names: Vec<_> = spans().iter().map(|span| span["name"].clone()).collect();
    for use_case in [
        "register",
        "login",
        "authenticate",
        "list_sessions",
        "end_session",
        "end_all_sessions",
        "delete_account",
        "refresh",
        "logout",
        "request_verification",
        "change_password",
        "request_email_change",
        "deliver",
        "verify_email",
        "admin_look_up",
        "admin_look_up_by_id",
        "admin_disable",
        "admin_enable",
        "admin_end_sessions",
        "admin_force_password_change",
        "admin_delete",
    ] {
        assert!(names.iter().any(|name| name == use_case), "{use_case} is not in {names:?}");
    }
}

#[tokio::test]
async fn a_span_names_the_route_and_nothing_that_a_client_chose() {
    let (world, app) = start();
    register(&app).await;
    let session = login(&app).await;
    let token = reset_token(&world, &app).await;
    post(&app, "/auth/reset-password", json!({"token": token, "new_password": NEW})).await;
    let before = spans().len();
    for (method, path) in [
        ("DELETE", "/auth/sessions/canary?canary=canary"),
        ("GET", "/canary/canary?token=canary"),
        ("CANARY", "/auth/login"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", session["access_token"]))
            .header("user-agent", "canary")
            .header("traceparent", "canary");
        send(&app, request.body(Body::from("{\"email\":\"canary\"}")).unwrap()).await;
    }
    let spans = spans();
    let requests = spans[before..].iter().filter(|span| span["name"] == "request");
    let names: Vec<_> = requests.map(|span| span["otel.name"].as_str()).collect();
    assert_eq!(names, ["DELETE /auth/sessions/{id}", "GET", "HTTP /auth/login"]);

    let all = format!("{spans:?}");
    let of_session = ["access_token", "refresh_token", "device_token", "user_id"];
    let of_session = of_session.map(|field| session[field].as_str().unwrap());
    for secret in ["anary", "CANARY", ANN, PASSWORD, NEW, &token].iter().chain(&of_session) {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}

//! [`auth_domain`] over HTTP: one [`router`] with the calls of sign-up, login and password reset.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /auth/register` | `email`, `password`, `name` | 201 `message`, `user_id`, `email`, `name` |
//! | `POST /auth/login` | `email`, `password` | 200 `message`, `user_id`, `email`, `name`, `token`, `access_token`, `token_type`, `expires_in` (seconds) |
//! | `POST /auth/forgot-password`, `/auth/forgotpassword` | `email` | 200 `message`, whether or not there is an account |
//! | `POST /auth/reset-password` | `token`, `new_password` | 200 `message` |
//! | `GET /auth/me` | none; `Authorization: Bearer` | 200 `user_id`, `email`, `name` |
//! | `GET /healthz` | none | 200 `status`: the process answers; no store is asked |
//!
//! A body is a JSON object of strings, of these fields and no others, of at most 16 KiB. A refusal is
//! `application/problem+json` (RFC 9457) with a stable `code`, and with the sentence again as `error`,
//! which is where clients of the system that this replaced read it. Sentences are in the language that
//! the client accepts. Every answer is `Cache-Control: no-store`.

mod bearer;
mod body;
mod call;
mod client_address;
mod fields;
mod handlers;
mod language;
mod options;
mod problem;

use std::sync::Arc;

use auth_domain::Auth;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

pub use client_address::ClientAddress;
pub use options::{AllowedOrigins, HttpOptions};

use problem::Problem;

#[derive(Clone)]
struct Service {
    auth: Auth,
    options: Arc<HttpOptions>,
}

/// The calls of the crate's table, for an axum server, a Lambda, or a place inside another router.
///
/// Limits by source need the client's address: serve the router by
/// `into_make_service_with_connect_info::<SocketAddr>()`, or put a `ConnectInfo<SocketAddr>` into each
/// request's extensions. Without it no limit by source applies, and a warning is logged once.
pub fn router(auth: Auth, options: HttpOptions) -> Router {
    let cors = options.allowed_origins.layer();
    let service = Service { auth, options: Arc::new(options) };
    let forgot = post(handlers::forgot_password);
    Router::new()
        .route("/auth/register", post(handlers::register))
        .route("/auth/login", post(handlers::login))
        .route("/auth/forgot-password", forgot.clone())
        .route("/auth/forgotpassword", forgot)
        .route("/auth/reset-password", post(handlers::reset_password))
        .route("/auth/me", get(handlers::me))
        .route("/healthz", get(handlers::healthz))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(service)
        .layer(CatchPanicLayer::custom(|_| Problem::of("internal_error").in_default_language()))
        .layer(cors)
        .layer(constant(header::CACHE_CONTROL, "no-store"))
        .layer(constant(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

fn constant(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

async fn not_found(State(service): State<Service>, request: Request) -> Response {
    Problem::of("not_found").in_language(service.options.locale(request.headers()))
}

/// `Allow` is added by axum, which knows the route's methods.
async fn method_not_allowed(State(service): State<Service>, request: Request) -> Response {
    Problem::of("method_not_allowed").in_language(service.options.locale(request.headers()))
}

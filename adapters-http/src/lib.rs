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
//! the client accepts. Every answer is `Cache-Control: no-store`; 429 and 503 say when to come back.
//!
//! | status | codes |
//! |---|---|
//! | 400 | `authorization_malformed`, `body_not_object`, `body_unreadable`, `email_invalid`, `field_duplicate`, `field_missing`, `field_unknown`, `field_wrong_type`, `malformed_json`, `name_invalid`, `password_common`, `password_context_word`, `password_control_character`, `password_empty`, `password_too_long`, `password_too_short`, `reset_token_invalid` |
//! | 401 | `credentials_rejected`, `token_invalid`, `token_missing` |
//! | 404 | `not_found` |
//! | 405 | `method_not_allowed` |
//! | 408 | `request_timeout` |
//! | 409 | `email_taken` |
//! | 413 | `body_too_large` |
//! | 415 | `unsupported_media_type` |
//! | 429 | `rate_limited`, `too_many_attempts` |
//! | 500 | `internal_error` |
//! | 503 | `overloaded`, `timeout`, `unavailable` |

mod bearer;
mod body;
mod call;
mod client_address;
mod fields;
mod handlers;
mod language;
mod options;
mod problem;
mod require_bearer;

use std::sync::Arc;

use auth_domain::Auth;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

pub use bearer::Bearer;
pub use client_address::ClientAddress;
pub use options::{AllowedOrigins, HttpOptions, Origin, OriginError};
pub use require_bearer::{RequireBearer, RequireBearerService};

use problem::Problem;

#[derive(Clone)]
struct Service {
    auth: Auth,
    options: Arc<HttpOptions>,
}

/// A whole server's router: [`routes`], `GET /healthz`, and problem+json for unknown paths. For a server
/// of its own, a Lambda, or [`Router::nest`] under a path of yours.
///
/// Limits by source need the client's address: serve the router by
/// `into_make_service_with_connect_info::<SocketAddr>()`, or put a `ConnectInfo<SocketAddr>` into each
/// request's extensions. Without it all clients count as one source, and a warning is logged once.
pub fn router(auth: Auth, options: HttpOptions) -> Router {
    let service = Service { auth: auth.clone(), options: Arc::new(options.clone()) };
    let own = Router::new()
        .route("/healthz", get(handlers::healthz))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(service);
    layered(own, &options).merge(routes(auth, options))
}

/// The calls under `/auth` alone, to be [merged](Router::merge) into a router of yours: your fallback,
/// your health check and your headers stay yours. Guard your own routes by [`Bearer`].
///
/// As for [`router`], the client's address must be in each request's extensions.
pub fn routes(auth: Auth, options: HttpOptions) -> Router {
    let service = Service { auth, options: Arc::new(options.clone()) };
    let forgot = post(handlers::forgot_password);
    let calls = Router::new()
        .route("/auth/register", post(handlers::register))
        .route("/auth/login", post(handlers::login))
        .route("/auth/forgot-password", forgot.clone())
        .route("/auth/forgotpassword", forgot)
        .route("/auth/reset-password", post(handlers::reset_password))
        .route("/auth/me", get(handlers::me))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(service);
    layered(calls, &options)
}

/// A router for as long as there is no [`Auth`], say because its secret could not be fetched: every path
/// is answered 503 `unavailable`, with the headers that [`router`] sets.
pub fn unavailable(options: HttpOptions) -> Router {
    let state = Arc::new(options.clone());
    layered(Router::new().fallback(not_available).with_state(state), &options)
}

/// What every answer passes on its way out.
fn layered(router: Router, options: &HttpOptions) -> Router {
    let locale = options.default_locale;
    let panicked = move |_| Problem::of(&problem::INTERNAL_ERROR).in_language(locale);
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(options.allowed_origins.layer())
        .layer(constant(header::CACHE_CONTROL, "no-store"))
        .layer(constant(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

fn constant(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

async fn not_found(State(service): State<Service>, request: Request) -> Response {
    Problem::of(&problem::NOT_FOUND).in_language(service.options.locale(request.headers()))
}

/// `Allow` is added by axum, which knows the route's methods.
async fn method_not_allowed(State(service): State<Service>, request: Request) -> Response {
    Problem::of(&problem::METHOD_NOT_ALLOWED).in_language(service.options.locale(request.headers()))
}

async fn not_available(State(options): State<Arc<HttpOptions>>, request: Request) -> Response {
    Problem::of(&problem::UNAVAILABLE).in_language(options.locale(request.headers()))
}

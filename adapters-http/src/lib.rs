//! [`auth_domain`] over HTTP: one [`router`] with the calls of an account's
//! life: sign-up, login, sessions, change of password and address, reset, deletion.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /auth/register` | `email`, `password`, `name` | 201 `message`, `user_id`, `email`, `name` |
//! | `POST /auth/login` | `email`, `password`; `device_token` if there is one | 200 `message`, `user_id`, `email`, `name`, `token`, `access_token`, `token_type`, `expires_in` (seconds), `refresh_token`, `device_token` |
//! | `POST /auth/refresh` | `refresh_token` | 200 `message`, `token`, `access_token`, `token_type`, `expires_in`, `refresh_token` |
//! | `POST /auth/logout` | `refresh_token` | 200 `message` |
//! | `POST /auth/forgot-password`, `/auth/forgotpassword` | `email` | 200 `message`, whether or not there is an account |
//! | `POST /auth/reset-password` | `token`, `new_password` | 200 `message`, `device_token` |
//! | `POST /auth/change-password` (bearer) | `current_password`, `new_password` | 200 `message`, `token`, `access_token`, `token_type`, `expires_in`, `device_token`; all other sessions are over |
//! | `POST /auth/verify-email` | `token` | 200 `message` |
//! | `POST /auth/verify-email/resend` | `email` | 202 `message`, whether or not there is an account |
//! | `POST /auth/change-email` (bearer) | `new_email`, `current_password` | 202 `message`, whether or not the address is free |
//! | `POST /auth/change-email/confirm` | `token` | 200 `message`; all sessions are over |
//! | `GET /auth/sessions` (bearer) | none | 200 `sessions`: a list of `id`, `created_at`, `last_used_at` (RFC 3339), `user_agent` (or null), `current` |
//! | `DELETE /auth/sessions/{id}` (bearer) | none | 200 `message` |
//! | `DELETE /auth/sessions` (bearer) | none | 200 `message`; the own one too |
//! | `GET /auth/me` (bearer) | none | 200 `user_id`, `email`, `name` |
//! | `DELETE /auth/me` (bearer) | `current_password`, or none within 5 minutes of the login | 200 `message` |
//! | `GET /.well-known/jwks.json` | none | 200 the public keys of access tokens (RFC 7517 section 5), for five minutes |
//! | `GET /healthz` | none | 200 `status`: the process answers; no store is asked |
//!
//! A bearer sends his access token as `Authorization: Bearer`. Where sign-up is private, `register`
//! answers 202 `message` to everybody.
//!
//! A `device_token` that is not good counts as none.
//!
//! A body is a JSON object of strings, of these fields and no others, of at most 16 KiB. A refusal is
//! `application/problem+json` (RFC 9457) with a stable `code`, and with the sentence again as `error`,
//! which is where clients of the system that this replaced read it. Sentences are in the language that
//! the client accepts. Every answer of a call but the keys is `Cache-Control: no-store`; 429 and 503 say when to
//! come back.
//!
//! Three features add what a server may want beside the calls, each to be merged or layered by whoever wants it:
//! `pages`, which mailed links lead to; `openapi`, the description of the calls for programs and readers; and
//! `opentelemetry`, durations of requests and the traces that they are part of.
//!
//! Every answer says in `X-Request-Id` what its request is found by in logs and events: an id that whoever
//! serves the router put into the request's extensions (an [`auth_domain::RequestId`]), or a well-formed one
//! that came with the request, or a new one. All that a request causes is in one span of `tracing`, target
//! `auth`, with the method, the route and the status, by OpenTelemetry's conventions.
//!
//! | status | codes |
//! |---|---|
//! | 400 | `authorization_malformed`, `body_not_object`, `body_unreadable`, `email_invalid`, `email_unchanged`, `field_duplicate`, `field_missing`, `field_unknown`, `field_wrong_type`, `form_unreadable` (pages), `link_invalid`, `malformed_json`, `name_invalid`, `password_breached`, `password_common`, `password_context_word`, `password_control_character`, `password_empty`, `password_forbidden_character`, `password_too_long`, `password_too_short`, `reset_token_invalid` |
//! | 401 | `credentials_rejected`, `refresh_token_invalid`, `token_invalid`, `token_missing` |
//! | 403 | `cross_site_form` (pages), `password_wrong`, `recent_login_needed` |
//! | 404 | `account_not_found` (no call of these), `not_found`, `session_not_found` |
//! | 405 | `method_not_allowed` |
//! | 408 | `request_timeout` |
//! | 409 | `conflict`, `email_taken` |
//! | 413 | `body_too_large` |
//! | 415 | `unsupported_media_type` |
//! | 429 | `rate_limited`, `too_many_attempts` |
//! | 500 | `internal_error` |
//! | 503 | `overloaded`, `timeout`, `unavailable` |

mod bearer;
mod body;
mod call;
mod client_address;
mod endpoint;
mod fields;
mod handlers;
mod language;
#[cfg(feature = "openapi")]
mod openapi;
mod options;
#[cfg(feature = "pages")]
mod pages;
mod problem;
mod refused;
mod request_span;
mod require_bearer;
#[cfg(feature = "opentelemetry")]
pub mod telemetry;

use std::sync::Arc;

use auth_domain::Auth;
use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::on;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

pub use bearer::Bearer;
pub use client_address::ClientAddress;
pub use language::messages;
#[cfg(feature = "openapi")]
pub use openapi::{api_docs, openapi};
pub use options::{AllowedOrigins, HttpOptions, Origin, OriginError};
#[cfg(feature = "pages")]
pub use pages::{Pages, PagesError};
pub use require_bearer::{RequireBearer, RequireBearerService};

use call::{Call, call};
use endpoint::Endpoint;
use handlers::{account, address, login, password, published, sessions};
use problem::Problem;

#[derive(Clone)]
struct Service {
    auth: Auth,
    options: Arc<HttpOptions>,
}

impl FromRef<Service> for Arc<HttpOptions> {
    fn from_ref(service: &Service) -> Self {
        Self::clone(&service.options)
    }
}

/// A whole server's router: [`routes`], `GET /healthz`, and problem+json for unknown paths. For a server
/// of its own, a Lambda, or [`Router::nest`] under a path of yours.
///
/// Limits by source need the client's address: serve the router by
/// `into_make_service_with_connect_info::<SocketAddr>()`, or put a `ConnectInfo<SocketAddr>` into each
/// request's extensions. Without it all clients count as one source, and a warning is logged once.
pub fn router(auth: Auth, options: HttpOptions) -> Router {
    let service = Service { auth: auth.clone(), options: Arc::new(options.clone()) };
    let own = with(Router::new(), &endpoint::HEALTHZ, published::healthz)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(service);
    layered(own, &options).merge(routes(auth, options))
}

/// The calls and the published keys alone, to be [merged](Router::merge) into a router of yours: your
/// fallback, your health check and your headers stay yours. Guard your own routes by [`Bearer`] or
/// [`RequireBearer`].
///
/// As for [`router`], the client's address must be in each request's extensions.
pub fn routes(auth: Auth, options: HttpOptions) -> Router {
    let service = Service { auth, options: Arc::new(options.clone()) };
    let calls = Calls(Router::new())
        .and(&endpoint::REGISTER, account::register)
        .and(&endpoint::LOGIN, login::login)
        .and(&endpoint::REFRESH, login::refresh)
        .and(&endpoint::LOGOUT, login::logout)
        .and(&endpoint::FORGOT_PASSWORD, password::forgot)
        .and(&endpoint::FORGOT_PASSWORD_AS_BEFORE, password::forgot)
        .and(&endpoint::RESET_PASSWORD, password::reset)
        .and(&endpoint::CHANGE_PASSWORD, password::change)
        .and(&endpoint::VERIFY_EMAIL, address::verify)
        .and(&endpoint::RESEND_VERIFICATION, address::resend_verification)
        .and(&endpoint::CHANGE_EMAIL, address::change)
        .and(&endpoint::CONFIRM_EMAIL_CHANGE, address::confirm_change)
        .and(&endpoint::LIST_SESSIONS, sessions::list)
        .and(&endpoint::END_SESSION, sessions::end)
        .and(&endpoint::END_ALL_SESSIONS, sessions::end_all)
        .and(&endpoint::ME, account::me)
        .and(&endpoint::DELETE_ACCOUNT, account::delete);
    let calls = with(calls.0, &endpoint::JWKS, published::jwks)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(service);
    layered(calls, &options)
}

/// A router that is made of calls.
struct Calls(Router<Service>);

impl Calls {
    fn and<W, F>(self, endpoint: &'static Endpoint, work: W) -> Self
    where
        W: Fn(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        Self(self.0.route(endpoint.path, call(endpoint, work)))
    }
}

/// The same router with what asks for nothing of a request but its headers.
fn with<H, T>(router: Router<Service>, endpoint: &'static Endpoint, handler: H) -> Router<Service>
where
    H: Handler<T, Service>,
    T: 'static,
{
    router.route(endpoint.path, on(endpoint.method.filter(), handler))
}

/// A router for as long as there is no [`Auth`], say because its secret could not be fetched: every path
/// is answered 503 `unavailable`, with the headers that [`router`] sets.
pub fn unavailable(options: HttpOptions) -> Router {
    let state = Arc::new(options.clone());
    layered(Router::new().fallback(not_available).with_state(state), &options)
}

/// What every answer passes on its way out. The keys alone say for themselves how long they may be kept.
fn layered(router: Router, options: &HttpOptions) -> Router {
    let (messages, locale) = (options.messages.clone(), options.default_locale);
    let panicked = move |_| Problem::of(&problem::INTERNAL_ERROR).in_language(&messages, locale);
    // Outermost first. As one layer, since axum boxes each layer and clones all that it is around, for each
    // request.
    router.layer((
        from_fn(request_span::numbered),
        unless_said(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        unless_said(header::CACHE_CONTROL, "no-store"),
        options.allowed_origins.layer(),
        CatchPanicLayer::custom(panicked),
    ))
}

fn unless_said(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn not_found(State(options): State<Arc<HttpOptions>>, request: Request) -> Response {
    Problem::of(&problem::NOT_FOUND).answer(&options, request.headers())
}

/// `Allow` is added by axum, which knows the route's methods.
async fn method_not_allowed(State(options): State<Arc<HttpOptions>>, request: Request) -> Response {
    Problem::of(&problem::METHOD_NOT_ALLOWED).answer(&options, request.headers())
}

async fn not_available(State(options): State<Arc<HttpOptions>>, request: Request) -> Response {
    Problem::of(&problem::UNAVAILABLE).answer(&options, request.headers())
}

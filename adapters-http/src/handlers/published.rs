//! What anybody may read.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::Service;
use crate::call::json;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(crate) async fn healthz(State(service): State<Service>, headers: HeaderMap) -> Response {
    let options = &service.options;
    json(StatusCode::OK, &options.messages, options.locale(&headers), &Health { status: "ok" })
}

/// May be kept for five minutes; some libraries keep a set for ten whatever is said, so a key is to be
/// published for longer before anything is signed by it. It has no `ETag`, since a 304 would save a few
/// hundred bytes.
pub(crate) async fn jwks(State(service): State<Service>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, service.auth.jwks())
}

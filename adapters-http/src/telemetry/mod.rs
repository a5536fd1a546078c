//! OpenTelemetry over HTTP: how long requests take, and which trace they are part of.
//!
//! Both are layers, to be put around a whole router:
//!
//! ```
//! use adapters_http::telemetry::{HttpMetrics, TraceContext};
//! use adapters_http::{HttpOptions, router};
//!
//! # fn serve(auth: auth_domain::Auth) -> axum::Router {
//! let meter = opentelemetry::global::meter("auth");
//! router(auth, HttpOptions::default())
//!     .layer(HttpMetrics::new(&meter))
//!     .layer(TraceContext::new())
//! # }
//! ```
//!
//! | metric | kind | unit | attributes | meaning |
//! |---|---|---|---|---|
//! | `http.server.request.duration` | Histogram | `s` | `http.request.method`, `http.response.status_code`, `http.route`, `url.scheme`, `error.type` | How long a request took until its answer, by the semantic conventions for HTTP. |
//!
//! `http.route` is the route's pattern, such as `/auth/sessions/{id}`, and not there where no route fits.
//! `http.request.method` is `_OTHER` for one that RFC 9110 and RFC 5789 do not know. `error.type` is the status of an
//! answer of 500 and above, and `cancelled` where the client hung up before it.

mod http_metrics;
mod trace_context;

pub use http_metrics::{HttpMetrics, HttpMetricsFuture, HttpMetricsService};
pub use trace_context::{TraceContext, TraceContextService};

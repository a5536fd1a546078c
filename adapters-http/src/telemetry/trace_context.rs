use std::task::{Context, Poll};

use axum::http::{HeaderMap, HeaderName, Request};
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::global::get_text_map_propagator;
use opentelemetry::propagation::Extractor;
use tower::{Layer, Service};

/// Makes each request part of the trace that its headers say: spans of `tracing` that are begun for it, and
/// bridged by `tracing-opentelemetry`, are children of the caller's.
///
/// Which headers those are is for the program to say, by `opentelemetry::global::set_text_map_propagator`
/// (W3C `traceparent`, X-Ray's `X-Amzn-Trace-Id`). One that cannot be read, or stands there twice, is as good
/// as none.
///
/// Whoever is reached by strangers and not by a gateway of his own lets them choose thereby which trace a
/// request is part of, and, unless his sampler decides for itself, whether it is recorded.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TraceContext;

impl TraceContext {
    /// A layer to be put around all that spans are to be attached to.
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for TraceContext {
    type Service = TraceContextService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceContextService { inner }
    }
}

/// A service whose requests are part of their callers' traces.
#[derive(Clone, Debug)]
pub struct TraceContextService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for TraceContextService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = WithContext<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let headers = Headers(request.headers());
        let context = get_text_map_propagator(|propagator| propagator.extract(&headers));
        let _attached = context.clone().attach();
        self.inner.call(request).with_context(context)
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        let only = values.next().filter(|_| values.next().is_none())?;
        only.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

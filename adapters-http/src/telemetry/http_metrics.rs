use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::http::{Request, Response, StatusCode, Uri};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use tower::{Layer, Service};

use crate::request_span::known;

/// Measures `http.server.request.duration` of the service that it is put around.
#[derive(Clone)]
pub struct HttpMetrics {
    duration: Histogram<f64>,
}

impl fmt::Debug for HttpMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetrics").finish_non_exhaustive()
    }
}

impl HttpMetrics {
    /// Makes the instrument, with the boundaries that the conventions recommend.
    pub fn new(meter: &Meter) -> Self {
        let boundaries =
            [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
        let builder = meter.f64_histogram("http.server.request.duration").with_unit("s");
        let builder = builder.with_description("How long a request took until its answer.");
        Self { duration: builder.with_boundaries(boundaries.to_vec()).build() }
    }
}

impl<S> Layer<S> for HttpMetrics {
    type Service = HttpMetricsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpMetricsService { metrics: self.clone(), inner }
    }
}

/// A service whose requests are measured.
#[derive(Clone, Debug)]
pub struct HttpMetricsService<S> {
    metrics: HttpMetrics,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for HttpMetricsService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HttpMetricsFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let measured = Measured {
            duration: self.metrics.duration.clone(),
            began: Instant::now(),
            method: known(request.method()).unwrap_or("_OTHER"),
            scheme: scheme(request.uri()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            status: None,
        };
        HttpMetricsFuture { answer: Box::pin(self.inner.call(request)), measured }
    }
}

/// The answer to come of a service whose requests are measured.
#[derive(Debug)]
pub struct HttpMetricsFuture<F> {
    answer: Pin<Box<F>>,
    measured: Measured,
}

impl<F, R, E> Future for HttpMetricsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.as_mut().poll(context));
        self.measured.status = answer.as_ref().ok().map(Response::status);
        Poll::Ready(answer)
    }
}

/// A request that is under way. Counted when it is over, however that comes.
#[derive(Debug)]
struct Measured {
    duration: Histogram<f64>,
    began: Instant,
    method: &'static str,
    scheme: &'static str,
    route: Option<MatchedPath>,
    status: Option<StatusCode>,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let mut attributes = Vec::with_capacity(5);
        attributes.push(KeyValue::new("http.request.method", self.method));
        attributes.push(KeyValue::new("url.scheme", self.scheme));
        if let Some(route) = &self.route {
            attributes.push(KeyValue::new("http.route", route.as_str().to_owned()));
        }
        match self.status {
            None => attributes.push(KeyValue::new("error.type", "cancelled")),
            Some(status) => {
                let code = i64::from(status.as_u16());
                attributes.push(KeyValue::new("http.response.status_code", code));
                if status.is_server_error() {
                    attributes.push(KeyValue::new("error.type", status.as_str().to_owned()));
                }
            }
        }
        self.duration.record(self.began.elapsed().as_secs_f64(), &attributes);
    }
}

/// Of what reached this process: TLS that ended before it is not seen.
fn scheme(uri: &Uri) -> &'static str {
    if uri.scheme_str() == Some("https") { "https" } else { "http" }
}

//! What OpenTelemetry is told of requests: how long they took, and whose trace they are part of.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Waker};

use adapters_http::telemetry::{HttpMetrics, TraceContext};
use adapters_http::{HttpOptions, router};
use adapters_local::testing;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry::{Context as TelemetryContext, global};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// A meter of this test alone.
struct Meter {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
}

impl Meter {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        Self { exporter, provider: SdkMeterProvider::builder().with_reader(reader).build() }
    }

    fn layer(&self) -> HttpMetrics {
        HttpMetrics::new(&self.provider.meter("auth"))
    }

    /// How many requests there were, by their attributes.
    fn requests(&self) -> BTreeMap<String, u64> {
        self.provider.force_flush().unwrap();
        let finished = self.exporter.get_finished_metrics().unwrap();
        let newest = finished.last().unwrap();
        let metric = newest.scope_metrics().next().unwrap().metrics().next().unwrap();
        assert_eq!((metric.name(), metric.unit()), ("http.server.request.duration", "s"));
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else {
            panic!("no histogram")
        };
        let points = histogram.data_points().map(|point| {
            let attributes = point.attributes();
            let mut words: Vec<_> =
                attributes.map(|kv| format!("{}={}", kv.key, kv.value)).collect();
            words.sort_unstable();
            (words.join(" "), point.count())
        });
        points.collect()
    }
}

fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status_and_by_nothing_that_a_client_makes_up() {
    let meter = Meter::new();
    let router = router(testing().auth, HttpOptions::default()).layer(meter.layer());
    for (method, uri) in [
        ("GET", "/healthz"),
        ("DELETE", "/auth/sessions/canary"),
        ("DELETE", "/auth/sessions/canary2?canary=3"),
        ("POST", "/auth/login"),
        ("CANARY", "/auth/login"),
        ("GET", "/canary"),
    ] {
        router.clone().oneshot(request(method, uri)).await.unwrap();
    }
    let expected = [
        (
            "http.request.method=DELETE http.response.status_code=401 http.route=/auth/sessions/{id} url.scheme=http",
            2,
        ),
        (
            "http.request.method=GET http.response.status_code=200 http.route=/healthz url.scheme=http",
            1,
        ),
        ("http.request.method=GET http.response.status_code=404 url.scheme=http", 1),
        (
            "http.request.method=POST http.response.status_code=415 http.route=/auth/login url.scheme=http",
            1,
        ),
        (
            "http.request.method=_OTHER http.response.status_code=405 http.route=/auth/login url.scheme=http",
            1,
        ),
    ];
    assert_eq!(meter.requests(), expected.map(|(series, count)| (series.to_owned(), count)).into());
}

#[tokio::test]
async fn a_request_that_failed_or_that_nobody_waited_for_says_so() {
    let meter = Meter::new();
    let router = Router::new()
        .route("/fails", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/hangs", get(pending::<&str>))
        .layer(meter.layer());
    router.clone().oneshot(request("GET", "/fails")).await.unwrap();
    {
        let mut hung_up = pin!(router.oneshot(request("GET", "/hangs")));
        assert!(hung_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let expected = [
        "error.type=503 http.request.method=GET http.response.status_code=503 http.route=/fails url.scheme=http",
        "error.type=cancelled http.request.method=GET http.route=/hangs url.scheme=http",
    ];
    assert_eq!(meter.requests(), expected.map(|series| (series.to_owned(), 1)).into());
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Of the whole process.
fn propagate_w3c() {
    static PROPAGATOR: OnceLock<()> = OnceLock::new();
    PROPAGATOR.get_or_init(|| global::set_text_map_propagator(TraceContextPropagator::new()));
}

fn current_trace() -> TraceId {
    TelemetryContext::current().span().span_context().trace_id()
}

/// The spans that are made while a request with these headers is answered.
async fn spans_of(headers: &[(&'static str, String)]) -> Vec<SpanData> {
    propagate_w3c();
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("auth"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = tracing::subscriber::set_default(subscriber);
    let inner = async || {
        tokio::task::yield_now().await;
        tracing::info_span!("inner").in_scope(|| "")
    };
    let answer = async move || inner().instrument(tracing::info_span!("outer")).await;
    let router = Router::new().route("/", get(answer)).layer(TraceContext::new());
    let mut request = request("GET", "/");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    router.oneshot(request).await.unwrap();
    exporter.get_finished_spans().unwrap()
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans.iter().find(|span| span.name == name).unwrap()
}

#[tokio::test]
async fn the_spans_of_a_request_are_children_of_the_span_that_its_header_names() {
    let spans = spans_of(&[("traceparent", format!("00-{TRACE}-{PARENT}-01"))]).await;
    let (outer, inner) = (named(&spans, "outer"), named(&spans, "inner"));
    assert_eq!(outer.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
    assert_eq!(outer.parent_span_id, SpanId::from_hex(PARENT).unwrap());
    assert_eq!(inner.span_context.trace_id(), outer.span_context.trace_id());
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
}

#[tokio::test]
async fn a_header_that_is_none_or_junk_or_there_twice_begins_a_trace_of_our_own() {
    let good = ("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    for headers in [
        vec![],
        vec![("traceparent", String::new())],
        vec![("traceparent", format!("00-{TRACE}-{PARENT}"))],
        vec![("traceparent", format!("ff-{TRACE}-{PARENT}-01"))],
        vec![("traceparent", format!("00-{}-{PARENT}-01", "0".repeat(32)))],
        vec![("traceparent", format!("00-{TRACE}-{}-01", "0".repeat(16)))],
        vec![("traceparent", format!("00-{}-{PARENT}-01", "z".repeat(32)))],
        vec![("traceparent", "canary".repeat(10_000))],
        vec![good.clone(), good],
    ] {
        let spans = spans_of(&headers).await;
        let outer = named(&spans, "outer");
        assert_eq!(outer.parent_span_id, SpanId::INVALID, "{headers:?}");
        assert_ne!(outer.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap(), "{headers:?}");
        assert_eq!(named(&spans, "inner").parent_span_id, outer.span_context.span_id());
    }
}

#[tokio::test]
async fn a_span_that_a_service_begins_when_it_is_called_is_a_child_as_well() {
    propagate_w3c();
    let service = service_fn(|_: Request<Body>| {
        let trace = current_trace();
        async move { Ok::<_, Infallible>(Response::new(Body::from(trace.to_string()))) }
    });
    let service = TraceContext::new().layer(service);
    let mut request = request("GET", "/");
    let value = format!("00-{TRACE}-{PARENT}-01").parse().unwrap();
    request.headers_mut().insert("traceparent", value);
    let answer = service.oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
    assert_eq!(body, TRACE.as_bytes());
    assert_eq!(current_trace(), TraceId::INVALID, "it ends with the call");
}

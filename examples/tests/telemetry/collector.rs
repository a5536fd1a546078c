//! A collector of OpenTelemetry that keeps what it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    metrics: Vec<Bytes>,
    traces: Vec<Bytes>,
}

impl Collector {
    /// On a free port; and its URL.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let router = Router::new()
            .route("/v1/metrics", post(take_metrics))
            .route("/v1/traces", post(take_traces))
            .with_state(collector.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, url)
    }

    /// All that was sent, as it came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let received = self.0.lock().unwrap();
        received.metrics.iter().chain(&received.traces).flatten().copied().collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.0.lock().unwrap();
        let requests = received
            .traces
            .iter()
            .map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
    }

    /// The services that anything came from.
    pub(crate) fn services(&self) -> Vec<String> {
        let received = self.0.lock().unwrap();
        let traces = received.traces.iter().flat_map(|body| {
            ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans
        });
        let metrics = received.metrics.iter().flat_map(|body| {
            ExportMetricsServiceRequest::decode(body.clone()).unwrap().resource_metrics
        });
        let resources = traces.map(|it| it.resource).chain(metrics.map(|it| it.resource));
        let mut services: Vec<_> = resources.map(|it| service(&it.unwrap())).collect();
        services.sort_unstable();
        services.dedup();
        services
    }

    /// Every series of the last metrics and its count, such as `auth.logins auth.outcome=success`.
    pub(crate) fn series(&self) -> BTreeMap<String, u64> {
        let received = self.0.lock().unwrap();
        let last = received.metrics.last().cloned().unwrap_or_default();
        let request = ExportMetricsServiceRequest::decode(last).unwrap();
        let scopes = request.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
        scopes.flat_map(|it| it.metrics).flat_map(counts).collect()
    }
}

async fn take_metrics(state: State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    state.0.0.lock().unwrap().metrics.push(body);
    StatusCode::OK
}

async fn take_traces(state: State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    state.0.0.lock().unwrap().traces.push(body);
    StatusCode::OK
}

fn service(resource: &Resource) -> String {
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    text(name.unwrap().value.as_ref())
}

fn counts(metric: Metric) -> Vec<(String, u64)> {
    let name = metric.name;
    match metric.data.unwrap() {
        Data::Sum(sum) => {
            let points = sum.data_points.into_iter().map(|point| {
                let Some(number_data_point::Value::AsInt(count)) = point.value else {
                    panic!("{name} is no count")
                };
                (series(&name, &point.attributes), u64::try_from(count).unwrap())
            });
            points.collect()
        }
        Data::Histogram(histogram) => {
            let points = histogram.data_points.into_iter();
            points.map(|point| (series(&name, &point.attributes), point.count)).collect()
        }
        _ => panic!("{name} is of another kind"),
    }
}

fn series(name: &str, attributes: &[KeyValue]) -> String {
    let mut words: Vec<_> = attributes
        .iter()
        .map(|attribute| format!("{}={}", attribute.key, text(attribute.value.as_ref())))
        .collect();
    words.sort_unstable();
    words.insert(0, name.to_owned());
    words.join(" ")
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?} is neither text nor number"),
    }
}

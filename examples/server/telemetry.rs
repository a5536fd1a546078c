//! Where metrics and spans of the server go: to a collector (OTLP), and to whoever asks (Prometheus). By
//! default nowhere, and then nothing is observed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters_http::telemetry::{HttpMetrics, TraceContext};
use adapters_local::Argon2idHasher;
use adapters_local::telemetry::Telemetry;
use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use auth_domain::Ports;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Args;
use opentelemetry::global;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_aws::trace::XrayPropagator;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{
    MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

#[derive(Args)]
pub(crate) struct TelemetryArguments {
    /// Collector of OpenTelemetry that metrics and spans are sent to, by OTLP over HTTP, such as
    /// http://127.0.0.1:4318. Requests are then part of the trace that their headers say (W3C, X-Ray).
    #[arg(long, env = "AUTH_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// Where to show metrics to Prometheus, at /metrics: an address that strangers do not reach; port 0 takes a
    /// free one.
    #[arg(long, env = "AUTH_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
}

/// What observes the server, as far as somebody wants to know.
#[derive(Default)]
pub(crate) struct Observer {
    meters: Option<SdkMeterProvider>,
    telemetry: Option<Telemetry>,
    tracers: Option<SdkTracerProvider>,
    page: Option<(TcpListener, Registry)>,
}

impl Observer {
    pub(crate) async fn start(arguments: &TelemetryArguments, service_name: &str) -> Result<Self> {
        if arguments.otlp_endpoint.is_none() && arguments.metrics_listen.is_none() {
            return Ok(Self::default());
        }
        let resource = Resource::builder().with_service_name(service_name.to_owned()).build();
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone());
        let mut observer = Self::default();
        if let Some(endpoint) = &arguments.otlp_endpoint {
            let collector = Collector::at(endpoint).context("AUTH_OTLP_ENDPOINT")?;
            meters = collector.take_metrics(meters)?;
            observer.tracers = Some(collector.take_spans(resource)?);
            global::set_text_map_propagator(propagators());
        }
        if let Some(address) = arguments.metrics_listen {
            let registry = Registry::new();
            let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone());
            meters = meters.with_reader(reader.build()?);
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("AUTH_METRICS_LISTEN {address}"))?;
            observer.page = Some((listener, registry));
        }
        let meters = meters.build();
        observer.telemetry = Some(Telemetry::new(&meters.meter("auth")));
        observer.meters = Some(meters);
        Ok(observer)
    }

    /// Sends the spans of this library and no others, and no events: what they say of a client belongs to the
    /// log alone.
    pub(crate) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.tracers.as_ref()?.tracer("auth");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(filter_fn(|what| what.is_span() && what.target() == "auth")))
    }

    pub(crate) fn observe(&self, ports: Ports) -> Ports {
        match &self.telemetry {
            None => ports,
            Some(telemetry) => telemetry.observe(ports),
        }
    }

    pub(crate) fn watch(&self, hasher: Argon2idHasher) -> Arc<Argon2idHasher> {
        match &self.telemetry {
            None => Arc::new(hasher),
            Some(telemetry) => telemetry.watch_hashing(hasher),
        }
    }

    /// Around all that a request leads to.
    pub(crate) fn around(&self, router: Router) -> Router {
        let Some(meters) = &self.meters else { return router };
        let router = router.layer(HttpMetrics::new(&meters.meter("auth")));
        if self.tracers.is_some() { router.layer(TraceContext::new()) } else { router }
    }

    /// Shows the metrics, for as long as the process lives. Says where.
    pub(crate) fn show(&mut self) -> Result<Option<SocketAddr>> {
        let Some((listener, registry)) = self.page.take() else { return Ok(None) };
        let address = listener.local_addr()?;
        let page = Router::new().route("/metrics", get(async move || metrics(&registry)));
        tokio::spawn(async move { axum::serve(listener, page).await });
        Ok(Some(address))
    }

    /// Sends what is left.
    pub(crate) fn stop(self) {
        if let Some(tracers) = self.tracers {
            warn_of(tracers.shutdown());
        }
        if let Some(meters) = self.meters {
            warn_of(meters.shutdown());
        }
    }
}

/// W3C's, where a request has both.
fn propagators() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![
        Box::new(XrayPropagator::new()),
        Box::new(TraceContextPropagator::new()),
    ])
}

fn warn_of(outcome: opentelemetry_sdk::error::OTelSdkResult) {
    if let Err(error) = outcome {
        tracing::warn!("the last metrics or spans were not sent: {error}");
    }
}

fn metrics(registry: &Registry) -> Response {
    let (encoder, mut text) = (TextEncoder::new(), Vec::new());
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => {
            ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Takes what is sent by OTLP over HTTP, as protocol buffers.
#[derive(Clone, Debug)]
struct Collector {
    endpoint: String,
    agent: ureq::Agent,
}

impl Collector {
    fn at(endpoint: &str) -> Result<Self> {
        ensure!(
            endpoint.starts_with("http://"),
            "http://... only: a collector on this machine, say, sends it on by https"
        );
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build();
        Ok(Self { endpoint: endpoint.trim_end_matches('/').to_owned(), agent: agent.into() })
    }

    fn take_metrics(&self, meters: MeterProviderBuilder) -> Result<MeterProviderBuilder> {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(self.clone())
            .with_endpoint(format!("{}/v1/metrics", self.endpoint));
        Ok(meters.with_periodic_exporter(exporter.build()?))
    }

    fn take_spans(&self, resource: Resource) -> Result<SdkTracerProvider> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(self.clone())
            .with_endpoint(format!("{}/v1/traces", self.endpoint));
        let provider = SdkTracerProvider::builder().with_resource(resource);
        Ok(provider.with_batch_exporter(exporter.build()?).build())
    }
}

/// Blocks, which is right: exporters have threads of their own.
#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(
        &self,
        request: opentelemetry_http::Request<Bytes>,
    ) -> Result<opentelemetry_http::Response<Bytes>, HttpError> {
        let (head, mut body) = self.agent.run(request.map(Vec::from))?.into_parts();
        let body = body.read_to_vec()?;
        Ok(opentelemetry_http::Response::from_parts(head, body.into()))
    }
}

//! What it costs to observe the ports: `cargo bench -p benches --bench telemetry`. The token's signature is not
//! checked and no password is hashed, so that what is left shows.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::telemetry::Telemetry;
use adapters_local::{Testing, testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{EventSink, TokenIssuer, TokenVerifier};
use auth_domain::{
    Auth, AuthEvent, Claims, DisplayName, Email, LoginRequest, Password, PortError, Ports,
    RateLimits, RegisterRequest, RequestContext, SignedToken, Timestamp, TokenRejected,
};
use criterion::{Criterion, criterion_group, criterion_main};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::metrics::noop::NoopMeterProvider;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use tokio::runtime::Runtime;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;

/// Signs nothing, and takes everything for one token.
struct OneToken(Claims);

#[async_trait]
impl TokenIssuer for OneToken {
    async fn issue(&self, _: &Claims) -> Result<SignedToken, PortError> {
        Ok(SignedToken::new(String::new()))
    }
}

impl TokenVerifier for OneToken {
    fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, TokenRejected> {
        Ok(self.0.clone())
    }

    fn jwks(&self) -> String {
        String::new()
    }
}

/// That of the tests keeps every event.
struct Dropped;

impl EventSink for Dropped {
    fn record(&self, _: AuthEvent) {}
}

fn email() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn password() -> Password {
    Password::new("correct horse battery").unwrap()
}

/// What a real token of an account says.
async fn claims() -> Claims {
    let Testing { auth, .. } = testing();
    register(&auth).await;
    let login = LoginRequest { email: email(), password: password() };
    let login = auth.login(login, &RequestContext::new()).await.unwrap();
    auth.authenticate(login.access_token.expose()).await.unwrap()
}

async fn register(auth: &Auth) {
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email: email(), password: password(), name };
    auth.register(request, &RequestContext::new()).await.unwrap();
}

fn world(claims: &Claims, observed: impl FnOnce(Ports) -> Ports) -> Auth {
    let world = testing_with(|ports, settings| {
        settings.limits = RateLimits::danger_off();
        settings.attempts = None;
        settings.sessions_per_account = NonZeroUsize::MIN;
        ports.events = Arc::new(Dropped);
        ports.token_issuer = Arc::new(OneToken(claims.clone()));
        ports.token_verifier = Arc::new(OneToken(claims.clone()));
        *ports = observed(ports.clone());
    });
    world.auth
}

#[derive(Debug)]
struct Discarded;

impl SpanProcessor for Discarded {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Makes spans of OpenTelemetry, all of which are discarded when they end.
fn spans() -> Dispatch {
    let provider = SdkTracerProvider::builder().with_span_processor(Discarded).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("auth"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

fn telemetry(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let claims = runtime.block_on(claims());
    let sdk = SdkMeterProvider::builder();
    let sdk = sdk.with_periodic_exporter(InMemoryMetricExporter::default()).build();
    let noop = Telemetry::new(&NoopMeterProvider::new().meter("auth"));
    let real = Telemetry::new(&sdk.meter("auth"));
    for (name, auth, listener) in [
        ("bare ports", world(&claims, |ports| ports), Dispatch::none as fn() -> Dispatch),
        ("a meter that does nothing", world(&claims, |ports| noop.observe(ports)), Dispatch::none),
        ("a meter", world(&claims, |ports| real.observe(ports)), Dispatch::none),
        ("a meter and spans", world(&claims, |ports| real.observe(ports)), spans),
    ] {
        let _listening = tracing::dispatcher::set_default(&listener());
        runtime.block_on(register(&auth));
        let login = LoginRequest { email: email(), password: password() };
        criterion.bench_function(&format!("authenticate, {name}"), |bencher| {
            bencher.iter(|| runtime.block_on(auth.authenticate("")).unwrap());
        });
        criterion.bench_function(&format!("login, {name}"), |bencher| {
            let context = RequestContext::new();
            bencher.iter(|| runtime.block_on(auth.login(login.clone(), &context)).unwrap());
        });
    }
}

criterion_group!(benches, telemetry);
criterion_main!(benches);

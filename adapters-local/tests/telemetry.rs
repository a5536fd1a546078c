//! What is observed of the ports: spans and metrics, and that the document of the latter says what the code says.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use adapters_local::memory::MemoryBreachedPasswords;
use adapters_local::telemetry::{AttributeDescription, MetricDescription, Telemetry};
use adapters_local::{
    Argon2idHasher, Argon2idSettings, OsEntropy, Testing, TracingEvents, testing_with,
};
use async_trait::async_trait;
use auth_domain::ports::{
    AttemptStore, BreachedPasswords, HashSlot, Mailer, PasswordHasher, Reservation,
};
use auth_domain::{
    Attempt, AttemptPolicy, ChangeEmailRequest, ChangePasswordRequest, DisplayName, Email,
    EmailChangeToken, EmailVerification, LimitKey, LoginRequest, OutgoingEmail, Password,
    PortError, PortErrorKind, Ports, RegisterRequest, RequestContext, ResetRequest, Settings,
    Timestamp,
};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};

const DOCUMENT: &str = "docs/metrics.md";

const INTRODUCTION: &str = "\
This table is written by `AUTH_UPDATE_DOCS=1 cargo test -p adapters-local --features opentelemetry --test telemetry`.
Prometheus shows dots as `_`, counters with `_total` behind, and what is in seconds with `_seconds`.

| metric | kind | unit | attributes | meaning |
|---|---|---|---|---|
";

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for metric in Telemetry::METRICS {
        let MetricDescription { name, kind, unit, attributes, meaning, .. } = metric;
        let attributes: Vec<_> = attributes.iter().map(|name| format!("`{name}`")).collect();
        let attributes = attributes.join(" ");
        writeln!(text, "| `{name}` | {kind} | `{unit}` | {attributes} | {meaning} |").unwrap();
    }
    text.push_str("\n| attribute | its values |\n|---|---|\n");
    for AttributeDescription { name, meaning, .. } in Telemetry::ATTRIBUTES {
        writeln!(text, "| `{name}` | {meaning} |").unwrap();
    }
    text
}

#[test]
fn the_document_of_metrics_is_the_code_of_today() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    if std::env::var_os("AUTH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == document(), "{DOCUMENT} is not what the code says; its head says how");
}

#[test]
fn each_metric_and_attribute_says_what_it_means_under_a_name_by_the_conventions() {
    let attributes: Vec<_> = Telemetry::ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    let metrics = Telemetry::METRICS.iter().map(|metric| (metric.name, metric.meaning));
    let described = Telemetry::ATTRIBUTES.iter().map(|known| (known.name, known.meaning));
    for (name, meaning) in metrics.chain(described) {
        assert!(meaning.ends_with('.') && !meaning.contains(['|', '\n']), "{name}: {meaning}");
        assert!(name.starts_with("auth.") || name == "error.type", "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b)), "{name}");
    }
    for metric in Telemetry::METRICS {
        assert!(metric.attributes.iter().all(|name| attributes.contains(name)), "{metric:?}");
        let counts = metric.unit.starts_with('{') && metric.unit.ends_with('}');
        assert!(metric.unit == "s" || counts, "{metric:?}");
    }
}

/// A meter of this test alone.
struct Meter {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
    telemetry: Telemetry,
}

impl Meter {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let telemetry = Telemetry::new(&provider.meter("auth"));
        Self { exporter, provider, telemetry }
    }

    fn world(&self, change: impl FnOnce(&mut Ports, &mut Settings)) -> Testing {
        testing_with(|ports, settings| {
            settings.email_verification = EmailVerification::Asked;
            change(ports, settings);
            *ports = self.telemetry.observe(ports.clone());
        })
    }

    /// Every series and its count so far, such as `auth.logins auth.outcome=success`.
    fn series(&self) -> BTreeMap<String, u64> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let finished = self.exporter.get_finished_metrics().unwrap();
        let scopes = finished.iter().flat_map(|resource| resource.scope_metrics());
        let metrics = scopes.flat_map(|scope| scope.metrics());
        metrics.flat_map(counts).collect()
    }

    /// As [`Self::series`], of one metric.
    fn series_of(&self, metric: &str) -> BTreeMap<String, u64> {
        let named =
            |series: &str| series.split_once(' ').map_or(series, |(name, _)| name) == metric;
        self.series().into_iter().filter(|(series, _)| named(series)).collect()
    }

    fn count(&self, series: &str) -> u64 {
        self.series().get(series).copied().unwrap_or_default()
    }
}

fn counts(metric: &Metric) -> Vec<(String, u64)> {
    let series = |attributes: Vec<String>| {
        let mut words = attributes;
        words.sort_unstable();
        words.insert(0, metric.name().to_owned());
        words.join(" ")
    };
    macro_rules! points {
        ($points:expr, $count:ident) => {
            $points
                .data_points()
                .map(|point| {
                    let attributes = point.attributes();
                    let attributes = attributes.map(|kv| format!("{}={}", kv.key, kv.value));
                    (series(attributes.collect()), u64::try_from(point.$count()).unwrap())
                })
                .collect()
        };
    }
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => points!(sum, value),
        AggregatedMetrics::I64(MetricData::Sum(sum)) => points!(sum, value),
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => points!(histogram, count),
        _ => panic!("{} is of another kind", metric.name()),
    }
}

fn email() -> Email {
    Email::parse("canary@example.com").unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text).unwrap()
}

const GOOD: &str = "canary horse battery staple";

async fn register(world: &Testing) {
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email: email(), password: password(GOOD), name };
    world.auth.register(request, &RequestContext::new()).await.unwrap();
}

async fn login(world: &Testing, typed: &str) -> bool {
    let request = LoginRequest { email: email(), password: password(typed) };
    world.auth.login(request, &RequestContext::new()).await.is_ok()
}

#[tokio::test]
async fn logins_are_counted_by_what_they_came_to() {
    let meter = Meter::new();
    let world = meter.world(|_, _| {});
    assert!(!login(&world, GOOD).await);
    register(&world).await;
    assert!(login(&world, GOOD).await);
    for _ in 0..6 {
        assert!(!login(&world, "wrong").await);
    }
    let expected = [
        ("auth.logins auth.login.failure=unknown_account auth.outcome=credentials_rejected", 1),
        ("auth.logins auth.login.failure=wrong_password auth.outcome=credentials_rejected", 5),
        ("auth.logins auth.outcome=success", 1),
        ("auth.logins auth.outcome=too_many_attempts", 1),
    ];
    assert_eq!(meter.series_of("auth.logins"), expected.map(|(k, v)| (k.to_owned(), v)).into());
    let denied = "auth.rate_limit.denials auth.outcome=too_many_attempts auth.use_case=login";
    assert_eq!(meter.count(denied), 1);
    assert_eq!(meter.count("auth.registrations auth.outcome=success"), 1);
    assert_eq!(world.events.all().len(), 9, "events go on to their sink");
}

/// All that ports are asked for.
const OPERATIONS: [&str; 29] = [
    "attempt_store.begin",
    "attempt_store.clear",
    "breached_passwords.contains",
    "mail_queue.enqueue",
    "mailer.send",
    "password_hasher.hash",
    "password_hasher.reserve",
    "password_hasher.verify",
    "rate_limiter.hit",
    "reset_token_store.consume",
    "reset_token_store.delete_all",
    "reset_token_store.newest",
    "reset_token_store.put",
    "session_store.create",
    "session_store.end",
    "session_store.end_all",
    "session_store.find",
    "session_store.list",
    "session_store.restamp",
    "session_store.rotate",
    "token_issuer.issue",
    "token_verifier.verify",
    "user_store.change_email",
    "user_store.delete",
    "user_store.find_by_email",
    "user_store.find_by_id",
    "user_store.insert",
    "user_store.touch_last_login",
    "user_store.update_credentials",
];

/// Everything that somebody can do with an account, but for its operators.
async fn live(world: &Testing) {
    let (auth, context) = (&world.auth, &RequestContext::new());
    register(world).await;
    let request = LoginRequest { email: email(), password: password(GOOD) };
    let login = auth.login(request, context).await.unwrap();
    auth.refresh(login.refresh_token.clone(), context).await.unwrap();
    let claims = auth.authenticate(login.access_token.expose()).await.unwrap();
    auth.list_sessions(&claims, context).await.unwrap();
    let other = password("another canary staple");
    let change =
        ChangePasswordRequest { current_password: password(GOOD), new_password: other.clone() };
    auth.change_password(&claims, change, context).await.unwrap();
    auth.request_password_reset(email(), context).await.unwrap();
    world.deliver_mail().await;
    let token = world.reset_token(&email()).unwrap();
    auth.reset_password(ResetRequest { token, new_password: password(GOOD) }, context)
        .await
        .unwrap();

    let request = LoginRequest { email: email(), password: password(GOOD) };
    let login = auth.login(request.clone(), context).await.unwrap();
    let claims = auth.authenticate(login.access_token.expose()).await.unwrap();
    let new_email = Email::parse("canary2@example.com").unwrap();
    let change =
        ChangeEmailRequest { new_email: new_email.clone(), current_password: password(GOOD) };
    auth.request_email_change(&claims, change, context).await.unwrap();
    world.deliver_mail().await;
    let token = EmailChangeToken::parse(&world.link_token(&new_email).unwrap()).unwrap();
    auth.confirm_email_change(token, context).await.unwrap();

    let request = LoginRequest { email: new_email, ..request };
    let login = auth.login(request.clone(), context).await.unwrap();
    auth.logout(login.refresh_token, context).await.unwrap();
    let login = auth.login(request, context).await.unwrap();
    let claims = auth.authenticate(login.access_token.expose()).await.unwrap();
    auth.delete_account(&claims, Some(password(GOOD)), context).await.unwrap();
    world.deliver_mail().await;
}

#[tokio::test]
async fn each_call_of_a_port_is_timed_under_the_name_that_its_errors_have() {
    let meter = Meter::new();
    let world = meter.world(|ports, _| {
        ports.breached_passwords = Some(Arc::new(MemoryBreachedPasswords::new([])));
    });
    live(&world).await;
    let calls = meter.series_of("auth.port.duration");
    let expected = OPERATIONS.map(|it| format!("auth.port.duration auth.port.operation={it}"));
    assert_eq!(calls.into_keys().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn mails_are_counted_by_what_became_of_them() {
    let meter = Meter::new();
    let world = meter.world(|_, settings| {
        settings.limits.mails_per_address =
            Some(auth_domain::RateLimit::new(1, Duration::from_hours(1)));
    });
    register(&world).await;
    world.deliver_mail().await;
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(1));
        world.auth.request_password_reset(email(), &RequestContext::new()).await.unwrap();
        world.deliver_mail().await;
    }
    assert_eq!(meter.count("auth.mails auth.outcome=sent"), 2);
    assert_eq!(meter.count("auth.mails auth.mail.skip_reason=mail_cap auth.outcome=skipped"), 1);
    let denied = "auth.rate_limit.denials auth.outcome=mail_cap auth.use_case=deliver";
    assert_eq!(meter.count(denied), 1);
    assert_eq!(meter.count("auth.password_reset_requests auth.outcome=success"), 2);
}

/// Fails, or never answers.
enum Broken {
    Answers(PortErrorKind),
    Hangs,
}

#[async_trait]
impl AttemptStore for Broken {
    async fn begin(
        &self,
        _: LimitKey,
        _: Timestamp,
        _: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        match self {
            Self::Answers(kind) => Err(PortError::new(*kind, "attempt_store.begin")),
            Self::Hangs => std::future::pending().await,
        }
    }

    async fn clear(&self, _: LimitKey) -> Result<(), PortError> {
        Ok(())
    }
}

#[async_trait]
impl Mailer for Broken {
    async fn send(&self, _: &OutgoingEmail) -> Result<(), PortError> {
        match self {
            Self::Answers(kind) => Err(PortError::new(*kind, "mailer.send")),
            Self::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl BreachedPasswords for Broken {
    async fn contains(&self, _: &Password) -> Result<bool, PortError> {
        panic!("a defect")
    }
}

#[tokio::test]
async fn a_failed_call_says_how_it_failed_and_its_fault_is_counted() {
    for (kind, name) in [
        (PortErrorKind::Corrupt, "corrupt"),
        (PortErrorKind::Rejected, "rejected"),
        (PortErrorKind::Throttled, "throttled"),
        (PortErrorKind::Unavailable, "unavailable"),
    ] {
        let meter = Meter::new();
        let world = meter.world(|ports, _| ports.attempts = Arc::new(Broken::Answers(kind)));
        login(&world, GOOD).await;
        let about = format!("auth.port.operation=attempt_store.begin error.type={name}");
        assert_eq!(meter.count(&format!("auth.port.duration {about}")), 1, "{name}");
        assert_eq!(meter.count(&format!("auth.faults {about}")), 1, "{name}");
    }
}

#[tokio::test]
async fn a_mail_that_fails_is_counted_by_whether_it_is_tried_again() {
    let meter = Meter::new();
    for kind in [PortErrorKind::Unavailable, PortErrorKind::Rejected] {
        let world = meter.world(|ports, _| ports.mailer = Arc::new(Broken::Answers(kind)));
        register(&world).await;
        world.deliver_mail().await;
    }
    for how in ["transient", "permanent"] {
        let series = format!("auth.mails auth.outcome=failed error.type={how}");
        assert_eq!(meter.count(&series), 1, "{how}");
    }
}

#[test]
fn a_call_that_nobody_waits_for_any_more_counts_as_cancelled_and_one_never_begun_not_at_all() {
    let meter = Meter::new();
    let mut observed = None;
    testing_with(|ports, _| {
        ports.attempts = Arc::new(Broken::Hangs);
        observed = Some(meter.telemetry.observe(ports.clone()));
    });
    let ports = observed.unwrap();
    let (key, now) = (LimitKey::from_bytes([7; 32]), Timestamp::from_seconds(0));
    let policy = AttemptPolicy::default();
    let mut begun = ports.attempts.begin(key, now, &policy);
    assert!(begun.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(begun);
    drop(ports.attempts.clear(key));
    let cancelled =
        "auth.port.duration auth.port.operation=attempt_store.begin error.type=cancelled";
    assert_eq!(meter.series(), [(cancelled.to_owned(), 1)].into());
}

#[tokio::test]
async fn a_port_that_panics_is_told_apart() {
    let meter = Meter::new();
    let world = meter.world(|ports, _| ports.breached_passwords = Some(Arc::new(Broken::Hangs)));
    let auth = world.auth.clone();
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email: email(), password: password(GOOD), name };
    let call = async move { auth.register(request, &RequestContext::new()).await.is_ok() };
    assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    let panicked =
        "auth.port.duration auth.port.operation=breached_passwords.contains error.type=panicked";
    assert_eq!(meter.count(panicked), 1);
    assert_eq!(meter.count("auth.registrations auth.outcome=given_up"), 1);
}

/// With room for one hash that runs and as many as are said that wait.
fn hasher(queue: usize) -> Argon2idHasher {
    let mut settings = Argon2idSettings::default();
    (settings.threads, settings.queue) = (1, queue);
    Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap()
}

fn slot(hasher: &dyn PasswordHasher) -> Box<dyn HashSlot> {
    match hasher.reserve().unwrap() {
        Reservation::Slot(slot) => slot,
        Reservation::Overloaded { .. } => panic!("no place is free"),
    }
}

#[tokio::test]
async fn hashes_tell_their_wait_and_their_work_and_a_full_queue_is_counted() {
    let meter = Meter::new();
    let hasher = meter.telemetry.watch_hashing(hasher(1));
    let world = meter.world(|ports, _| ports.hasher = Arc::clone(&hasher) as _);
    register(&world).await;
    assert_eq!(meter.count("auth.hash.queue.wait"), 1);
    assert_eq!(meter.count("auth.hash.duration"), 1);

    let (one, other) = (slot(hasher.as_ref()), slot(hasher.as_ref()));
    assert!(!login(&world, GOOD).await);
    assert_eq!(meter.count("auth.hash.overloads"), 1);
    assert_eq!(meter.count("auth.logins auth.outcome=overloaded"), 1);
    drop((one, other));
    assert!(login(&world, GOOD).await);
    assert_eq!(meter.count("auth.hash.duration"), 2);
}

#[tokio::test]
async fn the_depth_of_the_queue_is_how_many_hashes_wait_for_a_thread() {
    let meter = Meter::new();
    let (tell_running, running) = mpsc::channel();
    let (go_on, until) = mpsc::channel::<()>();
    let until = Mutex::new(until);
    let busy = hasher(3).watched_by(move |_| {
        tell_running.send(()).unwrap();
        let _over = until.lock().unwrap().recv();
    });
    let hasher = meter.telemetry.watch_hashing(busy);
    assert_eq!(meter.series().get("auth.hash.queue.depth"), Some(&0));
    let begin = || {
        let mut hash = slot(hasher.as_ref()).hash(password(GOOD));
        assert!(hash.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        hash
    };
    let under_way = begin();
    running.recv().unwrap();
    let waiting = [begin(), begin(), begin()];
    assert_eq!(meter.count("auth.hash.queue.depth"), 3);
    drop(waiting);
    assert_eq!(meter.series().get("auth.hash.queue.depth"), Some(&0), "they were taken back");
    drop((go_on, under_way, hasher));
    assert_eq!(meter.series().get("auth.hash.queue.depth"), None, "its threads are gone");
}

/// Every span that is over: target, name, and all its fields in the order in which they were recorded.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl<S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Layer<S>
    for Spans
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut text =
            Text(format!("{} {}", attributes.metadata().target(), attributes.metadata().name()));
        attributes.record(&mut text);
        context.span(id).unwrap().extensions_mut().insert(text);
    }

    fn on_record(
        &self,
        id: &span::Id,
        values: &span::Record<'_>,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let span = context.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Text>().unwrap());
    }

    fn on_close(&self, id: span::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        let text = context.span(&id).unwrap().extensions_mut().remove::<Text>().unwrap();
        self.0.lock().unwrap().push(text.0);
    }
}

#[tokio::test]
async fn a_span_says_which_operation_and_how_it_failed_and_not_whose() {
    let meter = Meter::new();
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let guard = tracing::subscriber::set_default(subscriber);
    let world = meter.world(|ports, _| {
        ports.events = Arc::new(TracingEvents::new());
        ports.mailer = Arc::new(Broken::Answers(PortErrorKind::Unavailable));
    });
    register(&world).await;
    assert!(login(&world, GOOD).await);
    world.deliver_mail().await;
    drop(guard);
    let spans = spans.0.lock().unwrap().clone();
    for expected in [
        r#"auth user_store.find_by_email otel.kind="client""#,
        r#"auth password_hasher.verify"#,
        r#"auth mail_queue.enqueue otel.kind="producer""#,
        r#"auth mailer.send otel.kind="client" error.type="unavailable" otel.status_code="ERROR""#,
    ] {
        assert!(spans.iter().any(|span| span == expected), "{expected} in {spans:#?}");
    }
    assert!(!spans.iter().any(|span| span.contains("canary")), "{spans:#?}");
}

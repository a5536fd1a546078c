//! The lines that CloudWatch reads metrics from, by the rules of its specification.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use adapters_aws::{EmfEvents, EmfSettings};
use adapters_local::testing_with;
use async_trait::async_trait;
use auth_domain::ports::{EventSink, MailQueue};
use auth_domain::{
    AuthEvent, DisplayName, Email, EventKind, LoginRequest, MailJob, Password, PortError,
    PortErrorKind, RegisterRequest, RequestContext, RequestId,
};
use serde_json::{Value, json};

const DOCUMENT: &str = "docs/metrics.md";

const INTRODUCTION: &str = "\
Each metric counts events, in the namespace `Auth` unless another is set, and has the dimension `Service`.
`Outcome` is `success`, or `refused`, `limited` (too many), `overloaded`, `fault` for what was refused; the code that
the client was told stands beside it. This table is written by
`AUTH_UPDATE_DOCS=1 cargo test -p adapters-aws --test emf`.

| metric | by | what it counts |
|---|---|---|
";

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for metric in EmfEvents::METRICS {
        let by = metric.dimension.map(|name| format!("`{name}`")).unwrap_or_default();
        writeln!(text, "| `{}` | {by} | {} |", metric.name, metric.meaning).unwrap();
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
    let how = "run: AUTH_UPDATE_DOCS=1 cargo test -p adapters-aws --test emf";
    assert!(written == document(), "{DOCUMENT} is not what the code says; {how}");
}

/// Keeps what is written, and how often.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn events(&self) -> EmfEvents {
        EmfEvents::new(EmfSettings::new("alcolook-").unwrap(), self.clone())
    }

    /// One for each write.
    fn lines(&self) -> Vec<Value> {
        let writes = self.0.lock().unwrap();
        let lines = writes.iter().map(|bytes| {
            let line = std::str::from_utf8(bytes).unwrap().strip_suffix('\n').unwrap();
            assert!(!line.contains('\n'), "{line}");
            serde_json::from_str(line).unwrap()
        });
        lines.collect()
    }
}

/// The metrics of a line: name and the value of the dimension beside `Service`. Fails where the line breaks a
/// rule of the specification (its JSON schema, and the limits that it names).
fn metrics_of(line: &Value) -> BTreeMap<String, String> {
    let aws = line["_aws"].as_object().unwrap();
    assert!(aws["Timestamp"].as_u64().unwrap() > 1_000_000_000_000, "milliseconds: {line}");
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    let mut metrics = BTreeMap::new();
    for directive in directives {
        let fields: BTreeSet<_> =
            directive.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(["Dimensions", "Metrics", "Namespace"]));
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=1024).contains(&namespace.len()));
        let value = dimensions(line, directive);
        let of_directive = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&of_directive.len()));
        for metric in of_directive {
            let name = metric["Name"].as_str().unwrap();
            assert!((1..=1024).contains(&name.len()));
            assert_eq!(metric["Unit"], "Count");
            assert_eq!(line[name], 1, "the target of a metric is a number of the root: {line}");
            metrics.insert(name.to_owned(), value.clone());
        }
    }
    metrics
}

/// Checks one set of at most 30, whose targets are texts of the root.
fn dimensions(line: &Value, directive: &Value) -> String {
    let sets = directive["Dimensions"].as_array().unwrap();
    assert_eq!(sets.len(), 1);
    let names: Vec<_> =
        sets[0].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!((1..=2).contains(&names.len()) && names[0] == "Service", "{line}");
    for name in &names {
        let value = line[name].as_str().unwrap();
        assert!((1..=1024).contains(&value.len()) && value.is_ascii(), "{name}: {line}");
        assert!(!value.starts_with(':') && !value.trim().is_empty(), "{name}: {line}");
    }
    names.get(1).map(|name| line[name].as_str().unwrap().to_owned()).unwrap_or_default()
}

struct Full;

#[async_trait]
impl MailQueue for Full {
    async fn enqueue(&self, _: MailJob) -> Result<(), PortError> {
        Err(PortError::new(PortErrorKind::Unavailable, "mail_queue.enqueue").caused_by("canary"))
    }
}

const ADDRESS: &str = "canary.address@example.com";
const PASSWORD: &str = "a canary password";

/// Signs up, fails to log in until it is locked out, logs in, refreshes, and asks for a mail.
async fn lives(output: &Output) {
    let world = testing_with(|ports, _| {
        ports.events = Arc::new(output.events());
        ports.mail_queue = Arc::new(Full);
    });
    let auth = &world.auth;
    let context = RequestContext::new().from_source([192, 0, 2, 77].into());
    let context = context.with_request_id(RequestId::parse("seven").ok());
    let (email, password) = (Email::parse(ADDRESS).unwrap(), Password::new(PASSWORD).unwrap());
    let name = DisplayName::parse("Canary").unwrap();
    let request = RegisterRequest { email: email.clone(), password: password.clone(), name };
    auth.register(request.clone(), &context).await.unwrap();
    auth.register(request, &context).await.unwrap_err();
    let good = LoginRequest { email: email.clone(), password };
    let login = auth.login(good, &context).await.unwrap();
    let refreshed = auth.refresh(login.refresh_token.clone(), &context).await.unwrap();
    auth.refresh(refreshed.refresh_token, &context).await.unwrap();
    auth.refresh(login.refresh_token, &context).await.unwrap_err();
    auth.request_password_reset(email.clone(), &context).await.unwrap_err();
    for _ in 0..6 {
        let password = Password::new("another canary").unwrap();
        auth.login(LoginRequest { email: email.clone(), password }, &context).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_happens_is_counted_once_by_its_outcome() {
    let output = Output::default();
    lives(&output).await;
    let mut counted = BTreeMap::<_, usize>::new();
    for line in output.lines() {
        for metric in metrics_of(&line) {
            *counted.entry(metric).or_default() += 1;
        }
    }
    let count =
        |name: &str, value: &str| counted.get(&(name.to_owned(), value.to_owned())).copied();
    for (name, value, expected) in [
        ("Faults", "mail_queue.enqueue", 1),
        ("Logins", "limited", 1),
        ("Logins", "refused", 5),
        ("Logins", "success", 1),
        ("PasswordResetRequests", "fault", 1),
        ("RateLimitDenials", "login", 1),
        ("RefreshTokensReused", "", 1),
        ("Refreshes", "refused", 1),
        ("Refreshes", "success", 2),
        ("Registrations", "refused", 1),
        ("Registrations", "success", 1),
    ] {
        assert_eq!(count(name, value), Some(expected), "{name} {value}: {counted:?}");
    }
    assert_eq!(counted.len(), 11, "{counted:?}");
}

#[tokio::test]
async fn a_line_names_no_address_and_no_client_and_its_dimensions_no_account() {
    let output = Output::default();
    lives(&output).await;
    let lines = output.lines();
    for line in &lines {
        let text = line.to_string();
        assert!(!text.contains("anary") && !text.contains("192.0.2.77"), "{text}");
        assert_eq!(line["request_id"], "seven");
        let user_id = line["user_id"].as_str().unwrap_or("none");
        for value in metrics_of(line).values() {
            assert!(value != user_id && value != &line["account"], "{text}");
        }
    }
    let refused = lines.iter().find(|line| line["event"] == "login_refused").unwrap();
    assert_eq!(refused["code"], "credentials_rejected");
    assert_eq!(refused["failure"], "wrong_password");
}

/// Keeps events, which nobody outside the domain can make.
#[derive(Default)]
struct Kept(Mutex<Vec<AuthEvent>>);

impl EventSink for Kept {
    fn record(&self, event: AuthEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[tokio::test]
async fn what_counts_in_nothing_writes_nothing() {
    let kept = Arc::new(Kept::default());
    let events = Arc::clone(&kept);
    let world = testing_with(|ports, _| ports.events = events);
    world.auth.authenticate("junk").await.unwrap_err();
    let event = kept.0.lock().unwrap().pop().unwrap();
    assert_eq!(event.kind, EventKind::TokenRefused);
    let output = Output::default();
    output.events().record(event);
    assert!(output.lines().is_empty());
}

#[test]
fn what_cloudwatch_would_not_take_is_refused_at_the_start() {
    for bad in ["", " ", ":a", "\u{c548}", "a\n", " a", &"x".repeat(1025)] {
        assert!(EmfSettings::new(bad).is_err(), "{bad:?}");
    }
    let settings = || EmfSettings::new("a service, of two-words_").unwrap();
    for bad in ["", "AWS/Auth", ":a", "a b", "a\n", "\u{c548}", &"x".repeat(256)] {
        assert!(settings().in_namespace(bad).is_err(), "{bad:?}");
    }
    assert!(settings().in_namespace("Company/Auth").is_ok());
}

#[tokio::test]
async fn another_namespace_is_that_of_every_metric() {
    let output = Output::default();
    let settings = EmfSettings::new("a").unwrap().in_namespace("Company/Auth").unwrap();
    let events = Arc::new(EmfEvents::new(settings, output.clone()));
    let world = testing_with(|ports, _| ports.events = events);
    let email = Email::parse(ADDRESS).unwrap();
    let context = RequestContext::new();
    world.auth.request_password_reset(email, &context).await.unwrap();
    let lines = output.lines();
    assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], json!("Company/Auth"));
}

#[test]
fn each_metric_says_what_it_counts() {
    let names: BTreeSet<_> = EmfEvents::METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), EmfEvents::METRICS.len());
    for metric in EmfEvents::METRICS {
        assert!(metric.meaning.ends_with('.') && !metric.meaning.contains('|'), "{metric:?}");
        assert!(matches!(metric.dimension, None | Some("Operation" | "Outcome")), "{metric:?}");
    }
}

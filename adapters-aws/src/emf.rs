use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use auth_domain::ports::EventSink;
use auth_domain::{AuthEvent, ErrorCode, EventKind, LoginFailure, SkipReason};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// Counts events in metrics of CloudWatch: a line of its Embedded Metric Format for each event that counts
/// in one, to the standard output of a Lambda function or whatever an agent of CloudWatch reads. No call to
/// AWS, no buffer, and nothing that goes on behind an answer.
///
#[doc = include_str!("../docs/metrics.md")]
///
/// Dimensions are words of this library and the name of the service: never an address, an account or what a
/// client chose. Who and which request stand beside them, as fields that CloudWatch Logs Insights finds.
pub struct EmfEvents {
    settings: EmfSettings,
    output: Mutex<Box<dyn Write + Send>>,
}

/// Where metrics belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmfSettings {
    namespace: String,
    service: String,
}

/// A text is no namespace or no dimension of CloudWatch.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0} is empty, too long, or has characters that CloudWatch does not take")]
#[non_exhaustive]
pub struct EmfSettingsError(&'static str);

impl EmfSettings {
    /// The namespace of metrics where none is set.
    pub const NAMESPACE: &str = "Auth";

    /// For a service by its name, which is the dimension `Service`: printable ASCII, at most 1,024
    /// characters, not beginning with a colon.
    ///
    /// # Errors
    /// [`EmfSettingsError`].
    pub fn new(service: &str) -> Result<Self, EmfSettingsError> {
        let is_good = service.trim() == service
            && (1..=1024).contains(&service.len())
            && service.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && !service.starts_with(':');
        let settings =
            || Self { namespace: Self::NAMESPACE.to_owned(), service: service.to_owned() };
        is_good.then(settings).ok_or(EmfSettingsError("the service"))
    }

    /// In another namespace: at most 255 letters, digits and `. - _ / # :`; `AWS/` is not ours to use.
    ///
    /// # Errors
    /// [`EmfSettingsError`].
    pub fn in_namespace(self, namespace: &str) -> Result<Self, EmfSettingsError> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
        let is_good = (1..=255).contains(&namespace.len())
            && namespace.bytes().all(is_known)
            && !namespace.starts_with([':'])
            && !namespace.starts_with("AWS/");
        let settings = || Self { namespace: namespace.to_owned(), ..self };
        is_good.then(settings).ok_or(EmfSettingsError("the namespace"))
    }
}

/// What is known of a metric: a row of [`EmfEvents::METRICS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmfMetric {
    /// Its name.
    pub name: &'static str,
    /// The dimension that it has beside `Service`, if there is one.
    pub dimension: Option<&'static str>,
    /// What it counts.
    pub meaning: &'static str,
}

/// The metrics: name, dimension, and what each counts. One that is not documented does not compile.
macro_rules! metrics {
    ($($(#[doc = $meaning:literal])+ $name:ident $(by $dimension:ident)?,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Metric {
            $($name,)+
        }

        impl Metric {
            const ALL: &[EmfMetric] = &[$(Self::$name.described(),)+];

            const fn described(self) -> EmfMetric {
                match self {
                    $(Self::$name => EmfMetric {
                        name: stringify!($name),
                        dimension: [$(Some(stringify!($dimension)),)? None][0],
                        meaning: concat!($($meaning),+).trim_ascii_start(),
                    },)+
                }
            }
        }
    };
}

metrics! {
    /// Faults of ports, each with the port and method that failed, such as `user_store.insert`.
    Faults by Operation,
    /// Logins: `success`, how they were refused, or `given_up` where one ended without an outcome (as of each of
    /// the others): its time was over, its caller went away, or it panicked.
    Logins by Outcome,
    /// Mail jobs that ran: `sent`, `skipped` for a reason that is no failure, `waits` for its change to be seen,
    /// `failed` and to be tried again, `undeliverable`.
    Mails by Outcome,
    /// Reset mails that were asked for: `success`, or how the request was refused.
    PasswordResetRequests by Outcome,
    /// Resets of a password by a link: `success`, or how they were refused.
    PasswordResets by Outcome,
    /// What a limit, a wait after failures or a mail cap turned away, by use case; `deliver` for mails.
    RateLimitDenials by Operation,
    /// Refresh tokens that were presented again after they had been spent for good: somebody has a copy.
    RefreshTokensReused,
    /// Refreshed sessions: `success`, or how the refresh was refused.
    Refreshes by Outcome,
    /// Sign-ups: `success`, `requested` where registration is private, or how they were refused.
    Registrations by Outcome,
}

impl fmt::Debug for EmfEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmfEvents").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// One metric of an event, with the value of its dimension.
struct Count {
    metric: Metric,
    value: &'static str,
}

impl EmfEvents {
    /// Every metric there is.
    pub const METRICS: &[EmfMetric] = Metric::ALL;

    /// To the standard output, which is where CloudWatch reads those of a Lambda function.
    pub fn to_stdout(settings: EmfSettings) -> Self {
        Self::new(settings, std::io::stdout())
    }

    /// To another place: one `write_all` for each line.
    pub fn new(settings: EmfSettings, output: impl Write + Send + 'static) -> Self {
        Self { settings, output: Mutex::new(Box::new(output)) }
    }

    fn line(&self, event: &AuthEvent) -> Option<String> {
        let counts = counts_of(event.kind);
        if counts.is_empty() {
            return None;
        }
        let mut members = members_of(event);
        members.insert("Service".to_owned(), json!(self.settings.service));
        for Count { metric, value } in &counts {
            let EmfMetric { name, dimension, .. } = metric.described();
            members.insert(name.to_owned(), json!(1));
            if let Some(dimension) = dimension {
                members.insert(dimension.to_owned(), json!(value));
            }
        }
        members.insert("_aws".to_owned(), self.metadata(event, &counts));
        Some(Value::Object(members).to_string())
    }

    fn metadata(&self, event: &AuthEvent, counts: &[Count]) -> Value {
        let directives = counts.iter().map(|count| {
            let EmfMetric { name, dimension, .. } = count.metric.described();
            let dimensions: Vec<_> = std::iter::once("Service").chain(dimension).collect();
            json!({
                "Namespace": self.settings.namespace,
                "Dimensions": [dimensions],
                "Metrics": [{"Name": name, "Unit": "Count"}],
            })
        });
        json!({
            "Timestamp": event.at.as_micros() / 1000,
            "CloudWatchMetrics": directives.collect::<Vec<_>>(),
        })
    }
}

impl EventSink for EmfEvents {
    /// A line that cannot be written is lost: there is nowhere else to say so.
    fn record(&self, event: AuthEvent) {
        if let Some(mut line) = self.line(&event) {
            line.push('\n');
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
        }
    }
}

/// What is no metric and no dimension: to look an event up by.
fn members_of(event: &AuthEvent) -> Map<String, Value> {
    let kind = event.kind;
    let texts = [
        ("event", Some(kind.name().to_owned())),
        ("call", kind.call().map(|call| call.name().to_owned())),
        ("code", kind.code().map(|code| code.as_str().to_owned())),
        ("failure", kind.failure().map(LoginFailure::name).map(str::to_owned)),
        ("reason", kind.reason().map(SkipReason::name).map(str::to_owned)),
        ("user_id", event.user_id.map(|id| id.to_string())),
        ("account", event.account.map(|key| key.to_string())),
        ("request_id", event.request_id.map(|id| id.to_string())),
    ];
    let there = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
    there.collect()
}

/// What an event counts in. What a call for an account comes to is in the log alone: a metric for each of
/// them and each outcome would cost more than it tells.
fn counts_of(kind: EventKind) -> Vec<Count> {
    outcome_of(kind).into_iter().chain(denial_of(kind)).collect()
}

fn outcome_of(kind: EventKind) -> Option<Count> {
    let refused = kind.code().map_or("", refusal);
    let (metric, value) = match kind {
        EventKind::CallGivenUp { use_case } => (metric_of(use_case)?, "given_up"),
        EventKind::LoggedIn => (Metric::Logins, SUCCESS),
        EventKind::LoginRefused { .. } => (Metric::Logins, refused),
        EventKind::MailFailed { transient: true } => (Metric::Mails, "failed"),
        EventKind::MailFailed { transient: false } => (Metric::Mails, "undeliverable"),
        EventKind::MailSent => (Metric::Mails, "sent"),
        EventKind::MailSkipped { .. } => (Metric::Mails, "skipped"),
        EventKind::MailWaits => (Metric::Mails, "waits"),
        EventKind::PasswordReset => (Metric::PasswordResets, SUCCESS),
        EventKind::PasswordResetRefused { .. } => (Metric::PasswordResets, refused),
        EventKind::PasswordResetRequested => (Metric::PasswordResetRequests, SUCCESS),
        EventKind::PasswordResetRequestRefused { .. } => (Metric::PasswordResetRequests, refused),
        EventKind::PortFailed { operation, .. } => (Metric::Faults, operation),
        EventKind::RefreshRefused { .. } => (Metric::Refreshes, refused),
        EventKind::RefreshTokenReused => (Metric::RefreshTokensReused, ""),
        EventKind::RegisterRefused { .. } => (Metric::Registrations, refused),
        EventKind::Registered => (Metric::Registrations, SUCCESS),
        EventKind::RegistrationRequested => (Metric::Registrations, "requested"),
        EventKind::SessionRefreshed => (Metric::Refreshes, SUCCESS),
        _ => return None,
    };
    Some(Count { metric, value })
}

/// What the calls of a use case are counted in, by the name of its span.
fn metric_of(use_case: &str) -> Option<Metric> {
    match use_case {
        "deliver" => Some(Metric::Mails),
        "login" => Some(Metric::Logins),
        "refresh" => Some(Metric::Refreshes),
        "register" => Some(Metric::Registrations),
        "request_password_reset" => Some(Metric::PasswordResetRequests),
        "reset_password" => Some(Metric::PasswordResets),
        _ => None,
    }
}

/// Which use case a limit turned away.
fn denial_of(kind: EventKind) -> Option<Count> {
    let value = match kind {
        EventKind::AccountCallRefused { call, .. } => call.name(),
        EventKind::LoginRefused { .. } => "login",
        EventKind::MailSkipped { .. } => "deliver",
        EventKind::PasswordResetRefused { .. } => "reset_password",
        EventKind::PasswordResetRequestRefused { .. } => "request_password_reset",
        EventKind::RefreshRefused { .. } => "refresh",
        EventKind::RegisterRefused { .. } => "register",
        _ => return None,
    };
    let by_a_cap = kind.reason() == Some(SkipReason::MailCap);
    let denied = by_a_cap || kind.code().is_some_and(|code| refusal(code) == LIMITED);
    denied.then_some(Count { metric: Metric::RateLimitDenials, value })
}

const LIMITED: &str = "limited";
const SUCCESS: &str = "success";

/// In few words, since each is a metric to pay for; the code stands beside it.
const fn refusal(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::RateLimited | ErrorCode::TooManyAttempts => LIMITED,
        ErrorCode::Overloaded => "overloaded",
        ErrorCode::Internal | ErrorCode::Unavailable => "fault",
        _ => "refused",
    }
}

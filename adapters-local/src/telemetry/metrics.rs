use opentelemetry::metrics::{Counter, Histogram, Meter};

/// What is known of a metric: a row of [`Telemetry::METRICS`](super::Telemetry::METRICS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricDescription {
    /// Its name, by the conventions of OpenTelemetry.
    pub name: &'static str,
    /// Its kind: `Counter`, `Histogram`, `Asynchronous UpDownCounter`.
    pub kind: &'static str,
    /// Its unit in UCUM, such as `s`, or what is counted, such as `{login}`.
    pub unit: &'static str,
    /// The attributes that it may have.
    pub attributes: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

/// What is known of an attribute: a row of [`Telemetry::ATTRIBUTES`](super::Telemetry::ATTRIBUTES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeDescription {
    /// Its name.
    pub name: &'static str,
    /// Which values it has.
    pub meaning: &'static str,
}

/// The attributes. One that is not documented does not compile.
macro_rules! attributes {
    ($($(#[doc = $meaning:literal])+ $constant:ident = $name:literal;)+) => {
        $(pub(super) const $constant: &str = $name;)+

        pub(super) const ATTRIBUTES: &[AttributeDescription] = &[$(AttributeDescription {
            name: $name,
            meaning: concat!($($meaning),+).trim_ascii_start(),
        },)+];
    };
}

attributes! {
    /// Why a login was refused, where the password was looked at: `disabled`, `malformed_hash`, `no_password`,
    /// `unknown_account`, `unreadable_account`, `unverified`, `wrong_password`.
    LOGIN_FAILURE = "auth.login.failure";
    /// Why a mail was not sent: `already_verified`, `disabled`, `expired`, `mail_cap`, `never_happened`, `spent`,
    /// `superseded`, `unknown_account`.
    MAIL_SKIP_REASON = "auth.mail.skip_reason";
    /// What a call came to: `success`, or the code that the client was told (`auth_domain::ErrorCode`), or
    /// `given_up` where it ended without an outcome (its time was over, its caller went away, or it panicked), or
    /// what the metric says.
    OUTCOME = "auth.outcome";
    /// The port and method, such as `user_store.insert` (`auth_domain::PortError::operation`).
    PORT_OPERATION = "auth.port.operation";
    /// The call of `auth_domain::Auth`: `login`, `register`, `refresh`, `request_password_reset`, `reset_password`,
    /// `deliver` (of a mail), or one that acts for an account, such as `change_password` and `logout`; of what
    /// was given up any, `authenticate` too.
    USE_CASE = "auth.use_case";
    /// How a port failed: `corrupt`, `rejected`, `throttled`, `unavailable`; `cancelled` where nobody waited for
    /// its answer any more, `panicked`, and `_OTHER`. Of a mail: `transient` or `permanent`. Not there where
    /// nothing failed.
    ERROR_TYPE = "error.type";
}

/// Seconds: the boundaries that the semantic conventions recommend for HTTP, and three below for stores that
/// are near.
const BOUNDARIES: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// What can be made of a description.
trait Instrument {
    const KIND: &str;
    fn new(meter: &Meter, description: &MetricDescription) -> Self;
}

impl Instrument for Counter<u64> {
    const KIND: &str = "Counter";

    fn new(meter: &Meter, description: &MetricDescription) -> Self {
        let builder = meter.u64_counter(description.name).with_unit(description.unit);
        builder.with_description(description.meaning).build()
    }
}

impl Instrument for Histogram<f64> {
    const KIND: &str = "Histogram";

    fn new(meter: &Meter, description: &MetricDescription) -> Self {
        let builder = meter.f64_histogram(description.name).with_unit(description.unit);
        let builder = builder.with_description(description.meaning);
        builder.with_boundaries(BOUNDARIES.to_vec()).build()
    }
}

/// Something that is counted when somebody looks.
pub(super) struct Level {
    meter: Meter,
    description: MetricDescription,
}

impl Instrument for Level {
    const KIND: &str = "Asynchronous UpDownCounter";

    fn new(meter: &Meter, description: &MetricDescription) -> Self {
        Self { meter: meter.clone(), description: *description }
    }
}

impl Level {
    /// What `count` says each time, unless that is nothing.
    pub(super) fn is(&self, count: impl Fn() -> Option<usize> + Send + Sync + 'static) {
        let MetricDescription { name, unit, meaning, .. } = self.description;
        let builder = self.meter.i64_observable_up_down_counter(name).with_unit(unit);
        let observed = builder.with_description(meaning).with_callback(move |observer| {
            if let Some(count) = count().and_then(|count| i64::try_from(count).ok()) {
                observer.observe(count, &[]);
            }
        });
        observed.build();
    }
}

/// The metrics: kind, name, unit, attributes, and what each says. One that is not documented does not compile,
/// and one that nothing is written to does not pass the lints.
macro_rules! metrics {
    ($(
        $(#[doc = $meaning:literal])+
        $field:ident: $instrument:ty = $name:literal, $unit:literal, [$($attribute:expr),*];
    )+) => {
        pub(super) struct Instruments {
            $(pub(super) $field: $instrument,)+
        }

        pub(super) const METRICS: &[MetricDescription] = &[$(described::$field,)+];

        #[expect(non_upper_case_globals, reason = "they are called as their fields are")]
        mod described {
            use super::*;

            $(pub(super) const $field: MetricDescription = MetricDescription {
                name: $name,
                kind: <$instrument as Instrument>::KIND,
                unit: $unit,
                attributes: &[$($attribute),*],
                meaning: concat!($($meaning),+).trim_ascii_start(),
            };)+
        }

        impl Instruments {
            pub(super) fn new(meter: &Meter) -> Self {
                Self { $($field: Instrument::new(meter, &described::$field),)+ }
            }
        }
    };
}

metrics! {
    /// Access tokens that were refused. Good ones are not counted.
    access_token_refusals: Counter<u64> = "auth.access_token.refusals", "{refusal}", [];
    /// Calls that act for an account, by its owner or by an operator.
    account_calls: Counter<u64> = "auth.account_calls", "{call}", [USE_CASE, OUTCOME];
    /// What was gone on without, because a part of the service failed. `auth.outcome` is `attempts_not_cleared`,
    /// `breach_check_unavailable`, `last_login_not_written`, `limits_unavailable` or `sessions_not_capped`.
    degradations: Counter<u64> = "auth.degradations", "{degradation}", [OUTCOME];
    /// Faults of ports that a use case met. A fault that it survived is one, too.
    faults: Counter<u64> = "auth.faults", "{fault}", [PORT_OPERATION, ERROR_TYPE];
    /// How long a thread worked at a hash.
    hash_duration: Histogram<f64> = "auth.hash.duration", "s", [];
    /// Places in the queue that were asked for when there was none.
    hash_overloads: Counter<u64> = "auth.hash.overloads", "{reservation}", [];
    /// Hashes that wait for a thread.
    hash_queue_depth: Level = "auth.hash.queue.depth", "{hash}", [];
    /// How long a hash waited for a thread.
    hash_queue_wait: Histogram<f64> = "auth.hash.queue.wait", "s", [];
    /// Logins.
    logins: Counter<u64> = "auth.logins", "{login}", [OUTCOME, LOGIN_FAILURE];
    /// Mail jobs that ran. `auth.outcome` is `sent`, `skipped` (for a reason that is no failure), `waits` (for
    /// its change to be seen) or `failed`.
    mails: Counter<u64> = "auth.mails", "{mail}", [OUTCOME, MAIL_SKIP_REASON, ERROR_TYPE];
    /// Stored hashes of an older format whose owner logged in. `auth.outcome` is `success` or `skipped`.
    password_hash_upgrades: Counter<u64> = "auth.password_hash.upgrades", "{hash}", [OUTCOME];
    /// Requests for a mail to reset a password, whether or not there is an account.
    password_reset_requests: Counter<u64> = "auth.password_reset_requests", "{request}", [OUTCOME];
    /// Resets of a password by a link.
    password_resets: Counter<u64> = "auth.password_resets", "{reset}", [OUTCOME];
    /// How long a port took to answer, or until nobody waited for its answer any more. That of a password's
    /// hash includes its wait for a thread.
    port_duration: Histogram<f64> = "auth.port.duration", "s", [PORT_OPERATION, ERROR_TYPE];
    /// What was turned away. `auth.outcome` is `rate_limited`, `too_many_attempts` (at one account) or `mail_cap`.
    rate_limit_denials: Counter<u64> = "auth.rate_limit.denials", "{denial}", [USE_CASE, OUTCOME];
    /// Refresh tokens that were presented again after they had been spent for good: somebody has a copy. Each
    /// is counted as a refused refresh as well.
    refresh_token_reuses: Counter<u64> = "auth.refresh_token.reuses", "{token}", [];
    /// Refresh tokens that were presented again right after their use, by a client whose answer was lost, and
    /// yielded the same child. Each is counted as a refresh as well.
    refresh_token_retries: Counter<u64> = "auth.refresh_token.retries", "{token}", [];
    /// Refreshes of a session.
    refreshes: Counter<u64> = "auth.refreshes", "{refresh}", [OUTCOME];
    /// Sign-ups. `auth.outcome` may be `requested`, where registration is private: what comes of it is counted
    /// when its mail job has run.
    registrations: Counter<u64> = "auth.registrations", "{registration}", [OUTCOME];
}

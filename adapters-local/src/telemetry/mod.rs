//! Metrics of OpenTelemetry, and a span of `tracing` around each call of a port.
//!
//! [`Telemetry::observe`] wraps the ports on their way to [`Auth`](auth_domain::Auth). Ports that it did not
//! wrap are what they were: off costs nothing.
//!
//! ```
//! # use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy, Argon2idSettingsError};
//! use std::sync::Arc;
//!
//! use adapters_local::telemetry::Telemetry;
//! use auth_domain::Ports;
//!
//! # fn hasher() -> Result<Argon2idHasher, Argon2idSettingsError> {
//! #     Argon2idHasher::new(Argon2idSettings::default(), Arc::new(OsEntropy::new()))
//! # }
//! # fn build(ports: Ports) -> Result<Ports, Argon2idSettingsError> {
//! # let mut ports = ports;
//! // Where metrics go is told once, by `opentelemetry_sdk` and an exporter:
//! // opentelemetry::global::set_meter_provider(provider);
//! let telemetry = Telemetry::new(&opentelemetry::global::meter("auth"));
//! ports.hasher = telemetry.watch_hashing(hasher()?); // its queue, if you like
//! let ports = telemetry.observe(ports);
//! // let auth = Auth::new(ports, settings)?;
//! # Ok(ports)
//! # }
//! ```
//!
//! Spans are those of `tracing`, at level `INFO` and of the target `auth`, and are called as the operation is
//! (`user_store.find_by_email`). A layer of `tracing-opentelemetry` in the program's subscriber makes spans of
//! OpenTelemetry of them:
//!
//! ```text
//! let tracer = opentelemetry::global::tracer("auth");
//! tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer)).init();
//! ```
//!
//! Neither spans nor attributes have an address, an id, a key, or anything that a client chose. A call that
//! failed has `error.type`. So has one that was dropped before its answer, because its client hung up or its
//! time was up: it is counted, as `cancelled`, with the time until then. One that was never polled is not
//! counted. What a port may expect to happen (a wrong password, a taken address, a token that is refused, a
//! hit beyond its limit) is no failure. The clock, the source of randomness and the published keys are not
//! observed: they answer from memory, and are asked in each call.
//!
//! Metrics are for operators, like the log: whoever reads them while he tries an address learns whether it has
//! an account (`auth.login.failure`). Don't show them where strangers come by.
//!
//! How long requests take, and whose trace they are part of, is told by `adapters_http::telemetry`.
//! `examples/server/telemetry.rs` sends all of it to a collector, and shows the metrics to Prometheus.
//!
//! # Metrics
//!
#![doc = include_str!("../../docs/metrics.md")]

mod call;
mod events;
mod metrics;
mod services;
mod stores;

use std::fmt;
use std::sync::Arc;

use auth_domain::Ports;
use opentelemetry::metrics::Meter;

use crate::Argon2idHasher;
use metrics::{ATTRIBUTES, Instruments, METRICS};
pub use metrics::{AttributeDescription, MetricDescription};

/// Instruments of one meter, and what writes to them. Cheap to clone; a clone writes to the same.
#[derive(Clone)]
pub struct Telemetry {
    instruments: Arc<Instruments>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Every attribute there is.
    pub const ATTRIBUTES: &[AttributeDescription] = ATTRIBUTES;
    /// Every metric there is.
    pub const METRICS: &[MetricDescription] = METRICS;

    /// Makes the instruments.
    pub fn new(meter: &Meter) -> Self {
        Self { instruments: Arc::new(Instruments::new(meter)) }
    }

    /// The same ports, each call of which is in a span and timed; and events are counted on their way. Ports
    /// that were observed before are then observed twice.
    #[must_use]
    pub fn observe(&self, ports: Ports) -> Ports {
        // Named one by one, so that a new port does not compile until it is decided about.
        let Ports {
            attempts,
            breached_passwords,
            clock,
            compatibility_issuer,
            entropy,
            events,
            hasher,
            limiter,
            mail_queue,
            mailer,
            reset_tokens,
            sessions,
            token_issuer,
            token_verifier,
            users,
        } = ports;
        Ports {
            attempts: self.observed(attempts),
            breached_passwords: breached_passwords.map(|port| self.observed(port) as _),
            clock,
            compatibility_issuer: compatibility_issuer.map(|port| self.observed(port) as _),
            entropy,
            events: self.observed(events),
            hasher: self.observed(hasher),
            limiter: self.observed(limiter),
            mail_queue: self.observed(mail_queue),
            mailer: self.observed(mailer),
            reset_tokens: self.observed(reset_tokens),
            sessions: self.observed(sessions),
            token_issuer: self.observed(token_issuer),
            token_verifier: self.observed(token_verifier),
            users: self.observed(users),
        }
    }

    /// Also tells how long hashes wait for a thread and take, and how many wait. To be called once for a
    /// hasher, before it is among the ports that are [observed](Self::observe).
    #[must_use]
    pub fn watch_hashing(&self, hasher: Argon2idHasher) -> Arc<Argon2idHasher> {
        let instruments = Arc::clone(&self.instruments);
        let hasher = Arc::new(hasher.watched_by(move |times| {
            instruments.hash_queue_wait.record(times.waited.as_secs_f64(), &[]);
            instruments.hash_duration.record(times.worked.as_secs_f64(), &[]);
        }));
        // Who asks for metrics must not keep a hasher's threads alive.
        let observed = Arc::downgrade(&hasher);
        self.instruments.hash_queue_depth.is(move || Some(observed.upgrade()?.queue_depth()));
        hasher
    }

    fn observed<P: ?Sized>(&self, port: Arc<P>) -> Arc<Observed<P>> {
        Arc::new(Observed { port, instruments: Arc::clone(&self.instruments) })
    }
}

/// A port, each call of which is in a span and timed.
struct Observed<P: ?Sized> {
    port: Arc<P>,
    instruments: Arc<Instruments>,
}

use std::time::Instant;

use auth_domain::PortError;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use tracing::{Instrument, Span};

use super::metrics::{ERROR_TYPE, PORT_OPERATION};

/// A call of a port, from its first poll to its answer or its end without one. Its span has the operation's
/// name, which `tracing` wants to know at each place.
macro_rules! call {
    ($instruments:expr, $operation:literal $(, $kind:literal)?) => {
        $crate::telemetry::call::Call::begin(
            &$instruments.port_duration,
            $operation,
            tracing::info_span!(
                target: "auth",
                $operation,
                $("otel.kind" = $kind,)?
                "otel.status_code" = tracing::field::Empty,
                "error.type" = tracing::field::Empty,
            ),
        )
    };
}
pub(super) use call;

pub(super) struct Call<'a> {
    duration: &'a Histogram<f64>,
    operation: &'static str,
    span: Span,
    began: Instant,
    error: Option<&'static str>,
}

impl<'a> Call<'a> {
    pub(super) fn begin(duration: &'a Histogram<f64>, operation: &'static str, span: Span) -> Self {
        Self { duration, operation, span, began: Instant::now(), error: Some("cancelled") }
    }

    /// Of a port that is waited for. Dropped before its answer, the call counts as cancelled.
    pub(super) async fn wait<T>(
        mut self,
        answer: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let answer = answer.instrument(self.span.clone()).await;
        self.error = answer.as_ref().err().map(|error| error.kind().name());
        answer
    }

    /// Of a port that answers at once.
    pub(super) fn ask<T>(
        mut self,
        answer: impl FnOnce() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let answer = self.span.in_scope(answer);
        self.error = answer.as_ref().err().map(|error| error.kind().name());
        answer
    }

    /// Of a port that answers at once, and whose refusals are answers.
    pub(super) fn ask_unfailing<T>(mut self, answer: impl FnOnce() -> T) -> T {
        let answer = self.span.in_scope(answer);
        self.error = None;
        answer
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed().as_secs_f64();
        let operation = KeyValue::new(PORT_OPERATION, self.operation);
        let Some(error) = self.error else {
            return self.duration.record(took, &[operation]);
        };
        let error = if std::thread::panicking() { "panicked" } else { error };
        self.span.record("error.type", error);
        self.span.record("otel.status_code", "ERROR");
        self.duration.record(took, &[operation, KeyValue::new(ERROR_TYPE, error)]);
    }
}

use auth_domain::ports::EventSink;
use auth_domain::{AuthEvent, EventKind};

/// Writes each event to the `tracing` subscriber of the process, under the target `auth`: faults as
/// warnings, all else as information. Neither address nor secret is in an event.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingEvents;

impl TracingEvents {
    /// A sink that writes to `tracing`.
    pub const fn new() -> Self {
        Self
    }
}

impl EventSink for TracingEvents {
    fn record(&self, event: AuthEvent) {
        let AuthEvent { at, kind, user_id, account, source, .. } = event;
        let user_id = user_id.map(tracing::field::display);
        let source = source.map(tracing::field::display);
        let (at, account) = (at.as_micros(), account.map(tracing::field::debug));
        if is_fault(kind) {
            tracing::warn!(target: "auth", at, user_id, account, source, "{kind:?}");
        } else {
            tracing::info!(target: "auth", at, user_id, account, source, "{kind:?}");
        }
    }
}

const fn is_fault(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::PortFailed { .. }
            | EventKind::LimitsUnavailable
            | EventKind::AttemptsNotCleared
            | EventKind::LastLoginNotWritten
            | EventKind::MailFailed { .. }
    )
}

use crate::AuthEvent;

/// Where events go.
pub trait EventSink: Send + Sync {
    /// Takes one event. Never blocks and never fails: a sink that cannot keep up drops and counts.
    fn record(&self, event: AuthEvent);
}

use crate::AuthEvent;

/// Where events go.
pub trait EventSink: Send + Sync {
    /// Takes one event, within the call that it is about: so it waits for nothing but the process's own output,
    /// and never fails. What cannot be written is lost, and the call goes on.
    fn record(&self, event: AuthEvent);
}

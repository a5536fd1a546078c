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
        let AuthEvent { at, kind, user_id, account, source, cause, .. } = event;
        let user_id = user_id.map(tracing::field::display);
        let source = source.map(tracing::field::display);
        let (at, account) = (at.as_micros(), account.map(tracing::field::debug));
        if is_fault(kind) {
            tracing::warn!(target: "auth", at, user_id, account, source, cause, "{kind:?}");
        } else {
            tracing::info!(target: "auth", at, user_id, account, source, "{kind:?}");
        }
    }
}

const fn is_fault(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::PortFailed { .. }
            | EventKind::BreachCheckUnavailable
            | EventKind::LimitsUnavailable
            | EventKind::AttemptsNotCleared
            | EventKind::LastLoginNotWritten
            | EventKind::MailFailed { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use auth_domain::{LoginRequest, Password, RequestContext};

    use super::*;
    use crate::testing_with;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_event_is_one_line_that_says_what_and_not_whose() {
        let output = Output::default();
        let writer = output.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let world = testing_with(|ports, _| ports.events = Arc::new(TracingEvents::new()));
        let email = auth_domain::Email::parse("canary@example.com").unwrap();
        let password = Password::new("canary password").unwrap();
        let guard = tracing::subscriber::set_default(subscriber);
        let outcome =
            world.auth.login(LoginRequest { email, password }, &RequestContext::new()).await;
        drop(guard);
        assert!(outcome.is_err());
        let written = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(written.contains("INFO auth:") && written.contains("UnknownAccount"), "{written}");
        assert!(!written.contains("canary"), "{written}");
    }
}

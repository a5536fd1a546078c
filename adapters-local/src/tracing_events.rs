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

    use auth_domain::ports::{PasswordHasher, Reservation};
    use auth_domain::{LoginRequest, Password, PortError, PortErrorKind, Ports, RequestContext};

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

    /// What is written of a refused login, with ports to choose.
    async fn written_of_a_login(change: impl FnOnce(&mut Ports)) -> String {
        let output = Output::default();
        let writer = output.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let world = testing_with(|ports, _| {
            ports.events = Arc::new(TracingEvents::new());
            change(ports);
        });
        let email = auth_domain::Email::parse("canary@example.com").unwrap();
        let password = Password::new("canary password").unwrap();
        let guard = tracing::subscriber::set_default(subscriber);
        let outcome =
            world.auth.login(LoginRequest { email, password }, &RequestContext::new()).await;
        drop(guard);
        assert!(outcome.is_err());
        String::from_utf8(output.0.lock().unwrap().clone()).unwrap()
    }

    #[tokio::test]
    async fn an_event_is_one_line_that_says_what_and_not_whose() {
        let written = written_of_a_login(|_| {}).await;
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(written.contains("INFO auth:") && written.contains("UnknownAccount"), "{written}");
        assert!(!written.contains("canary"), "{written}");
    }

    struct Quoting;

    impl PasswordHasher for Quoting {
        fn reserve(&self) -> Result<Reservation, PortError> {
            let words = "no place\r\n2026-01-01 INFO auth: LoggedIn\u{1b}[31m\u{2028}";
            Err(PortError::new(PortErrorKind::Unavailable, "password_hasher.reserve")
                .caused_by(words))
        }
    }

    #[tokio::test]
    async fn words_of_another_system_neither_begin_a_line_nor_reach_a_terminal() {
        let written = written_of_a_login(|ports| ports.hasher = Arc::new(Quoting)).await;
        assert!(written.contains("no place"), "{written}");
        assert_eq!(written.lines().count(), 2, "a fault and an outcome: {written}");
        assert!(!written.contains(['\r', '\u{1b}', '\u{2028}']), "{written:?}");
    }
}

use auth_domain::ports::EventSink;
use auth_domain::{AccountCall, AuthEvent, ErrorCode, LoginFailure, PortErrorKind, SkipReason};
use tracing::Level;

/// Writes each event to the `tracing` subscriber of the process, under the target `auth`: faults as
/// warnings, all else as information. Neither address nor secret is in an event.
///
/// The message is the event's name ([`EventKind::TABLE`](auth_domain::EventKind::TABLE)), and all else a
/// field: `user_id`, `account`, `source`, `request_id`, `call`, `code`, `failure`, `operation`, `fault`,
/// `reason`, `transient`, `cause`, of which those that say nothing are left out. When it was is the
/// subscriber's to say.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingEvents;

/// Of one level, which `tracing` wants to know beforehand.
macro_rules! write_event {
    ($level:expr, $event:expr) => {{
        let AuthEvent { kind, user_id, account, source, request_id, cause, .. } = $event;
        tracing::event!(
            target: "auth",
            $level,
            user_id = user_id.map(tracing::field::display),
            account = account.map(tracing::field::display),
            source = source.map(tracing::field::display),
            request_id = request_id.map(tracing::field::display),
            call = kind.call().map(AccountCall::name),
            code = kind.code().map(ErrorCode::as_str),
            failure = kind.failure().map(LoginFailure::name),
            operation = kind.operation(),
            fault = kind.fault().map(PortErrorKind::name),
            reason = kind.reason().map(SkipReason::name),
            transient = kind.is_transient(),
            cause,
            "{}",
            kind.name()
        );
    }};
}

impl TracingEvents {
    /// A sink that writes to `tracing`.
    pub const fn new() -> Self {
        Self
    }
}

impl EventSink for TracingEvents {
    fn record(&self, event: AuthEvent) {
        if event.kind.is_fault() {
            write_event!(Level::WARN, event);
        } else {
            write_event!(Level::INFO, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use auth_domain::ports::{PasswordHasher, Reservation};
    use auth_domain::{
        LoginRequest, Password, PortError, PortErrorKind, Ports, RequestContext, RequestId,
    };

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
        let context = RequestContext::new().with_request_id(RequestId::parse("seven").ok());
        let guard = tracing::subscriber::set_default(subscriber);
        let outcome = world.auth.login(LoginRequest { email, password }, &context).await;
        drop(guard);
        assert!(outcome.is_err());
        String::from_utf8(output.0.lock().unwrap().clone()).unwrap()
    }

    #[tokio::test]
    async fn an_event_is_one_line_that_says_what_and_not_whose() {
        let written = written_of_a_login(|_| {}).await;
        assert_eq!(written.lines().count(), 1, "{written}");
        for there in
            [" INFO ", "auth: login_refused", "code=\"credentials_rejected\"", "request_id=seven"]
        {
            assert!(written.contains(there), "{there} is not in {written}");
        }
        assert!(written.contains("failure=\"unknown_account\""), "{written}");
        assert!(!written.contains(" at="), "the line has its time: {written}");
        assert!(!written.contains("canary"), "{written}");
    }

    struct Quoting;

    impl PasswordHasher for Quoting {
        fn reserve(&self) -> Result<Reservation, PortError> {
            let words = "no place\r\n2026-01-01 INFO auth: logged_in\u{1b}[31m\u{2028}";
            Err(PortError::new(PortErrorKind::Unavailable, "password_hasher.reserve")
                .caused_by(words))
        }
    }

    #[tokio::test]
    async fn words_of_another_system_neither_begin_a_line_nor_reach_a_terminal() {
        let written = written_of_a_login(|ports| ports.hasher = Arc::new(Quoting)).await;
        assert!(written.contains("no place"), "{written}");
        let fault = "request_id=seven operation=\"password_hasher.reserve\" fault=\"unavailable\"";
        assert!(
            written.contains("auth: port_failed account=") && written.contains(fault),
            "{written}"
        );
        assert!(written.contains(" WARN "), "{written}");
        assert_eq!(written.lines().count(), 2, "a fault and an outcome: {written}");
        assert!(!written.contains(['\r', '\u{1b}', '\u{2028}']), "{written:?}");
    }
}

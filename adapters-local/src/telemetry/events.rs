use auth_domain::ports::EventSink;
use auth_domain::{AuthEvent, ErrorCode, EventKind, LoginFailure, SkipReason};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::Observed;
use super::metrics::{
    ERROR_TYPE, Instruments, LOGIN_FAILURE, MAIL_SKIP_REASON, OUTCOME, PORT_OPERATION, USE_CASE,
};

const GIVEN_UP: &str = "given_up";
const SUCCESS: &str = "success";

/// Counts an event before it goes where it went.
impl EventSink for Observed<dyn EventSink> {
    fn record(&self, event: AuthEvent) {
        self.instruments.count(event.kind);
        self.instruments.count_denial(event.kind);
        self.port.record(event);
    }
}

impl Instruments {
    fn count(&self, kind: EventKind) {
        match kind {
            EventKind::AccountCallDone { call } => self.count_call(call.name(), SUCCESS),
            EventKind::AccountCallRefused { call, code } => {
                self.count_call(call.name(), code.as_str());
            }
            EventKind::LoggedIn => count(&self.logins, SUCCESS),
            EventKind::LoginRefused { code, failure } => self.count_refused_login(code, failure),
            EventKind::PasswordHashUpgraded => count(&self.password_hash_upgrades, SUCCESS),
            EventKind::PasswordHashUpgradeSkipped => count(&self.password_hash_upgrades, "skipped"),
            EventKind::PasswordReset => count(&self.password_resets, SUCCESS),
            EventKind::PasswordResetRefused { code } => count(&self.password_resets, code.as_str()),
            EventKind::PasswordResetRequested => count(&self.password_reset_requests, SUCCESS),
            EventKind::PasswordResetRequestRefused { code } => {
                count(&self.password_reset_requests, code.as_str());
            }
            EventKind::RefreshRefused { code } => count(&self.refreshes, code.as_str()),
            EventKind::RefreshRetried => self.refresh_token_retries.add(1, &[]),
            EventKind::RefreshTokenReused => self.refresh_token_reuses.add(1, &[]),
            EventKind::Registered => count(&self.registrations, SUCCESS),
            EventKind::RegistrationRequested => count(&self.registrations, "requested"),
            EventKind::RegisterRefused { code } => count(&self.registrations, code.as_str()),
            EventKind::SessionRefreshed => count(&self.refreshes, SUCCESS),
            EventKind::TokenRefused => self.access_token_refusals.add(1, &[]),
            other => self.count_operation(other),
        }
    }

    /// What the service does for itself.
    fn count_operation(&self, kind: EventKind) {
        match kind {
            EventKind::CallGivenUp { use_case } => self.count_given_up(use_case),
            EventKind::AttemptsNotCleared => count(&self.degradations, "attempts_not_cleared"),
            EventKind::BreachCheckUnavailable => {
                count(&self.degradations, "breach_check_unavailable");
            }
            EventKind::LastLoginNotWritten => count(&self.degradations, "last_login_not_written"),
            EventKind::LimitsUnavailable => count(&self.degradations, "limits_unavailable"),
            EventKind::SessionsNotCapped => count(&self.degradations, "sessions_not_capped"),
            EventKind::MailFailed { transient } => {
                let how = if transient { "transient" } else { "permanent" };
                self.mails.add(1, &[outcome("failed"), KeyValue::new(ERROR_TYPE, how)]);
            }
            EventKind::MailSent => count(&self.mails, "sent"),
            EventKind::MailSkipped { reason } => {
                let why = KeyValue::new(MAIL_SKIP_REASON, reason.name());
                self.mails.add(1, &[outcome("skipped"), why]);
            }
            EventKind::MailWaits => count(&self.mails, "waits"),
            EventKind::PortFailed { operation, kind } => {
                let operation = KeyValue::new(PORT_OPERATION, operation);
                self.faults.add(1, &[operation, KeyValue::new(ERROR_TYPE, kind.name())]);
            }
            _ => {}
        }
    }

    fn count_given_up(&self, use_case: &'static str) {
        match use_case {
            "deliver" => count(&self.mails, GIVEN_UP),
            "login" => count(&self.logins, GIVEN_UP),
            "refresh" => count(&self.refreshes, GIVEN_UP),
            "register" => count(&self.registrations, GIVEN_UP),
            "request_password_reset" => count(&self.password_reset_requests, GIVEN_UP),
            "reset_password" => count(&self.password_resets, GIVEN_UP),
            other => self.count_call(other, GIVEN_UP),
        }
    }

    fn count_call(&self, call: &'static str, came_to: &'static str) {
        self.account_calls.add(1, &[KeyValue::new(USE_CASE, call), outcome(came_to)]);
    }

    fn count_refused_login(&self, code: ErrorCode, failure: Option<LoginFailure>) {
        let code = outcome(code.as_str());
        match failure {
            None => self.logins.add(1, &[code]),
            Some(failure) => {
                let why = KeyValue::new(LOGIN_FAILURE, failure.name());
                self.logins.add(1, &[code, why]);
            }
        }
    }

    fn count_denial(&self, kind: EventKind) {
        if let Some((use_case, by)) = denial(kind) {
            self.rate_limit_denials.add(1, &[KeyValue::new(USE_CASE, use_case), outcome(by)]);
        }
    }
}

/// Which use case was turned away, and by what.
fn denial(kind: EventKind) -> Option<(&'static str, &'static str)> {
    let (use_case, code) = match kind {
        EventKind::AccountCallRefused { call, code } => (call.name(), code),
        EventKind::LoginRefused { code, .. } => ("login", code),
        EventKind::MailSkipped { reason: SkipReason::MailCap } => {
            return Some(("deliver", SkipReason::MailCap.name()));
        }
        EventKind::PasswordResetRefused { code } => ("reset_password", code),
        EventKind::PasswordResetRequestRefused { code } => ("request_password_reset", code),
        EventKind::RefreshRefused { code } => ("refresh", code),
        EventKind::RegisterRefused { code } => ("register", code),
        _ => return None,
    };
    let denied = matches!(code, ErrorCode::RateLimited | ErrorCode::TooManyAttempts);
    denied.then_some((use_case, code.as_str()))
}

fn count(counter: &Counter<u64>, came_to: &'static str) {
    counter.add(1, &[outcome(came_to)]);
}

fn outcome(came_to: &'static str) -> KeyValue {
    KeyValue::new(OUTCOME, came_to)
}

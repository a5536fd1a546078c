use std::net::IpAddr;
use std::sync::Arc;

use crate::named::{NameDescription, named};
use crate::ports::EventSink;
use crate::{ErrorCode, LimitKey, PortErrorKind, RequestId, SkipReason, Timestamp, UserId};

/// What happened, for audit and alarms: one for each outcome of each use case, and one for each fault
/// that a use case survived. Carries no secret and no address; `account` is an HMAC of the address.
///
/// A good [`authenticate`](crate::Auth::authenticate) is not recorded: it is on the path of every
/// request, and changes nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The account, where one was found.
    pub user_id: Option<UserId>,
    /// The address that was named, under the limiter key: the same for known and unknown addresses. `None`
    /// where none was, or [`Settings::addresses_in_events`](crate::Settings::addresses_in_events) says so.
    pub account: Option<LimitKey>,
    /// The client's address.
    pub source: Option<IpAddr>,
    /// What the call is found by in logs, where the driving adapter numbers its requests.
    pub request_id: Option<RequestId>,
    /// Of [`EventKind::PortFailed`]: what failed, and what each of its causes said.
    pub cause: Option<String>,
}

/// All of them, in their order: each takes every event.
impl EventSink for Vec<Arc<dyn EventSink>> {
    fn record(&self, event: AuthEvent) {
        let Some((last, others)) = self.split_last() else { return };
        for sink in others {
            sink.record(event.clone());
        }
        last.record(event);
    }
}

/// What is known of a kind of event without one having happened: a row of [`EventKind::TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventDescription {
    /// The name of the kind.
    pub name: &'static str,
    /// Whether it tells of a fault.
    pub is_fault: bool,
    /// What it says, as its documentation does.
    pub meaning: &'static str,
    /// What it says beside that.
    pub fields: &'static [NameDescription],
}

/// The kinds of events: name, level, fields, and the documentation of each. One without documentation
/// does not compile.
macro_rules! event_kinds {
    (
        $(#[$of_enum:meta])*
        pub enum $type:ident {$(
            $(#[doc = $meaning:literal])+
            $variant:ident $({
                $($(#[doc = $about:literal])+ $field:ident: $of:ty,)+
            })? = $name:literal as $level:ident,
        )+}
    ) => {
        $(#[$of_enum])*
        pub enum $type {
            $($(#[doc = $meaning])+ $variant $({ $($(#[doc = $about])+ $field: $of,)+ })?,)+
        }

        impl $type {
            /// Every kind there is.
            pub const TABLE: &[EventDescription] = &[$(EventDescription {
                name: $name,
                is_fault: matches!(Level::$level, Level::Fault),
                meaning: concat!($($meaning),+).trim_ascii_start(),
                fields: &[$($(NameDescription {
                    name: stringify!($field),
                    meaning: concat!($($about),+).trim_ascii_start(),
                },)+)?],
            },)+];

            /// The stable name, in lower case with underscores. Names are never changed or reused.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)+
                }
            }

            /// Whether a part of the service failed: for somebody who runs it to look at, while all else is
            /// the outcome of a call.
            pub const fn is_fault(self) -> bool {
                match self {
                    $(Self::$variant { .. } => matches!(Level::$level, Level::Fault),)+
                }
            }
        }
    };
}

enum Level {
    Fault,
    Outcome,
}

event_kinds! {
    /// The kinds of [`AuthEvent`].
    ///
    #[doc = include_str!("../docs/events.md")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum EventKind {
        /// A call that acts for an account, or an operator's, did what it was asked.
        AccountCallDone {
            /// Which call.
            call: AccountCall,
        } = "account_call_done" as Outcome,
        /// Such a call was refused.
        AccountCallRefused {
            /// Which call.
            call: AccountCall,
            /// What the client was told.
            code: ErrorCode,
        } = "account_call_refused" as Outcome,
        /// An account logged in, but its counter of failed attempts could not be cleared.
        AttemptsNotCleared = "attempts_not_cleared" as Fault,
        /// Whether a new password leaked could not be asked, and the settings said to go on without.
        BreachCheckUnavailable = "breach_check_unavailable" as Fault,
        /// A call ended before it came to an outcome: its time was over, its caller went away, or it panicked.
        /// What it had written by then stays.
        CallGivenUp {
            /// Which call, by the name of its span.
            use_case: &'static str,
        } = "call_given_up" as Outcome,
        /// A counter could not be asked, and the settings said to go on without it.
        LimitsUnavailable = "limits_unavailable" as Fault,
        /// An account logged in, but the time of it could not be written.
        LastLoginNotWritten = "last_login_not_written" as Fault,
        /// An account logged in.
        LoggedIn = "logged_in" as Outcome,
        /// A login was refused.
        LoginRefused {
            /// What the client was told.
            code: ErrorCode,
            /// What the client was not told: why, where the password was looked at.
            failure: Option<LoginFailure>,
        } = "login_refused" as Outcome,
        /// A mail could not be sent.
        MailFailed {
            /// Whether trying again may help: by itself, or once what the service is set up with is put right.
            transient: bool,
        } = "mail_failed" as Fault,
        /// A mail was not sent, for a reason that is no failure.
        MailSkipped {
            /// Why it was not.
            reason: SkipReason,
        } = "mail_skipped" as Outcome,
        /// A mail was accepted by the mail service.
        MailSent = "mail_sent" as Outcome,
        /// A notice waits for its change to be seen; it will be tried again.
        MailWaits = "mail_waits" as Outcome,
        /// A stored hash of an older format was replaced by one of today's.
        PasswordHashUpgraded = "password_hash_upgraded" as Outcome,
        /// A stored hash of an older format was left for the next login.
        PasswordHashUpgradeSkipped = "password_hash_upgrade_skipped" as Outcome,
        /// A password was reset.
        PasswordReset = "password_reset" as Outcome,
        /// A reset of a password was refused.
        PasswordResetRefused {
            /// What the client was told.
            code: ErrorCode,
        } = "password_reset_refused" as Outcome,
        /// A reset mail was asked for, whether or not the address has an account.
        PasswordResetRequested = "password_reset_requested" as Outcome,
        /// A request for a reset mail was refused.
        PasswordResetRequestRefused {
            /// What the client was told.
            code: ErrorCode,
        } = "password_reset_request_refused" as Outcome,
        /// A port failed.
        PortFailed {
            /// The port and method, such as `user_store.insert`.
            operation: &'static str,
            /// How it failed.
            kind: PortErrorKind,
        } = "port_failed" as Fault,
        /// A session was not refreshed.
        RefreshRefused {
            /// What the client was told.
            code: ErrorCode,
        } = "refresh_refused" as Outcome,
        /// A refresh token was presented again right after its use, and yielded the same child.
        RefreshRetried = "refresh_retried" as Outcome,
        /// A refresh token was presented that had been spent for good: somebody has a copy. Its session is
        /// ended.
        RefreshTokenReused = "refresh_token_reused" as Outcome,
        /// An account was made.
        Registered = "registered" as Outcome,
        /// An account was asked for where registration is private; whether one is made shows later, as
        /// `registered` or `register_refused`.
        RegistrationRequested = "registration_requested" as Outcome,
        /// A registration was refused.
        RegisterRefused {
            /// What the client was told.
            code: ErrorCode,
        } = "register_refused" as Outcome,
        /// A session was refreshed.
        SessionRefreshed = "session_refreshed" as Outcome,
        /// An account logged in, but its oldest sessions beyond the cap could not be ended.
        SessionsNotCapped = "sessions_not_capped" as Fault,
        /// An access token was refused.
        TokenRefused = "token_refused" as Outcome,
    }
}

impl EventKind {
    /// Which call for an account it is about.
    pub const fn call(self) -> Option<AccountCall> {
        match self {
            Self::AccountCallDone { call } | Self::AccountCallRefused { call, .. } => Some(call),
            _ => None,
        }
    }

    /// What the client was told, where something was refused.
    pub const fn code(self) -> Option<ErrorCode> {
        match self {
            Self::AccountCallRefused { code, .. }
            | Self::LoginRefused { code, .. }
            | Self::PasswordResetRefused { code }
            | Self::PasswordResetRequestRefused { code }
            | Self::RefreshRefused { code }
            | Self::RegisterRefused { code } => Some(code),
            _ => None,
        }
    }

    /// Why a login was refused.
    pub const fn failure(self) -> Option<LoginFailure> {
        match self {
            Self::LoginRefused { failure, .. } => failure,
            _ => None,
        }
    }

    /// The port and method that failed, such as `user_store.insert`; or the use case that was given up.
    pub const fn operation(self) -> Option<&'static str> {
        match self {
            Self::PortFailed { operation, .. } => Some(operation),
            Self::CallGivenUp { use_case } => Some(use_case),
            _ => None,
        }
    }

    /// How a port failed.
    pub const fn fault(self) -> Option<PortErrorKind> {
        match self {
            Self::PortFailed { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// Why a mail was not sent.
    pub const fn reason(self) -> Option<SkipReason> {
        match self {
            Self::MailSkipped { reason } => Some(reason),
            _ => None,
        }
    }

    /// Of a mail that could not be sent, whether trying again may help.
    pub const fn is_transient(self) -> Option<bool> {
        match self {
            Self::MailFailed { transient } => Some(transient),
            _ => None,
        }
    }
}

named! {
    /// The calls that act for an account, by its owner or by an operator.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum AccountCall {
        /// The owner changed his password.
        ChangePassword = "change_password",
        /// Somebody used a link that moves an account to another address.
        ConfirmEmailChange = "confirm_email_change",
        /// The owner, or an operator, deleted the account.
        DeleteAccount = "delete_account",
        /// An operator shut the account.
        Disable = "disable",
        /// An operator opened the account.
        Enable = "enable",
        /// All sessions were ended.
        EndAllSessions = "end_all_sessions",
        /// One session was ended.
        EndSession = "end_session",
        /// An operator took the password away.
        ForcePasswordChange = "force_password_change",
        /// The owner looked at his sessions.
        ListSessions = "list_sessions",
        /// A session was ended by its refresh token.
        Logout = "logout",
        /// An operator looked at the account.
        LookUp = "look_up",
        /// The owner asked to move to another address.
        RequestEmailChange = "request_email_change",
        /// Somebody asked for a mail that confirms an address.
        RequestVerification = "request_verification",
        /// Somebody used a link that confirms an address.
        VerifyEmail = "verify_email",
    }
}

named! {
    /// Why a login was refused, for operators only.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum LoginFailure {
        /// The account is disabled.
        Disabled = "disabled",
        /// The stored hash cannot be read.
        MalformedHash = "malformed_hash",
        /// The account has no password.
        NoPassword = "no_password",
        /// No account has the address.
        UnknownAccount = "unknown_account",
        /// The stored row cannot be read.
        UnreadableAccount = "unreadable_account",
        /// The address is not confirmed, and must be.
        Unverified = "unverified",
        /// The password does not fit.
        WrongPassword = "wrong_password",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<EventKind>>);

    impl EventSink for Kept {
        fn record(&self, event: AuthEvent) {
            self.0.lock().unwrap().push(event.kind);
        }
    }

    fn event(kind: EventKind) -> AuthEvent {
        AuthEvent {
            at: Timestamp::from_seconds(0),
            kind,
            user_id: None,
            account: None,
            source: None,
            request_id: None,
            cause: None,
        }
    }

    #[test]
    fn several_sinks_each_take_every_event() {
        let kept: Vec<Arc<Kept>> = vec![Arc::default(), Arc::default(), Arc::default()];
        let sinks: Vec<Arc<dyn EventSink>> =
            kept.iter().map(|sink| Arc::clone(sink) as _).collect();
        sinks.record(event(EventKind::LoggedIn));
        sinks.record(event(EventKind::MailSent));
        for sink in kept {
            assert_eq!(*sink.0.lock().unwrap(), [EventKind::LoggedIn, EventKind::MailSent]);
        }
        Vec::<Arc<dyn EventSink>>::new().record(event(EventKind::LoggedIn));
    }

    #[test]
    fn what_a_kind_says_is_in_the_fields_that_its_table_names() {
        let code = ErrorCode::CredentialsRejected;
        let kind = EventKind::LoginRefused { code, failure: Some(LoginFailure::NoPassword) };
        assert_eq!((kind.name(), kind.is_fault()), ("login_refused", false));
        assert_eq!(kind.code(), Some(code));
        assert_eq!(kind.failure().map(LoginFailure::name), Some("no_password"));
        let kind = PortErrorKind::Throttled;
        let kind = EventKind::PortFailed { operation: "mailer.send", kind };
        assert_eq!((kind.name(), kind.is_fault()), ("port_failed", true));
        assert_eq!(kind.operation(), Some("mailer.send"));
        assert_eq!(kind.fault().map(PortErrorKind::name), Some("throttled"));
        assert_eq!((kind.code(), kind.call(), kind.reason()), (None, None, None));
        let kind = EventKind::MailFailed { transient: true };
        assert_eq!((kind.is_transient(), kind.is_fault()), (Some(true), true));
    }
}

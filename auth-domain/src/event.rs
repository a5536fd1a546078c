use std::net::IpAddr;

use crate::{ErrorCode, LimitKey, PortErrorKind, SkipReason, Timestamp, UserId};

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
    /// Of [`EventKind::PortFailed`]: what failed, and what each of its causes said.
    pub cause: Option<String>,
}

/// The kinds of [`AuthEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A call that acts for an account, or an operator's, did what it was asked.
    AccountCallDone {
        /// Which.
        call: AccountCall,
    },
    /// Such a call was refused.
    AccountCallRefused {
        /// Which.
        call: AccountCall,
        /// What the client was told.
        code: ErrorCode,
    },
    /// An account logged in, but its counter of failed attempts could not be cleared.
    AttemptsNotCleared,
    /// Whether a new password leaked could not be asked, and the settings said to go on without.
    BreachCheckUnavailable,
    /// A counter could not be asked, and the settings said to go on without it.
    LimitsUnavailable,
    /// An account logged in, but the time of it could not be written.
    LastLoginNotWritten,
    /// An account logged in.
    LoggedIn,
    /// A login was refused.
    LoginRefused {
        /// What the client was told.
        code: ErrorCode,
        /// What the client was not told.
        failure: Option<LoginFailure>,
    },
    /// A mail could not be sent.
    MailFailed {
        /// Whether trying again may help.
        transient: bool,
    },
    /// A mail was not sent, for a reason that is no failure.
    MailSkipped {
        /// Why not.
        reason: SkipReason,
    },
    /// A mail was accepted by the mail service.
    MailSent,
    /// A notice waits for its change to be seen; it will be tried again.
    MailWaits,
    /// A stored hash of an older format was replaced by one of today's.
    PasswordHashUpgraded,
    /// A stored hash of an older format was left for the next login.
    PasswordHashUpgradeSkipped,
    /// A password was reset.
    PasswordReset,
    /// A reset of a password was refused.
    PasswordResetRefused {
        /// What the client was told.
        code: ErrorCode,
    },
    /// A reset mail was asked for, whether or not the address has an account.
    PasswordResetRequested,
    /// A request for a reset mail was refused.
    PasswordResetRequestRefused {
        /// What the client was told.
        code: ErrorCode,
    },
    /// A port failed.
    PortFailed {
        /// The port and method.
        operation: &'static str,
        /// How.
        kind: PortErrorKind,
    },
    /// A session was not refreshed.
    RefreshRefused {
        /// What the client was told.
        code: ErrorCode,
    },
    /// A refresh token was presented again right after its use, and yielded the same child.
    RefreshRetried,
    /// A refresh token was presented that had been spent for good: somebody has a copy. Its session is
    /// ended.
    RefreshTokenReused,
    /// An account was made.
    Registered,
    /// An account was asked for where registration is private; whether one is made shows later, as
    /// [`EventKind::Registered`] or [`EventKind::RegisterRefused`].
    RegistrationRequested,
    /// A registration was refused.
    RegisterRefused {
        /// What the client was told.
        code: ErrorCode,
    },
    /// A session was refreshed.
    SessionRefreshed,
    /// An account logged in, but its oldest sessions beyond the cap could not be ended.
    SessionsNotCapped,
    /// An access token was refused.
    TokenRefused,
}

/// The calls that act for an account, by its owner or by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccountCall {
    /// The owner changed his password.
    ChangePassword,
    /// Somebody used a link that moves an account to another address.
    ConfirmEmailChange,
    /// The owner, or an operator, deleted the account.
    DeleteAccount,
    /// An operator shut the account.
    Disable,
    /// An operator opened the account.
    Enable,
    /// All sessions were ended.
    EndAllSessions,
    /// One session was ended.
    EndSession,
    /// An operator took the password away.
    ForcePasswordChange,
    /// The owner looked at his sessions.
    ListSessions,
    /// A session was ended by its refresh token.
    Logout,
    /// An operator looked at the account.
    LookUp,
    /// The owner asked to move to another address.
    RequestEmailChange,
    /// Somebody asked for a mail that confirms an address.
    RequestVerification,
    /// Somebody used a link that confirms an address.
    VerifyEmail,
}

/// Why a login was refused, for operators only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginFailure {
    /// The account is disabled.
    Disabled,
    /// The stored hash cannot be read.
    MalformedHash,
    /// The account has no password.
    NoPassword,
    /// No account has the address.
    UnknownAccount,
    /// The stored row cannot be read.
    UnreadableAccount,
    /// The address is not confirmed, and must be.
    Unverified,
    /// The password does not fit.
    WrongPassword,
}

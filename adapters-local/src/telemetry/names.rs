//! What attributes say: few values, none of which somebody else chooses.

use auth_domain::{AccountCall, LoginFailure, PortErrorKind, SkipReason};

/// OpenTelemetry's own word for what has none yet.
const OTHER: &str = "_OTHER";

pub(super) const fn call_name(call: AccountCall) -> &'static str {
    match call {
        AccountCall::ChangePassword => "change_password",
        AccountCall::ConfirmEmailChange => "confirm_email_change",
        AccountCall::DeleteAccount => "delete_account",
        AccountCall::Disable => "disable",
        AccountCall::Enable => "enable",
        AccountCall::EndAllSessions => "end_all_sessions",
        AccountCall::EndSession => "end_session",
        AccountCall::ForcePasswordChange => "force_password_change",
        AccountCall::ListSessions => "list_sessions",
        AccountCall::Logout => "logout",
        AccountCall::LookUp => "look_up",
        AccountCall::RequestEmailChange => "request_email_change",
        AccountCall::RequestVerification => "request_verification",
        AccountCall::VerifyEmail => "verify_email",
        _ => OTHER,
    }
}

pub(super) const fn failure_name(failure: LoginFailure) -> &'static str {
    match failure {
        LoginFailure::Disabled => "disabled",
        LoginFailure::MalformedHash => "malformed_hash",
        LoginFailure::NoPassword => "no_password",
        LoginFailure::UnknownAccount => "unknown_account",
        LoginFailure::UnreadableAccount => "unreadable_account",
        LoginFailure::Unverified => "unverified",
        LoginFailure::WrongPassword => "wrong_password",
        _ => OTHER,
    }
}

pub(super) const fn fault_name(kind: PortErrorKind) -> &'static str {
    match kind {
        PortErrorKind::Corrupt => "corrupt",
        PortErrorKind::Rejected => "rejected",
        PortErrorKind::Throttled => "throttled",
        PortErrorKind::Unavailable => "unavailable",
        _ => OTHER,
    }
}

pub(super) const fn reason_name(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::AlreadyVerified => "already_verified",
        SkipReason::Disabled => "disabled",
        SkipReason::Expired => "expired",
        SkipReason::MailCap => "mail_cap",
        SkipReason::NeverHappened => "never_happened",
        SkipReason::Spent => "spent",
        SkipReason::Superseded => "superseded",
        SkipReason::UnknownAccount => "unknown_account",
        _ => OTHER,
    }
}

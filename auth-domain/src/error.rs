use std::error::Error;
use std::fmt;

use crate::named::named;

/// Why a port could not do what it was asked. What a port may expect to happen (a taken address, a
/// wrong password) is a return value, never one of these.
///
/// Neither the message nor the source may carry a secret or an address.
#[derive(Debug)]
pub struct PortError {
    kind: PortErrorKind,
    operation: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

named! {
    /// What a caller can do about a [`PortError`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum PortErrorKind {
        /// What was read cannot be understood. Trying again reads the same.
        Corrupt = "corrupt",
        /// Refused for good: trying again changes nothing.
        Rejected = "rejected",
        /// Too much at once: trying again later may work.
        Throttled = "throttled",
        /// Not reached, or no answer: trying again may work. Whether anything was done is not known.
        Unavailable = "unavailable",
    }
}

impl PortError {
    /// An error of a port's `operation`, such as `"user_store.insert"`.
    pub fn new(kind: PortErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, source: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What a caller can do about it.
    pub const fn kind(&self) -> PortErrorKind {
        self.kind
    }

    /// The port and method that failed.
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The message, and those of all its causes: for logs, not for clients.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    /// Whether trying again may work.
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, PortErrorKind::Throttled | PortErrorKind::Unavailable)
    }

    pub(crate) const fn code(&self) -> ErrorCode {
        if self.is_transient() { ErrorCode::Unavailable } else { ErrorCode::Internal }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            PortErrorKind::Corrupt => "read something that it does not understand",
            PortErrorKind::Rejected => "was refused",
            PortErrorKind::Throttled => "was told to slow down",
            PortErrorKind::Unavailable => "got no answer",
        };
        write!(f, "{} {what}", self.operation)
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A stable name for each refusal, for clients to act on. Names are never changed or reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code, for tables and their tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as clients see it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

error_codes! {
    /// There is no such account. Said to operators only.
    AccountNotFound = "account_not_found",
    /// The account was changed by another call meanwhile.
    Conflict = "conflict",
    /// Address or password is wrong, or the account cannot log in: never said which.
    CredentialsRejected = "credentials_rejected",
    /// The address is not one.
    EmailInvalid = "email_invalid",
    /// Another account has the address.
    EmailTaken = "email_taken",
    /// The account has this address already.
    EmailUnchanged = "email_unchanged",
    /// Something is broken that waiting does not mend.
    Internal = "internal_error",
    /// The link is wrong, used or expired: never said which.
    LinkInvalid = "link_invalid",
    /// The name is not one.
    NameInvalid = "name_invalid",
    /// More passwords at once than the machine can hash.
    Overloaded = "overloaded",
    /// The password is known to have leaked.
    PasswordBreached = "password_breached",
    /// The password is among those guessed first.
    PasswordCommon = "password_common",
    /// The password is the account's or the service's own word.
    PasswordContextWord = "password_context_word",
    /// The password holds a control character.
    PasswordControlCharacter = "password_control_character",
    /// No password.
    PasswordEmpty = "password_empty",
    /// The password holds a character that is not seen, or not typed everywhere.
    PasswordForbiddenCharacter = "password_forbidden_character",
    /// The password is too long.
    PasswordTooLong = "password_too_long",
    /// The password is too short.
    PasswordTooShort = "password_too_short",
    /// The current password is wrong.
    PasswordWrong = "password_wrong",
    /// Too many requests from one source, for one account, or from everybody together.
    RateLimited = "rate_limited",
    /// The password, or a login just now, is needed.
    RecentLoginNeeded = "recent_login_needed",
    /// The refresh token is wrong, spent, expired or ended: never said which.
    RefreshTokenInvalid = "refresh_token_invalid",
    /// The reset link is wrong, used, expired or superseded: never said which.
    ResetTokenInvalid = "reset_token_invalid",
    /// The account has no such session.
    SessionNotFound = "session_not_found",
    /// The access token is wrong or expired, or its session or account is over: never said which.
    TokenInvalid = "token_invalid",
    /// Too many guesses at one address.
    TooManyAttempts = "too_many_attempts",
    /// A store or another part does not answer; waiting may help.
    Unavailable = "unavailable",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn an_error_keeps_its_cause_and_says_whether_waiting_helps() {
        let throttled = PortError::new(PortErrorKind::Throttled, "store.get").caused_by("429");
        assert!(throttled.is_transient());
        assert_eq!(throttled.source().map(ToString::to_string).as_deref(), Some("429"));
        assert_eq!(throttled.to_string(), "store.get was told to slow down");
        assert_eq!(throttled.with_causes(), "store.get was told to slow down: 429");
        assert!(!PortError::new(PortErrorKind::Corrupt, "store.get").is_transient());
    }
}

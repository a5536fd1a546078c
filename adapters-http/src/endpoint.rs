//! Every call, said once: the router is made of this table, bodies are read by it, and so is the OpenAPI
//! document written. What is not in it is not served.

use axum::http::StatusCode;
use axum::routing::MethodFilter;

use crate::language;
use crate::problem::{self, Row};

/// One call.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "openapi"),
    expect(dead_code, reason = "the rest is what the OpenAPI document says of it")
)]
pub(crate) struct Endpoint {
    pub(crate) method: Verb,
    pub(crate) path: &'static str,
    /// What clients that are generated call it.
    pub(crate) operation: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) is_deprecated: bool,
    /// Whether it wants an access token.
    pub(crate) is_for_bearers: bool,
    pub(crate) body: Body,
    pub(crate) answers: &'static [Answer],
    /// What the use case refuses, besides what its body, its bearer and a fault lead to.
    pub(crate) refusals: &'static [&'static Row],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Delete,
    Get,
    Post,
}

/// What is sent along, a JSON object of strings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    None,
    Needed(&'static [Field]),
    /// Or nothing at all.
    Optional(&'static [Field]),
}

/// One field of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_optional: bool,
}

/// What the text of a field is, and so what may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    DeviceToken,
    Email,
    LinkToken,
    Name,
    NewPassword,
    Password,
    RefreshToken,
    ResetToken,
}

/// One answer that is no refusal.
#[derive(Debug)]
#[cfg_attr(not(feature = "openapi"), expect(dead_code, reason = "as of Endpoint"))]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) means: &'static str,
    /// Of an example: what its `message` says, if it has one.
    pub(crate) says: Option<&'static language::Answer>,
    pub(crate) members: &'static [Member],
}

/// One member of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    AccessToken,
    DeviceToken,
    Email,
    ExpiresIn,
    Keys,
    Message,
    Name,
    RefreshToken,
    Sessions,
    Status,
    Token,
    TokenType,
    UserId,
}

impl Verb {
    pub(crate) const fn filter(self) -> MethodFilter {
        match self {
            Self::Delete => MethodFilter::DELETE,
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
        }
    }
}

impl Body {
    pub(crate) const fn fields(&self) -> &'static [Field] {
        match self {
            Self::None => &[],
            Self::Needed(fields) | Self::Optional(fields) => fields,
        }
    }
}

impl Field {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_optional: false }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_optional: true }
    }
}

macro_rules! endpoints {
    ($($name:ident = $method:ident $path:literal { $($field:ident: $value:expr,)* })*) => {
        $(pub(crate) const $name: Endpoint = Endpoint {
            method: Verb::$method,
            path: $path,
            $($field: $value,)*
            ..Endpoint::PLAIN
        };)*

        /// Each of them, in the order of the documentation.
        #[cfg(any(test, feature = "openapi"))]
        pub(crate) const ENDPOINTS: &[&Endpoint] = &[$(&$name,)*];
    };
}

impl Endpoint {
    const PLAIN: Self = Self {
        method: Verb::Get,
        path: "",
        operation: "",
        tag: "",
        summary: "",
        description: "",
        is_deprecated: false,
        is_for_bearers: false,
        body: Body::None,
        answers: &[],
        refusals: &[],
    };
}

const EMAIL: Field = Field::new("email", Kind::Email);
const PASSWORD: Field = Field::new("password", Kind::Password);
const CURRENT_PASSWORD: Field = Field::new("current_password", Kind::Password);
const NEW_PASSWORD: Field = Field::new("new_password", Kind::NewPassword);
const LINK: Body = Body::Needed(&[Field::new("token", Kind::LinkToken)]);
const REFRESH_TOKEN: Body = Body::Needed(&[Field::new("refresh_token", Kind::RefreshToken)]);

const SAID: &[Member] = &[Member::Message];
const MAILED: &str = "A mail is on its way, if there is one to send.";

/// What the proof of the current password refuses.
macro_rules! proof_and {
    ($($row:ident),*) => {
        &[
            &problem::OVERLOADED,
            &problem::PASSWORD_WRONG,
            &problem::RATE_LIMITED,
            &problem::TOO_MANY_ATTEMPTS,
            $(&problem::$row),*
        ]
    };
}

endpoints! {
    REGISTER = Post "/auth/register" {
        operation: "register",
        tag: "account",
        summary: "Sign up",
        description: "Makes an account. Where sign-up is private the answer is 202 for every address, and a mail says the rest.",
        body: Body::Needed(&[EMAIL, Field::new("password", Kind::NewPassword), Field::new("name", Kind::Name)]),
        answers: &[
            Answer {
                status: StatusCode::CREATED,
                means: "The account is made.", says: Some(&language::REGISTERED),
                members: &[Member::Message, Member::UserId, Member::Email, Member::Name],
            },
            Answer {
                status: StatusCode::ACCEPTED,
                means: "Sign-up is private: a mail is on its way to the address.", says: Some(&language::REGISTRATION_MAILED),
                members: SAID,
            },
        ],
        refusals: &[&problem::EMAIL_TAKEN, &problem::OVERLOADED, &problem::RATE_LIMITED],
    }
    LOGIN = Post "/auth/login" {
        operation: "login",
        tag: "session",
        summary: "Log in",
        description: "Opens a session. One refusal for an unknown address, a wrong password and an account that may not log in. A `device_token` of an earlier login keeps strangers' guesses from locking its owner out; one that is not good counts as none.",
        body: Body::Needed(&[EMAIL, PASSWORD, Field::optional("device_token", Kind::DeviceToken)]),
        answers: &[Answer {
            status: StatusCode::OK,
            means: "A session is open.", says: Some(&language::LOGGED_IN),
            members: &[
                Member::Message, Member::UserId, Member::Email, Member::Name, Member::Token,
                Member::AccessToken, Member::TokenType, Member::ExpiresIn, Member::RefreshToken,
                Member::DeviceToken,
            ],
        }],
        refusals: &[
            &problem::CREDENTIALS_REJECTED, &problem::OVERLOADED, &problem::RATE_LIMITED,
            &problem::TOO_MANY_ATTEMPTS,
        ],
    }
    REFRESH = Post "/auth/refresh" {
        operation: "refresh",
        tag: "session",
        summary: "Go on with a session",
        description: "Spends a refresh token and gives the next one. Whose answer was lost may present the same token again within ten seconds; any other second use ends the session.",
        body: REFRESH_TOKEN,
        answers: &[Answer {
            status: StatusCode::OK,
            means: "The session goes on.", says: Some(&language::REFRESHED),
            members: &[
                Member::Message, Member::Token, Member::AccessToken, Member::TokenType,
                Member::ExpiresIn, Member::RefreshToken,
            ],
        }],
        refusals: &[&problem::RATE_LIMITED],
    }
    LOGOUT = Post "/auth/logout" {
        operation: "logout",
        tag: "session",
        summary: "Log out",
        description: "Ends the session of a refresh token.",
        body: REFRESH_TOKEN,
        answers: &[Answer { status: StatusCode::OK, means: "The session is over.", says: Some(&language::LOGGED_OUT), members: SAID }],
        refusals: &[&problem::RATE_LIMITED],
    }
    FORGOT_PASSWORD = Post "/auth/forgot-password" {
        operation: "forgotPassword",
        tag: "password",
        summary: "Ask for a reset link",
        description: "Mails a link to the address, if it has an account. The answer is the same for every address.",
        body: Body::Needed(&[EMAIL]),
        answers: &[Answer { status: StatusCode::OK, means: MAILED, says: Some(&language::RESET_REQUESTED), members: SAID }],
        refusals: &[&problem::RATE_LIMITED],
    }
    FORGOT_PASSWORD_AS_BEFORE = Post "/auth/forgotpassword" {
        operation: "forgotPasswordAsBefore",
        tag: "password",
        summary: "Ask for a reset link, by its older path",
        description: "As `/auth/forgot-password`.",
        is_deprecated: true,
        body: Body::Needed(&[EMAIL]),
        answers: &[Answer { status: StatusCode::OK, means: MAILED, says: Some(&language::RESET_REQUESTED), members: SAID }],
        refusals: &[&problem::RATE_LIMITED],
    }
    RESET_PASSWORD = Post "/auth/reset-password" {
        operation: "resetPassword",
        tag: "password",
        summary: "Set a password by a reset link",
        description: "Uses the token of the newest reset link up, sets the password and ends every session. It does not log in.",
        body: Body::Needed(&[Field::new("token", Kind::ResetToken), NEW_PASSWORD]),
        answers: &[Answer {
            status: StatusCode::OK,
            means: "The password is set.", says: Some(&language::PASSWORD_RESET),
            members: &[Member::Message, Member::DeviceToken],
        }],
        refusals: &[&problem::OVERLOADED, &problem::RATE_LIMITED],
    }
    CHANGE_PASSWORD = Post "/auth/change-password" {
        operation: "changePassword",
        tag: "password",
        summary: "Change the password",
        description: "Sets another password and ends all other sessions.",
        is_for_bearers: true,
        body: Body::Needed(&[CURRENT_PASSWORD, NEW_PASSWORD]),
        answers: &[Answer {
            status: StatusCode::OK,
            means: "The password is changed.", says: Some(&language::PASSWORD_CHANGED),
            members: &[
                Member::Message, Member::Token, Member::AccessToken, Member::TokenType,
                Member::ExpiresIn, Member::DeviceToken,
            ],
        }],
        refusals: proof_and!(CONFLICT),
    }
    VERIFY_EMAIL = Post "/auth/verify-email" {
        operation: "verifyEmail",
        tag: "address",
        summary: "Confirm an address by its link",
        description: "Uses the token of a link that was mailed to confirm an address.",
        body: LINK,
        answers: &[Answer { status: StatusCode::OK, means: "The address is confirmed.", says: Some(&language::EMAIL_VERIFIED), members: SAID }],
        refusals: &[&problem::RATE_LIMITED],
    }
    RESEND_VERIFICATION = Post "/auth/verify-email/resend" {
        operation: "resendVerification",
        tag: "address",
        summary: "Ask for the link that confirms an address",
        description: "Mails it again, if the address has an account that is not confirmed. The answer is the same for every address.",
        body: Body::Needed(&[EMAIL]),
        answers: &[Answer { status: StatusCode::ACCEPTED, means: MAILED, says: Some(&language::VERIFICATION_REQUESTED), members: SAID }],
        refusals: &[&problem::RATE_LIMITED],
    }
    CHANGE_EMAIL = Post "/auth/change-email" {
        operation: "changeEmail",
        tag: "address",
        summary: "Ask to move to another address",
        description: "Mails a link to the new address; the account moves when it is used. The answer is the same whether or not the address is free.",
        is_for_bearers: true,
        body: Body::Needed(&[Field::new("new_email", Kind::Email), CURRENT_PASSWORD]),
        answers: &[Answer { status: StatusCode::ACCEPTED, means: MAILED, says: Some(&language::EMAIL_CHANGE_REQUESTED), members: SAID }],
        refusals: proof_and!(EMAIL_UNCHANGED),
    }
    CONFIRM_EMAIL_CHANGE = Post "/auth/change-email/confirm" {
        operation: "confirmEmailChange",
        tag: "address",
        summary: "Move to another address by its link",
        description: "Uses the token of the link that was mailed to the new address, and ends every session.",
        body: LINK,
        answers: &[Answer { status: StatusCode::OK, means: "The account has its new address.", says: Some(&language::EMAIL_CHANGED), members: SAID }],
        refusals: &[&problem::EMAIL_TAKEN, &problem::RATE_LIMITED],
    }
    LIST_SESSIONS = Get "/auth/sessions" {
        operation: "listSessions",
        tag: "session",
        summary: "List the sessions of the account",
        description: "The one that was used last comes first.",
        is_for_bearers: true,
        answers: &[Answer { status: StatusCode::OK, means: "The sessions.", says: None, members: &[Member::Sessions] }],
    }
    END_SESSION = Delete "/auth/sessions/{id}" {
        operation: "endSession",
        tag: "session",
        summary: "End one session",
        description: "Any of the account's own, the one that calls included.",
        is_for_bearers: true,
        answers: &[Answer { status: StatusCode::OK, means: "The session is over.", says: Some(&language::SESSION_ENDED), members: SAID }],
        refusals: &[&problem::SESSION_NOT_FOUND],
    }
    END_ALL_SESSIONS = Delete "/auth/sessions" {
        operation: "endAllSessions",
        tag: "session",
        summary: "End all sessions",
        description: "The one that calls, too.",
        is_for_bearers: true,
        answers: &[Answer { status: StatusCode::OK, means: "All sessions are over.", says: Some(&language::SESSIONS_ENDED), members: SAID }],
        refusals: &[&problem::CONFLICT],
    }
    ME = Get "/auth/me" {
        operation: "me",
        tag: "account",
        summary: "Who the access token speaks for",
        description: "As the token says it.",
        is_for_bearers: true,
        answers: &[Answer {
            status: StatusCode::OK,
            means: "The account.", says: None,
            members: &[Member::UserId, Member::Email, Member::Name],
        }],
    }
    DELETE_ACCOUNT = Delete "/auth/me" {
        operation: "deleteAccount",
        tag: "account",
        summary: "Delete the account",
        description: "With the current password; or without a body, within five minutes of the login.",
        is_for_bearers: true,
        body: Body::Optional(&[CURRENT_PASSWORD]),
        answers: &[Answer { status: StatusCode::OK, means: "The account is gone.", says: Some(&language::ACCOUNT_DELETED), members: SAID }],
        refusals: proof_and!(CONFLICT, RECENT_LOGIN_NEEDED),
    }
    JWKS = Get "/.well-known/jwks.json" {
        operation: "jwks",
        tag: "service",
        summary: "The public keys of access tokens",
        description: "A JSON Web Key Set (RFC 7517), which may be kept for five minutes.",
        answers: &[Answer { status: StatusCode::OK, means: "The keys.", says: None, members: &[Member::Keys] }],
    }
    HEALTHZ = Get "/healthz" {
        operation: "healthz",
        tag: "service",
        summary: "Whether the process answers",
        description: "No store is asked.",
        answers: &[Answer { status: StatusCode::OK, means: "It does.", says: None, members: &[Member::Status] }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Verb {
        const fn name(self) -> &'static str {
            match self {
                Self::Delete => "DELETE",
                Self::Get => "GET",
                Self::Post => "POST",
            }
        }
    }

    #[test]
    fn the_documents_list_every_call() {
        let documents = [include_str!("../../README.md"), include_str!("lib.rs")];
        for endpoint in ENDPOINTS {
            let call = format!("`{} {}`", endpoint.method.name(), endpoint.path);
            let path = format!("`{}`", endpoint.path);
            for document in &documents[usize::from(endpoint.is_deprecated)..] {
                let is_there = document.contains(&call) || document.contains(&path);
                assert!(is_there, "{call} is not documented");
            }
        }
    }

    #[test]
    fn nothing_is_routed_past_the_table() {
        let routes = include_str!("lib.rs").lines().filter(|line| line.contains(".route("));
        let past: Vec<_> = routes.filter(|line| !line.contains("endpoint.path")).collect();
        assert!(past.is_empty(), "{past:?}");
    }
}

//! Every refusal: its code and status, and what it says by its code. No other file decides on a status of failure.

use std::time::Duration;

use auth_domain::{ErrorCode, Locale, Messages};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::HttpOptions;
use crate::language::set_content_language;

/// A refusal on its way to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    row: &'static Row,
    field: Option<&'static str>,
    limit: Option<usize>,
    retry_after: Option<Duration>,
}

/// `type` is `about:blank`: the status says what kind of problem it is, and `code` which one
/// (RFC 9457 section 4.2.1).
#[derive(Serialize)]
struct Body9457<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

/// One kind of problem.
#[derive(Debug)]
pub(crate) struct Row {
    code: &'static str,
    status: StatusCode,
}

impl Row {
    /// The id of what it says.
    fn message_id(&self) -> String {
        format!("problem-{}", self.code.replace('_', "-"))
    }

    #[cfg(feature = "openapi")]
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    #[cfg(feature = "openapi")]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(any(feature = "openapi", feature = "pages"))]
    pub(crate) fn sentence(&self, messages: &Messages, locale: Locale) -> String {
        messages.text(locale, &self.message_id(), &[])
    }
}

macro_rules! rows {
    ($($name:ident = $code:literal, $status:ident;)*) => {
        $(pub(crate) const $name: Row = Row {
            code: $code,
            status: StatusCode::$status,
        };)*

        const ROWS: &[&Row] = &[$(&$name,)*];
    };
}

rows! {
    INTERNAL_ERROR = "internal_error", INTERNAL_SERVER_ERROR;
    AUTHORIZATION_MALFORMED = "authorization_malformed", BAD_REQUEST;
    BODY_NOT_OBJECT = "body_not_object", BAD_REQUEST;
    BODY_UNREADABLE = "body_unreadable", BAD_REQUEST;
    EMAIL_INVALID = "email_invalid", BAD_REQUEST;
    EMAIL_UNCHANGED = "email_unchanged", BAD_REQUEST;
    FIELD_DUPLICATE = "field_duplicate", BAD_REQUEST;
    FIELD_MISSING = "field_missing", BAD_REQUEST;
    FIELD_UNKNOWN = "field_unknown", BAD_REQUEST;
    FIELD_WRONG_TYPE = "field_wrong_type", BAD_REQUEST;
    LINK_INVALID = "link_invalid", BAD_REQUEST;
    MALFORMED_JSON = "malformed_json", BAD_REQUEST;
    NAME_INVALID = "name_invalid", BAD_REQUEST;
    PASSWORD_BREACHED = "password_breached", BAD_REQUEST;
    PASSWORD_COMMON = "password_common", BAD_REQUEST;
    PASSWORD_CONTEXT_WORD = "password_context_word", BAD_REQUEST;
    PASSWORD_CONTROL_CHARACTER = "password_control_character", BAD_REQUEST;
    PASSWORD_EMPTY = "password_empty", BAD_REQUEST;
    PASSWORD_FORBIDDEN_CHARACTER = "password_forbidden_character", BAD_REQUEST;
    PASSWORD_TOO_LONG = "password_too_long", BAD_REQUEST;
    PASSWORD_TOO_SHORT = "password_too_short", BAD_REQUEST;
    RESET_TOKEN_INVALID = "reset_token_invalid", BAD_REQUEST;
    CREDENTIALS_REJECTED = "credentials_rejected", UNAUTHORIZED;
    REFRESH_TOKEN_INVALID = "refresh_token_invalid", UNAUTHORIZED;
    TOKEN_INVALID = "token_invalid", UNAUTHORIZED;
    TOKEN_MISSING = "token_missing", UNAUTHORIZED;
    PASSWORD_WRONG = "password_wrong", FORBIDDEN;
    RECENT_LOGIN_NEEDED = "recent_login_needed", FORBIDDEN;
    ACCOUNT_NOT_FOUND = "account_not_found", NOT_FOUND;
    NOT_FOUND = "not_found", NOT_FOUND;
    SESSION_NOT_FOUND = "session_not_found", NOT_FOUND;
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED;
    REQUEST_TIMEOUT = "request_timeout", REQUEST_TIMEOUT;
    CONFLICT = "conflict", CONFLICT;
    EMAIL_TAKEN = "email_taken", CONFLICT;
    CROSS_SITE_FORM = "cross_site_form", FORBIDDEN;
    FORM_UNREADABLE = "form_unreadable", BAD_REQUEST;
    BODY_TOO_LARGE = "body_too_large", PAYLOAD_TOO_LARGE;
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    RATE_LIMITED = "rate_limited", TOO_MANY_REQUESTS;
    TOO_MANY_ATTEMPTS = "too_many_attempts", TOO_MANY_REQUESTS;
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE;
    TIMEOUT = "timeout", SERVICE_UNAVAILABLE;
    UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE;
}

/// Each kind of problem.
#[cfg(feature = "openapi")]
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().copied()
}

impl Problem {
    pub(crate) const fn of(row: &'static Row) -> Self {
        Self { row, field: None, limit: None, retry_after: None }
    }

    /// The same problem with one field of the body.
    pub(crate) fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// The same problem with a bound that was not kept.
    pub(crate) fn beyond(self, limit: Option<usize>) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    #[cfg(test)]
    pub(crate) const fn code(&self) -> &'static str {
        self.row.code
    }

    #[cfg(feature = "pages")]
    pub(crate) const fn status(&self) -> StatusCode {
        self.row.status
    }

    #[cfg(feature = "pages")]
    pub(crate) fn sentence(&self, messages: &Messages, locale: Locale) -> String {
        self.row.sentence(messages, locale)
    }

    /// The bound that was not kept, with the message of a page that says it.
    #[cfg(feature = "pages")]
    pub(crate) fn bound(&self) -> Option<(&'static str, usize)> {
        let id = match self.row.code {
            "password_too_short" => "page-at-least",
            _ => "page-at-most",
        };
        self.limit.map(|limit| (id, limit))
    }

    /// Whether a mailed link is at its end, so that no form can help.
    #[cfg(feature = "pages")]
    pub(crate) fn is_of_a_dead_link(&self) -> bool {
        matches!(self.row.code, "link_invalid" | "reset_token_invalid")
    }

    #[cfg(any(test, feature = "pages"))]
    pub(crate) const fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// The answer to a request with these headers.
    pub(crate) fn answer(&self, options: &HttpOptions, headers: &HeaderMap) -> Response {
        self.in_language(&options.messages, options.locale(headers))
    }

    /// The answer, with the headers that its status asks for (RFC 9110, 6750 section 3, 6585 section 4).
    pub(crate) fn in_language(&self, messages: &Messages, locale: Locale) -> Response {
        let Row { code, status } = self.row;
        let id = self.row.message_id();
        let sentence = messages.text(locale, &id, &[]);
        let body = Body9457 {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &sentence,
            code,
            error: &sentence,
            field: self.field,
            limit: self.limit,
        };
        // A struct of strings and numbers always serializes.
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = *status;
        self.add_headers(response.headers_mut());
        set_content_language(response.headers_mut(), messages.language_of(locale, &id));
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        let constant = HeaderValue::from_static;
        headers.insert(header::CONTENT_TYPE, constant("application/problem+json"));
        let challenge = match self.row.code {
            "authorization_malformed" => Some(r#"Bearer realm="auth", error="invalid_request""#),
            "refresh_token_invalid" | "token_invalid" => {
                Some(r#"Bearer realm="auth", error="invalid_token""#)
            }
            _ if self.row.status == StatusCode::UNAUTHORIZED => Some(r#"Bearer realm="auth""#),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, constant(challenge));
        }
        self.add_waits(headers);
    }

    /// When to come back, and whether on this connection.
    pub(crate) fn add_waits(&self, headers: &mut HeaderMap) {
        let waits = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        if waits.contains(&self.row.status) {
            let seconds = whole_seconds(self.retry_after.unwrap_or_default());
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.row.code, "body_too_large" | "request_timeout") {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Rounded up, so that who comes back on time is not too early.
fn whole_seconds(pause: Duration) -> u64 {
    let started = u64::from(pause.subsec_nanos() > 0);
    pause.as_secs().saturating_add(started).max(1)
}

/// The problem of a code of the domain; a test walks them all.
pub(crate) fn coded(code: ErrorCode) -> Problem {
    let row = ROWS.iter().find(|row| row.code == code.as_str());
    Problem::of(row.unwrap_or(&&INTERNAL_ERROR))
}

/// The id of what each row says.
#[cfg(test)]
pub(crate) fn message_ids() -> impl Iterator<Item = String> {
    ROWS.iter().map(|row| row.message_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_domain_has_its_row() {
        for code in ErrorCode::ALL {
            assert_eq!(coded(*code).code(), code.as_str());
        }
    }

    #[test]
    fn every_code_has_one_row() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|other| other.code != row.code), "{}", row.code);
        }
    }

    #[test]
    fn the_documentation_lists_every_code_with_its_status() {
        let table = include_str!("lib.rs");
        for row in ROWS {
            let status = format!("//! | {} |", row.status.as_u16());
            let line = table.lines().find(|line| line.starts_with(&status)).unwrap();
            assert!(line.contains(&format!("`{}`", row.code)), "{} is not documented", row.code);
        }
    }

    #[test]
    fn pauses_are_rounded_up() {
        let seconds = [0, 1, 999, 1000, 1001].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(seconds, [1, 1, 1, 1, 2]);
    }
}

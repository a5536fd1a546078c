//! Every refusal: its code, status and sentences. No other file decides on a status of failure.

use std::time::Duration;

use auth_domain::{ErrorCode, Locale};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::language::Sentences;

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
struct Body9457 {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
    code: &'static str,
    error: &'static str,
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
    sentences: Sentences,
}

macro_rules! rows {
    ($($name:ident = $code:literal, $status:ident, $en:literal, $ko:literal;)*) => {
        $(pub(crate) const $name: Row = Row {
            code: $code,
            status: StatusCode::$status,
            sentences: Sentences { en: $en, ko: $ko },
        };)*

        const ROWS: &[&Row] = &[$(&$name,)*];
    };
}

rows! {
    INTERNAL_ERROR = "internal_error", INTERNAL_SERVER_ERROR,
        "Something went wrong on our side.",
        "서버 내부 오류가 발생했습니다.";
    AUTHORIZATION_MALFORMED = "authorization_malformed", BAD_REQUEST,
        "The Authorization header is malformed.",
        "Authorization 헤더 형식이 올바르지 않습니다.";
    BODY_NOT_OBJECT = "body_not_object", BAD_REQUEST,
        "The body is not a JSON object.",
        "요청 본문이 JSON 객체가 아닙니다.";
    BODY_UNREADABLE = "body_unreadable", BAD_REQUEST,
        "The body could not be read to its end.",
        "요청 본문을 끝까지 읽을 수 없습니다.";
    EMAIL_INVALID = "email_invalid", BAD_REQUEST,
        "The email address is not valid.",
        "이메일 형식이 올바르지 않습니다.";
    EMAIL_UNCHANGED = "email_unchanged", BAD_REQUEST,
        "The account has this email address already.",
        "이미 사용 중인 이메일과 같습니다.";
    FIELD_DUPLICATE = "field_duplicate", BAD_REQUEST,
        "A field is given twice.",
        "같은 항목이 두 번 입력되었습니다.";
    FIELD_MISSING = "field_missing", BAD_REQUEST,
        "A required field is missing.",
        "필수 항목이 누락되었습니다.";
    FIELD_UNKNOWN = "field_unknown", BAD_REQUEST,
        "The body has a field that is not known here.",
        "알 수 없는 항목이 있습니다.";
    FIELD_WRONG_TYPE = "field_wrong_type", BAD_REQUEST,
        "A field is not a string.",
        "항목의 형식이 올바르지 않습니다.";
    LINK_INVALID = "link_invalid", BAD_REQUEST,
        "The link is not valid or no longer valid.",
        "링크가 올바르지 않거나 만료되었습니다.";
    MALFORMED_JSON = "malformed_json", BAD_REQUEST,
        "The body is not valid JSON.",
        "요청 본문이 올바른 JSON이 아닙니다.";
    NAME_INVALID = "name_invalid", BAD_REQUEST,
        "The name is empty, too long or has characters that cannot be shown.",
        "이름이 비어 있거나 너무 길거나 사용할 수 없는 문자를 포함합니다.";
    PASSWORD_BREACHED = "password_breached", BAD_REQUEST,
        "This password is in a list of leaked passwords, which attackers try first. Choose another.",
        "유출된 비밀번호 목록에 있어 공격자가 먼저 시도하는 비밀번호입니다. 다른 비밀번호를 사용하세요.";
    PASSWORD_COMMON = "password_common", BAD_REQUEST,
        "This password is one of the first that are guessed. Choose another.",
        "너무 흔한 비밀번호입니다. 다른 비밀번호를 사용하세요.";
    PASSWORD_CONTEXT_WORD = "password_context_word", BAD_REQUEST,
        "The password must not be your name, your address or the name of the service.",
        "이름, 이메일 또는 서비스 이름은 비밀번호로 사용할 수 없습니다.";
    PASSWORD_CONTROL_CHARACTER = "password_control_character", BAD_REQUEST,
        "The password has a control character.",
        "비밀번호에 제어 문자를 사용할 수 없습니다.";
    PASSWORD_EMPTY = "password_empty", BAD_REQUEST,
        "The password is empty.",
        "비밀번호를 입력해 주세요.";
    PASSWORD_FORBIDDEN_CHARACTER = "password_forbidden_character", BAD_REQUEST,
        "The password has a character that is invisible or cannot be typed on every device.",
        "비밀번호에 보이지 않거나 일부 기기에서 입력할 수 없는 문자를 사용할 수 없습니다.";
    PASSWORD_TOO_LONG = "password_too_long", BAD_REQUEST,
        "The password is too long.",
        "비밀번호가 너무 깁니다.";
    PASSWORD_TOO_SHORT = "password_too_short", BAD_REQUEST,
        "The password is too short.",
        "비밀번호가 너무 짧습니다.";
    RESET_TOKEN_INVALID = "reset_token_invalid", BAD_REQUEST,
        "The link is not valid or no longer valid. Ask for a new one.",
        "링크가 올바르지 않거나 만료되었습니다. 다시 요청해 주세요.";
    CREDENTIALS_REJECTED = "credentials_rejected", UNAUTHORIZED,
        "Email or password is wrong.",
        "이메일 또는 비밀번호가 올바르지 않습니다.";
    REFRESH_TOKEN_INVALID = "refresh_token_invalid", UNAUTHORIZED,
        "The session is over. Log in again.",
        "세션이 만료되었습니다. 다시 로그인해 주세요.";
    TOKEN_INVALID = "token_invalid", UNAUTHORIZED,
        "The access token is not valid or no longer valid.",
        "인증 토큰이 올바르지 않거나 만료되었습니다.";
    TOKEN_MISSING = "token_missing", UNAUTHORIZED,
        "An access token is needed.",
        "인증 토큰이 필요합니다.";
    PASSWORD_WRONG = "password_wrong", FORBIDDEN,
        "The current password is wrong.",
        "현재 비밀번호가 올바르지 않습니다.";
    RECENT_LOGIN_NEEDED = "recent_login_needed", FORBIDDEN,
        "Give the current password, or log in again first.",
        "현재 비밀번호를 입력하거나 다시 로그인해 주세요.";
    ACCOUNT_NOT_FOUND = "account_not_found", NOT_FOUND,
        "There is no such account.",
        "계정을 찾을 수 없습니다.";
    NOT_FOUND = "not_found", NOT_FOUND,
        "There is nothing here.",
        "요청한 주소를 찾을 수 없습니다.";
    SESSION_NOT_FOUND = "session_not_found", NOT_FOUND,
        "There is no such session.",
        "세션을 찾을 수 없습니다.";
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED,
        "This method is not allowed here.",
        "허용되지 않는 요청 방식입니다.";
    REQUEST_TIMEOUT = "request_timeout", REQUEST_TIMEOUT,
        "The body took too long to arrive.",
        "요청 본문을 받는 데 시간이 너무 오래 걸렸습니다.";
    CONFLICT = "conflict", CONFLICT,
        "The account was changed elsewhere at the same time. Try again.",
        "다른 곳에서 계정이 동시에 변경되었습니다. 다시 시도해 주세요.";
    EMAIL_TAKEN = "email_taken", CONFLICT,
        "An account with this email address exists.",
        "이미 가입된 이메일입니다.";
    BODY_TOO_LARGE = "body_too_large", PAYLOAD_TOO_LARGE,
        "The body is larger than 16 KiB.",
        "요청 본문이 16 KiB를 초과합니다.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "The body must be application/json in UTF-8, not compressed.",
        "요청 본문은 압축하지 않은 UTF-8 application/json이어야 합니다.";
    RATE_LIMITED = "rate_limited", TOO_MANY_REQUESTS,
        "Too many requests. Try again later.",
        "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.";
    TOO_MANY_ATTEMPTS = "too_many_attempts", TOO_MANY_REQUESTS,
        "Too many attempts. Wait a while, or reset the password.",
        "로그인 시도가 너무 많습니다. 잠시 후 다시 시도하거나 비밀번호를 재설정해 주세요.";
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE,
        "The server is busy. Try again in a moment.",
        "서버가 혼잡합니다. 잠시 후 다시 시도해 주세요.";
    TIMEOUT = "timeout", SERVICE_UNAVAILABLE,
        "The server took too long. Try again in a moment.",
        "서버 응답이 지연되고 있습니다. 잠시 후 다시 시도해 주세요.";
    UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE,
        "The service is not available. Try again in a moment.",
        "서비스를 사용할 수 없습니다. 잠시 후 다시 시도해 주세요.";
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

    #[cfg(test)]
    pub(crate) const fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// The answer, with the headers that its status asks for (RFC 9110, 6750 section 3, 6585 section 4).
    pub(crate) fn in_language(&self, locale: Locale) -> Response {
        let Row { code, status, sentences } = self.row;
        let sentence = sentences.in_language(locale);
        let body = Body9457 {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: sentence,
            code,
            error: sentence,
            field: self.field,
            limit: self.limit,
        };
        // A struct of strings and numbers always serializes.
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = *status;
        self.add_headers(response.headers_mut(), locale);
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap, locale: Locale) {
        let constant = HeaderValue::from_static;
        headers.insert(header::CONTENT_TYPE, constant("application/problem+json"));
        headers.insert(header::CONTENT_LANGUAGE, constant(locale.tag()));
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
        let waits = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        if waits.contains(&self.row.status) {
            let seconds = whole_seconds(self.retry_after.unwrap_or_default());
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.row.code, "body_too_large" | "request_timeout") {
            headers.insert(header::CONNECTION, constant("close"));
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
    fn every_code_has_one_row_and_words_in_each_language() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|other| other.code != row.code), "{}", row.code);
            let words = Locale::ALL.iter().map(|locale| row.sentences.in_language(*locale));
            assert!(words.clone().all(|sentence| !sentence.is_empty()));
            assert!(row.sentences.en.is_ascii() && !row.sentences.ko.is_ascii(), "{}", row.code);
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

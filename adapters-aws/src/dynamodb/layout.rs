//! Tables, keys and attributes, and how rows and values become each other. Nothing else knows them.

use std::collections::HashMap;
use std::fmt::Write as _;

use auth_domain::ports::EmailChange;
use auth_domain::{
    AttemptState, CredentialVersion, DisplayName, Email, LimitKey, PasswordHash, PortError,
    PortErrorKind, ResetRecord, Session, SessionId, SessionKey, Timestamp, TokenDigest, User,
    UserAgent, UserId,
};
use aws_sdk_dynamodb::types::AttributeValue;
use thiserror::Error;
use time::format_description::FormatItem;
use time::format_description::well_known::Iso8601;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// What the five tables are called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableNames {
    /// Counts of attempts to log in.
    pub attempts: String,
    /// Issued reset links.
    pub password_resets: String,
    /// Counts of hits.
    pub rate_limits: String,
    /// Sessions.
    pub sessions: String,
    /// Accounts.
    pub users: String,
}

impl TableNames {
    /// `users`, `sessions`, `password-resets`, `attempts` and `rate-limits`, each after `prefix`.
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |table: &str| format!("{prefix}{table}");
        Self {
            attempts: name("attempts"),
            password_resets: name("password-resets"),
            rate_limits: name("rate-limits"),
            sessions: name("sessions"),
            users: name("users"),
        }
    }
}

pub(super) const USER_ID_INDEX: &str = "user_id-index";

pub(crate) const EMAIL: &str = "email";
pub(super) const KEY: &str = "key";
pub(super) const RESET_TOKEN: &str = "reset_token";
pub(super) const SESSION_ID: &str = "session_id";

const COUNT: &str = "count";
const CREATED_AT: &str = "created_at";
const CREDENTIAL_VERSION: &str = "credential_version";
pub(super) const CURRENT: &str = "current";
const DISABLED: &str = "disabled";
const EMAIL_VERIFIED_AT: &str = "email_verified_at";
const EXPIRES_AT: &str = "expires_at";
const IDLE_EXPIRES_AT: &str = "idle_expires_at";
const LAST: &str = "last";
const LAST_LOGIN: &str = "last_login";
const LAST_USED_AT: &str = "last_used_at";
const NAME: &str = "name";
pub(super) const OPERATION_ID: &str = "operation_id";
const PARENT: &str = "parent";
const PASSWORD_HASH: &str = "password_hash";
const TTL: &str = "ttl";
const UPDATED_AT: &str = "updated_at";
const USED: &str = "used";
const USER_AGENT: &str = "user_agent";
pub(crate) const USER_ID: &str = "user_id";

/// What a user row may have beside its key.
pub(super) const USER_ATTRIBUTES: &[&str] = &[
    CREATED_AT,
    CREDENTIAL_VERSION,
    DISABLED,
    EMAIL_VERIFIED_AT,
    LAST_LOGIN,
    NAME,
    OPERATION_ID,
    PASSWORD_HASH,
    UPDATED_AT,
    USER_ID,
];

/// What the replaced system kept in the clear on a user row.
pub(super) const PLAINTEXT_RESETS: &[&str] = &["reset_created", "reset_expires", "reset_token"];

/// What a key of our own reset rows begins with; those of the replaced system are UUIDs.
pub(super) const DIGEST_PREFIX: &str = "sha256:";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Why a row cannot be read. Names the attribute, never what it holds.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowFault {
    /// It is not there.
    #[error("attribute {0} is missing")]
    Missing(&'static str),
    /// It is of another type, or its text is none of those that are written there.
    #[error("attribute {0} cannot be read")]
    Unreadable(&'static str),
}

pub(super) fn corrupt(operation: &'static str) -> impl Fn(RowFault) -> PortError {
    move |fault| PortError::new(PortErrorKind::Corrupt, operation).caused_by(fault)
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn version(version: CredentialVersion) -> AttributeValue {
    number(version.get())
}

pub(super) fn time(at: Timestamp) -> AttributeValue {
    text(time_text(at))
}

/// What TTL goes by: after `at`, in whole seconds.
pub(super) fn ttl(at: Timestamp) -> AttributeValue {
    number(at.as_seconds().saturating_add(1))
}

pub(super) fn limit_key(key: LimitKey) -> String {
    hex(key.as_bytes())
}

pub(super) fn hex_digest(digest: TokenDigest) -> AttributeValue {
    text(hex(digest.as_bytes()))
}

pub(super) fn digest_key(digest: TokenDigest) -> AttributeValue {
    text(format!("{DIGEST_PREFIX}{}", hex(digest.as_bytes())))
}

pub(super) fn user_item(user: &User) -> Item {
    let mut item = Item::from([
        (EMAIL.to_owned(), text(user.email.as_str())),
        (USER_ID.to_owned(), text(user.id.to_string())),
        (NAME.to_owned(), text(user.name.as_str())),
        (CREDENTIAL_VERSION.to_owned(), version(user.credential_version)),
        (DISABLED.to_owned(), AttributeValue::Bool(user.disabled)),
        (CREATED_AT.to_owned(), time(user.created_at)),
        (UPDATED_AT.to_owned(), time(user.updated_at)),
    ]);
    if let Some(hash) = &user.password_hash {
        item.insert(PASSWORD_HASH.to_owned(), text(hash.expose()));
    }
    if let Some(at) = user.email_verified_at {
        item.insert(EMAIL_VERIFIED_AT.to_owned(), time(at));
    }
    if let Some(at) = user.last_login {
        item.insert(LAST_LOGIN.to_owned(), time(at));
    }
    item
}

/// A row under its new address; of what it held all else comes along.
pub(super) fn moved_user_item(mut item: Item, change: &EmailChange) -> Item {
    item.extend([
        (EMAIL.to_owned(), text(change.new_email.as_str())),
        (CREDENTIAL_VERSION.to_owned(), version(change.next)),
        (EMAIL_VERIFIED_AT.to_owned(), time(change.at)),
        (UPDATED_AT.to_owned(), time(change.at)),
    ]);
    item
}

/// A row of ours, or of the system that this replaced: that one has no version, is never disabled, its
/// address was never confirmed, and an account without `updated_at` was not changed since it was made.
pub(super) fn user(item: &Item) -> Result<User, RowFault> {
    let created_at = required(time_at(item, CREATED_AT)?, CREATED_AT)?;
    Ok(User {
        id: user_id(item)?,
        email: email(item)?,
        name: DisplayName::from_stored(required(text_at(item, NAME)?, NAME)?.to_owned()),
        password_hash: text_at(item, PASSWORD_HASH)?
            .map(|hash| PasswordHash::from_stored(hash.to_owned())),
        credential_version: version_at(item)?.unwrap_or(CredentialVersion::FIRST),
        disabled: bool_at(item, DISABLED)?.unwrap_or(false),
        email_verified_at: time_at(item, EMAIL_VERIFIED_AT)?,
        created_at,
        updated_at: time_at(item, UPDATED_AT)?.unwrap_or(created_at),
        last_login: time_at(item, LAST_LOGIN)?,
    })
}

pub(super) fn session_key(key: &SessionKey) -> Item {
    Item::from([
        (USER_ID.to_owned(), text(key.user_id.to_string())),
        (SESSION_ID.to_owned(), text(key.id.to_string())),
    ])
}

pub(super) fn session_item(session: &Session) -> Item {
    let mut item = session_key(&session.key);
    item.extend([
        (EMAIL.to_owned(), text(session.email.spelling())),
        (CREDENTIAL_VERSION.to_owned(), version(session.credential_version)),
        (CURRENT.to_owned(), hex_digest(session.current)),
        (CREATED_AT.to_owned(), time(session.created_at)),
        (LAST_USED_AT.to_owned(), time(session.last_used_at)),
        (IDLE_EXPIRES_AT.to_owned(), time(session.idle_expires_at)),
        (EXPIRES_AT.to_owned(), time(session.expires_at)),
        (TTL.to_owned(), ttl(session.idle_expires_at.min(session.expires_at))),
    ]);
    if let Some(parent) = session.parent {
        item.insert(PARENT.to_owned(), hex_digest(parent));
    }
    if let Some(agent) = &session.user_agent {
        item.insert(USER_AGENT.to_owned(), text(agent.as_str()));
    }
    item
}

pub(super) fn session(item: &Item) -> Result<Session, RowFault> {
    let time = |name| required(time_at(item, name)?, name);
    Ok(Session {
        key: SessionKey { user_id: user_id(item)?, id: session_id(item)? },
        email: email(item)?,
        credential_version: required(version_at(item)?, CREDENTIAL_VERSION)?,
        current: required(digest_at(item, CURRENT)?, CURRENT)?,
        parent: digest_at(item, PARENT)?,
        created_at: time(CREATED_AT)?,
        last_used_at: time(LAST_USED_AT)?,
        idle_expires_at: time(IDLE_EXPIRES_AT)?,
        expires_at: time(EXPIRES_AT)?,
        user_agent: text_at(item, USER_AGENT)?.and_then(UserAgent::new),
    })
}

pub(super) fn reset_item(record: &ResetRecord) -> Item {
    Item::from([
        (EMAIL.to_owned(), text(record.email.as_str())),
        (RESET_TOKEN.to_owned(), digest_key(record.digest)),
        (USER_ID.to_owned(), text(record.user_id.to_string())),
        (CREDENTIAL_VERSION.to_owned(), version(record.credential_version)),
        (CREATED_AT.to_owned(), time(record.created_at)),
        (EXPIRES_AT.to_owned(), time(record.expires_at)),
        (USED.to_owned(), AttributeValue::Bool(record.used)),
        (TTL.to_owned(), ttl(record.expires_at)),
    ])
}

pub(super) fn reset_record(item: &Item) -> Result<ResetRecord, RowFault> {
    Ok(ResetRecord {
        email: email(item)?,
        digest: digest(item)?,
        user_id: user_id(item)?,
        credential_version: required(version_at(item)?, CREDENTIAL_VERSION)?,
        created_at: required(time_at(item, CREATED_AT)?, CREATED_AT)?,
        expires_at: required(time_at(item, EXPIRES_AT)?, EXPIRES_AT)?,
        used: required(bool_at(item, USED)?, USED)?,
    })
}

pub(super) fn attempt_state(item: &Item) -> Result<AttemptState, RowFault> {
    Ok(AttemptState {
        count: required(number_at(item, COUNT)?, COUNT)?,
        last: Timestamp::from_micros(required(number_at(item, LAST)?, LAST)?),
    })
}

pub(super) fn email_key(item: &Item) -> Result<&str, RowFault> {
    required(text_at(item, EMAIL)?, EMAIL)
}

fn email(item: &Item) -> Result<Email, RowFault> {
    Email::parse_with_spelling(email_key(item)?).map_err(|_| RowFault::Unreadable(EMAIL))
}

fn user_id(item: &Item) -> Result<UserId, RowFault> {
    let id = required(text_at(item, USER_ID)?, USER_ID)?;
    UserId::parse(id).map_err(|_| RowFault::Unreadable(USER_ID))
}

fn session_id(item: &Item) -> Result<SessionId, RowFault> {
    let id = required(text_at(item, SESSION_ID)?, SESSION_ID)?;
    SessionId::parse(id).map_err(|_| RowFault::Unreadable(SESSION_ID))
}

fn digest(item: &Item) -> Result<TokenDigest, RowFault> {
    let key = required(text_at(item, RESET_TOKEN)?, RESET_TOKEN)?;
    let digits = key.strip_prefix(DIGEST_PREFIX).unwrap_or_default();
    parse_digest(digits).ok_or(RowFault::Unreadable(RESET_TOKEN))
}

fn digest_at(item: &Item, name: &'static str) -> Result<Option<TokenDigest>, RowFault> {
    let parsed = text_at(item, name)?.map(parse_digest);
    parsed.map(|digest| digest.ok_or(RowFault::Unreadable(name))).transpose()
}

fn parse_digest(digits: &str) -> Option<TokenDigest> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(TokenDigest::from_bytes(bytes))
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T, RowFault> {
    value.ok_or(RowFault::Missing(name))
}

fn text_at<'a>(item: &'a Item, name: &'static str) -> Result<Option<&'a str>, RowFault> {
    let value = item.get(name).map(AttributeValue::as_s).transpose();
    value.map(|text| text.map(String::as_str)).map_err(|_| RowFault::Unreadable(name))
}

fn bool_at(item: &Item, name: &'static str) -> Result<Option<bool>, RowFault> {
    let value = item.get(name).map(AttributeValue::as_bool).transpose();
    value.map(Option::<&bool>::copied).map_err(|_| RowFault::Unreadable(name))
}

fn number_at<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<Option<T>, RowFault> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let digits = value.as_n().map_err(|_| RowFault::Unreadable(name))?;
    digits.parse().map(Some).map_err(|_| RowFault::Unreadable(name))
}

fn version_at(item: &Item) -> Result<Option<CredentialVersion>, RowFault> {
    Ok(number_at(item, CREDENTIAL_VERSION)?.map(CredentialVersion::new))
}

fn time_at(item: &Item, name: &'static str) -> Result<Option<Timestamp>, RowFault> {
    let parsed = text_at(item, name)?.map(parse_time);
    parsed.map(|time| time.ok_or(RowFault::Unreadable(name))).transpose()
}

/// As Python's `isoformat` writes a UTC time without a zone, which leaves the fraction out when it is
/// zero; and with a zone, in case somebody mends a row by hand.
fn parse_time(text: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(text, &Iso8601::DEFAULT).ok().or_else(|| {
        PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).ok().map(PrimitiveDateTime::assume_utc)
    })?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(Timestamp::from_micros)
}

const TIME: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
/// The last moment whose text sorts after all earlier ones.
const LAST_MOMENT: &str = "9999-12-31T23:59:59.999999";

/// Always six decimals, so that texts sort as times do.
fn time_text(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.as_micros()) * 1_000)
        .ok()
        .and_then(|at| at.format(TIME).ok())
        .unwrap_or_else(|| LAST_MOMENT.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<u64> {
        parse_time(text).map(Timestamp::as_micros)
    }

    #[test]
    fn times_are_read_in_every_form_that_rows_have() {
        // Computed apart from this code with Python's datetime.
        let at = 1_757_157_753_123_456;
        assert_eq!(micros("2025-09-06T11:22:33.123456"), Some(at));
        assert_eq!(micros("2025-09-06T11:22:33"), Some(at - 123_456));
        assert_eq!(micros("2025-09-06T11:22:33.123456Z"), Some(at));
        assert_eq!(micros("2025-09-06T20:22:33.123456+09:00"), Some(at));
    }

    #[test]
    fn texts_that_are_no_times_are_not_read() {
        for text in ["", "today", "2025-09-06", "2025-13-06T11:22:33", "1969-12-31T23:59:59", "0"] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_the_old_rows_have_them_and_sort() {
        let text = |micros| time_text(Timestamp::from_micros(micros));
        assert_eq!(text(1_757_157_753_123_456), "2025-09-06T11:22:33.123456");
        assert_eq!(text(1_757_157_753_000_000), "2025-09-06T11:22:33.000000");
        assert_eq!(text(0), "1970-01-01T00:00:00.000000");
        assert_eq!(text(u64::MAX), LAST_MOMENT);
        assert!(micros(LAST_MOMENT).is_some());
        assert!(text(999_999) < text(1_000_000) && text(1_000_000) < text(u64::MAX));
    }

    #[test]
    fn a_row_of_the_old_system_is_an_account() {
        let item = Item::from([
            (EMAIL.to_owned(), text("Ann@Example.com")),
            (USER_ID.to_owned(), text("6c2b2a52-5f5a-4a30-9d3c-3a1f1d1f9a10")),
            (NAME.to_owned(), text("\u{ae40}\u{1f37a}")),
            (PASSWORD_HASH.to_owned(), text("00")),
            (CREATED_AT.to_owned(), text("2025-09-06T11:22:33.123456")),
        ]);
        let user = user(&item).unwrap();
        assert_eq!(user.email.as_str(), "ann@example.com");
        assert_eq!(user.email.spelling(), "Ann@Example.com");
        assert_eq!(user.credential_version, CredentialVersion::FIRST);
        assert_eq!((user.disabled, user.last_login), (false, None));
        assert_eq!(user.updated_at, user.created_at);
    }
}

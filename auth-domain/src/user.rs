use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::{Email, PasswordHash, Timestamp};

/// Names an account for ever, across changes of its address: a UUID of version 4.
///
/// An identifier, not a secret: 122 random bits, but it is shown to clients and written to logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

/// A text is not a UUID.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a user id is a UUID")]
#[non_exhaustive]
pub struct UserIdError;

impl UserId {
    /// Makes an id of 16 bytes from the [`Entropy`](crate::ports::Entropy) port.
    pub fn from_entropy_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads an id that a store or a token carries.
    ///
    /// # Errors
    /// [`UserIdError`] when the text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, UserIdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| UserIdError)
    }

    /// An id of the 16 bytes that a store or a token carries.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the UUID.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What a user calls himself: 1 to 100 code points, NFC, surrounding white space trimmed, no control,
/// line-separating or direction-overriding characters, and something to be seen.
///
/// Personal data: `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text is not a [`DisplayName`]. Never carries the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisplayNameError {
    /// Nothing to be seen.
    #[error("the name is empty")]
    Empty,
    /// A control character, a line separator or a direction override.
    #[error("the name holds a character that cannot be shown")]
    ForbiddenCharacter,
    /// More than 100 code points.
    #[error("the name is too long")]
    TooLong,
}

const MAX_NAME_CODE_POINTS: usize = 100;

impl DisplayName {
    /// Parses and canonicalizes a name that somebody typed.
    ///
    /// # Errors
    /// [`DisplayNameError`] when the text is empty, too long or cannot be shown on one line.
    pub fn parse(text: &str) -> Result<Self, DisplayNameError> {
        let trimmed = text.trim();
        if trimmed.chars().all(is_unseen) {
            return Err(DisplayNameError::Empty);
        }
        if trimmed.chars().take(4 * MAX_NAME_CODE_POINTS).count() == 4 * MAX_NAME_CODE_POINTS {
            return Err(DisplayNameError::TooLong);
        }
        let name: String = trimmed.nfc().collect();
        if name.chars().any(breaks_a_line) {
            return Err(DisplayNameError::ForbiddenCharacter);
        }
        if name.chars().count() > MAX_NAME_CODE_POINTS {
            return Err(DisplayNameError::TooLong);
        }
        Ok(Self(name))
    }

    /// Takes a name that a store holds, whatever its rules were when it was written.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as tokens carry it: a stored one may be longer than a header has room for, and must not
    /// keep its owner out.
    pub(crate) fn abridged(&self) -> Self {
        Self(self.0.chars().take(MAX_NAME_CODE_POINTS).collect())
    }
}

/// White space, and what is made to be invisible.
fn is_unseen(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn breaks_a_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(..)")
    }
}

/// Counts the changes of an account's credentials. Whatever was issued under an older version (a
/// reset link, a session) is void, so one bump ends all of it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialVersion(u64);

impl CredentialVersion {
    /// The version of a new account, and of a row that was written before versions existed.
    pub const FIRST: Self = Self(0);

    /// A version that a store or a token carries.
    pub const fn new(version: u64) -> Self {
        Self(version)
    }

    /// The version as stores and tokens carry it.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One account, whole, as a [`UserStore`](crate::ports::UserStore) keeps it.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "stores build it: a new field must not compile until each store keeps it"
)]
pub struct User {
    /// The account's name for ever.
    pub id: UserId,
    /// The canonical address, unique among accounts.
    pub email: Email,
    /// What the user calls himself.
    pub name: DisplayName,
    /// The stored password hash; `None` for an account that has no password.
    pub password_hash: Option<PasswordHash>,
    /// Bumped by every change of credentials.
    pub credential_version: CredentialVersion,
    /// A disabled account cannot log in, and its sessions and links are dead.
    pub disabled: bool,
    /// When its owner was first seen to read mail at the address; `None` until then.
    pub email_verified_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When its credentials were last changed. A new hash of the same password is no change.
    pub updated_at: Timestamp,
    /// The last good login, if there was one.
    pub last_login: Option<Timestamp>,
}

impl User {
    /// Whether what was issued to this account under this version is still good.
    pub(crate) fn stands_at(&self, id: UserId, version: CredentialVersion) -> bool {
        self.id == id && self.credential_version == version && !self.disabled
    }
}

/// An account that somebody signed up for, before it is known whether its address is free.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "queues build it: a new field must not compile until each queue carries it"
)]
pub struct SignUp {
    /// The account's name for ever. A job that runs twice makes one account.
    pub user_id: UserId,
    /// The canonical address.
    pub email: Email,
    /// What the user calls himself.
    pub name: DisplayName,
    /// The hash of his password.
    pub password_hash: PasswordHash,
    /// When he signed up.
    pub at: Timestamp,
}

impl From<SignUp> for User {
    fn from(sign_up: SignUp) -> Self {
        let SignUp { user_id, email, name, password_hash, at } = sign_up;
        Self {
            id: user_id,
            email,
            name,
            password_hash: Some(password_hash),
            credential_version: CredentialVersion::FIRST,
            disabled: false,
            email_verified_at: None,
            created_at: at,
            updated_at: at,
            last_login: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_version_4_uuids_and_survive_their_text() {
        let id = UserId::from_entropy_bytes([0xff; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(UserId::parse(&id.to_string()), Ok(id));
        assert_eq!(UserId::parse("not a uuid"), Err(UserIdError));
    }

    #[test]
    fn names_are_trimmed_and_composed() {
        let name = DisplayName::parse("  Jose\u{301} \u{1f469}\u{200d}\u{1f52c} ").unwrap();
        assert_eq!(name.as_str(), "Jos\u{e9} \u{1f469}\u{200d}\u{1f52c}");
    }

    #[test]
    fn names_that_cannot_be_shown_on_one_line_are_refused() {
        use DisplayNameError::{Empty, ForbiddenCharacter, TooLong};
        for (text, why) in [
            ("", Empty),
            ("\u{200b}\u{feff}", Empty),
            (" \t\u{3000}", Empty),
            ("Ann\r\nBcc: eve@example.com", ForbiddenCharacter),
            ("Ann\u{0}", ForbiddenCharacter),
            ("Ann\u{1b}[31m", ForbiddenCharacter),
            ("Ann\u{2028}Eve", ForbiddenCharacter),
            ("\u{202e}nnA", ForbiddenCharacter),
            (&"n".repeat(101), TooLong),
            (&"n".repeat(1_000_000), TooLong),
        ] {
            assert_eq!(DisplayName::parse(text).err(), Some(why), "{:?}", text.get(..20));
        }
        assert!(DisplayName::parse(&"\u{ac00}".repeat(100)).is_ok());
    }

    #[test]
    fn versions_do_not_wrap() {
        assert_eq!(CredentialVersion::new(u64::MAX).next(), CredentialVersion::new(u64::MAX));
        assert!(CredentialVersion::FIRST.next() > CredentialVersion::FIRST);
    }
}
